"""jaxrnn's layers as weights of other libraries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Params
from jaxrnn.compose import Bidirectional, Reverse, Stack
from jaxrnn.core.layer import Layer, check_params
from jaxrnn.interop import cudnn, xlstm
from jaxrnn.interop.files import check_target, path_of, write
from jaxrnn.interop.keras_names import keras_heads
from jaxrnn.interop.onnx_write import to_onnx
from jaxrnn.interop.places import Place, cells_of
from jaxrnn.interop.places import path_of as place_of
from jaxrnn.interop.rows import Row, check_library
from jaxrnn.interop.theirs import cell_arrays, row_of

TREES = ("flax.linen", "flax.nnx")  # libraries whose parameters are nested
DOTTED = ("torch", "torchrecurrent", "ncps")  # libraries of PyTorch's modules
NAMELESS = ("onnx", "cudnn")  # formats in which nobody chooses a name


def save(
    layer: Layer,
    params: Params,
    library: str,
    target: str | Path | None = None,
    *,
    cell: str | None = None,
    prefix: str | None = None,
) -> Any:
    """A jaxrnn layer's weights as another library has them; the inverse of `load`.

    Of two biases that add up in the library, the second is zero. A bias that the library always has is zero where the
    layer has none, and what the library adds at run time is taken off.

    Args:
        layer: a cell that the library has, alone, stacked, in one direction or both; for xlstm an `slstm_block` or
            `slstm_layer`.
        params: its parameters.
        library: one of `jaxrnn.interop.LIBRARIES`, or "cudnn". For "onnx", `to_onnx` has options.
        target: a path to write to: .safetensors, .npz, .pt, .weights.h5 (Keras), .onnx. The file appears whole, or what
            was there stays as it was. bfloat16 is each format's own; .npz has none.
        cell: the library's class, where several could hold the layer: "LSTMCell" of torch, "OptimizedLSTMCell" of nnx.
        prefix: what names begin with, where the layer is in a larger model; by default nothing, but for haiku the
            name that its module would have.

    Returns:
        Without `target`: a state dict for torch, torchrecurrent, ncps and xlstm (arrays by name), a tree for Flax and
        haiku, an `onnx.ModelProto`, the flat vector for "cudnn", arrays by name for the rest. With `target` None.

    Raises:
        ValueError: the library has no such layer; the message names the option. TypeError: the format cannot hold the
            dtype. WriteError, an OSError: the file cannot be written.

    >>> import jax, jaxrnn
    >>> layer = jaxrnn.bidirectional(jaxrnn.gru(4))
    >>> state = jaxrnn.interop.save(layer, layer.init(jax.random.key(0), inputs=3), "torch")
    >>> sorted(state)[:2], state["weight_ih_l0"].shape
    (['bias_hh_l0', 'bias_hh_l0_reverse'], (12, 3))
    """
    path = None if target is None else path_of(target, "target")
    _check(layer, library, cell, prefix)
    if library == "onnx":
        return to_onnx(layer, params, target)
    if path is not None:
        check_target(path, target)
    if library == "cudnn":
        cudnn.check(layer)
        arrays = named_arrays(layer, params, "torch", None, "")
        vector = cudnn.join(layer, layer.input_size(params), arrays)
        return vector if path is None else write(path, {"weights": vector})
    arrays = named_arrays(layer, params, library, cell, prefix)
    if path is not None:
        return write(path, arrays)
    if library == "haiku":  # a module's whole path is one key
        return _tree({tuple(name.rsplit("/", 1)): array for name, array in arrays.items()})
    return _tree({tuple(n.split("/")): a for n, a in arrays.items()}) if library in TREES else arrays


def _check(layer: Any, library: Any, cell: Any, prefix: Any) -> None:
    """The options, of which none is taken that has no effect."""
    if not isinstance(layer, Layer):
        fail("layer", "a jaxrnn Layer", layer, kind=TypeError)
    check_library(library)
    for name, value in (("cell", cell), ("prefix", prefix)):
        if value is not None and not isinstance(value, str):
            fail(name, "None or a string", value, kind=TypeError)
        if value is not None and library in NAMELESS:
            fail(name, f"left out for {library}, whose arrays it does not name", value)


def named_arrays(layer: Layer, params: Params, library: str, cell: str | None, prefix: str | None) -> dict[str, Any]:
    """The library's arrays by flat names."""
    if library == "xlstm":
        return xlstm.named_arrays(layer, params, cell, prefix)
    cells = cells_of(layer)
    rows = {place: row_of(one, library, cell, single=len(cells) == 1) for place, one in cells.items()}
    check_params(layer, params)
    names = _names(layer, rows, library)
    if prefix is None:
        prefix = HAIKU_NAMES[rows[Place()].kind] if library == "haiku" else ""
    separator = "." if library in DOTTED else "/"
    head = prefix.rstrip("./") + separator if prefix else ""
    arrays: dict[str, Any] = {}
    for place, one in cells.items():
        found = cell_arrays(layer, params, place, one, rows[place])
        arrays |= {
            head + names[place].format(array=name.replace("/", separator)): array for name, array in found.items()
        }
    return arrays


def _names(layer: Layer, rows: Mapping[Place, Row], library: str) -> dict[Place, str]:
    """Where each cell's arrays go, as a format of `array`."""
    layers = layer.layers if isinstance(layer, Stack) else (layer,)
    if any(isinstance(part, Reverse) for part in layers) and library not in ("jaxrnn", "keras"):
        fail("layer", f"of layers that run forward or both ways, for {library}", Said("one that runs backward alone"))
    names = {}
    heads = keras_heads(layers) if library == "keras" else [""] * len(layers)
    for i, (part, head) in enumerate(zip(layers, heads, strict=True)):
        both = isinstance(part, Bidirectional)
        for backward in (False, True)[: 1 + both]:
            place = Place(i, backward)
            if rows[place].named_by_layer:
                names[place] = f"{{array}}_l{i}{'_reverse' * backward}"
                continue
            way = ("backward" if backward else "forward") if both else ""
            if library == "jaxrnn":
                names[place] = "/".join((*place_of(layer, place), "{array}"))
            elif library == "keras":
                names[place] = "/".join((head, *([f"{way}_layer"] if way else []), "cell", "{array}"))
            elif library == "torchrecurrent" and len(layers) > 1 and not both:
                names[place] = f"cells.{i}.{{array}}"
            elif len(layers) > 1 or (both and not library.startswith("flax")):
                fail(
                    "layer", f"one cell, since a model of {library} names its layers itself", Said(f"{len(rows)} cells")
                )
            else:
                names[place] = f"{way}_rnn/cell/{{array}}" if way else "{array}"
    return names


HAIKU_NAMES = {"lstm": "lstm", "gru": "gru", "elman": "vanilla_rnn"}


def _tree(arrays: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Paths as nested dicts."""
    tree: dict[str, Any] = {}
    for (*path, last), array in arrays.items():
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = array
    return tree
