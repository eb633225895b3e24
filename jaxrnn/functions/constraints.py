"""Constraints: projections of parameters onto a set, applied after each update by an optax transformation.

A constraint is a function of one array to one of the same shape. The defaults are Keras's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrnn.base.checks import MOST, check_floats, check_number
from jaxrnn.base.dtypes import promote
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Array
from jaxrnn.functions.by_name import Rules, check_rules, rules_of_leaves

EPSILON = 1e-7  # Keras's, added to a norm before it divides

Axis = int | tuple[int, ...] | list[int]


def norms(w: Array, axis: Axis) -> Array:
    """Euclidean norms over some axes, which are kept with size one; in float32 at least, as float16 ends at 65504."""
    over = (axis,) if isinstance(axis, int) else tuple(axis)
    n = check_floats(w, "w").ndim
    if not all(-n <= a < n for a in over) or len({a % n for a in over}) != len(over):
        fail("w", f"an array whose axes {axis} can be summed over", w)
    return jnp.sqrt(jnp.sum(jnp.square(w.astype(promote(w.dtype, jnp.float32))), axis=over, keepdims=True))


def check_bound(value: Any, argument: str) -> float:
    """A bound of a norm, zero or more."""
    bound = check_number(value, argument, "a number, zero or more")
    if bound < 0:
        fail(argument, "a number, zero or more", value)
    return bound


def axes(value: Any) -> Axis:
    """An axis or a tuple of them; a list, as Keras's configurations have it, becomes a tuple."""
    several = isinstance(value, list | tuple)
    for axis in value if several else (value,):
        if isinstance(axis, bool) or not isinstance(axis, int | np.integer) or not -MOST < axis < MOST:
            fail("axis", "an integer or a tuple of integers", value, kind=TypeError)
    return tuple(map(int, value)) if several else int(value)


@dataclass(frozen=True)
class NonNeg:
    """max(w, 0).

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.constraints import NonNeg
    >>> NonNeg()(jnp.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __call__(self, w: Array) -> Array:
        return jnp.maximum(check_floats(w, "w"), 0)


@dataclass(frozen=True)
class UnitNorm:
    """w / (|w| + 1e-7), with norms over `axis`.

    Axis 0 of `kernel [D, G, H]` gives each gate of each unit incoming weights of norm one.

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.constraints import UnitNorm
    >>> [round(float(w), 4) for w in UnitNorm()(jnp.array([3.0, 4.0]))]
    [0.6, 0.8]
    """

    axis: Axis = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "axis", axes(self.axis))

    def __call__(self, w: Array) -> Array:
        have = norms(w, self.axis)
        return (w.astype(have.dtype) / (EPSILON + have)).astype(w.dtype)


@dataclass(frozen=True)
class MinMaxNorm:
    """w * n / (|w| + 1e-7), n = rate * clip(|w|, min_value, max_value) + (1 - rate) * |w|, with norms over `axis`.

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.constraints import MinMaxNorm
    >>> [round(float(w), 4) for w in MinMaxNorm(min_value=1.0, max_value=2.0)(jnp.array([0.3, 0.4]))]
    [0.6, 0.8]
    """

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    axis: Axis = 0

    def __post_init__(self) -> None:
        least, most = check_bound(self.min_value, "min_value"), check_bound(self.max_value, "max_value")
        if most < least:
            fail("max_value", f"at least min_value = {least}", self.max_value)
        rate = check_number(self.rate, "rate", "a number in [0, 1]")
        if not 0 <= rate <= 1:
            fail("rate", "a number in [0, 1]", self.rate)
        for name, value in dict(min_value=least, max_value=most, rate=rate, axis=axes(self.axis)).items():
            object.__setattr__(self, name, value)

    def __call__(self, w: Array) -> Array:
        have = norms(w, self.axis)
        wanted = self.rate * jnp.clip(have, self.min_value, self.max_value) + (1 - self.rate) * have
        return (w.astype(have.dtype) * (wanted / (EPSILON + have))).astype(w.dtype)


@dataclass(frozen=True)
class MaxNorm:
    """w * min(|w|, max_value) / (|w| + 1e-7), with norms over `axis`.

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.constraints import MaxNorm
    >>> [round(float(w), 4) for w in MaxNorm(1.0)(jnp.array([3.0, 4.0]))]
    [0.6, 0.8]
    """

    max_value: float = 2
    axis: Axis = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_value", check_bound(self.max_value, "max_value"))
        object.__setattr__(self, "axis", axes(self.axis))

    def __call__(self, w: Array) -> Array:
        have = norms(w, self.axis)
        return (w.astype(have.dtype) * (jnp.minimum(have, self.max_value) / (EPSILON + have))).astype(w.dtype)


def constrain(constraints: Rules) -> optax.GradientTransformation:
    """After an update each constrained parameter is in its set: u' = constraint(w + u) - w.

    It comes last in a chain, since what follows would move the parameters out again.

    Args:
        constraints: functions of one array, by parameter name (for every parameter of that name) or by whole path, a
            tuple of names.

    Returns:
        An optax transformation without state, whose `update` needs the parameters.

    Raises:
        TypeError: `constraints` is not such a dict. ValueError: at `init`, a key that names no parameter; at `update`,
            no parameters.

    >>> import optax
    >>> from jaxrnn.functions.constraints import NonNeg, constrain
    >>> import jax, jaxrnn
    >>> params = jaxrnn.gru(4).init(jax.random.key(0), inputs=3)
    >>> optimizer = optax.chain(optax.sgd(0.1), constrain({"kernel": NonNeg()}))
    >>> updates, _ = optimizer.update(params, optimizer.init(params), params)
    >>> bool((optax.apply_updates(params, updates)["kernel"] >= 0).all())
    True
    """
    check_rules(constraints, "constraints")

    def init(params: Any) -> optax.EmptyState:
        rules_of_leaves(params, constraints, "constraints")
        return optax.EmptyState()

    def update(updates: Any, state: optax.EmptyState, params: Any = None) -> tuple[Any, optax.EmptyState]:
        if params is None:
            fail("params", "given to `update`, since constraints are on parameters", Said("None"))
        pairs = rules_of_leaves(params, constraints, "constraints")
        changes, treedef = jax.tree.flatten(updates)
        moved = [u if rule is None else rule(w + u) - w for (w, rule), u in zip(pairs, changes, strict=True)]
        return jax.tree.unflatten(treedef, moved), state

    return optax.GradientTransformation(init, update)


CONSTRAINTS: dict[str, Any] = {
    "MaxNorm": MaxNorm,
    "MinMaxNorm": MinMaxNorm,
    "NonNeg": NonNeg,
    "UnitNorm": UnitNorm,
    "max_norm": MaxNorm,
    "min_max_norm": MinMaxNorm,
    "non_neg": NonNeg,
    "unit_norm": UnitNorm,
}


__all__ = ["CONSTRAINTS", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "constrain"]


def __dir__() -> list[str]:
    return __all__
