"""One step of a cell, as every backend runs it: resets, the recurrent product, the equations, masks.

`advance` is the only place where gate equations are called. Backends differ in where the products come from (`Recur`
and its subclasses) and in how steps are arranged in time.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrnn.base.checks import is_array
from jaxrnn.base.dtypes import state_dtype
from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.base.placement import spread_over_devices
from jaxrnn.base.typing import Array, Axis, Carry, Params
from jaxrnn.core.closures import holds_arrays
from jaxrnn.core.equations import Equations, apply
from jaxrnn.core.kernels import check_product
from jaxrnn.forms.kernel import Kernel, each_of


class Step(NamedTuple):
    """What one step reads beside parameters and carry; with a leading T for a whole sequence."""

    x: Any  # projected, [*B, G, H]; or one array [*B, H] a gate. For `run_step` the input itself, [*B, D]
    valid: Array | None = None  # [*B] bool
    reset: Array | None = None  # [*B] bool
    per_step: dict[str, Array] = {}


class Rows(NamedTuple):
    """What all steps share, one entry a batch row."""

    theta: dict[str, Any]  # [*B, H] or [*B, K, H]; or K arrays [*B, H]
    start: Carry | None  # the carry to reset to


@lru_cache
def gate_tuple(gates: tuple[str, ...]) -> type:
    """The named tuple in which a cell's gates arrive."""
    return namedtuple("Gates", gates)


@dataclass
class Products:
    """Where a step's recurrent products come from: here, from multiplying. Backends derive others."""

    kernels: dict[str, Kernel]  # of arrays, or of their shapes where nothing is multiplied

    def multiply(self, h: Array, kernel: str, index: tuple[int, ...] | None) -> Any:
        """`h` times the kernels of some stored gates (None: of all), `[*B, G, H]`; or one array `[*B, H]` a gate."""
        w = self.kernels[kernel]
        return check_product(kernel, w, h.shape[:-1], w.product(h.astype(w.dtype), index), index)


@dataclass(frozen=True)
class Recur:
    """The recurrent product as the equations see it: one array a gate, in the carry's dtype."""

    gates: tuple[str, ...]
    products: Products
    dtype: Any
    valid: Array | None
    states: tuple[Array, ...] = ()  # as the equations are given them

    def __call__(self, h: Array, gates: tuple[str, ...] | None = None, kernel: str = "recurrent_kernel") -> Any:
        w = self._check(h, gates, kernel)
        # A kernel's gradient is what was multiplied times zero, or NaN, and equations may make NaN of what they are
        # given at invalid steps. A state itself was passed or is what a valid step left: to choose again takes time.
        if self.valid is not None and all(h is not a for a in self.states):
            h = select(self.valid, h, jnp.zeros_like(h))
        if w.columns is None:
            return _cast(guard(self.valid, self.products.multiply(h, kernel, None)), self.dtype)
        names = gates or self.gates
        columns = tuple(w.columns[self.gates.index(g)] for g in names)
        stored = tuple(dict.fromkeys(c for c in columns if c is not None))
        nothing = jnp.zeros((*h.shape[:-1], w.units), self.dtype) if None in columns else None
        if not stored:
            return gate_tuple(names)(*each_of((), columns, nothing))
        index = None if gates is None and stored == tuple(range(w.stored)) else stored
        value = _cast(guard(self.valid, self.products.multiply(h, kernel, index)), self.dtype)
        if columns == stored:
            return by_gate(names, value)
        return gate_tuple(names)(*each_of(dict(zip(stored, split(value), strict=True)), columns, nothing))

    def _check(self, h: Any, gates: Any, kernel: Any) -> Kernel:
        """The kernel, once what is multiplied and the gates fit it."""
        kernels = self.products.kernels
        if not isinstance(kernel, str) or kernel not in kernels:
            fail("kernel", f"one of the recurrent kernels {tuple(kernels)}", kernel, nearest(kernel, kernels))
        w = kernels[kernel]
        if gates is not None:
            if w.columns is None:
                fail("gates", f"left out for {kernel!r}, which has no gates: its shape is {w.arrays[0].shape}", gates)
            if not isinstance(gates, tuple) or not gates or len({*gates}) != len(gates):
                fail("gates", f"a tuple of distinct gates out of {self.gates}", gates, kind=TypeError)
            for gate in gates:
                if gate not in self.gates:
                    fail("gates", f"out of {self.gates}", gate, nearest(gate, self.gates))
        if not is_array(h) or h.shape[-1:] != (w.inputs,):
            shape = w.arrays[0].shape
            fail("h", f"an array [*B, {w.inputs}], to be multiplied by {kernel!r} of shape {shape}", h)
        return w


