"""What is looked at, as one map from a row's state and input to its next state: `z' = F(z, x)`, z a vector [N].

A state is all that a layer carries from step to step, written one array after the other: of an LSTM c, then h; of a
stack the states of its layers, from the first to the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxrnn.base.checks import check_floats
from jaxrnn.base.dtypes import check_dtype, default_float, is_float, is_integer, promote
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Array, Axis, Carry
from jaxrnn.core.closures import still
from jaxrnn.core.layer import Layer
from jaxrnn.dynamics.modules import flax_cell, functional_of
from jaxrnn.engine.check import Arguments, check_lengths, check_scan
from jaxrnn.engine.masks import clean, valid_steps
from jaxrnn.engine.scan import scan

Step = Callable[[Any, Carry, Any, dict[str, Any]], tuple[Carry, Array]]


@dataclass(frozen=True)
class OneStep:
    """A layer's step without batch axes, as its equations stand: its derivatives are those of autodiff."""

    layer: Layer

    def __call__(self, params: Any, carry: Carry, x: Array, per_step: dict[str, Any]) -> tuple[Carry, Array]:
        given = {name: a[None] for name, a in per_step.items()} or None
        carry, ys = scan(self.layer, params, x[None], carry, per_step=given, backend="reference")
        return carry, ys[0]


class Posed(NamedTuple):
    """A layer, its inputs, and the states that it starts from, checked; the batch axes are one axis R of rows."""

    step: Step
    params: Any
    xs: Array  # [T, R, ...]
    valid: Array  # [T, R] bool
    per_step: dict[str, Array]  # [T, R, ...]
    carry: Carry  # arrays [R, ...]
    batch: tuple[int, ...]  # *B

    @property
    def lengths(self) -> np.ndarray:
        """Valid steps of each row, [R]."""
        return np.asarray(self.valid.sum(0))

    @property
    def row(self) -> Carry:
        """The carry of one row as it is unravelled."""
        return jax.tree.map(lambda a: a[0], self.carry)

    def rows(self, found: Any, axis: int = 0) -> np.ndarray:
        """An array with an axis R as one of NumPy with the axes *B there."""
        array = np.asarray(found)
        return array.reshape(*array.shape[:axis], *self.batch, *array.shape[axis + 1 :])


def precision(dtype: Any) -> AbstractContextManager[Any]:
    """Where float64 is asked for it is there, whatever the process's setting."""
    return jax.enable_x64(True) if dtype is not None and np.dtype(dtype) == np.float64 else nullcontext()


def asked_dtype(dtype: Any) -> Any:
    """None, float32 or float64, or an error."""
    if dtype is None:
        return None
    with jax.enable_x64(True):
        found = check_dtype(dtype, "dtype")
    if np.dtype(found) not in (np.float32, np.float64):
        fail("dtype", "None, float32 or float64", dtype)
    return np.dtype(found)


def cast(tree: Any, dtype: Any) -> Any:
    """All floats of a tree in `dtype`, float32 at least where none is asked for."""

    def one(a: Any) -> Any:
        a = jnp.asarray(a)
        return a.astype(dtype or promote(a.dtype, np.float32)) if is_float(a.dtype) else a

    return jax.tree.map(one, tree)


def settled(layer: Any, params: Any, argument: str = "layer") -> tuple[Layer, Any] | None:
    """A functional layer and its parameters; None for a cell of Flax's protocol that is no layer of jaxrnn."""
    if isinstance(layer, Layer):
        return layer, params
    return functional_of(layer, params, argument)


def stepping(layer: Layer) -> Layer:
    """A layer that has a single step, or an error."""
    if layer.stepless is not None:
        name = type(layer.stepless).__name__.lower()
        hint = "Look at the layers inside: `layer.parts`, with their parameters."
        fail("layer", "one with a state that goes from step to step", Said(f"{name}, which needs all of them"), hint)
    return layer


def pose(
    layer: Any,
    params: Any,
    xs: Any,
    carry: Any = None,
    *,
    lengths: Any = None,
    per_step: Mapping[str, Any] | None = None,
    dtype: Any = None,
) -> Posed:
    """Check everything, and put it into the one form that all of this room reads."""
    found = settled(layer, params)
    if found is None:
        return _posed_flax(layer, params, xs, carry, lengths, per_step, dtype)
    inner, params = found
    call = check_scan(stepping(inner), params, xs, carry, Arguments(lengths=lengths, per_step=per_step))
    given = call.sequence
    batch = _concrete(given.xs.shape[1 : given.xs.ndim - (not is_integer(given.xs.dtype)) - inner.axes])
    T = given.xs.shape[0]
    params = cast(call.params, dtype)
    if call.carry is None:
        start = inner.initial_carry(
            inner.state_axes(given.xs.shape[1 : given.xs.ndim - (not is_integer(given.xs.dtype))]), params
        )
    else:
        start = cast(call.carry, dtype)
    return _flat(
        OneStep(still(inner)), params, cast(given.xs, dtype), T, batch, given.lengths, given.per_step, start, dtype
    )


