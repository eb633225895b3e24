"""What weights look like once they are read: named entries, each with its shape before its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.core.layer import Layer
from jaxrnn.interop.rows.row import Row


class FileError(ValueError):
    """A file that cannot be read: damaged, hostile, or not what its name says."""


class Refusal(NamedTuple):
    """Why an entry is no array to read. It matters only where the entry belongs to what is loaded."""

    expected: str
    got: Any
    hint: str = ""
    kind: type[Exception] = ValueError


class Entry(NamedTuple):
    """One named array; `read` brings its numbers, which nothing does before names and shapes are checked. `tells` are
    options of the cell that the way it lies tells."""

    name: str
    shape: tuple[int, ...]
    dtype: Any
    read: Callable[[], Any]
    refusal: Refusal | None = None
    tells: tuple[tuple[str, Any], ...] = ()


class Source(NamedTuple):
    """All entries of a file or an object, and what else it tells: its layer, where it holds a configuration.

    `at` is the prefix that was taken off the names. `parts` are the recurrent layers that a configuration or a graph
    describes, "" for what is meant where nobody names one. `defaults` tells, of a library's cell whose configuration is
    not there, the options that it had in the version that wrote the file; it fails where the file cannot tell.
    `follows` says of a part whose outputs it takes: "" where nothing tells, None for none as they are. `beside` are the
    other files in which numbers are kept, `writer` is the program that wrote them, as far as they say.
    """

    entries: tuple[Entry, ...]
    layer: Layer | None = None
    library: str | None = None
    at: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    defaults: Callable[[Row, bool], dict[str, Any]] | None = None
    name: str = ""
    follows: str | None = ""
    beside: tuple[Path, ...] = ()
    writer: str = ""


class Part(NamedTuple):
    """A recurrent layer that a source describes: by a configuration, or as a node of a graph.

    name: the prefix that leads to it. read: its entries, named by place as rows have them, and its layer; what is wrong
    with it is said by no one before. also: other prefixes that lead to it. follows: as in `Source`.
    """

    name: str
    read: Callable[[], Source]
    also: tuple[str, ...] = ()
    follows: str | None = None


def entry_of(name: str, array: Any) -> Entry:
    """An array that is in memory already."""
    return Entry(name, tuple(array.shape), array.dtype, lambda: array)


def refused(name: str, expected: str, got: Any, hint: str = "", kind: type[Exception] = TypeError) -> Entry:
    """Something that is no array: an error once it is wanted."""
    return Entry(name, (), None, lambda: fail(name, expected, got, hint, kind=kind), Refusal(expected, got, hint, kind))


def check_once(names: Iterable[str], where: str, what: str) -> None:
    """No name stands twice: which of the two a reader took would be chance."""
    for name, count in Counter(names).items():
        if count > 1:
            fail(where, f"with every {what} once", Said(f"{name!r} {count} times"))


def from_mapping(tree: Any, argument: str = "source") -> Source:
    """Nested or flat mappings of arrays: a state dict, a Flax or haiku tree of parameters, a checkpoint of torch."""
    entries = tuple(_leaves(tree, "", ()))
    check_once((e.name for e in entries), argument, "name")
    return Source(entries)


def _leaves(tree: Any, path: str, above: tuple[int, ...]) -> Iterator[Entry]:
    if id(tree) in above:
        yield refused(path, "a tree of arrays", Said("a mapping within itself"))
        return
    for key, value in tree.items():
        name = f"{path}/{key}" if path else str(key)
        if not isinstance(key, str | int):
            yield refused(name, "below names alone", key)
        elif isinstance(value, Mapping):
            yield from _leaves(value, name, (*above, id(tree)))
        else:
            yield array_entry(name, value)


def array_entry(name: str, value: Any) -> Entry:
    """Any library's array as NumPy or JAX has it; anything else is refused once it is wanted."""
    if isinstance(value, (jax.Array, np.ndarray)):
        return entry_of(name, value)
    if hasattr(value, "detach") and hasattr(value, "untyped_storage"):
        return _torch_entry(name, value)
    if hasattr(getattr(value, "dtype", None), "as_numpy_dtype"):  # a variable or a tensor of TensorFlow
        return Entry(name, tuple(value.shape), np.dtype(value.dtype.as_numpy_dtype), value.numpy)
    if hasattr(value, "__array__") and hasattr(value, "shape"):
        return entry_of(name, np.asarray(value))
    return refused(name, "an array", value)


def _torch_entry(name: str, value: Any) -> Entry:
    """A tensor of torch, by its bytes where NumPy lacks the dtype: bfloat16, and floats of eight bits."""
    try:
        dtype = jax.numpy.dtype(str(value.dtype).removeprefix("torch."))
    except TypeError:  # quantised: numbers that mean something else
        return refused(name, "a tensor of plain numbers", Said(str(value.dtype)))
    if str(value.layout) != "torch.strided" or value.is_meta:
        return refused(name, "a dense tensor with numbers", Said(f"{value.layout} on {value.device}"))

    def read() -> Any:
        import torch

        tensor = value.detach().cpu()
        if dtype.isbuiltin == 1:
            return tensor.numpy()
        return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().view(dtype).reshape(tuple(tensor.shape))

    return Entry(name, tuple(value.shape), dtype, read)


def segments(name: str) -> tuple[str, ...]:
    """A name cut at dots and slashes, without TensorFlow's `:0`."""
    return tuple(part for part in name.removesuffix(":0").replace(".", "/").split("/") if part)


def below(source: Source, prefix: str) -> Source:
    """The entries whose names start with `prefix`, without it."""
    start = segments(prefix)
    if not start:
        return source
    kept = [e._replace(name="/".join(segments(e.name)[len(start) :])) for e in source.entries if _under(e, start)]
    if not kept:
        heads = sorted({"/".join((*source.at, *segments(e.name)[:-1])) for e in source.entries})
        fail("prefix", f"the start of some names, such as {', '.join(map(repr, heads[:12]))}", prefix)
    return source._replace(entries=tuple(kept), at=(*source.at, *start))


def _under(entry: Entry, start: tuple[str, ...]) -> bool:
    return segments(entry.name)[: len(start)] == start
