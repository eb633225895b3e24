"""Cells in forms: four cells that carry every form, on either side, and the dense kernels that these stand for.

The kernels are worked out in NumPy, by `tests/oracles/forms.py` and here, and go into the oracles of dense cells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.linalg

import jaxrnn
from jaxrnn import forms
from tests import oracle
from tests.oracles import convolutional
from tests.oracles import forms as dense_of
from tests.table import B, T, seed_of

H = D = 4  # equal, for forms that are square
GRID = (2, 3)


class Three(NamedTuple):
    """The carry of a user's cell of three states."""

    slow: jax.Array
    fast: jax.Array
    h: jax.Array


@jaxrnn.gate_cell(gates=("a", "f", "g", "o"), carry=Three)
def three(carry: Three, x: Any, recur: Any, theta: Any) -> Any:
    """Two products in series of gates that are no neighbours, and one of all."""
    first = recur(carry.h, gates=("a", "g"))
    a, g = jax.nn.sigmoid(x.a + first.a), jax.numpy.tanh(x.g + first.g)
    whole = recur(a * carry.fast)
    f = jax.nn.sigmoid(x.f * whole.f + whole.a)
    fast = f * carry.fast + (1 - f) * g
    slow = 0.9 * carry.slow + 0.1 * fast * whole.g
    h = jax.nn.sigmoid(x.o + whole.o) * jax.numpy.tanh(slow + fast)
    return Three(slow, fast, h), h


def three_oracle(p: dict[str, Any], carry: Any, x: Any) -> Any:
    slow, fast, h = carry
    net = [oracle.summed(p, "kernel", x, k) + oracle.bias(p, k) for k in range(4)]
    by = lambda v, k: oracle.summed(p, "recurrent_kernel", v, k)  # noqa: E731
    a, g = oracle.sigmoid(net[0] + by(h, 0)), np.tanh(net[2] + by(h, 2))
    f = oracle.sigmoid(net[1] * by(a * fast, 1) + by(a * fast, 0))
    o = oracle.sigmoid(net[3] + by(a * fast, 3))
    slow = 0.9 * slow + 0.1 * (f * fast + (1 - f) * g) * by(a * fast, 2)
    fast = f * fast + (1 - f) * g
    h = o * np.tanh(slow + fast)
    return (slow, fast, h), h


@dataclass(frozen=True)
class Carrier:
    """A cell in which forms are tried."""

    factory: Callable[..., Any]
    equations: Callable[..., Any]
    gates: tuple[str, ...]


CARRIERS = {
    "lstm": Carrier(partial(jaxrnn.lstm, peepholes=True), partial(oracle.lstm, peepholes=True), tuple("ifgo")),
    "gru": Carrier(jaxrnn.gru, oracle.gru, tuple("rzn")),
    "elman": Carrier(jaxrnn.elman, oracle.elman, ("h",)),
    "three": Carrier(three, three_oracle, ("a", "f", "g", "o")),
}


# ---------------------------------------------------------------- dense kernels, from what is held