def product_shapes(
    names: tuple[str, ...], kernels: dict[str, Kernel], dtype: Any, h: Array, gates: tuple[str, ...] | None, kernel: str
) -> Any:
    """Zeros of the shapes that a recurrent product has."""

    def multiply(h: Array, kernels: dict[str, Any]) -> Any:
        return Recur(names, Products(kernels), dtype, None)(h, gates, kernel)

    zeros = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(multiply, h, kernels))
    return spread_over_devices(zeros, h)


def one_row(cell: Equations, dtype: Any, theta: Mapping[str, Any]) -> tuple[Carry, Any, dict[str, Any]]:
    """The shapes of carry, x and theta as equations see them on one row without batch axes; those of `theta` given."""
    array = lambda shape: jax.ShapeDtypeStruct(shape, dtype)  # noqa: E731
    carry = cell.carry_type(*map(array, cell.carry_shapes(())))
    x = by_gate(cell.gates, tuple(array((cell.seen,)) for _ in cell.gates))
    apart = lambda a: tuple(jax.ShapeDtypeStruct(a.shape[1:], a.dtype) for _ in range(a.shape[0]))  # noqa: E731
    return carry, x, {n: apart(a) if len(a.shape) == 2 else a for n, a in theta.items()}


def split(value: Any) -> tuple[Any, ...]:
    """`[*B, G, H]`, or its G arrays `[*B, H]`, as a tuple of the latter."""
    if isinstance(value, tuple):
        return value
    # What indexing comes to, and takes ten times as long to trace.
    return tuple(lax.index_in_dim(value, g, value.ndim - 2, keepdims=False) for g in range(value.shape[-2]))


def by_gate(gates: tuple[str, ...], value: Any) -> Any:
    """`[*B, G, H]`, or its G arrays `[*B, H]`, as a named tuple of the latter."""
    return gate_tuple(gates)(*split(value))


def advance(cell: Equations, products: Products, rows: Rows, carry: Carry, step: Step) -> tuple[Carry, Array]:
    """One step with resets and masks: reset, apply the equations, hold the carry and put out zero where invalid.

    `guard` stops every derivative of an invalid row, since `where` alone lets 0 * inf = NaN through.
    """
    valid = step.valid
    if step.reset is not None:
        carry = select(step.reset, rows.start, carry)
    dtype = state_dtype(carry)
    theta = {name: units(guard(valid, a), jax.tree.leaves(carry)[0].ndim) for name, a in rows.theta.items()}
    x = by_gate(cell.gates, _cast(guard(valid, step.x), dtype))
    before = guard(valid, carry)
    recur = Recur(cell.gates, products, dtype, valid, tuple(jax.tree.leaves(before)))
    shapes = partial(product_shapes, cell.gates, products.kernels, dtype)
    result = apply(cell, recur, shapes, before, x, theta, guard(valid, step.per_step))
    new, y = _checked(cell, result, carry)
    if valid is None:
        return new, y
    return select(valid, new, carry), select(valid, y, jax.tree.map(jnp.zeros_like, y))


alone: list[Callable[..., Any]] = []  # what may run one step in one call, handed over from above; None: it declines


