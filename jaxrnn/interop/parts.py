"""Which of the recurrent layers of a source is meant, and whether several are one stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.interop.source import Part, Source, below, check_once, segments
from jaxrnn.interop.weight_norm import folded


def chosen(source: Source, prefix: str) -> Source:
    """The part of this name, where a source describes its parts; else the entries whose names begin so."""
    if not source.parts:
        return below(folded(source), prefix)
    found = [part for part in source.parts if part.name == prefix]
    found = found or [part for part in source.parts if prefix in part.also]
    found = found or [part for part in source.parts if segments(prefix) == segments(part.name)]
    if len(found) == 1:
        return _read(found[0])
    if not found and any(segments(e.name)[: len(segments(prefix))] == segments(prefix) for e in source.entries):
        return below(folded(source._replace(parts=())), prefix)
    names = [part.name for part in source.parts if part.name]
    fail("prefix", f"the name of one recurrent layer, out of {names}", prefix, nearest(prefix, names))


def _read(part: Part) -> Source:
    source = part.read()
    return source._replace(name=part.name, follows=part.follows)


def check_chain(sources: Sequence[Source], prefixes: Sequence[str]) -> None:
    """Each takes the outputs of the one before as they are, as far as the source tells."""
    for lower, upper in pairwise(sources):
        if upper.follows not in ("", lower.name):
            what = f"{upper.name!r}, which takes something else than the outputs of {lower.name!r}"
            hint = "Load each layer by itself."
            fail(
                "prefix",
                f"layers of which each takes the outputs of the one before, in {list(prefixes)}",
                Said(what),
                hint,
            )


def renamed(source: Source, names: Mapping[str, str]) -> Source:
    """The entries that `names` names, by the names that it has for them."""
    by_name = {segments(e.name): e for e in source.entries}
    for name in names:
        if segments(name) not in by_name:
            known = [e.name for e in source.entries]
            fail("names", f"of entries, such as {known[:12]}", name, nearest(name, known))
    entries = tuple(by_name[segments(theirs)]._replace(name=ours) for theirs, ours in names.items())
    check_once((e.name for e in entries), "names", "name")
    return source._replace(entries=entries, parts=())


def check_names(names: Any) -> None:
    """None, or a mapping of texts."""
    if names is None:
        return
    if not isinstance(names, Mapping) or not all(isinstance(t, str) for pair in names.items() for t in pair):
        fail("names", "None, or a mapping of names to names", names, kind=TypeError)
    if not names:
        fail("names", "None, or with names in it", names)
