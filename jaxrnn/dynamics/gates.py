"""How far gates are open, and how often they are saturated."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.checks import check_number
from jaxrnn.base.dtypes import state_dtype
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, ArrayLike, Carry, Params
from jaxrnn.core.cell import Cell
from jaxrnn.core.closures import still
from jaxrnn.core.layer import Layer
from jaxrnn.dynamics.gate_taps import Squashed, Tapped
from jaxrnn.dynamics.systems import asked_dtype, cast, precision, settled
from jaxrnn.engine.check import Arguments, check_scan
from jaxrnn.engine.masks import settle
from jaxrnn.engine.plan import Plan
from jaxrnn.engine.run import run
from jaxrnn.engine.sequence import Call


class NoGates(ValueError):
    """A layer has no gates, or none that can be told."""


class Gate(NamedTuple):
    """A gate over a sequence, its function scaled to [0, 1]: 0 is shut (of tanh: -1), 1 is open."""

    function: str  # "logistic", "tanh", "erf" or "clamp"
    values: np.ndarray  # [T, *B, H]; NaN at padded steps
    shut: np.ndarray  # [H]: the share of valid steps at which it is below `low`
    open: np.ndarray  # [H]: above `high`

    @property
    def saturated(self) -> float:
        """The share of all units and steps at which it is shut or open."""
        return float((self.shut + self.open).mean())


def gate_saturation(
    layer: Any,
    params: Params | None,
    xs: ArrayLike,
    carry: Carry | None = None,
    *,
    low: float = 0.1,
    high: float = 0.9,
    lengths: ArrayLike | None = None,
    per_step: Mapping[str, ArrayLike] | None = None,
    dtype: Any = None,
) -> dict[str, Gate]:
    """How often each gate of each unit is shut or open over a sequence.

        shut[i] = share of steps with g_i < low,    open[i] = share with g_i > high

    A saturated gate passes no gradient to its own weights; one that is always open keeps, one that is always shut
    forgets. A gate is found in the equations as they stand: the first sigmoid, tanh or clip (a hard sigmoid) that the
    net input of `x.f` and `h.f` goes through is gate f, in cells of one's own too. What is gated by an exponential or
    by a sigmoid that is written out is not among them; gates that equations put into one array, as layer norms do, are
    found together, as "f+g".

    Args:
        layer, params, xs, carry, lengths, per_step, dtype: as of `gradient_norms`; any Layer, also one without a step.
        low, high: what counts as shut, and as open.

    Returns:
        A dict from the gate's name to `Gate(function, values, shut, open)` with `saturated`. Where there are several
        cells names begin with the cell's number, in the order in which they run: "0/f".

    Raises:
        TypeError, ValueError: an argument does not fit.
        NoGates: no gate is found in any cell; a ValueError.

    Paper: Karpathy, Johnson & Li, Visualizing and understanding recurrent networks, 2015.

    >>> import jax, jaxrnn
    >>> from jaxrnn import dynamics
    >>> cell = jaxrnn.lstm(8)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> found = dynamics.gate_saturation(cell, params, jax.random.normal(jax.random.key(1), (50, 2, 3)))
    >>> {name: (gate.function, gate.values.shape) for name, gate in found.items()}["f"]
    ('logistic', (50, 2, 8))
    >>> sorted(found)
    ['f', 'g', 'i', 'o']
    """
    given = low, high
    low, high = (check_number(v, n, "a number in [0, 1]") for v, n in ((low, "low"), (high, "high")))
    if not 0 <= low < high <= 1:
        fail("low and high", "such that 0 <= low < high <= 1", given)
    dtype = asked_dtype(dtype)
    found = settled(layer, params)
    if found is None:
        hint = "`jaxrnn.interop.load(module)` makes a layer and its parameters of it."
        fail("layer", "a Layer or a module of jaxrnn, whose equations are known", layer, hint, kind=TypeError)
    inner, params = found
    with precision(dtype):
        call = check_scan(inner, params, xs, carry, Arguments(lengths=lengths, per_step=per_step))
        given = call.sequence
        if given.xs.shape[0] < 1 or 0 in given.xs.shape[1:]:
            fail("xs", "of one step and one row at least", xs)
        sequence = settle(given._replace(xs=cast(given.xs, dtype), per_step=cast(given.per_step, dtype)))
        call = call._replace(
            params=cast(call.params, dtype), sequence=sequence, carry=None if carry is None else cast(call.carry, dtype)
        )
        values = _recorded(inner, call)
    if not values:
        fail("layer", "one with gates: a sigmoid, tanh or clip of a net input", inner, kind=NoGates)
    valid = None if sequence.valid is None else np.asarray(sequence.valid)
    return {name: _gate(gate, valid, low, high) for name, gate in values.items()}


def _gate(gate: Squashed, valid: np.ndarray | None, low: float, high: float) -> Gate:
    values = np.asarray(gate.value)
    if valid is not None:
        values = np.where(valid.reshape(valid.shape + (1,) * (values.ndim - valid.ndim)), values, np.nan)
    rows = values.reshape(-1, values.shape[-1])
    rows = rows[~np.isnan(rows).all(-1)]
    shares = [(rows < low).mean(0), (rows > high).mean(0)] if len(rows) else [np.full(values.shape[-1], np.nan)] * 2
    return Gate(gate.function, values, *shares)


def _recorded(layer: Layer, call: Call) -> dict[str, Squashed]:
    """Run a layer, and keep the gates of every cell in it: the engine's own way through composed layers."""
    cells: list[dict[str, Squashed]] = []

    def part(layer: Layer, call: Call, reverse: bool) -> tuple[Carry, Any]:
        if not isinstance(layer, Cell):
            return layer.apply(part, call, reverse)  # type: ignore[attr-defined]
        final, ys, gates = _of_cell(still(layer), call, reverse)
        cells.append(gates)
        return final, ys

    part(layer, call, False)
    if len(cells) == 1:
        return cells[0]
    return {f"{i}/{name}": gate for i, gates in enumerate(cells) for name, gate in gates.items()}


