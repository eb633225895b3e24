"""xlstm's sLSTM, cell, layer and block: one table of arrays, to be read in both directions.

Its linear map `fgate` makes the input of gate i, and `igate` that of gate f. Norms hold what is added to one. A cell
takes inputs that are projected already: ours has the kernel that changes nothing then, `[4H, 4, H]`. Its two backends
hold the recurrent kernel and the bias otherwise; both are read, and vanilla's is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

from jax.nn import tanh

from jaxrnn.base.errors import Said, fail
from jaxrnn.cells.memory.slstm import slstm
from jaxrnn.compose import SLSTMBlock, SLSTMLayer
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import Layer
from jaxrnn.forms.heads import Heads


class Piece(NamedTuple):
    """One of their arrays. Axes: n heads, h units and r inputs of one, d = n h, g gates, w steps, p and f of the
    feed-forward layer. `gate` is the one of ours that it holds, `added` what is added to it at run time."""

    theirs: str
    axes: str
    ours: str
    our_axes: str
    gate: int | None = None
    added: float = 0.0


KERNEL = "_recurrent_kernel_"
CELL = {
    "vanilla": (Piece(KERNEL, "n gh r", "recurrent_kernel", "n r g h"), Piece("_bias_", "gnh", "bias", "g nh")),
    "cuda": (Piece(KERNEL, "n r gh", "recurrent_kernel", "n r g h"), Piece("_bias_", "ngh", "bias", "g nh")),
}
CONVOLUTION = (
    Piece("conv1d.conv.weight", "nh 1 w", "conv_kernel", "w nh1"),
    Piece("conv1d.conv.bias", "nh", "conv_bias", "nh"),
)
LAYER = (
    *(Piece(f"{g}gate.weight", "n h r", "slstm/kernel", "n r h", k) for k, g in enumerate("fizo")),
    Piece("group_norm.weight", "nh", "norm", "nh", added=1.0),
)
BLOCK = (Piece("xlstm_norm.weight", "nh", "norm", "nh", added=1.0),)
FEED_FORWARD = (
    Piece("ffn_norm.weight", "nh", "feed_forward/norm", "nh", added=1.0),
    Piece("ffn.proj_up.weight", "pf nh", "feed_forward/up_kernel", "nh p f"),
    Piece("ffn.proj_down.weight", "nh f", "feed_forward/down_kernel", "f nh"),
)
CLASSES = {"": "sLSTMCell", "slstm_cell.": "sLSTMLayer", "xlstm.slstm_cell.": "sLSTMBlock"}  # where a cell is in each


def pieces(layer: Layer, backend: str = "vanilla") -> list[Piece]:
    """What a layer of ours consists of in xlstm."""
    if isinstance(layer, SLSTMBlock):
        inner = [_below(p, "xlstm.", "layer/") for p in pieces(layer.layer, backend)]
        return [*BLOCK, *inner, *(FEED_FORWARD if layer.units else ())]
    if isinstance(layer, SLSTMLayer):
        inner = [_below(p, "slstm_cell.", "slstm/") for p in CELL[backend]]
        return [*(CONVOLUTION if layer.window else ()), *LAYER, *inner]
    return list(CELL[backend])


def _below(piece: Piece, theirs: str, ours: str) -> Piece:
    return piece._replace(theirs=theirs + piece.theirs, ours=ours + piece.ours)


def cell_of(layer: Layer) -> tuple[Cell, int]:
    """The cell in a layer of ours that xlstm has too, and its heads; an error says why it has none."""
    inner = layer.layer if isinstance(layer, SLSTMBlock) else layer
    cell = inner.layer if isinstance(inner, SLSTMLayer) else inner
    if not isinstance(cell, Cell) or cell.name != "slstm":
        expected = "an slstm_block, slstm_layer or slstm, or a stack of blocks, which xlstm has"
        fail("layer", expected, Said(repr(layer)))
    options = dict(cell.update.options)
    for name, theirs in (("forget", "sigmoid"), ("activation", tanh)):
        if options.get(name) != theirs:
            fail(name, f"{getattr(theirs, '__name__', theirs)} for xlstm, which has no other", options.get(name))
    form = dict(cell.parameters)["recurrent_kernel"].form
    if not isinstance(form, Heads):
        fail("recurrent", "jaxrnn.heads(N) for xlstm, heads(1) for one alone", Said(repr(form)))
    if {name for name, _ in cell.parameters} != {name for name, _ in slstm(4).parameters}:
        fail("layer", "with the parameters that xlstm's has", Said(repr(layer)))
    return cell, form.count


def sizes_of(layer: Layer) -> dict[str, int]:
    """The sizes behind the letters of axes."""
    cell, n = cell_of(layer)
    block, inner = (layer, layer.layer) if isinstance(layer, SLSTMBlock) else (None, layer)
    sizes = dict(n=n, h=cell.size // n, r=cell.size // n, g=4, p=2) | {"1": 1}
    return sizes | dict(f=block.units if block else 0, w=inner.window if isinstance(inner, SLSTMLayer) else 0)


def turned(array: Any, axes: str, wanted: str, sizes: Mapping[str, int]) -> Any:
    """Axes of one kind as those of another; letters that stand together are one axis."""
    letters = axes.replace(" ", "")
    turned = array.reshape([sizes[c] for c in letters]).transpose([letters.index(c) for c in wanted.replace(" ", "")])
    return turned.reshape([prod(sizes[c] for c in axis) for axis in wanted.split()])
