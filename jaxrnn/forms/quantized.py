r"""Kernels as int8 numbers with a scale for each column, read by states that are quantised as they come: for inference.

    U[:, j] = s_j * u_j             u int8 within [-127, 127], s_j = max |U[:, j]| / 127
    h       = a * q                 q int8 within [-127, 127], a = max |h| / 127, of this row and step alone
    h @ U   = (q @ u) * (a * s)     q @ u in int32, exact

With R inputs each product is off by at most (a / 2) sum_i |U_ij| + (s_j / 2) sum_i |h_i| + R a s_j / 4.

A row that holds NaN or infinity gives NaN. Numbers below 2^-100 count as zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.dtypes import promote
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Initializer
from jaxrnn.forms.around import Around, check_form
from jaxrnn.forms.dense import dense
from jaxrnn.forms.form import Arrays, Form, Weight
from jaxrnn.forms.tile import Tiles

LARGEST = 127  # of int8 numbers on both sides of zero
TINY = 2.0**-100  # what is divided by is larger

zeros = jax.nn.initializers.zeros


@dataclass(frozen=True, repr=False)
class Quantized(Around):
    """The matrices of a form as int8, and their columns' scales as float32, in arrays of their own."""

    dtype: Any  # of products
    matrices = False
    derivable = False

    def __repr__(self) -> str:
        return self.shown("quantized")

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.of.names, *(f"{name}_scale" for name in self.of.names))

    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        shapes = [w.shape for w in self.of.weights(inputs, gates, units, init, argument)]
        axes = [link.summed or 0 for link in self.of.links]
        scales = [(*s[:axis], *s[axis + 1 :]) for s, axis in zip(shapes, axes, strict=True)]
        return [
            *(Weight(shape, zeros, np.dtype(np.int8)) for shape in shapes),
            *(Weight(shape, zeros, np.dtype(np.float32)) for shape in scales),
        ]

    def prepared(self, arrays: Arrays) -> tuple[Form, Arrays]:
        return self, arrays

    def dtype_of(self, arrays: Arrays) -> Any:
        return self.dtype

    def astype(self, arrays: Arrays, dtype: Any) -> tuple[Form, Arrays]:
        return replace(self, dtype=np.dtype(dtype)), arrays

    def pick(self, arrays: Arrays, index: tuple[int, ...]) -> Arrays:
        numbers, scales = self.apart(arrays)
        return (*self.of.pick(numbers, index), *self.of.pick(scales, index))

    def product(self, arrays: Arrays, h: Array) -> Array:
        return self._through(arrays, h, 0)

    def read(self, arrays: Arrays, symbols: Array) -> Array:
        (number, *_), (scale, *_) = self.apart(arrays)
        first, wide = self.of.links[0], promote(self.dtype, scale.dtype)
        y = first.read((number,), symbols).astype(wide)
        columns = first.as_result(scale).astype(wide)
        return self._through(arrays, (y * before(symbols.ndim, columns)).astype(self.dtype), 1)

    def tiles(self, gates: Sequence[int], inputs: int, stored: int, units: int) -> Tiles | None:
        return self.of.tiles(gates, inputs, stored, units)

    # ---- its own

    def apart(self, arrays: Arrays) -> tuple[Arrays, Arrays]:
        """The int8 numbers of each matrix, and the scales."""
        count = len(self.of.names)
        return arrays[:count], arrays[count:]

    def encoded(self, arrays: Arrays) -> Arrays:
        """The arrays that come nearest to those of the form inside."""
        found = [encode(a, link.summed) for a, link in zip(arrays, self.of.links, strict=True)]
        return (*(number for number, _ in found), *(scale.astype(jnp.float32) for _, scale in found))

    def _through(self, arrays: Arrays, h: Array, first: int) -> Array:
        """The products from the one numbered `first` on."""
        for link, number, scale in list(zip(self.of.links, *self.apart(arrays), strict=True))[first:]:
            codes, of_row = encode(h, -1)
            columns = link.as_result(scale).astype(of_row.dtype)
            scales = jnp.expand_dims(of_row, tuple(range(-columns.ndim, 0))) * before(of_row.ndim, columns)
            h = (link.product((number,), codes).astype(of_row.dtype) * scales).astype(h.dtype)
        return h


def encode(array: Array, axis: Any) -> tuple[Array, Array]:
    """The int8 numbers nearest to an array, and the scale of each of its vectors along `axis`."""
    wide = array.astype(promote(array.dtype, jnp.float32))
    most = jnp.max(jnp.abs(wide), axis, keepdims=True)
    finite, zero = jnp.isfinite(most), most < TINY
    inverse = LARGEST / jnp.where(finite & ~zero, most, jnp.ones_like(most))
    numbers = jnp.where(finite & ~zero, jnp.round(wide * inverse), jnp.zeros_like(wide)).astype(jnp.int8)
    scale = jnp.where(zero, jnp.zeros_like(most), most * (1 / LARGEST))
    return numbers, jnp.squeeze(jnp.where(finite, scale, jnp.full_like(most, jnp.nan)), axis)


def holds_matrices(form: Form) -> bool:
    """Whether a kernel is one array of a matrix a gate, of floating or of int8 numbers."""
    return form == dense or (isinstance(form, Quantized) and form.of == dense)


def before(axes: int, columns: Array) -> Array:
    """Scales of columns for results with batch axes."""
    return jnp.expand_dims(columns, tuple(range(axes)))


def quantized(of: Form = dense) -> Form:
    """A kernel of int8 numbers with a float32 scale for each column; its inputs are quantised row by row as they come.

    `jaxrnn.quantize` makes a cell of such kernels, and their numbers, from one that was trained. By itself the form is
    for parameters that were stored: those that `init` makes are zero. There is no derivative.

    Args:
        of: the form of the matrices: `dense`, `heads(N)` or `low_rank(r)`.

    Returns:
        A form for the options `input` and `recurrent` of every cell. Its arrays are those of `of` as int8, and one
        named `..._scale` for each.

    Raises:
        TypeError, ValueError: `of` is no form of matrices.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.elman(4, recurrent=jaxrnn.forms.quantized())
    >>> {name: a.dtype.name for name, a in cell.init(jax.random.key(0), inputs=3).items() if "recurrent" in name}
    {'recurrent_kernel': 'int8', 'recurrent_kernel_scale': 'float32'}
    """
    if not check_form(of).links or isinstance(of, Around):
        fail("of", "a form of matrices: jaxrnn.dense, jaxrnn.heads(N) or jaxrnn.low_rank(r)", of)
    return Quantized(of, np.dtype(np.float32))