def _posed_flax(layer: Any, params: Any, xs: Any, carry: Any, lengths: Any, per_step: Any, dtype: Any) -> Posed:
    if per_step is not None:
        fail("per_step", "left out for a cell of Flax's", per_step)
    if check_floats(xs, "xs", "floats [T, *B, D]").ndim < 2:
        fail("xs", "floats [T, *B, D]", xs)
    given, batch = cast(xs, dtype), _concrete(xs.shape[1:-1])
    lengths = check_lengths(lengths, len(given), batch)
    step, params, start = flax_cell(layer, params, given.shape[1:])
    if carry is not None:
        shapes = jax.tree.map(jnp.shape, start)
        for leaf in jax.tree.leaves(carry):
            check_floats(leaf, "carry", f"floats of shapes {shapes}")
        if jax.tree.map(jnp.shape, carry) != shapes:
            fail("carry", f"of shapes {shapes}", carry)
        start = carry
    params, start = cast(params, dtype), cast(start, dtype)
    _check_kept(step, params, start, given)
    return _flat(step, params, given, len(given), batch, lengths, {}, start, dtype)


def _check_kept(step: Step, params: Any, start: Carry, xs: Array) -> None:
    """Flax's cells may have a dtype of their own, in which they compute whatever they are given."""
    dtypes = lambda carry: {np.dtype(a.dtype) for a in jax.tree.leaves(carry)}  # noqa: E731
    made = dtypes(jax.eval_shape(step, params, start, xs[0], {})[0])
    if made != dtypes(start):
        names = [" and ".join(sorted(d.name for d in found)) for found in (made, dtypes(start))]
        hint = f"Leave `dtype` and the arrays in {names[0]}, or make the cell with `dtype={names[1]}`."
        fail("dtype", f"{names[0]}, in which this cell of Flax's computes", Said(names[1]), hint)


def _concrete(batch: tuple[Axis, ...]) -> tuple[int, ...]:
    return tuple(int(n) for n in batch)


def _flat(
    step: Step,
    params: Any,
    xs: Any,
    T: int,
    batch: tuple[int, ...],
    lengths: Any,
    per_step: Any,
    carry: Any,
    dtype: Any,
) -> Posed:
    if T < 1 or 0 in batch:
        fail("xs", "of one step and one row at least", xs)
    rows = int(np.prod(batch, dtype=np.int64))
    valid = jnp.ones((T, *batch), bool) if lengths is None else jnp.asarray(valid_steps(T, jnp.asarray(lengths), None))
    xs = clean(valid, jnp.asarray(xs))
    one = lambda a, axes: a.reshape(*a.shape[:axes], rows, *a.shape[axes + len(batch) :])  # noqa: E731
    named = {name: one(cast(clean(valid, jnp.asarray(a)), dtype), 1) for name, a in per_step.items()}
    state = jax.tree.map(lambda a: one(a, 0), carry)
    dtypes = {a.dtype for a in jax.tree.leaves(state)}
    if len(dtypes) > 1:
        state = cast(state, dtype or default_float())
    return Posed(step, params, one(xs, 1), one(valid, 1), named, state, batch)


def as_map(step: Step, row: Carry) -> Callable[..., tuple[Array, Array]]:
    """F as a function of vectors: `(params, z, x, per_step) -> (z', y)`."""
    unravel = ravel_pytree(row)[1]

    def advance(params: Any, z: Array, x: Array, per_step: dict[str, Array]) -> tuple[Array, Array]:
        carry, y = step(params, unravel(z), x, per_step)
        return ravel_pytree(carry)[0], y

    return advance


def vectors(carry: Carry) -> Array:
    """Arrays [R, ...] as one, [R, N]."""
    return jax.vmap(lambda c: ravel_pytree(c)[0])(carry)


def apart(found: np.ndarray, row: Carry) -> Any:
    """The last axis N taken apart again: a carry of arrays [..., H]."""
    leaves, tree = jax.tree.flatten(row)
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]
    pieces = np.split(found, ends, axis=-1)
    shaped = [p.reshape(*found.shape[:-1], *leaf.shape) for p, leaf in zip(pieces, leaves, strict=True)]
    return jax.tree.unflatten(tree, shaped)
