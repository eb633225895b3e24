"""Gates where they stand in a cell's equations: what squashes the net input of a gate, found in the traced equations.

The net input of gate f is whatever is made of `x.f` and of `h.f`, sums, products, norms and peepholes included; the
first squashing function that it goes through is the gate. So equations of a user's own need to say nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
from jax.extend.core import Jaxpr, Literal

from jaxrnn.base.typing import Array
from jaxrnn.core.equations import INLINED, asked, trace
from jaxrnn.core.step import product_shapes
from jaxrnn.programs import jaxprs
from jaxrnn.programs.jaxprs import inner

SQUASHING = {"logistic": (0.0, 1.0), "tanh": (-1.0, 1.0), "erf": (-1.0, 1.0)}
SAME = ("convert_element_type", "broadcast_in_dim")  # which leave a number what it is
CALLS = INLINED | {"custom_jvp_call", "custom_vjp_call"}
NONE: frozenset[str] = frozenset()


class Squashed(NamedTuple):
    """A gate's value at a step, scaled to [0, 1]."""

    name: str
    function: str
    value: Array


class Known(NamedTuple):
    """A value, the gates of whose net input it is a part, and where it was cut off from one side."""

    value: Any
    gates: frozenset[str] = NONE
    cut: tuple[str, float] | None = None
    number: float | None = None  # where it is one and the same number, known before anything runs


@dataclass(frozen=True)
class Tapped:
    """A cell's equations, which hand out the gates beside their results."""

    update: Any
    gates: tuple[str, ...]
    fields: int  # of the carry

    def __call__(self, carry: Any, x: Any, recur: Any, theta: Any, per_step: Any) -> tuple[Any, list[Squashed]]:
        shapes = partial(product_shapes, self.gates, recur.products.kernels, recur.dtype)
        traced = trace(self.update, shapes, carry, x, theta, per_step)
        leaves = [Known(a) for a in jax.tree.leaves(carry)]
        leaves += [Known(a, frozenset({gate})) for gate, a in zip(self.gates, x, strict=True)]
        leaves += [Known(a) for a in jax.tree.leaves((dict(theta), dict(per_step)))]
        found: list[Squashed] = []
        results = _run(traced.jaxpr, [Known(a) for a in traced.read], leaves, recur, found)
        return jax.tree.unflatten(traced.tree, [r.value for r in results]), _numbered(found)


def _run(jaxpr: Jaxpr, read: Sequence[Known], given: Sequence[Known], recur: Any, found: list[Squashed]) -> list[Known]:
    known = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*read, *given), strict=True))
    of = lambda atom: Known(atom.val, number=_number(atom.val)) if isinstance(atom, Literal) else known[atom]  # noqa: E731
    for eqn in jaxpr.eqns:
        inputs = [of(atom) for atom in eqn.invars]
        known.update(zip(eqn.outvars, _results(eqn, inputs, recur, found), strict=True))
    return [of(v) for v in jaxpr.outvars]


def _results(eqn: Any, inputs: list[Known], recur: Any, found: list[Squashed]) -> list[Known]:
    name = eqn.primitive.name
    if eqn.primitive is asked:
        gates, kernel = eqn.params["gates"], eqn.params["kernel"]
        results = jax.tree.leaves(recur(inputs[0].value, gates=gates, kernel=kernel))
        names = gates or recur.gates
        apart = len(names) == len(results)
        return [Known(r, frozenset({names[i]} if apart else ())) for i, r in enumerate(results)]
    if name in CALLS:
        called = eqn.params.get("call_jaxpr", eqn.params.get("jaxpr"))
        constants = [Known(a) for a in getattr(called, "consts", ())]
        return _run(getattr(called, "jaxpr", called), constants, inputs, recur, found)
    gates = NONE.union(*(i.gates for i in inputs))
    results = list(jaxprs.bind(eqn, [i.value for i in inputs]))
    if not gates or inner(eqn):
        number = inputs[0].number if name in SAME else None
        return [Known(r, gates, number=number) for r in results]
    if name in SQUASHING:
        return [_squashed(gates, name, results[0], *SQUASHING[name], found)]
    if name in ("max", "min", "clamp"):
        return [_clipped(name, inputs, gates, results[0], found)]
    return [Known(r, gates) for r in results]


def _clipped(name: str, inputs: list[Known], gates: frozenset[str], result: Any, found: list[Squashed]) -> Known:
    """A cut from one side is remembered; with one from the other side it squashes, as hard sigmoids do."""
    if name == "clamp":
        low, high = inputs[0].number, inputs[2].number
        if low is None or high is None:
            return Known(result, gates)
        return _squashed(gates, name, result, low, high, found)
    bounds = [i.number for i in inputs if not i.gates and i.number is not None]
    before = next(i for i in inputs if i.gates)
    if len(bounds) != 1:
        return Known(result, gates)
    if before.cut is None or before.cut[0] == name:
        return Known(result, gates, (name, bounds[0]))
    low, high = sorted((before.cut[1], bounds[0]))
    return _squashed(gates, "clamp", result, low, high, found)


def _squashed(
    gates: frozenset[str], function: str, value: Any, low: float, high: float, found: list[Squashed]
) -> Known:
    found.append(Squashed("+".join(sorted(gates)), function, (value - low) / (high - low)))
    return Known(value)


def _number(value: Any) -> float | None:
    """What is one number, known before anything runs."""
    try:
        return float(value)
    except (TypeError, ValueError, jax.errors.ConcretizationTypeError):
        return None


def _numbered(found: list[Squashed]) -> list[Squashed]:
    """With a number where a gate's net input is squashed several times."""
    seen: Counter[str] = Counter()
    named = []
    for gate in found:
        seen[gate.name] += 1
        named.append(gate if seen[gate.name] == 1 else gate._replace(name=f"{gate.name}_{seen[gate.name]}"))
    return named