def run_step(
    cell: Equations, params: Params, dtype: Any, rows: Rows, carry: Carry, step: Step, projected: bool
) -> tuple[Carry, Array]:
    """One step by itself: in one call where something does that faster, else as its equations stand."""
    if holds_arrays(cell):  # it may be differentiated by them
        return as_it_stands(cell, params, dtype, rows, carry, step, projected)
    for run in alone:
        result = run(cell, params, dtype, rows, carry, step, projected)
        if result is not None:
            return result
    return as_it_stands(cell, params, dtype, rows, carry, step, projected)


def as_it_stands(
    cell: Equations, params: Params, dtype: Any, rows: Rows, carry: Carry, step: Step, projected: bool
) -> tuple[Carry, Array]:
    """One step as its equations stand."""
    products = Products(cell.kernels(params, dtype))
    x = step.x if projected else cell.projection_of(params, step.x)
    return advance(cell, products, rows, carry, step._replace(x=x))


def guard(valid: Array | None, tree: Any) -> Any:
    """The same values, but no derivative passes through an invalid row."""
    if valid is None:
        return tree
    stopped = jax.tree.map(lambda a: lax.stop_gradient(a), tree)
    return select(valid, tree, stopped)


def select(condition: Array, yes: Any, no: Any) -> Any:
    """`where` for trees, with the condition `[*B]` spread over the trailing axes."""
    return jax.tree.map(lambda a, b: jnp.where(_spread(condition, a), a, b), yes, no)


def _cast(tree: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda a: a.astype(dtype), tree)


def _spread(condition: Array, like: Array) -> Array:
    return lax.broadcast_in_dim(condition, like.shape, tuple(range(condition.ndim)))


def repeat_rows(array: Array, batch: tuple[Axis, ...]) -> Array:
    return jnp.broadcast_to(array, (*batch, *array.shape))


def repeat_vectors(array: Array, batch: tuple[Axis, ...]) -> Array:
    """A vector `[H]`, or K of them, for every row; K at each position, `[K, *S, H]`, for batch axes (*B, *S)."""
    if array.ndim < 3:
        return repeat_rows(array, batch)
    placed = jnp.moveaxis(array, 0, -2)
    if not batch:  # of one row, which is at one position
        return placed[(0,) * (array.ndim - 2)]
    return jnp.broadcast_to(placed, (*batch, *placed.shape[-2:]))


def units(array: Any, axes: int) -> Any:
    """`[*B, K, H]`, one axis more than `axes`, as K arrays, so that equations read `a, b = theta["name"]`."""
    return split(array) if not isinstance(array, tuple) and array.ndim == axes + 1 else array


def check_result(equations: str, result: Any, carry: Carry) -> tuple[Carry, Any]:
    """What equations returned, a carry like the one that they were given and an output."""
    name = f"update of {equations}"
    if not isinstance(result, tuple) or len(result) != 2:
        fail(name, "a function that returns (carry, output)", Said(carry_form(result)))
    if carry_form(result[0]) != carry_form(carry):
        fail(name, f"a function that returns a carry like {carry_form(carry)}", Said(carry_form(result[0])))
    return result


def _checked(cell: Equations, result: tuple[Carry, Any], carry: Carry) -> tuple[Carry, Array]:
    """What a cell's update returned, the carry in the old one's dtypes; an error where a user's is not in order."""
    name = f"update of {cell.name}"
    new, y = result
    shape = (*jax.tree.leaves(carry)[0].shape[:-1], cell.output_size)
    if getattr(y, "shape", None) != shape:
        fail(name, f"a function that returns an output of shape {shape}", y)
    for array in (*jax.tree.leaves(new), y):
        if not jax.dtypes.issubdtype(array.dtype, np.floating):
            fail(name, "a function that returns floating arrays", array)
    return jax.tree.map(lambda n, c: n.astype(c.dtype), new, carry), y


def carry_form(carry: Any) -> str:
    """The structure and shapes of a carry, for messages."""
    return str(jax.tree.map(lambda a: tuple(getattr(a, "shape", ())), carry))
