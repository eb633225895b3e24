"""Products with kernels in C: a call for each tile of a form, of float32 or of int8 numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrnn.forms.dense import dense
from jaxrnn.forms.kernel import Kernel
from jaxrnn.forms.quantized import Quantized
from jaxrnn.forms.tile import Tile, Tiles
from jaxrnn.kernels.c.text import File


class Weights:
    """A kernel whose numbers are constants of the file."""

    def __init__(self, file: File, name: str, kernel: Kernel, about: str) -> None:
        self.file, self.kernel = file, kernel
        self.int8 = isinstance(kernel.form, Quantized)
        self.matrices = len(kernel.form.of.names) if isinstance(kernel.form, Quantized) else len(kernel.arrays)
        self.names = [
            file.constant(name + suffix, _float32(array), f"{about}, {name + suffix}")
            for suffix, array in zip(kernel.form.names, kernel.arrays, strict=True)
        ]
        self.shapes = [a.shape for a in kernel.arrays]

    def product(
        self,
        tiles: Iterable[Tile],
        source: Callable[[int], str],
        target: Callable[[int], str],
        between: Callable[[int], str],
        start: Callable[[int], str],
        inputs: int,
        middle: int,
    ) -> list[str]:
        """Calls, one a tile. `inputs` numbers of the source, `middle` between it and the result."""
        calls: list[str] = []
        quantised = None
        for tile in tiles:
            read = between if tile.reads_between else source
            write = between if tile.writes_between else target
            first = "NULL" if tile.writes_between else start(tile.write)
            matrix = _at(self.names[tile.array], tile.first)
            if not self.int8:
                sizes = f"{tile.rows}, {tile.columns}"
                calls.append(
                    f"@product({sizes}, {read(tile.read)}, {matrix}, {tile.stride}, {first}, {write(tile.write)});"
                )
                continue
            if quantised != tile.reads_between:  # all that its source holds, as a whole
                count = middle if tile.reads_between else inputs
                self.file.codes = max(self.file.codes, count)
                declared = "float " if quantised is None else ""
                calls.append(f"{declared}scale = @quantise({count}, {read(0)}, m->codes);")
                quantised = tile.reads_between
            codes = _at("m->codes", tile.read)
            calls.append(
                f"@product8({tile.rows}, {tile.columns}, {codes}, scale, {matrix}, {tile.stride},\n"
                f"    {self._scales(tile)}, {first}, {write(tile.write)});"
            )
        return ["{\n" + _indented(calls) + "\n}"] if self.int8 else calls

    def _scales(self, tile: Tile) -> str:
        """They lie as the matrices do, without the axis of their rows."""
        first = tile.first // (tile.rows * tile.stride) * tile.stride + tile.first % tile.stride
        return _at(self.names[tile.array + self.matrices], first)

    def taken(
        self,
        tiles: Iterable[Tile],
        target: Callable[[int], str],
        between: Callable[[int], str],
        start: Callable[[int], str],
        inputs: int,
        middle: int,
    ) -> list[str]:
        """The product with a one-hot vector: the rows that `symbol` picks."""
        calls: list[str] = []
        for tile in tiles:
            if tile.reads_between:
                calls += self.product([tile], between, target, between, start, inputs, middle)
                continue
            first = "NULL" if tile.writes_between else start(tile.write)
            write = (between if tile.writes_between else target)(tile.write)
            there = f"symbol >= {tile.read} && symbol < {tile.read + tile.rows}"
            row = f"{tile.first} + (size_t)(symbol - {tile.read}) * {tile.stride} + j"
            value = f"(float){self.names[tile.array]}[{row}]" if self.int8 else f"{self.names[tile.array]}[{row}]"
            scaled = f"{value} * ({self._scales(tile)})[j]" if self.int8 else value
            begin = "0.0f" if first == "NULL" else f"({first})[j]"
            whole = tile.rows == inputs
            term = scaled if whole else f"({there} ? {scaled} : 0.0f)"
            sum_ = term if first == "NULL" else f"{begin} + {term}"
            calls.append(f"for (size_t j = 0; j < {tile.columns}; ++j) ({write})[j] = {sum_};")
        return calls


def _float32(array: Any) -> np.ndarray:
    values = np.asarray(array)
    return values if values.dtype == np.int8 else values.astype(np.float32)


def _at(name: str, first: int) -> str:
    return f"{name} + {first}" if first else name


def _indented(calls: Sequence[str]) -> str:
    return "\n".join(f"  {line}" for call in calls for line in call.split("\n"))


def with_tiles(kernel: Kernel) -> Kernel:
    """A kernel of matrices: as it is, or the dense one of a form that has none, which unit vectors show."""
    if kernel.form.tiles((0,), kernel.inputs, kernel.stored, kernel.units) is not None or not kernel.stored:
        return kernel
    units = jnp.eye(kernel.inputs, dtype=jnp.float32)
    return Kernel(dense, (kernel.astype(jnp.float32).product(units),), kernel.columns)


def runs_of_gates(kernel: Kernel) -> list[tuple[int, Tiles]]:
    """Of neighbouring gates that have a kernel the first, and their product."""
    columns = list(enumerate(kernel.columns or ()))
    runs = [list(run) for has, run in groupby(columns, lambda at: at[1] is not None) if has]
    found = []
    for run in runs:
        tiles = kernel.form.tiles([c for _, c in run if c is not None], kernel.inputs, kernel.stored, kernel.units)
        assert tiles is not None
        found.append((run[0][0], tiles))
    return found
