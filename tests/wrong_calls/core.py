"""Right calls of the core: cells, the engine, compositions, initialisers, regularisers, constraints, activations."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxrnn
from jaxrnn import activations, constraints, initializers, regularizers
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


OWN = jaxrnn.gate_cell(gates=("a",), carry=State)(equations)


def params_of(layer: Any) -> Any:
    return jax.tree.map(lambda p: np.full(p.shape, 0.1, np.float32), layer.declare(D))


def carry_of(layer: Any, value: float = 0.0) -> Any:
    shapes = layer.carry_shapes((B,))
    return jax.tree.map(
        lambda s: np.full(s, value, np.float32), shapes, is_leaf=lambda s: type(s) is tuple and s[:1] == (B,)
    )


XS = np.ones((T, B, D), np.float32)
IDS = np.ones((T, B), np.int32)

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


def made(layer: Any, name: str) -> dict[str, Call]:
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
    if layer is BOTH:
        del calls["step"]  # it has none
    return {f"{name}.{method}": call for method, call in calls.items()}


CELLS = {
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
    "gate_cell's factory": Call(
        jaxrnn.lstm_1997, lambda: dict(size=H), COMMON, made_by=OWN, without={"truncated_gradient": "not its own"}
    ),
    "Parameter": Call(
        jaxrnn.Parameter, lambda: dict(shape=("H",), init=initializers.zeros), dict(shape="tuple", dtype="dtype | None")
    ),
}

FITS = dict(projected=("xs",), xs=("resets",))  # where two arguments do not fit each other, either may be named
ENGINE = {
    "scan": Call(jaxrnn.scan, lambda: scanned(GRU), SCAN, known_as=FITS),
    "scan, resets": Call(jaxrnn.scan, lambda: scanned(LSTM) | dict(resets=np.zeros((T, B), bool)), SCAN, known_as=FITS),
    "scan, of a stack": Call(jaxrnn.scan, lambda: scanned(STACK), SCAN),
    "scan, of two directions": Call(jaxrnn.scan, lambda: scanned(BOTH), SCAN),
    "scan, of a connection": Call(jaxrnn.scan, lambda: scanned(ROUND), SCAN),
    "scan_carries": Call(jaxrnn.scan_carries, lambda: scanned(GRU), SCAN, ARGUMENTS, FITS),
    "scan_truncated": Call(jaxrnn.scan_truncated, lambda: scanned(GRU) | dict(k1=1), SCAN, ARGUMENTS, FITS),
    "explain": Call(jaxrnn.explain, lambda: dict(cell=STACK)),
}

COMPOSE = {
    "stack": Call(jaxrnn.stack, lambda: dict(layers=[GRU, LSTM]), dict(layers="list | tuple")),
    "bidirectional": Call(jaxrnn.bidirectional, lambda: dict(forward=GRU), dict(merge="str | function | None")),
    "reverse": Call(jaxrnn.reverse, lambda: dict(layer=GRU)),
    "residual": Call(jaxrnn.residual, lambda: dict(layer=GRU)),
    "highway": Call(jaxrnn.highway, lambda: dict(layer=GRU)),
    "zoneout": Call(jaxrnn.zoneout, lambda: dict(cell=GRU, h=0.5), more=dict(h="float")),
    "recurrent_dropout": Call(jaxrnn.recurrent_dropout, lambda: dict(cell=GRU, rate=0.5)),
    "input_dropout": Call(jaxrnn.input_dropout, lambda: dict(layer=GRU, rate=0.5)),
    "weight_drop": Call(
        jaxrnn.weight_drop, lambda: dict(params=params_of(STACK), rng=KEY, rate=0.5), dict(params="dict", rng="key")
    ),
}
METHODS = (
    made(GRU, "Cell")
    | {"Cell.project": Call(GRU.project, lambda: dict(params=params_of(GRU), xs=XS), dict(params="dict", xs="array"))}
    | made(STACK, "Stack")
    | made(ROUND, "Residual")
    | made(jaxrnn.highway(jaxrnn.gru(D)), "Highway")
    | made(BOTH, "Bidirectional")
)

W = np.ones((D, H), np.float32)
RULE = {"kernel": regularizers.L2()}
DRAWN = dict(key="key", shape="tuple", dtype="dtype")


def on_array(function: Any) -> Call:
    return Call(function, lambda: dict(x=W))


VALUES = {
    f"activations.{name}": Call(getattr(activations, name), lambda: dict(x=W))
    for name in ("keras2_hard_sigmoid", "gelu", "leaky_relu", "tanh_shrink", "soft_shrink", "hard_shrink", "sparsemax")
} | {
    "activations.get_activation": Call(
        activations.get_activation,
        lambda: dict(identifier="tanh", argument="activation"),
        dict(identifier="None | str | function"),
        known_as=dict(identifier=("activation",)),
        without={"argument": "a word for the message"},
    ),
    "initializers.Constant": Call(initializers.Constant, lambda: dict(value=1.0)),
    "initializers.Uniform": Call(initializers.Uniform, lambda: dict(scale=1.0)),
    "initializers.Chrono": Call(initializers.Chrono, lambda: dict(signs=(0, 1, 0), t_max=10.0), dict(signs="tuple")),
    "initializers.PerGate": Call(initializers.PerGate, lambda: dict(inits=(initializers.zeros,)), dict(inits="tuple")),
    "regularizers.L1": Call(regularizers.L1),
    "regularizers.L2": Call(regularizers.L2),
    "regularizers.L1L2": Call(regularizers.L1L2),
    "regularizers.OrthogonalRegularizer": Call(regularizers.OrthogonalRegularizer),
    "regularizers.penalty": Call(
        regularizers.penalty,
        lambda: dict(params=params_of(GRU), regularizers=RULE),
        dict(params="dict", regularizers="dict"),
    ),
    "constraints.NonNeg": Call(constraints.NonNeg),
    "constraints.UnitNorm": Call(constraints.UnitNorm, types=dict(axis="int | tuple | list")),
    "constraints.MinMaxNorm": Call(constraints.MinMaxNorm, types=dict(axis="int | tuple | list")),
    "constraints.MaxNorm": Call(constraints.MaxNorm, types=dict(axis="int | tuple | list")),
    "constraints.constrain": Call(constraints.constrain, lambda: dict(constraints=RULE), dict(constraints="dict")),
}
for rule in ("L1", "L2", "L1L2", "OrthogonalRegularizer"):
    VALUES[f"regularizers.{rule}.__call__"] = Call(getattr(regularizers, rule)().__call__, lambda: dict(w=W))
for rule in ("NonNeg", "UnitNorm", "MinMaxNorm", "MaxNorm"):
    VALUES[f"constraints.{rule}.__call__"] = Call(getattr(constraints, rule)().__call__, lambda: dict(w=W))

CALLS = CELLS | ENGINE | COMPOSE | METHODS | VALUES
