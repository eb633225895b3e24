"""What a form of kernels is: the arrays that hold a kernel, and the product of a state with it, linear in both.

A form of one's own is a frozen dataclass with `weights`, `inputs_of` and `product`; all else follows from these, and is
there to be done better: how gates are picked, how rows are read by symbols, what a compiled backend multiplies.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.typing import Array, Axis, Initializer
from jaxrnn.forms.tile import Tiles

Arrays = tuple[Any, ...]  # of a kernel, in the order of its form's `names`
Columns = tuple[int | None, ...]  # of each gate the gate that is stored for it, None where there is none


class Weight(NamedTuple):
    """One array of a kernel, to be drawn; `weights` of a `Form` gives them."""

    shape: tuple[int, ...]  # of numbers alone: H, G and D are resolved
    init: Initializer  # (key, shape, dtype) -> array
    dtype: Any = None  # None: that of the cell's parameters


@dataclass(frozen=True)
class Form(abc.ABC):
    """How a kernel's numbers are held, and what the product with it is.

    Arrays that belong to gates have their axis last but one, `[..., G, H]`. In what follows G is the number of gates
    that are stored, R the number of inputs and H that of units.

    Compiled backends multiply matrices: those that `tiles` lists, of the form that `prepared` gives; a form without any
    runs on all others. Attributes of the class say more: with `is_map = True` what `prepared` gives is made once by
    `cell.prepare`; with `elementwise = True` a unit reads that unit alone, and the product is part of the equations.

    A kernel whose units are each their neighbour moved by one, for every cell:

    >>> from dataclasses import dataclass
    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> from jaxrnn.forms import Form, Weight
    >>> @dataclass(frozen=True)
    ... class Circulant(Form):
    ...     def weights(self, inputs, gates, units, init, argument):
    ...         if inputs != units:
    ...             raise ValueError(f"`{argument}` must be a form for {inputs} inputs of {units} units, got {self}.")
    ...         return [Weight((units,) if gates is None else (gates, units), jax.nn.initializers.normal(units**-0.5))]
    ...
    ...     def inputs_of(self, shapes):
    ...         return shapes[0][-1]
    ...
    ...     def product(self, arrays, h):
    ...         moved = jnp.stack([jnp.roll(h, k, -1) for k in range(h.shape[-1])], -1)  # [*B, H, R]
    ...         y = jnp.tensordot(moved, arrays[0], ((-1,), (-1,)))  # [*B, H, G], or [*B, H]
    ...         return y if arrays[0].ndim == 1 else y.swapaxes(-1, -2)
    >>> cell = jaxrnn.lstm(4, recurrent=Circulant())
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> params["recurrent_kernel"].shape
    (4, 4)
    >>> carry, ys = jaxrnn.scan(cell, params, jnp.ones((7, 2, 3)), lengths=jnp.array([7, 3]))
    """

    @property
    def names(self) -> tuple[str, ...]:
        """What each array's name adds to the kernel's."""
        return ("",)

    @property
    def axes(self) -> int:
        """The number of axes *S, between batch and features, along which the product mixes."""
        return 0

    is_map = False  # whether what is multiplied is a function of what is held
    matrices = False  # whether one array holds it all, `[..., R, G, H]`, a matrix a gate
    names_gates = False  # whether it says which gates have a kernel
    elementwise = False  # whether a unit reads that unit alone: then the product is left to the equations
    derivable = True  # whether the product has a derivative
    summed: ClassVar[int | None] = None  # of one array of matrices the axis that a product sums over

    @abc.abstractmethod
    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        """The arrays of a kernel of these sizes (gates None: without the axis), by one initialiser of `[R, G, H]`.

        Raises:
            ValueError: the sizes do not fit; the message names `argument`.
        """

    @abc.abstractmethod
    def inputs_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        """R, by the shapes of the arrays."""

    keeps_positions = True  # along `axes`

    def units_axis(self, index: int) -> int | None:
        """Along which axis of its `index`-th array units may lie on several devices; None: it is needed whole."""
        return -1

    def positions(self, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        """Of inputs `[*axes, R]` the axes of the result before gates and units."""
        return axes

    def units_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        """H, by the shapes of the arrays."""
        return shapes[-1][-1]

    @abc.abstractmethod
    def product(self, arrays: Arrays, h: Array) -> Array:
        """`[*B, R]` times the kernel, `[*B, G, H]`; linear in `h`, and in each of the arrays."""

    # ---- what follows

    def columns(self, gates: tuple[str, ...], argument: str) -> Columns:
        """Of each gate the stored one that it reads."""
        return tuple(range(len(gates)))

    def prepared(self, arrays: Arrays) -> tuple[Form, Arrays]:
        """The form and the arrays that are multiplied, where these are functions of what is held."""
        return self, arrays

    def pick(self, arrays: Arrays, index: tuple[int, ...]) -> Arrays:
        """The arrays of some gates."""
        return tuple(pick_gates(a, index, -2) for a in arrays)

    def turned(self, arrays: Arrays) -> tuple[Form, Arrays]:
        """The same kernel as backward passes like it to lie."""
        return self, arrays

    def dtype_of(self, arrays: Arrays) -> Any:
        """The dtype of products."""
        return arrays[0].dtype

    def astype(self, arrays: Arrays, dtype: Any) -> tuple[Form, Arrays]:
        """The kernel with products in another dtype."""
        return self, tuple(a.astype(dtype) for a in arrays)

    @property
    def links(self) -> tuple[Form, ...]:
        """Forms of one array of matrices each, whose products one after the other are this one; none where it is not
        made of such."""
        return () if self.summed is None else (self,)

    def as_result(self, columns: Array) -> Array:
        """What belongs to the columns of matrices, laid out as results are: `[G, H]`, or `[H]` without gates."""
        return columns

    def holding(self, change: Callable[[Form], Form]) -> Form | None:
        """This form with another for the matrices that are multiplied, which no map makes any more; None where it is
        not made of such."""
        return change(self) if self.links else None

    def read(self, arrays: Arrays, symbols: Array) -> Array:
        """The product with one-hot vectors, `[*B]` integers within [0, R)."""
        size = self.inputs_of([a.shape for a in arrays])
        return self.product(arrays, jax.nn.one_hot(symbols, size, dtype=arrays[0].dtype))

    def init(self, side: str) -> Initializer | None:
        """What draws a kernel of the side "input" or "recurrent" where nothing is said; None: as a dense one."""
        return None

    def tiles(self, gates: Sequence[int], inputs: int, stored: int, units: int) -> Tiles | None:
        """The product of some of the gates that are `stored`, as a compiled backend makes it; None where it is none
        with matrices. The result is `[G, H]` of these gates; without gates they are `[0]` of one."""
        return None


def sums(dtype: Any) -> Any:
    """What products are summed in, where that is not their own dtype: integers in 32 bits."""
    return jnp.int32 if jnp.issubdtype(dtype, jnp.integer) else None


def pick_gates(kernel: Array, index: tuple[int, ...] | None, axis: int = -2) -> Array:
    """The columns of some gates; neighbouring gates are a slice, which XLA reads in place."""
    if index is None:
        return kernel
    axis %= kernel.ndim
    if index == tuple(range(index[0], index[0] + len(index))):
        return lax.slice_in_dim(kernel, index[0], index[0] + len(index), axis=axis)
    return jnp.stack([lax.index_in_dim(kernel, i, axis, keepdims=False) for i in index], axis=axis)
