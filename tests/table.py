"""The one table of cells. A row here gets every law, on every backend.

Rows are the collection, what its cells become with further options, and a cell of a user's own. Each names its
equations in `tests/oracle.py`. Parameters are drawn at random, all of them: zero biases and unit gains hide mistakes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxrnn
from jaxrnn.cells import COLLECTION
from jaxrnn.core.cell import Cell
from tests import oracle
from tests.oracles import (
    blocks,
    context,
    delayed,
    diagonal,
    dynamics,
    gating,
    highway,
    linear,
    lstms,
    memories,
    minimal,
    orthogonal,
    searched,
    timed,
)
from tests.oracles import mass as mass_oracle
from tests.oracles.multiplicative import multiplicative_lstm
from tests.oracles.slstm import slstm

T, B, D, H = 6, 3, 3, 5


@dataclass(frozen=True)
class Row:
    """A factory `size -> Cell` and its equations in the oracle."""

    factory: Callable[..., Cell]
    equations: Callable[..., Any]
    inputs: int = D
    size: int = H

    @property
    def cell(self) -> Cell:
        return self.factory(self.size)


class OwnCarry(NamedTuple):
    """The carry of the user's own cell; `slow` is no field of any cell of the collection."""

    slow: jax.Array
    h: jax.Array


@jaxrnn.gate_cell(gates=("f", "g"), carry=OwnCarry)
def own(carry, x, h, *, gain, rate=0.25):
    """A cell with two states, an option, a product of both inputs of a gate, and a per-step input `gain [*B, H]`."""
    f = jax.nn.sigmoid(x.f * h.f + h.f)
    slow = (1 - rate) * carry.slow + rate * jax.numpy.tanh(x.g + h.g) * gain
    new = f * carry.h + (1 - f) * slow
    return OwnCarry(slow, new), new - slow


def own_oracle(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, gain: Any, rate: float = 0.25) -> Any:
    slow, h = carry
    x_f, x_g = (oracle.summed(p, "kernel", x, k) + oracle.bias(p, k) for k in range(2))
    h_f, h_g = (oracle.summed(p, "recurrent_kernel", h, k) for k in range(2))
    f = oracle.sigmoid(x_f * h_f + h_f)
    slow = (1 - rate) * slow + rate * np.tanh(x_g + h_g) * gain
    new = f * h + (1 - f) * slow
    return (slow, new), new - slow


def shows_both(carry, x, recur, theta, *, gain):
    """What the linear cell shows: a product of its state, and its input."""
    return recur(carry.slow, kernel="mixing") * gain + theta["slope"] * carry.h


@jaxrnn.linear_cell(
    gates=("f", "g"),
    carry=OwnCarry,
    shows=shows_both,
    parameters={
        "slope": jaxrnn.Parameter(("H",), jaxrnn.initializers.Constant(0.5)),
        "mixing": jaxrnn.Parameter(("H", "H"), jax.nn.initializers.glorot_normal(), "recurrent"),
    },
)
def own_linear(x, theta, *, gain, rate=0.25):
    """A linear cell with a matrix of two by two a unit, an option, vectors, a product and a per-step input."""
    f = jax.nn.sigmoid(x.f)
    turn = rate * jax.numpy.tanh(theta["slope"] * x.g)
    return ((f, turn), (-turn, 1 - f * gain)), (x.g, f * x.g)


def own_linear_oracle(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, gain: Any, rate: float = 0.25) -> Any:
    slow, h = carry
    x_f, x_g = (oracle.summed(p, "kernel", x, k) + oracle.bias(p, k) for k in range(2))
    f, turn = oracle.sigmoid(x_f), rate * np.tanh(p["slope"] * x_g)
    slow, h = f * slow + turn * h + x_g, (1 - f * gain) * h - turn * slow + f * x_g
    return (slow, h), slow @ p["mixing"] * gain + p["slope"] * h


