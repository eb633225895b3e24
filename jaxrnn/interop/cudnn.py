"""The flat weight vector of `jax.experimental.rnn`, cuDNN's layout: all kernels, cell by cell, then all biases."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import Layer
from jaxrnn.interop.express import options_of
from jaxrnn.interop.places import Place, cells_of
from jaxrnn.interop.source import Source, entry_of


def layout(layer: Layer, inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names (torch's) and shapes of the parts, in the order of the vector."""
    cells = sorted(cells_of(layer).items())
    for which in ("weight", "bias"):
        for place, cell in cells:
            below = inputs if place.layer == 0 else _below(cells, place)
            for kind, width in (("ih", below), ("hh", cell.size)):
                shape = (4 * cell.size, width) if which == "weight" else (4 * cell.size,)
                yield f"{which}_{kind}_l{place.layer}{'_reverse' * place.backward}", shape


def _below(cells: list[tuple[Place, Cell]], place: Place) -> int:
    return sum(cell.size for p, cell in cells if p.layer == place.layer - 1)


def split(vector: Any, layer: Layer | None) -> Source:
    """The vector as torch's named arrays; the number of inputs follows from its length."""
    if not isinstance(vector, (jax.Array, np.ndarray)):
        fail("source", "the flat weight vector of jax.experimental.rnn", vector, kind=TypeError)
    if layer is None:
        fail("layer", "given for a flat vector, which does not tell its sizes", Said("None"))
    check(layer)
    cells = list(cells_of(layer).values())
    rest = sum(math.prod(s) for _, s in layout(layer, 0))
    per_input = sum(4 * cell.size for place, cell in cells_of(layer).items() if place.layer == 0)
    inputs, over = divmod(math.prod(vector.shape) - rest, per_input)
    if vector.ndim != 1 or inputs < 1 or over:
        fail("source", f"a flat vector of {rest} + {per_input} D weights for this layer of {len(cells)} cells", vector)
    entries, start = [], 0
    for name, shape in layout(layer, inputs):
        end = start + math.prod(shape)
        entries.append(entry_of(name, vector[start:end].reshape(shape)))
        start = end
    return Source(tuple(entries), layer)


def join(layer: Layer, inputs: int, arrays: dict[str, Any]) -> Any:
    """torch's named arrays as the one vector."""
    return np.concatenate([np.ravel(arrays[name]) for name, _ in layout(layer, inputs)])


def check(layer: Layer) -> None:
    """cuDNN here means LSTMs of one size, with biases and without projection."""
    for cell in cells_of(layer).values():
        options = options_of(cell)
        if cell.name != "lstm" or not options["use_bias"] or options["projection"] is not None:
            fail("layer", "LSTMs with biases and without projection, for cudnn", Said(cell.name))
        first = next(iter(cells_of(layer).values()))
        if cell.size != first.size:
            fail("layer", f"of one size, {first.size}, for cudnn", Said(f"a cell of size {cell.size}"))
