"""Weights of other libraries into jaxrnn."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from jaxrnn.base.checks import check_number
from jaxrnn.base.errors import Said, fail
from jaxrnn.compose import Stack, stack
from jaxrnn.core.layer import Layer, check_params
from jaxrnn.interop import cudnn, files, live, xlstm
from jaxrnn.interop.converted import Mapped, convert, table_of
from jaxrnn.interop.files.formats import check_format
from jaxrnn.interop.keras_names import keras_heads
from jaxrnn.interop.match import Match, best_match
from jaxrnn.interop.own_tree import own_tree
from jaxrnn.interop.parts import check_chain, check_names, chosen, renamed
from jaxrnn.interop.places import cells_of
from jaxrnn.interop.rows import check_library
from jaxrnn.interop.source import Source, below, from_mapping, segments


class Loaded(NamedTuple):
    """What `load` returns: a layer, and its parameters as `jaxrnn.scan` takes them."""

    layer: Layer  # a cell, a stack, or a bidirectional layer
    params: dict[str, Any]  # nested dicts of arrays


def load(
    source: Any,
    library: str | None = None,
    *,
    layer: Layer | None = None,
    prefix: str | Sequence[str] = "",
    forget_bias: float | None = None,
    names: Mapping[str, str] | None = None,
    format: str | None = None,
) -> Loaded:
    """A recurrent layer of another library as a jaxrnn layer with its parameters.

    Nothing is read before every name, shape and dtype is checked; what does not fit raises one error that names it.
    Arrays keep their dtype (float64 needs JAX's x64 mode). No code in a file runs, and a file of a few bytes cannot ask
    for much memory; `jaxrnn.interop.files.rules` says how, and in which formats a checksum finds damage. A subclass is
    read as the class that it is made from, unless it overrides what runs. Weight norm is folded into the weights.

    Args:
        source: a live module (torch, torchrecurrent, ncps, xlstm, Keras, flax.nnx, equinox), a mapping of named arrays
            (a state dict, a parameter tree of Flax or haiku, TensorFlow variables by name), an `onnx.ModelProto`, the
            flat vector of `jax.experimental.rnn`, or a path: of safetensors, an .npz, torch's checkpoints and archives
            of TorchScript, HDF5, .keras, ONNX, a checkpoint of TensorFlow, or the folder of one of Orbax. First bytes
            tell which, not names. What is no array matters only below `prefix`.
        library: one of `jaxrnn.interop.LIBRARIES`, or "cudnn"; by default whichever the names and shapes fit.
        layer: the jaxrnn layer that the weights are for. Needed where weights alone leave it open (activations, the
            sizes in a flat vector, cells of torchrecurrent and ncps, Keras's weights without configuration of a version
            that had two defaults); by default a module or configuration tells, else
            names and shapes do, with the library's own defaults.
        prefix: where the layer is in a larger model, as names begin or attributes lead: "encoder.rnn", "layers/0".
            Several make a stack, where nothing says that something lies between the layers.
        forget_bias: what the library adds to the forget gate at run time, folded into our bias; by default 1 for
            haiku and TF 1. (Keras's unit_forget_bias is an initial value, part of the weights.)
        names: their names of entries -> the names that the library would have, where they are spelled otherwise:
            {"enc_w_ih": "weight_ih", ...}. Entries that it leaves out are not looked at.
        format: a file's format, where neither its first bytes nor its name tell: one of safetensors, npz, hdf5, keras,
            torch, torchscript, onnx, orbax, tensorflow.

    Returns:
        `Loaded(layer, params)`.

    Raises:
        ValueError: an entry is missing, unknown or of the wrong shape, a file is damaged, or the source has an option
            that jaxrnn lacks, or a bias, not zero, that our cell lacks (traced, it is taken for zero). TypeError: an
            entry is of the wrong type. FileNotFoundError: there is no such file.

    >>> import numpy as np, jaxrnn
    >>> weights = {"weight_ih_l0": np.ones((20, 3)), "weight_hh_l0": np.ones((20, 5))}
    >>> layer, params = jaxrnn.interop.load(weights)
    >>> layer.name, layer.size, params["kernel"].shape
    ('lstm', 5, (3, 4, 5))
    """
    options: dict[str, Any] = dict(layer=layer, prefix=prefix, forget_bias=forget_bias, names=names, format=format)
    return load_and_map(source, library, **options)[0]


def load_and_map(
    source: Any,
    library: str | None = None,
    *,
    layer: Layer | None = None,
    prefix: str | Sequence[str] = "",
    forget_bias: float | None = None,
    names: Mapping[str, str] | None = None,
    format: str | None = None,
) -> tuple[Loaded, list[Mapped]]:
    """`load`, and the table of what it mapped."""
    if library is not None:
        check_library(library)
    if layer is not None and not isinstance(layer, Layer):
        fail("layer", "a jaxrnn Layer", layer, kind=TypeError)
    if forget_bias is not None:
        check_number(forget_bias, "forget_bias", "a number")
    check_names(names)
    check_format(format)
    of_file = isinstance(source, (str, os.PathLike))
    if format is not None and not of_file:
        fail("format", "left out for what is no file", format)
    if names is not None and not of_file and not isinstance(source, Mapping):
        fail("names", "left out for a module, whose names are known", names)

    def open_(prefix: str) -> files.Opened:
        return open_source(source, library, layer, prefix, names, format)

    if isinstance(prefix, str):
        return _load_one(open_(prefix), library, layer, forget_bias)[:2]
    several = _prefixes(prefix)
    if layer is not None:
        fail("layer", "left out with several prefixes, which make a stack", layer)
    read = [_load_one(open_(p), library, None, forget_bias) for p in several]
    check_chain([opened for _, _, opened in read], several)
    parts = [(loaded, rows) for loaded, rows, _ in read]
    table = [row._replace(ours=f"layer_{i}/{row.ours}") for i, (_, rows) in enumerate(parts) for row in rows]
    whole = stack([loaded.layer for loaded, _ in parts])
    params = {f"layer_{i}": loaded.params for i, (loaded, _) in enumerate(parts)}
    check_params(whole, params)  # what one layer puts out is what the next takes
    return Loaded(whole, params), table


def _load_one(
    source: files.Opened, library: str | None, layer: Layer | None, forget_bias: float | None
) -> tuple[Loaded, list[Mapped], Source]:
    """What is at one prefix, and what it was read from."""
    with source as opened:
        library = "torch" if library == "cudnn" else library
        if opened.library is not None and library not in (None, opened.library):
            fail("library", f"left out, or {opened.library!r} for this source", library)
        library = opened.library or library
        if library == "xlstm" or (library is None and xlstm.is_theirs(opened)):
            if forget_bias is not None:
                fail("forget_bias", "left out for xlstm, which adds none", forget_bias)
            found, params, rows = xlstm.read(opened, layer)
            return Loaded(found, params), rows, opened
        whole = opened.layer if layer is None else layer
        if isinstance(layer, Stack) and library in (None, "keras") and forget_bias is None:
            named = _by_layer(opened, layer)
            if named is not None:
                return *_load_mixed(named, layer, "keras"), opened
        if isinstance(whole, Stack) and len({cell.name for cell in cells_of(whole).values()}) > 1:
            if forget_bias is not None:
                fail("forget_bias", "left out for a stack of several kinds of cells", forget_bias)
            return *_load_mixed(opened, whole, library), opened
        if layer is None and library in (None, "jaxrnn") and forget_bias is None:
            ours = own_tree(opened)
            if ours is not None:
                return *_of_parts(*ours), opened
        match = best_match(opened, layer, library)
        if forget_bias is not None:
            match.row = _with_forget_bias(match, forget_bias)
        return Loaded(match.layer, convert(match)), list(table_of(match)), opened  # type: ignore[arg-type]


def _load_mixed(source: Source, layer: Stack, library: str | None) -> tuple[Loaded, list[Mapped]]:
    """A stack of different kinds of cells: each layer by a row of its own."""
    matches = {}
    for i, part in enumerate(layer.layers):
        matches[f"layer_{i}"] = best_match(below(source, f"layer_{i}")._replace(layer=part), part, library)
    known = tuple(matches)
    for entry in source.entries:
        if segments(entry.name)[0] not in known:
            fail(entry.name, f"below one of {known}", Said("an unknown entry"))
    return _of_parts(layer, matches)


def _of_parts(layer: Layer, matches: Mapping[str, Match]) -> tuple[Loaded, list[Mapped]]:
    """A layer whose parts were read each by itself, by the paths of their parameters."""
    params: dict[str, Any] = {}
    for path, match in matches.items():
        node = params
        *above, last = path.split("/")
        for part in above:
            node = node.setdefault(part, {})
        node[last] = convert(match)
    check_params(layer, params)  # what one layer puts out is what the next takes
    table = [row._replace(ours=f"{path}/{row.ours}") for path, match in matches.items() for row in table_of(match)]
    return Loaded(layer, params), table


def _by_layer(source: Source, layer: Stack) -> Source | None:
    """Entries below the names that Keras's files of weights have for a stack's layers, below ours; None if they are
    not there, each."""
    paths = {entry.name: segments(entry.name) for entry in source.entries}
    start = ("layers",) if all(path[0] == "layers" for path in paths.values()) else ()
    ours = {(*start, head): f"layer_{i}" for i, head in enumerate(keras_heads(layer.layers))}
    found = {name: ours.get(path[: len(start) + 1]) for name, path in paths.items()}
    if {*found.values()} - {None} != {*ours.values()}:
        return None
    names = {n: "/".join((head, *paths[n][len(start) + 1 :])) for n, head in found.items() if head is not None}
    return source._replace(entries=tuple(e._replace(name=names.get(e.name, e.name)) for e in source.entries))


def _prefixes(prefix: Any) -> tuple[str, ...]:
    if not isinstance(prefix, Sequence) or not prefix or not all(isinstance(p, str) for p in prefix):
        fail("prefix", "a string, or several", prefix, kind=TypeError)
    return tuple(prefix)


def open_source(
    source: Any,
    library: str | None,
    layer: Layer | None,
    prefix: str,
    names: Mapping[str, str] | None,
    format: str | None,
) -> files.Opened:
    """Anything that `load` takes as entries; the file, if there is one, stays open inside `with`."""
    of_path = isinstance(source, (str, os.PathLike))
    if library == "cudnn":
        if segments(prefix):
            fail("prefix", "left out for a flat vector, which has no names", prefix)
        return files.in_memory(cudnn.split(_vector(source) if of_path else source, layer))
    if of_path:
        return files.opened(files.path_of(source, "source"), prefix, format, names)
    found = live.read(source, prefix)
    if found is not None:
        return files.in_memory(chosen(found, prefix) if found.parts else found)
    if not isinstance(source, Mapping):
        expected = "a module, a mapping of named arrays, or a path"
        fail("source", expected, source, kind=TypeError)
    if not source:
        fail("source", "with arrays in it", source)
    tree = from_mapping(source)
    return files.in_memory(chosen(_without_params(tree) if names is None else renamed(tree, names), prefix))


def _vector(source: Any) -> Any:
    """The one array of a file."""
    with files.opened(files.path_of(source, "source"), "") as opened:
        if len(opened.entries) != 1:
            names = [entry.name for entry in opened.entries]
            fail("source", "a file of one array, the flat weight vector", Said(f"one with {names}"))
        return opened.entries[0].read()


def _without_params(source: Source) -> Source:
    """Flax's variables are parameters below `params`."""
    if all(e.name.startswith("params/") for e in source.entries) and source.entries:
        return below(source, "params")._replace(at=())
    return source


def _with_forget_bias(match: Match, forget_bias: float) -> Any:
    if match.row.kind != "lstm" or not match.row.added:
        fail("forget_bias", f"left out for {match.row.library} {match.row.name}, which adds none", forget_bias)
    return replace(match.row, added=(("f", float(forget_bias)),))
