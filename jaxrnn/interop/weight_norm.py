"""Weight norm in named arrays: w = g v / |v|, as torch's two ways of it store g and v, or a row's arrays of lengths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from jaxrnn.base.dtypes import promote
from jaxrnn.interop.source import Entry, Source, segments

Path = tuple[str, ...]


def _spellings(path: Path, name: str) -> tuple[tuple[Path, Path], ...]:
    """Where g and v stand, for a weight that would stand at (*path, name)."""
    inside = (*path, "parametrizations", name)
    return ((*path, f"{name}_g"), (*path, f"{name}_v")), ((*inside, "original0"), (*inside, "original1"))


def folded(source: Source) -> Source:
    """A source whose normed weights are plain ones."""
    by_path = {segments(e.name): e for e in source.entries}
    made: dict[tuple[str, ...], Entry] = {}
    used: set[tuple[str, ...]] = set()
    for path, name in dict.fromkeys(_candidates(by_path)):
        for pair in _spellings(path, name):
            if all(p in by_path and by_path[p].refusal is None for p in pair) and (*path, name) not in by_path:
                g, v = (by_path[p] for p in pair)
                if g.dtype == v.dtype and _broadcasts(g.shape, v.shape):
                    made[pair[0]] = Entry("/".join((*path, name)), v.shape, v.dtype, partial(_weight, g, v))
                    used |= set(pair)
    if not made:
        return source
    entries = (made.get(segments(e.name), e) for e in source.entries if segments(e.name) not in used - set(made))
    return source._replace(entries=tuple(entries))


def _candidates(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    for path in paths:
        if path and path[-1].endswith("_g"):
            yield path[:-1], path[-1].removesuffix("_g")
        if len(path) > 2 and path[-1] == "original0" and path[-3] == "parametrizations":
            yield path[:-3], path[-2]


def _broadcasts(g: tuple[int, ...], v: tuple[int, ...]) -> bool:
    """One number for each place along some axes of v, as many axes as v has; or one for all of v."""
    return g == () or (len(g) == len(v) and all(n in (1, whole) for n, whole in zip(g, v, strict=True)))


def _weight(g: Entry, v: Entry) -> Any:
    """The norm runs over the axes along which g has one number for all; in float32 at least."""
    scale, direction = g.read(), v.read()
    wide = promote(direction.dtype, np.float32)
    axes = tuple(i for i in range(len(v.shape)) if g.shape == () or g.shape[i] == 1)
    norm = (direction.astype(wide) ** 2).sum(axes, keepdims=bool(g.shape)) ** 0.5
    return (direction.astype(wide) * (scale.astype(wide) / norm)).astype(direction.dtype)


# ---------------------------------------------------------------- of columns, as TensorFlow's l2_normalize has it

LEAST = 1e-12  # of a column's sum of squares


def scaled(direction: Any, scale: Any) -> Any:
    """Columns in these directions with these lengths."""
    wide = promote(direction.dtype, np.float32)
    factors = scale.astype(wide) / _norms(direction.astype(wide))
    return (direction.astype(wide) * factors[None]).astype(direction.dtype)


def lengths(weight: Any) -> Any:
    """The lengths of columns, with which `scaled` leaves them as they are."""
    return _norms(weight.astype(promote(weight.dtype, np.float32))).astype(weight.dtype)


def _norms(weight: Any) -> Any:
    return (weight**2).sum(0).clip(min=LEAST) ** 0.5
