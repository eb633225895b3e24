"""What weights look like once they are read: named entries, each with its shape before its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrnn.errors import fail
from jaxrnn.layer import Layer


class FileError(ValueError):
    """A file that cannot be read: damaged, hostile, or not what its name says."""


class Entry(NamedTuple):
    """One named array; `read` brings its numbers, which nothing does before names and shapes are checked."""

    name: str
    shape: tuple[int, ...]
    dtype: Any
    read: Callable[[], Any]


class Source(NamedTuple):
    """All entries of a file or an object, and what else it tells: its layer, where it holds a configuration."""

    entries: tuple[Entry, ...]
    layer: Layer | None = None
    library: str | None = None


def entry_of(name: str, array: Any) -> Entry:
    """An array that is in memory already."""
    return Entry(name, tuple(array.shape), array.dtype, lambda: array)


def from_mapping(tree: Any, argument: str = "source") -> Source:
    """Nested or flat mappings of arrays: a state dict, a Flax or haiku tree of parameters."""
    return Source(tuple(_leaves(tree, "", argument)))


def _leaves(tree: Any, path: str, argument: str) -> Iterator[Entry]:
    for key, value in tree.items():
        if not isinstance(key, str):
            fail(argument, "a mapping with names as keys", key, kind=TypeError)
        name = f"{path}/{key}" if path else key
        if isinstance(value, Mapping):
            yield from _leaves(value, name, argument)
        else:
            yield entry_of(name, array_of(name, value))


def array_of(name: str, value: Any) -> Any:
    """An array as NumPy or JAX has it, from any library's."""
    if isinstance(value, (jax.Array, np.ndarray)):
        return value
    if hasattr(value, "detach"):  # a torch tensor; NumPy knows no bfloat16
        tensor = value.detach().cpu()
        if str(tensor.dtype) == "torch.bfloat16":
            return tensor.float().numpy().astype(jax.numpy.bfloat16)
        return tensor.numpy()
    if hasattr(value, "__array__") and hasattr(value, "shape"):
        return np.asarray(value)
    return fail(name, "an array", value, kind=TypeError)


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
        heads = sorted({"/".join(segments(e.name)[:-1]) for e in source.entries})
        fail("prefix", f"the start of some names, such as {', '.join(map(repr, heads[:12]))}", prefix)
    return source._replace(entries=tuple(kept))


def _under(entry: Entry, start: tuple[str, ...]) -> bool:
    return segments(entry.name)[: len(start)] == start
