"""A kernel as the product of two thin ones.

Paper: Kusupati et al., FastGRNN, NeurIPS 2018 (arXiv:1901.02358), section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxrnn.base.checks import check_size
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Initializer
from jaxrnn.forms.dense import dense
from jaxrnn.forms.form import Arrays, Form, Weight
from jaxrnn.forms.tile import Tile, Tiles
from jaxrnn.functions.initializers import PerGate


@dataclass(frozen=True, repr=False)
class LowRank(Form):
    """`[R, r]`, which all gates share, and `[r, G, H]`."""

    rank: int

    def __repr__(self) -> str:
        return f"low_rank({self.rank})"

    @property
    def names(self) -> tuple[str, ...]:
        return ("_down", "_up")

    @property
    def links(self) -> tuple[Form, ...]:
        return dense, dense

    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        if self.rank > min(inputs, units):
            fail(argument, f"a rank of at most min({inputs} inputs, {units} units)", self)
        up = (self.rank, units) if gates is None else (self.rank, gates, units)
        return [Weight((inputs, self.rank), OfFirstGate(init)), Weight(up, init)]

    def inputs_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        return shapes[0][0]

    def units_axis(self, index: int) -> int | None:
        return None if index == 0 else -1

    def product(self, arrays: Arrays, h: Array) -> Array:
        down, up = arrays
        return dense.product((up,), dense.product((down,), h))

    def pick(self, arrays: Arrays, index: tuple[int, ...]) -> Arrays:
        down, up = arrays
        return down, *super().pick((up,), index)

    def read(self, arrays: Arrays, symbols: Array) -> Array:
        down, up = arrays
        return dense.product((up,), dense.read((down,), symbols))

    def tiles(self, gates: Sequence[int], inputs: int, stored: int, units: int) -> Tiles | None:
        down = Tile(0, 0, self.rank, inputs, self.rank, writes_between=True)
        up = dense.tiles(gates, self.rank, stored, units)
        return Tiles((down, *(t._replace(array=1, reads_between=True) for t in up.tiles)), self.rank)


@dataclass(frozen=True)
class OfFirstGate:
    """Draws a matrix as the first gate's."""

    init: Initializer

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        if not isinstance(self.init, PerGate):
            return self.init(key, shape, dtype)
        return PerGate(self.init.inits[:1])(key, (*shape[:-1], 1, shape[-1]), dtype)[..., 0, :]


def low_rank(rank: int) -> Form:
    """A kernel as the product of two thin ones, `[R, r]` and `[r, G, H]`; the first is shared by all gates.

        h.g = (h @ down) @ up_g

    Its arrays are `kernel_down` and `kernel_up`, or `recurrent_kernel_down` and `recurrent_kernel_up`.

    Args:
        rank: r, at most the number of inputs and of units.

    Returns:
        A form for the options `input` and `recurrent` of every cell.

    Raises:
        TypeError, ValueError: `rank` is no positive integer.

    Paper: Kusupati et al., FastGRNN, NeurIPS 2018, section 3.2.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.gru(8, recurrent=jaxrnn.low_rank(2))
    >>> {name: a.shape for name, a in cell.init(jax.random.key(0), inputs=3).items() if "recurrent" in name}
    {'recurrent_bias': (8,), 'recurrent_kernel_down': (8, 2), 'recurrent_kernel_up': (2, 3, 8)}
    """
    return LowRank(check_size(rank, "rank"))