@dataclass(frozen=True)
class _Recording:
    """Equations whose carry has the gates after its own fields."""

    tapped: Tapped
    carry_type: type
    wider: type

    def __call__(self, carry: Any, x: Any, recur: Any, theta: Any, **per_step: Any) -> tuple[Any, Any]:
        own = self.carry_type(*carry[: self.tapped.fields])
        (new, y), gates = self.tapped(own, x, recur, theta, per_step)
        like = jax.tree.leaves(own)[0]
        kept = [g.value.astype(like.dtype) for g in gates if _is_of_units(g.value, like)]
        return self.wider(*new, *kept), y


def _is_of_units(value: Any, like: Any) -> bool:
    return value.ndim == like.ndim and value.shape[:-1] == like.shape[:-1]


@dataclass(frozen=True)
class _Looking:
    """Equations that note which gates they have."""

    tapped: Tapped
    carry_type: type
    seen: list[tuple[str, str, int]]

    def __call__(self, carry: Any, x: Any, recur: Any, theta: Any, **per_step: Any) -> Any:
        result, gates = self.tapped(carry, x, recur, theta, per_step)
        like = jax.tree.leaves(carry)[0]
        self.seen[:] = [(g.name, g.function, g.value.shape[-1]) for g in gates if _is_of_units(g.value, like)]
        return result

    def __hash__(self) -> int:
        return id(self.seen)


@lru_cache(maxsize=512)
def _wider(carry_type: Any, count: int) -> type:
    return namedtuple("Recorded", (*carry_type._fields, *(f"gate_{i}" for i in range(count))))


def _of_cell(cell: Cell, call: Call, reverse: bool) -> tuple[Carry, Array, dict[str, Squashed]]:
    """A cell's final carry, outputs and gates [T, *B, H]."""
    plan = Plan(reverse, None, "reference", False, True)
    axes = cell.state_axes(call.sequence.batch_axes(False))
    dtype = cell.carry_dtype_for(cell.compute_dtype(call.params, call.sequence.xs))
    carry = cell.initial_carry(axes, call.params, dtype) if call.carry is None else call.carry
    tapped = Tapped(cell.update, cell.gates, len(cell.carry_sizes))
    seen: list[tuple[str, str, int]] = []
    jax.eval_shape(
        lambda call: run(replace(cell, update=_Looking(tapped, cell.carry_type, seen)), call, plan),
        call._replace(carry=carry),
    )
    wider = _wider(cell.carry_type, len(seen))
    zeros = [jnp.zeros((*axes, units), state_dtype(carry)) for _, _, units in seen]
    recording = replace(
        cell,
        update=_Recording(tapped, cell.carry_type, wider),
        carry_type=wider,
        carry_sizes=(*cell.carry_sizes, *(units for _, _, units in seen)),
        parameters=tuple(p for p in cell.parameters if p[1].role != "carry"),
    )
    kept = {n: a for n, a in call.params.items() if n in {*recording.declare(cell.input_size(call.params))}}
    final, (ys, carries) = jax.jit(lambda call: run(recording, call, plan))(
        call._replace(params=kept, carry=wider(*carry, *zeros))
    )
    gates = {
        name: Squashed(name, function, a)
        for (name, function, _), a in zip(seen, carries[len(cell.carry_sizes) :], strict=True)
    }
    return cell.carry_type(*final[: len(cell.carry_sizes)]), ys, gates
