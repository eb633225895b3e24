"""Right calls of cells and of the engine."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxrnn
from jaxrnn import cells
from jaxrnn.functions.initializers import zeros
from tests.wrong_calls.calls import Call

T, B, D, H = 2, 2, 3, 2
KEY = jax.random.key(0)
GRU = jaxrnn.gru(H)
LSTM = jaxrnn.lstm(H)
STACK = jaxrnn.stack([GRU, LSTM])
BOTH = jaxrnn.bidirectional(GRU)
ROUND = jaxrnn.residual(jaxrnn.gru(D))


class State(NamedTuple):
    h: Any


def equations(carry: Any, x: Any, h: Any, *, gain: Any, rate: float = 0.5) -> Any:
    new = jnp.tanh(rate * x.a + h.a) * gain
    return State(new), new


def drive(x: Any) -> Any:
    return jnp.tanh(x.a), x.a


OWN = jaxrnn.gate_cell(gates=("a",), carry=State)(equations)


def params_of(layer: Any) -> Any:
    return jax.tree.map(lambda p: np.full(p.shape, 0.1, np.float32), layer.declare(D))


def carry_of(layer: Any) -> Any:
    return jax.tree.map(np.asarray, layer.initial_carry((B,), dtype=np.float32))


XS = np.ones((T, B, D), np.float32)

GATEWISE = dict.fromkeys(("kernel_init", "recurrent_kernel_init", "bias_init"), "function | dict | None")
DTYPES = dict.fromkeys(("dtype", "param_dtype", "carry_dtype"), "dtype | None")
COMMON = GATEWISE | DTYPES
LAYER = dict(params="dict", carry="array | tuple | list | None", per_step="dict | None", rng="key | None")
ARGUMENTS = dict(lengths="array | None", mask="array | None", resets="array | None", segments="array | None")
ARGUMENTS |= dict(reverse="bool", chunk="int | str | None", projected="bool", backend="str")
SCAN = LAYER | dict(xs="array", reset_carry="array | tuple | list | None", start_step="int | array")


def scanned(layer: Any) -> dict[str, Any]:
    return dict(cell=layer, params=params_of(layer), xs=XS)


def stepped(layer: Any) -> dict[str, Any]:
    return dict(params=params_of(layer), carry=carry_of(layer), x=XS[0])


def methods(layer: Any, name: str) -> dict[str, Call]:
    """The calls that every layer has."""
    calls = {
        "init": Call(layer.init, lambda: dict(key=KEY, inputs=D), {"key": "key"}),
        "initial_carry": Call(
            layer.initial_carry,
            lambda: dict(batch=(B,)),
            {"batch": "tuple", "params": "dict | None", "dtype": "dtype | None"},
        ),
        "step": Call(
            layer.step, lambda: stepped(layer), LAYER | dict(x="array", step="int | array"), known_as=dict(x=("carry",))
        ),
    }
    return {f"{name}.{method}": call for method, call in calls.items()}


FACTORIES = [made for name in cells.__all__ if inspect.isfunction(made := getattr(cells, name))]
SIZES = "int | tuple | list"
FORMS = {
    "heads": Call(jaxrnn.heads, lambda: dict(count=2)),
    "low_rank": Call(jaxrnn.low_rank, lambda: dict(rank=2)),
    "only": Call(jaxrnn.only, dict, made_by=lambda **given: jaxrnn.only("f", **given)),
    "shared": Call(jaxrnn.shared, dict, made_by=lambda **given: jaxrnn.shared(("f", "g"), **given)),
    "convolution": Call(
        jaxrnn.convolution,
        lambda: dict(window=(3, 3)),
        dict.fromkeys(("window", "strides", "dilation"), SIZES) | dict(padding="str | tuple | list"),
    ),
}
CELLS = {f.__name__: Call(f, lambda: dict(size=H), COMMON) for f in FACTORIES} | {
    **{
        f.__name__: Call(f, lambda: dict(size=16), COMMON, known_as=dict(size=("recurrent",)))
        for f in (jaxrnn.slstm, jaxrnn.block_gru, jaxrnn.m2rnn)  # H is a multiple of the heads
    },
    "clockwork_rnn": Call(
        jaxrnn.clockwork_rnn,
        lambda: dict(size=8),
        COMMON | dict(periods="tuple | list"),
        known_as=dict(size=("recurrent",)),
    ),
    "elman": Call(jaxrnn.elman, lambda: dict(size=H), COMMON),
    "lstm": Call(jaxrnn.lstm, lambda: dict(size=H), COMMON),
    "lstm, learned carry": Call(jaxrnn.lstm, lambda: dict(size=H, learn_carry=True), COMMON),
    "lstm_1997": Call(jaxrnn.lstm_1997, lambda: dict(size=H), COMMON),
    "gru": Call(jaxrnn.gru, lambda: dict(size=H), COMMON),
    "gate_cell": Call(
        jaxrnn.gate_cell,
        lambda: dict(gates=("a",), carry=State),
        dict(gates="tuple", carry="type", parameters="dict | None", bias_init="dict | None"),
        made_by=lambda **given: jaxrnn.gate_cell(**given)(equations)(H),
    ),
    "linear_cell": Call(
        jaxrnn.linear_cell,
        lambda: dict(gates=("a",), carry=State),
        dict(gates="tuple", carry="type", parameters="dict | None", bias_init="dict | None", shows="function | None"),
        made_by=lambda **given: jaxrnn.linear_cell(**given)(drive)(H),
    ),
    "gate_cell's factory": Call(
        jaxrnn.lstm_1997, lambda: dict(size=H), COMMON, made_by=OWN, without={"truncated_gradient": "not its own"}
    ),
    "Parameter": Call(
        jaxrnn.Parameter, lambda: dict(shape=("H",), init=zeros), dict(shape="tuple", dtype="dtype | None")
    ),
}

FITS = dict(projected=("xs",), xs=("resets",))  # where two arguments do not fit each other, either may be named


def on_a_mesh(**given: Any) -> Any:
    with jax.set_mesh(jax.make_mesh((2,), ("time",), axis_types=(jax.sharding.AxisType.Auto,))):
        return jaxrnn.scan_sharded(**given)


ENGINE = {
    "scan_sharded": Call(
        jaxrnn.scan_sharded,
        lambda: scanned(jaxrnn.min_gru(H)),
        {k: v for k, v in SCAN.items() if k != "chunk"},
        known_as=FITS,
        made_by=on_a_mesh,
    ),
    "scan": Call(jaxrnn.scan, lambda: scanned(GRU), SCAN, known_as=FITS),
    "scan, resets": Call(jaxrnn.scan, lambda: scanned(LSTM) | dict(resets=np.zeros((T, B), bool)), SCAN, known_as=FITS),
    "scan, of a stack": Call(jaxrnn.scan, lambda: scanned(STACK), SCAN),
    "scan, of two directions": Call(jaxrnn.scan, lambda: scanned(BOTH), SCAN),
    "scan, of a connection": Call(jaxrnn.scan, lambda: scanned(ROUND), SCAN),
    "scan_carries": Call(jaxrnn.scan_carries, lambda: scanned(GRU), SCAN, ARGUMENTS, FITS),
    "scan_newton": Call(jaxrnn.scan_newton, lambda: scanned(GRU), SCAN, ARGUMENTS, FITS),
    "newton_forecast": Call(jaxrnn.newton_forecast, lambda: scanned(GRU), SCAN, ARGUMENTS, FITS),
    "scan_truncated": Call(jaxrnn.scan_truncated, lambda: scanned(GRU) | dict(k1=1), SCAN, ARGUMENTS, FITS),
    "checkify": Call(jaxrnn.checkify, lambda: dict(function=jaxrnn.scan), dict(errors="frozenset | set")),
    "labels": Call(
        jaxrnn.labels, lambda: dict(params=params_of(GRU), layer=GRU), dict(params="dict", layer="Layer | None")
    ),
    "shardings": Call(
        jaxrnn.shardings,
        lambda: dict(params=params_of(GRU), mesh=jax.make_mesh((1,), ("units",)), layer=GRU, units="units"),
        dict(params="dict", mesh="Mesh", layer="Layer | None", units="str | None", fsdp="str | None"),
    ),
    "explain": Call(jaxrnn.explain, lambda: dict(cell=STACK)),
    "keep_memory": Call(jaxrnn.keep_memory, dict),
    "starts_from": Call(
        jaxrnn.starts_from,
        lambda: dict(dones=np.zeros((T, B), bool), first=np.ones(B, bool)),
        dict(dones="array | bool", first="array | bool"),
        known_as=dict(dones=("first",)),
    ),
    "states_before": Call(
        jaxrnn.states_before,
        lambda: dict(carry=np.zeros((B, H), np.float32), carries=np.ones((T, B, H), np.float32)),
        dict(carry="array | tuple | list | dict", carries="array | tuple | list | dict"),
        known_as=dict(carry=("carries",)),
    ),
    "cut": Call(
        jaxrnn.cut,
        lambda: dict(store=XS, times=np.zeros(3, np.int32), rows=np.ones(3, np.int32), length=1),
        dict(store="array | tuple | list | dict", times="array", rows="array"),
        known_as=dict(store=("length", "times", "rows"), times=("rows",)),
    ),
    "burn_in": Call(
        jaxrnn.burn_in,
        lambda: dict(run=lambda carry, x: (carry, x), carry=np.zeros((B, H), np.float32), x=XS, steps=1),
        dict(run="function", x="array | tuple | list | dict"),
        known_as=dict(x=("steps",)),
        without=dict(carry="whatever `run` takes"),
    ),
    "counts_from": Call(
        jaxrnn.counts_from,
        lambda: dict(starts=np.zeros((T, B), bool), burn_in=1, ahead=1, zeroed=False),
        dict(starts="array"),
        known_as=dict(starts=("burn_in",)),
    ),
}

CELL = methods(GRU, "Cell")
CELL["Cell.prepare"] = Call(GRU.prepare, lambda: dict(params=params_of(GRU)), dict(params="dict"))
CELL["Cell.project"] = Call(GRU.project, lambda: dict(params=params_of(GRU), xs=XS), dict(params="dict", xs="array"))

CALLS = CELLS | FORMS | ENGINE | CELL
