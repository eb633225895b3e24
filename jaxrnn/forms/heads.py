"""Units in heads: one reads the inputs of its own head alone, so a kernel is block-diagonal.

Papers:
    Beck et al., xLSTM: extended long short-term memory, NeurIPS 2024 (arXiv:2405.04517), section 2.2.
    Kuchaiev & Ginsburg, Factorization tricks for LSTM networks, arXiv:1703.10722 (group LSTM).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.checks import check_size
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Initializer
from jaxrnn.forms.around import Around
from jaxrnn.forms.form import Arrays, Form, Weight, sums
from jaxrnn.forms.tile import Tile, Tiles


@dataclass(frozen=True, repr=False)
class Heads(Form):
    """`[N, R/N, G, H/N]`."""

    count: int

    def __repr__(self) -> str:
        return f"heads({self.count})"

    matrices = True
    summed = 1

    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        for name, size in (("inputs", inputs), ("units", units)):
            if size % self.count:
                fail(argument, f"heads that divide {size} {name}", self)
        shape = (self.count, inputs // self.count, *(() if gates is None else (gates,)), units // self.count)
        return [Weight(shape, PerHead(init))]

    def inputs_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        return shapes[0][0] * shapes[0][1]

    def units_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        return self.count * shapes[0][-1]

    def units_axis(self, index: int) -> int | None:
        return 0

    def product(self, arrays: Arrays, h: Array) -> Array:
        (kernel,) = arrays
        apart = h.reshape(*h.shape[:-1], self.count, h.shape[-1] // self.count)  # no -1, which no rows leave open
        axes = (((apart.ndim - 1,), (1,)), ((apart.ndim - 2,), (0,)))
        result = lax.dot_general(apart, kernel, axes, preferred_element_type=sums(h.dtype))
        return self.as_result(result)

    def as_result(self, columns: Array) -> Array:
        columns = jnp.moveaxis(columns, 0, -2)  # [*B, G, N, H/N]
        return columns.reshape(*columns.shape[:-2], self.count * columns.shape[-1])

    def tiles(self, gates: Sequence[int], inputs: int, stored: int, units: int) -> Tiles | None:
        rows, columns = inputs // self.count, units // self.count
        stride = stored * columns
        return Tiles(
            tuple(
                Tile(
                    array=0,
                    first=(head * rows) * stride + gate * columns,
                    stride=stride,
                    rows=rows,
                    columns=columns,
                    read=head * rows,
                    write=place * units + head * columns,
                )
                for head in range(self.count)
                for place, gate in enumerate(gates)
            )
        )


@dataclass(frozen=True)
class PerHead:
    """Draws each head by itself."""

    one: Initializer

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        return jnp.stack([self.one(k, shape[1:], dtype) for k in jax.random.split(key, shape[0])])


def heads(count: int) -> Form:
    """Units in heads, each of which reads the inputs of its own head alone: a block-diagonal kernel `[N, R/N, G, H/N]`.

        h.g = concatenate_n(h_n @ U_n,g)

    Args:
        count: N, which divides the number of inputs and of units.

    Returns:
        A form for the options `input` and `recurrent` of every cell.

    Raises:
        TypeError, ValueError: `count` is no positive integer.

    Paper: Beck et al., xLSTM: extended long short-term memory, NeurIPS 2024, section 2.2.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.lstm(8, recurrent=jaxrnn.heads(4))
    >>> cell.init(jax.random.key(0), inputs=3)["recurrent_kernel"].shape
    (4, 2, 4, 2)
    """
    return Heads(check_size(count, "count"))


def heads_of(form: Form) -> int:
    """How many heads a form has: one, where all units see each other."""
    while isinstance(form, Around):
        form = form.of
    return form.count if isinstance(form, Heads) else 1