def by_gate(function: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function of each gate's matrix."""
    return lambda kernel: np.stack([function(kernel[:, g]) for g in range(kernel.shape[1])], 1)


def spread(columns: tuple[int | None, ...], stored: Any) -> Any:
    """The kernels of all gates, zero where there is none."""
    zero = np.zeros_like(stored[:, 0])
    return np.stack([zero if c is None else stored[:, c] for c in columns], 1)


def cayley(u: Any) -> Any:
    half = (u - u.T) / 2
    return np.linalg.inv(np.eye(len(u)) + half) @ (np.eye(len(u)) - half)


def bounded(u: Any, bound: float) -> Any:
    """By the largest eigenvalue of u^T u, which is analytic."""
    values = np.linalg.eigvals(u.T @ u)
    norm = np.sqrt(values[np.argmax(values.real)]) if np.iscomplexobj(u) else np.linalg.norm(u, 2)
    return u / (norm / bound) if norm.real > bound else u


def normed(kernel: Any, scale: Any) -> Any:
    return kernel * scale / np.sqrt((kernel * kernel).sum(0))


def positive(kernel: Any) -> Any:
    return np.where(np.real(kernel) < 0, -kernel, kernel)


@dataclass(frozen=True)
class Circulant(forms.Form):
    """A user's own form: a unit's kernel is its neighbour's, moved by one."""

    def weights(self, inputs: int, gates: int | None, units: int, init: Any, argument: str) -> list[Any]:
        return [forms.Weight((units,) if gates is None else (gates, units), jax.nn.initializers.normal())]

    def inputs_of(self, shapes: Any) -> int:
        return shapes[0][-1]

    def product(self, arrays: Any, h: Any) -> Any:
        moved = jax.numpy.stack([jax.numpy.roll(h, k, -1) for k in range(h.shape[-1])], -1)
        y = jax.numpy.tensordot(moved, arrays[0], ((-1,), (-1,)))
        return y if arrays[0].ndim == 1 else y.swapaxes(-1, -2)


def circulant(held: Any) -> Any:
    """`[G, H]` as `[R, G, H]`: entry h of gate g reads input r by held[g, h - r]."""
    return np.stack([np.roll(held, r, -1) for r in range(held.shape[-1])])


class Tried(NamedTuple):
    """A form for cells with these gates; and for these gates the dense kernel, from the arrays that hold it."""

    form: Callable[[tuple[str, ...]], Any]
    dense: Callable[..., Any]
    suffixes: tuple[str, ...] = ("",)
    square: bool = False  # for the recurrent side
    several: bool = False  # for cells of several gates


def plain(form: Any, dense: Callable[..., Any], *suffixes: str, square: bool = False) -> Tried:
    """A form that asks nothing of the gates."""
    return Tried(lambda gates: form, lambda gates, *held: dense(*held), suffixes or ("",), square)


def only_two(gates: tuple[str, ...], of: Any = jaxrnn.dense) -> Any:
    """Kernels for the first and the last gate."""
    return jaxrnn.only(*dict.fromkeys((gates[0], gates[-1])), of=of)


def spread_two(gates: tuple[str, ...], stored: Any) -> Any:
    last = len(gates) - 1
    return spread(tuple({0: 0, last: min(1, last)}.get(k) for k in range(len(gates))), stored)


def shared_two(gates: tuple[str, ...]) -> Any:
    """One kernel for both."""
    return jaxrnn.shared((gates[0], gates[-1])) if len(gates) > 1 else jaxrnn.shared()


def spread_shared(gates: tuple[str, ...], stored: Any) -> Any:
    return spread((*range(len(gates) - 1), 0), stored)


def as_it_is(gates: tuple[str, ...], stored: Any) -> Any:
    """The first gate reads the input itself."""
    return np.concatenate([np.eye(len(stored))[:, None], stored], 1)


FORMS = {
    "heads": plain(jaxrnn.heads(2), dense_of.heads),
    "as many heads as units": plain(jaxrnn.heads(H), dense_of.heads),
    "diagonal": plain(jaxrnn.diagonal, dense_of.diagonal),
    "low rank": plain(jaxrnn.low_rank(2), dense_of.low_rank, "_down", "_up"),
    "only": Tried(only_two, spread_two),
    "only, heads": Tried(partial(only_two, of=jaxrnn.heads(2)), lambda gates, k: spread_two(gates, dense_of.heads(k))),
    "only, diagonal": Tried(
        partial(only_two, of=jaxrnn.diagonal), lambda gates, k: spread_two(gates, dense_of.diagonal(k))
    ),
    "shared": Tried(shared_two, spread_shared),
    "shared by all": Tried(lambda gates: jaxrnn.shared(), lambda gates, k: spread((0,) * len(gates), k)),
    "identity": Tried(lambda gates: forms.identity(gates[0]), as_it_is, several=True),
    "identity, heads": Tried(
        lambda gates: forms.identity(gates[0], of=jaxrnn.heads(2)),
        lambda gates, k: as_it_is(gates, dense_of.heads(k)),
        several=True,
    ),
    "a user's own": plain(Circulant(), circulant),
    "antisymmetric": plain(forms.antisymmetric(0.1), by_gate(partial(dense_of.skew, gamma=0.1)), square=True),
    "antisymmetric, heads": plain(
        forms.antisymmetric(of=jaxrnn.heads(2)),
        lambda k: dense_of.heads(np.stack([by_gate(dense_of.skew)(head) for head in k])),
        square=True,
    ),
    "orthogonal": plain(forms.orthogonal(), by_gate(lambda u: scipy.linalg.expm(u - u.T)), square=True),
    "cayley": plain(forms.orthogonal("cayley"), by_gate(cayley), square=True),
    "spectral bound": plain(forms.spectral_bound(0.7), by_gate(partial(bounded, bound=0.7))),
    "weight norm": plain(forms.weight_norm(), normed, "", "_scale"),
    "non-negative": plain(forms.non_negative(), positive),
    "frozen": plain(forms.frozen(), np.real),
    "non-negative, diagonal": plain(forms.non_negative(of=jaxrnn.diagonal), lambda k: dense_of.diagonal(positive(k))),
}
NAMES = {"input": "kernel", "recurrent": "recurrent_kernel"}


@dataclass(frozen=True)
class Pair:
    """A carrier with a form on one side."""

    carrier: str
    side: str
    form: str

    @property
    def cell(self) -> Any:
        carrier = CARRIERS[self.carrier]
        return carrier.factory(H, **{self.side: FORMS[self.form].form(carrier.gates)})

    def equations(self, p: dict[str, Any], carry: Any, x: Any) -> Any:
        """The oracle's, of the arrays that hold the kernel."""
        carrier, tried, name = CARRIERS[self.carrier], FORMS[self.form], NAMES[self.side]
        names = [name + suffix for suffix in tried.suffixes]
        dense = {n: a for n, a in p.items() if n not in names}
        return carrier.equations(dense | {name: tried.dense(carrier.gates, *(p[n] for n in names))}, carry, x)


@dataclass(frozen=True)
class Grid:
    """A cell of convolutions, and its oracle."""

    cell: Any
    equations: Callable[..., Any]


WINDOW = jaxrnn.convolution((3, 2))
GRIDS = {
    "lstm, convolutions": Grid(jaxrnn.lstm(H, input=WINDOW, recurrent=WINDOW, peepholes=True), convolutional.conv_lstm),
    "lstm, peepholes at each position": Grid(
        jaxrnn.lstm(H, input=WINDOW, recurrent=WINDOW, peepholes=True, spatial=GRID), convolutional.conv_lstm
    ),
    "lstm, strides": Grid(
        jaxrnn.lstm(H, input=jaxrnn.convolution((3, 2), strides=(2, 1)), recurrent=WINDOW),
        partial(convolutional.conv_lstm, stride=(2, 1)),
    ),
    "lstm, dilation": Grid(
        jaxrnn.lstm(H, input=jaxrnn.convolution((2, 2), dilation=2), recurrent=WINDOW),
        partial(convolutional.conv_lstm, dilation=2),
    ),
    "gru, convolutions": Grid(
        jaxrnn.gru(H, input=WINDOW, recurrent=WINDOW), partial(convolutional.conv_gru, reset_after=True)
    ),
    "gru, convolutions, reset before": Grid(
        jaxrnn.gru(H, reset_after=False, input=WINDOW, recurrent=WINDOW), convolutional.conv_gru
    ),
}

PAIRS: dict[str, Any] = {
    f"{carrier}, {side} {form}": Pair(carrier, side, form)
    for carrier in CARRIERS
    for side in NAMES
    for form, tried in FORMS.items()
    if not (tried.square and side == "input") and not (tried.several and len(CARRIERS[carrier].gates) == 1)
} | GRIDS


@cache
def arrays(row: str) -> dict[str, Any]:
    """Everything that is differentiated, drawn at random: params, xs, carry, reset_carry."""
    rng = np.random.default_rng(seed_of(row))
    cell = PAIRS[row].cell
    grid = GRID if cell.axes else ()
    params = {name: 0.7 * rng.standard_normal(p.shape) for name, p in cell.declare(D).items()}
    shapes = cell.carry_shapes(cell.state_axes((B, *grid)))
    carry, reset_carry = (cell.carry_type(*(rng.standard_normal(s) for s in shapes)) for _ in range(2))
    return dict(params=params, xs=rng.standard_normal((T, B, *grid, D)), carry=carry, reset_carry=reset_carry)


@cache
def cotangents(row: str) -> tuple[Any, Any]:
    """Weights of a linear functional of (final carry, outputs)."""
    rng = np.random.default_rng([seed_of(row), 99])
    carry = arrays(row)["carry"]
    weights = type(carry)(*(rng.standard_normal(a.shape) for a in carry))
    return weights, rng.standard_normal((T, *carry.h.shape))