def mogrifier(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """The oracle has the kernels of all odd rounds in one array, and those of the even ones."""
    rounds = sorted(n for n in p if n.startswith("mogrifier_"))
    odd, even = (np.stack([p[n] for n in rounds[k::2]]) for k in (0, 1))
    rest = {n: a for n, a in p.items() if n not in rounds}
    return lstms.mogrifier_lstm(rest | {"input_mogrifier": odd, "state_mogrifier": even}, carry, x)


def gru_d(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, observed: Any, elapsed: Any) -> Any:
    """Neither the mean of the data nor what is observed has a gradient."""
    return timed.gru_d(p | {"mean": np.real(p["mean"])}, carry, x, observed=np.real(observed), elapsed=elapsed)


def two_inputs(equations: Callable[..., Any]) -> Callable[..., Any]:
    """The oracle has the last input in its carry; here it is what that gives to each gate."""

    def step(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
        *seen, state = carry
        gates = np.eye(3 * len(state)).reshape(-1, 3, len(state))
        now = p | {"kernel": p["kernel"][:, :3], "previous_kernel": gates}
        (_, state), y = equations(now, (np.concatenate(seen), state), x)
        return (*np.einsum("d,dgh->gh", x, p["kernel"][:, 3:]), state), y

    return step


def tau_gru(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """The oracle has an axis of delays."""
    past, h = carry
    (past, h), y = delayed.tau_gru(p, (past.reshape(-1, len(h)), h), x)
    return (past.reshape(-1), h), y


def on_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """The oracle's kernel of the master gates has an axis of gates on both sides."""
    master = {"kernel": p["kernel_master"], "bias": p["master_bias"]}
    master["recurrent_kernel"] = p["master_recurrent_kernel"].reshape(len(carry[1]), 2, -1)
    return lstms.on_lstm(p | {f"master_{name}": a for name, a in master.items()}, carry, x)


def res_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """The oracle has the shortcut's kernel apart, and a projection without an axis of gates."""
    shortcut = {"residual_kernel": p["kernel"][:, 4]} if p["kernel"].shape[1] > 4 else {}
    return lstms.res_lstm(
        p | {"kernel": p["kernel"][:, :4], "projection": p["projection_kernel"][:, 0]} | shortcut, carry, x
    )


def scrn(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """The oracle has a kernel of the state and one of the context."""
    of_state, of_context = np.split(p["recurrent_kernel"], [len(carry[1])])
    apart = {"recurrent_kernel": of_state, "context_to_hidden_kernel": of_context[:, 0]}
    return context.scrn(p | apart | {"context_kernel": p["kernel_context"][:, 0]}, carry, x)


def exp_rnn(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """The oracle reads what is above the diagonal: U, where all of U - U^T is read."""
    u = p["recurrent_kernel"] - np.swapaxes(p["recurrent_kernel"], 0, 2)
    return orthogonal.exp_rnn(p | {"recurrent_kernel": u, "threshold": p["bias"][0]}, carry, x)


def mass_conserving_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, mass: Any) -> Any:
    """The oracle has both inputs in one array, and of i and R a kernel a side, with an axis of their rows."""
    names, units = ("input", "redistribution"), len(carry[0])
    apart = {f"{name}_bias": p[f"{name}_bias"].reshape(-1, units) for name in names}
    for name in names:
        both = np.split(p[f"{name}_kernel"], [len(x)])
        sides = zip(("kernel", "recurrent_kernel"), both, strict=True)
        apart |= {f"{name}_{side}": a.reshape(len(a), -1, units) for side, a in sides}
    return mass_oracle.mass_conserving_lstm(p | apart, carry, np.concatenate([mass, x]))


def ltc(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, dt: Any) -> Any:
    """The oracle's synapses have no axis of gates."""
    names = {"kernel": "input_weight", "recurrent_kernel": "weight"}
    return timed.ltc({names.get(n, n): a[:, 0] if a.ndim == 3 else a for n, a in p.items()}, carry, x, dt=dt)


def phased_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, t: Any) -> Any:
    """The oracle has period and shift apart."""
    return timed.phased_lstm(p | dict(zip(("period", "shift"), p["clock"], strict=True)), carry, x, t=t)


def cfc_with_backbone(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, dt: Any) -> Any:
    """The oracle has the gates' kernels in one array, and the backbone's as of a network of their own."""
    own = {
        "kernel": np.stack([p[f"{g}_kernel"] for g in "fgab"], 1),
        "bias": np.stack([p[f"{g}_bias"] for g in "fgab"]),
    }
    names = {"backbone_kernel": "kernel", "backbone_recurrent_kernel": "recurrent_kernel"}
    own |= {theirs: p[ours][:, 0] for theirs, ours in names.items()} | {"backbone_bias": p["bias"][0]}
    own |= {f"backbone_deep_{n}": p[f"backbone_2_{n}"][None] for n in ("kernel", "bias")}
    return timed.cfc(own, carry, x, dt=dt)


def m2rnn(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """The oracle's state is `[N, K, V]`; its heads have an axis of their own."""
    N, V = p["recurrent_kernel"].shape[0], p["recurrent_kernel"].shape[-1]
    own = {n: a for n, a in p.items() if n.startswith("forget")}
    own |= {n: p[n].reshape(len(x), N, -1) for n in ("query_kernel", "key_kernel")}
    own |= {"value_kernel": p["kernel"].reshape(-1, N, V), "recurrent_kernel": p["recurrent_kernel"][:, :, 0]}
    (h,), y = blocks.m2rnn(own, (carry[0].reshape(-1, N, V).swapaxes(0, 1),), x)
    return (h.swapaxes(0, 1).reshape(-1),), y


def lmu(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """The oracle's encoders are vectors."""
    return memories.lmu({n: a[:, 0] if "encoder" in n else a for n, a in p.items()}, carry, x, theta=7.0)


def esn(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """No parameter has a gradient."""
    return memories.esn({n: np.real(a) for n, a in p.items()}, carry, x, leak=0.3)


IN_1997 = dict(gates="igo", squash_in=oracle.squash_g, squash_out=oracle.squash_h)
ORACLES: dict[str, Callable[..., Any]] = {
    "elman": oracle.elman,
    "elman, leaky": partial(oracle.elman, leak=0.5),
    "elman, residual": partial(oracle.elman, residual=True),
    "lstm 1997": partial(oracle.lstm, **IN_1997),
    "lstm 1997, truncated gradient": partial(oracle.lstm, truncated=True, **IN_1997),
    "lstm": oracle.lstm,
    "lstm, peepholes": partial(oracle.lstm, peepholes=True),
    "lstm, coupled gates": partial(oracle.lstm, gates="igo", coupled=True),
    "lstm, projection": oracle.lstm,
    "lstm, cell clip": partial(oracle.lstm, cell_clip=3.0),
    "lstm, layer norm": partial(oracle.lstm, layer_norms=True),
    "gru": oracle.gru,
    "gru, reset before": partial(oracle.gru, reset_after=False),
    "antisymmetric_rnn": partial(dynamics.antisymmetric, epsilon=0.01, gamma=0.01),
    "gated_antisymmetric_rnn": partial(dynamics.gated_antisymmetric, epsilon=0.01, gamma=0.01),
    "atr": gating.atr,
    "brc": gating.brc,
    "nbrc": gating.nbrc,
    "cfn": gating.cfn,
    "cornn": partial(dynamics.cornn, dt=0.042, gamma=2.7, epsilon=4.7),
    "cornn, implicit": partial(dynamics.cornn, dt=0.042, gamma=2.7, epsilon=4.7, implicit=True),
    "fast_rnn": gating.fast_rnn,
    "fast_grnn": gating.fast_grnn,
    "slstm": slstm,
    "slstm, exponential forget gate": partial(slstm, forget="exp"),
    "block_gru": blocks.block_gru,
    "ind_rnn": diagonal.ind_rnn,
    "multiplicative_lstm": multiplicative_lstm,
    "mgu": minimal.mgu,
    "mgu, without reset": partial(minimal.mgu, reset=False),
    "janet": minimal.janet,
    "para_gru": diagonal.para_gru,
    "para_lstm": diagonal.para_lstm,
    "m2rnn": m2rnn,
    "m2rnn, exponential decay": m2rnn,
    "cfc": timed.cfc,
    "cfc, no gate": partial(timed.cfc, mode="no_gate"),
    "cfc, pure": partial(timed.cfc, mode="pure"),
    "cfc, backbone": cfc_with_backbone,
    "phased_lstm": phased_lstm,
    "time_lstm": timed.time_lstm,
    "gru_d": gru_d,
    "ugrnn": minimal.ugrnn,
    "intersection_rnn": gating.intersection_rnn,
    "lem": dynamics.lem,
    "light_ru": minimal.light_ru,
    "ligru": minimal.ligru,
    "minimal_rnn": minimal.minimal_rnn,
    "mogrifier_lstm": mogrifier,
    "mut1": searched.mut1,
    "mut1, projected input": searched.mut1,
    "mut2": searched.mut2,
    "mut2, projected input": searched.mut2,
    "mut3": searched.mut3,
    "nas": searched.nas,
    "ran": gating.ran,
    "rhn, depth 3": highway.rhn_by_name,
    "rhn, carry gate": highway.rhn_by_name,
    "sgrn": minimal.sgrn,
    "star": minimal.star,
    "unicornn": partial(dynamics.unicornn, dt=0.19, alpha=30.65),
    "lmu": lmu,
    "hgrn": partial(linear.hgrn, bound=0.3),
    "hgrn, rotating": partial(linear.hgrn_rotating, bound=0.3),
    "lin_oss": linear.lin_oss,
    "lin_oss, implicit-explicit": partial(linear.lin_oss, implicit=False),
    "lru": linear.lru,
    "min_gru": linear.min_gru,
    "min_lstm": linear.min_lstm,
    "qrnn": linear.qrnn,
    "qrnn, f": partial(linear.qrnn, pooling="f"),
    "qrnn, ifo": partial(linear.qrnn, pooling="ifo"),
    "rg_lru": linear.rg_lru,
    "s4d": linear.s4d,
    "s5": linear.s5,
    "s5, bilinear": partial(linear.s5, bilinear=True),
    "s6": linear.s6,
    "sru": linear.sru,
    "esn": esn,
    "clockwork_rnn": partial(delayed.clockwork_rnn, periods=(1, 2, 4)),
    "control_gate_lstm": lstms.control_gate_lstm,
    "exp_rnn": exp_rnn,
    "lipschitz_rnn": partial(dynamics.lipschitz_rnn, epsilon=0.03, beta=(0.75, 0.75), gamma=(0.001, 0.001)),
    "ltc": ltc,
    "mass_conserving_lstm": mass_conserving_lstm,
    "on_lstm": on_lstm,
    "res_lstm": res_lstm,
    "scrn": scrn,
    "t_gru": two_inputs(delayed.t_gru),
    "t_lstm": two_inputs(delayed.t_lstm),
    "t_rnn": delayed.t_rnn,
    "tau_gru": tau_gru,
    "working_memory_lstm": lstms.working_memory_lstm,
}
BARE = ("intersection_rnn", "mut1", "mut2", "rg_lru", "s4d", "s6", "sru")  # see the input as it is, of H features
SIZES = {"slstm": 8, "slstm, exponential forget gate": 4, "block_gru": 16}  # so that there are heads, of two units too
SIZES |= {"m2rnn": 4, "m2rnn, exponential decay": 6}
SIZES |= {"clockwork_rnn": 6, "on_lstm": 6}  # and groups and chunks of two units

FITTED = {"gru_d": partial(jaxrnn.gru_d, inputs=D)}  # made for some number of inputs

ROWS: dict[str, Row] = {
    name: Row(FITTED.get(name, f), ORACLES[name], H if name in BARE else D, SIZES.get(name, H))
    for name, f in COLLECTION.items()
} | {
    "res_lstm, the input as it is": Row(partial(jaxrnn.res_lstm, identity_shortcut=True), res_lstm, H),
    "lipschitz_rnn, numbers of its own": Row(
        partial(jaxrnn.lipschitz_rnn, epsilon=0.1, beta_a=0.8, beta_w=0.6, gamma_a=0.5, gamma_w=0.1),
        partial(dynamics.lipschitz_rnn, epsilon=0.1, beta=(0.8, 0.6), gamma=(0.5, 0.1)),
    ),
    "elman, relu without bias": Row(
        partial(jaxrnn.elman, activation=jax.nn.relu, use_bias=False), partial(oracle.elman, activation=oracle.relu)
    ),
    "gru, learned carry without bias": Row(partial(jaxrnn.gru, learn_carry=True, use_bias=False), oracle.gru),
    "lstm, all options": Row(
        partial(jaxrnn.lstm, peepholes=True, projection=2, cell_clip=0.9, layer_norm=True, learn_carry=True),
        partial(oracle.lstm, peepholes=True, cell_clip=0.9, layer_norms=True),
    ),
    "min_gru, positive": Row(partial(jaxrnn.min_gru, positive=True, learn_carry=True), linear.min_gru_positive),
    "a user's own": Row(own, own_oracle),
    "a user's own, linear": Row(own_linear, own_linear_oracle),
}


def seed_of(text: str) -> int:
    """A seed that is the same in every process, unlike `hash`."""
    return zlib.crc32(text.encode())


class PerStep(NamedTuple):
    """What a per-step input is drawn as: one number for each of `D` inputs, `H` units, or for a row."""

    axes: tuple[int, ...]
    made: Callable[[Any], Any] = lambda a: a  # of normal numbers


PER_STEP = {
    "gain": PerStep((H,)),
    "observed": PerStep((D,), lambda a: (a > -0.3).astype(float)),
    "elapsed": PerStep((D,), lambda a: np.abs(a) + 0.1),
    "dt": PerStep((), lambda a: np.abs(a) + 0.1),
    "t": PerStep((), lambda a: np.round(4 * a)),
    "mass": PerStep((2,), np.abs),
}
# Parameters that are not to be zero or less: at least this. And those of a row that add up to what is divided by.
POSITIVE = {"clock": 0.7, "ratio": 0.3, "capacitance": 0.7, "leak": 0.1}
CONDUCTING = {"ltc": ("kernel", "recurrent_kernel")}


def allowed(row: str, name: str, array: Any) -> Any:
    """A parameter that was drawn, as the cell can take it."""
    if name in CONDUCTING.get(row, ()):
        return np.abs(array)
    return np.abs(array) + POSITIVE[name] if name in POSITIVE else array


def per_step(name: str, draw: Callable[[tuple[int, ...]], Any], axes: tuple[int, ...]) -> Any:
    """A per-step input of numbers that are drawn for a shape."""
    return PER_STEP[name].made(draw((*axes, *PER_STEP[name].axes)))


@cache
def arrays(row: str, steps: int = T, batch: tuple[int, ...] = (B,), seed: int = 0) -> dict[str, Any]:
    """Everything that is differentiated, as NumPy float64: params, xs, carry, reset_carry, per_step."""
    rng = np.random.default_rng([seed_of(row), seed])
    cell, inputs = ROWS[row].cell, ROWS[row].inputs
    declared = cell.declare(inputs).items()
    params = {n: allowed(row, n, 0.6 * rng.standard_normal(p.shape) + 0.8 * ("norm" in n)) for n, p in declared}
    shapes = cell.carry_shapes(batch)
    carry, reset_carry = (cell.carry_type(*(scale * rng.standard_normal(s) for s in shapes)) for scale in (2.0, 0.7))
    return {
        "params": params,
        "xs": 1.5 * rng.standard_normal((steps, *batch, inputs)),
        "carry": carry,
        "reset_carry": reset_carry,
        "per_step": {n: per_step(n, rng.standard_normal, (steps, *batch)) for n in cell.per_step},
    }


@cache
def cotangents(row: str, steps: int = T, batch: tuple[int, ...] = (B,)) -> tuple[Any, Any]:
    """Weights of a linear functional of (final carry, outputs): the loss of every gradient test."""
    rng = np.random.default_rng([seed_of(row), 99])
    cell = ROWS[row].cell
    carry = cell.carry_type(*(rng.standard_normal(s) for s in cell.carry_shapes(batch)))
    return carry, rng.standard_normal((steps, *batch, cell.output_size))


class Steps(NamedTuple):
    """Which steps count and where sequences start. All four are always given, so that one program serves all cases."""

    lengths: Any
    mask: Any
    resets: Any
    segments: Any


def _bits(*rows: str) -> Any:
    """`"1101..."`, one string a batch row, as `[T, B]` bool."""
    return np.array([[c == "1" for c in row] for row in rows]).T


NO = _bits("000000", "000000", "000000")
ALL = np.array([T] * B)
ONE = np.zeros((T, B), np.int32)
PACKED = np.array([[0, 0, 1, 1, 2, 2], [5, 5, 5, 5, 5, 5], [3, 1, 1, 7, 7, 3]], np.int32).T

CASES = {
    "all steps": Steps(ALL, ~NO, NO, ONE),
    "lengths": Steps(np.array([6, 4, 0]), ~NO, NO, ONE),
    "mask": Steps(ALL, _bits("011011", "111100", "000000"), NO, ONE),
    "resets": Steps(ALL, ~NO, _bits("000101", "100000", "000010"), ONE),
    "segments": Steps(ALL, ~NO, NO, PACKED),
    # Flags on invalid steps wait: row 0 at 0 (before any valid step) and 3; row 1 behind its end; row 2 in every hole.
    "waiting resets": Steps(
        np.array([6, 4, 6]), _bits("011010", "111111", "101010"), _bits("100100", "000010", "010101"), ONE
    ),
    "everything": Steps(
        np.array([6, 5, 5]), _bits("110111", "011111", "110011"), _bits("010001", "000010", "001000"), PACKED
    ),
}
