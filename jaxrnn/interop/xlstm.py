"""Weights of xlstm's sLSTM as ours, and ours as xlstm's, by the table in `xlstm_arrays`."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrnn.base.dtypes import FLOATS, is_float
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Params
from jaxrnn.cells.memory.slstm import slstm
from jaxrnn.compose import SLSTMBlock, SLSTMLayer, Stack, slstm_block, slstm_layer
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import Layer, check_params
from jaxrnn.forms.heads import heads
from jaxrnn.interop.converted import Mapped
from jaxrnn.interop.source import Entry, Source, segments
from jaxrnn.interop.xlstm_arrays import CLASSES, KERNEL, Piece, cell_of, pieces, sizes_of, turned


def is_theirs(source: Source) -> bool:
    """Whether the entries are an sLSTM of xlstm, by their names."""
    return any(segments(e.name)[-1:] == (KERNEL,) for e in source.entries)


def read(source: Source, layer: Layer | None) -> tuple[Layer, dict[str, Any], list[Mapped]]:
    """The layer, its parameters, and the table of what went where."""
    entries = {".".join(segments(e.name)): e for e in source.entries}
    told, backend = _told(entries)
    layer = layer or source.layer or told
    sizes, own = sizes_of(layer), pieces(layer, backend)
    example = next(e for n, e in entries.items() if n.endswith(KERNEL))
    for piece in own:
        _check(piece, entries.get(piece.theirs), sizes, example)
    for name in (n for n in entries if n not in {p.theirs for p in own}):
        fail(name, "absent for this layer", Said("an unknown entry"), f"Read as {layer!r}.")
    params: dict[str, Any] = {}
    gates: dict[str, list[Any]] = {}
    table = []
    for piece in own:
        entry = entries[piece.theirs]
        array = turned(entry.read(), piece.axes, piece.our_axes, sizes)
        array = array + np.asarray(piece.added, array.dtype) if piece.added else array
        table.append(Mapped(entry.name, entry.shape, piece.ours + ("" if piece.gate is None else f"[{piece.gate}]")))
        if piece.gate is None:
            _put(params, piece.ours, jnp.asarray(array))
        else:
            gates.setdefault(piece.ours, []).append(array)
    for place, arrays in gates.items():
        _put(params, place, jnp.stack(arrays, -2))
    if isinstance(layer, Cell):
        params["kernel"] = jnp.asarray(_unprojected(layer.size), params["bias"].dtype)
    check_params(layer, params)
    return layer, params, table


def _unprojected(size: int) -> Any:
    return np.eye(4 * size).reshape(4 * size, 4, size)


def _put(params: dict[str, Any], place: str, array: Any) -> None:
    *path, name = place.split("/")
    for part in path:
        params = params.setdefault(part, {})
    params[name] = array


def _told(entries: Mapping[str, Entry]) -> tuple[Layer, str]:
    """The layer that names and shapes tell, and the backend."""
    places = [name.removesuffix(KERNEL) for name in entries if name.endswith(KERNEL)]
    if len(places) != 1 or places[0] not in CLASSES:
        tops = sorted({_top(place) for place in places})
        fail("prefix", f"the place of one sLSTM of xlstm, such as {', '.join(map(repr, tops[:12]))}", Said("none"))
    entry = entries[places[0] + KERNEL]
    N, a, b = entry.shape if len(entry.shape) == 3 else (0, 0, 0)
    if not N or max(a, b) != 4 * min(a, b):
        fail(entry.name, "of shape (heads, 4 units, units)", Said(f"{entry.dtype}{list(entry.shape)}"))
    backend, size = "vanilla" if a > b else "cuda", N * min(a, b)
    if not places[0]:
        return slstm(size, recurrent=heads(N)), backend
    top = places[0].removesuffix("slstm_cell.")
    convolution, up = entries.get(f"{top}conv1d.conv.weight"), entries.get("ffn.proj_up.weight")
    window = 0 if convolution is None else (*convolution.shape, 0)[2 if len(convolution.shape) == 3 else -1]
    if not top:
        return slstm_layer(size, heads=N, window=window), backend
    if up is None and any(name.startswith("ffn") for name in entries):
        fail("ffn.proj_up.weight", "an array of shape (2 F, H)", Said("nothing"))
    units = None if up is None else max(1, (*up.shape, 0)[0] // 2)  # of a shape that is none, an error says so
    return slstm_block(size, heads=N, window=window, feed_forward=units), backend


def _top(place: str) -> str:
    """Where the outermost module around a cell is."""
    for inside in ("xlstm.slstm_cell.", "slstm_cell."):
        if place.endswith(inside):
            return place.removesuffix(inside).rstrip(".")
    return place.rstrip(".")


def _check(piece: Piece, entry: Entry | None, sizes: Mapping[str, int], example: Entry) -> None:
    shape = tuple(prod(sizes[c] for c in axis) for axis in piece.axes.split())
    if entry is None:
        fail(piece.theirs, f"an array of shape {shape}", Said("nothing"), f"It belongs beside {example.name!r}.")
    if entry.refusal is not None:
        entry.read()  # says why
    what = Said(f"{entry.dtype}{list(entry.shape)}")
    if entry.shape != shape:
        fail(entry.name, f"of shape {shape}", what)
    if not is_float(entry.dtype):
        fail(entry.name, f"of one of {FLOATS}", what, kind=TypeError)
    if entry.dtype != example.dtype:
        fail(entry.name, f"of dtype {example.dtype}, as the other entries are", what, kind=TypeError)


# ---------------------------------------------------------------- ours to theirs


def named_arrays(layer: Layer, params: Params, kind: str | None, prefix: str | None) -> dict[str, Any]:
    """xlstm's arrays by name, as its vanilla backend has them; a stack of blocks is its `blocks`."""
    check_params(layer, params)
    head = f"{prefix.rstrip('./')}." if prefix else ""
    if isinstance(layer, Stack):
        named: dict[str, Any] = {}
        for i, part in enumerate(layer.layers):
            if not isinstance(part, SLSTMBlock):
                fail("layer", "a stack of blocks", Said(repr(layer)))
            named |= named_arrays(part, params[f"layer_{i}"], kind, f"{head}blocks.{i}")
        return named
    cell_of(layer)
    own = "sLSTMBlock" if isinstance(layer, SLSTMBlock) else "sLSTMLayer" if isinstance(layer, SLSTMLayer) else None
    if kind not in (None, own or "sLSTMCell"):
        fail("cell", f"left out, or {own or 'sLSTMCell'!r} for this layer", kind)
    if own is None and not _is_unprojected(params["kernel"]):
        expected = "the kernel that changes nothing, `[4H, 4, H]`, since xlstm's cell takes projected inputs"
        fail("params['kernel']", expected, params["kernel"], "An `slstm_layer` has projections.")
    return {head + p.theirs: _theirs(p, params, sizes_of(layer)) for p in pieces(layer)}


def _is_unprojected(kernel: Any) -> bool:
    return bool(np.array_equal(np.asarray(kernel, np.float64), _unprojected(kernel.shape[-1])))


def _theirs(piece: Piece, params: Any, sizes: Mapping[str, int]) -> Any:
    for part in piece.ours.split("/"):
        params = params[part]
    array = np.asarray(params)
    array = array if piece.gate is None else array[..., piece.gate, :]
    array = array - np.asarray(piece.added, array.dtype) if piece.added else array
    return np.ascontiguousarray(turned(array, piece.our_axes, piece.axes, sizes))
