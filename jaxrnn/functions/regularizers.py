"""Regularisers: penalties on parameters or outputs that a training step adds to its loss.

A regulariser is a function of one array to a number. `penalty` sums them over the parameters of any model. The defaults
are Keras's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_choice, check_floats, check_number
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array
from jaxrnn.functions.by_name import Rules, check_rules, rules_of_leaves


def _check_factors(rule: Any, *names: str) -> None:
    """Factors of a penalty, zero or more each, become floats."""
    for name in names:
        value = getattr(rule, name)
        factor = check_number(value, name, "a number, zero or more")
        if factor < 0:
            fail(name, "a number, zero or more", value)
        object.__setattr__(rule, name, factor)


@dataclass(frozen=True)
class L1:
    """l1 * sum |w|.

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.regularizers import L1
    >>> float(L1(0.5)(jnp.array([1.0, -2.0])))
    1.5
    """

    l1: float = 0.01

    def __post_init__(self) -> None:
        _check_factors(self, "l1")

    def __call__(self, w: Array) -> Array:
        return self.l1 * jnp.sum(jnp.abs(check_floats(w, "w")))


@dataclass(frozen=True)
class L2:
    """l2 * sum w^2.

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.regularizers import L2
    >>> float(L2(0.5)(jnp.array([1.0, -2.0])))
    2.5
    """

    l2: float = 0.01

    def __post_init__(self) -> None:
        _check_factors(self, "l2")

    def __call__(self, w: Array) -> Array:
        return self.l2 * jnp.sum(jnp.square(check_floats(w, "w")))


@dataclass(frozen=True)
class L1L2:
    """l1 * sum |w| + l2 * sum w^2.

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.regularizers import L1L2
    >>> float(L1L2(l1=0.5, l2=0.5)(jnp.array([1.0, -2.0])))
    4.0
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        _check_factors(self, "l1", "l2")

    def __call__(self, w: Array) -> Array:
        check_floats(w, "w")
        return self.l1 * jnp.sum(jnp.abs(w)) + self.l2 * jnp.sum(jnp.square(w))


@dataclass(frozen=True)
class OrthogonalRegularizer:
    """factor times the mean |cosine| between two different rows, or columns, of a matrix.

    An array with more axes is the matrix of its first axis by all others: `kernel [D, G, H]` is taken as `[D, G H]`.

    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.regularizers import OrthogonalRegularizer
    >>> float(OrthogonalRegularizer(1.0)(jnp.eye(3)))
    0.0
    """

    factor: float = 0.01  # of the sum
    mode: str = "rows"  # "rows" or "columns"

    def __post_init__(self) -> None:
        _check_factors(self, "factor")
        object.__setattr__(self, "mode", check_choice(self.mode, "mode", ("rows", "columns")))

    def __call__(self, w: Array) -> Array:
        if check_floats(w, "w").ndim < 2:
            fail("w", "an array of two axes or more", w)
        rows = w.reshape(w.shape[0], -1)
        rows = rows if self.mode == "rows" else rows.T
        lengths = jax.lax.rsqrt(jnp.sum(jnp.square(rows), axis=1, keepdims=True))
        rows = rows * jnp.minimum(lengths, 1e7)  # a row of zeros stays one
        cosines = rows @ rows.T
        n = len(rows)
        apart = jnp.abs(cosines * (1 - jnp.eye(n, dtype=w.dtype)))
        return self.factor * jnp.sum(apart) / max(n * (n - 1), 1)


def penalty(params: Any, regularizers: Rules) -> Array:
    """The sum of the regularisers of a model's parameters, to be added to its loss.

    Args:
        params: a tree of arrays, such as `cell.init` returns, or `nnx.state(module, nnx.Param)`.
        regularizers: functions of one array to a number, by parameter name (for every parameter of that name) or by
            whole path, a tuple of names.

    Returns:
        A scalar; zero where nothing is regularised.

    Raises:
        TypeError, ValueError: `regularizers` is not such a dict, or names no parameter of the tree.

    >>> from jaxrnn.functions.regularizers import L2, penalty
    >>> import jax, jaxrnn
    >>> params = jaxrnn.stack([jaxrnn.gru(4), jaxrnn.gru(4)]).init(jax.random.key(0), inputs=4)
    >>> round(float(penalty(params, {"recurrent_kernel": L2(0.01)})), 4)  # two layers, three orthogonal 4 x 4 matrices
    0.24
    """
    check_rules(regularizers, "regularizers")
    pairs = rules_of_leaves(params, regularizers, "regularizers")
    return jnp.asarray(sum((rule(leaf) for leaf, rule in pairs if rule is not None), 0.0))


REGULARIZERS: dict[str, Any] = {
    "L1": L1,
    "L2": L2,
    "L1L2": L1L2,
    "OrthogonalRegularizer": OrthogonalRegularizer,
    "l1": L1,
    "l2": L2,
    "l1_l2": L1L2,
    "orthogonal_regularizer": OrthogonalRegularizer,
}


__all__ = ["L1", "L1L2", "L2", "REGULARIZERS", "OrthogonalRegularizer", "penalty"]


def __dir__() -> list[str]:
    return __all__
