"""Spans of tags such as B-person, I-person, O: what is found counts where its type and both its ends are right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

BEGINS, GOES_ON, ENDS = "BSU", "IMEL", "ESLU"  # S and U are whole spans, E and L their last words, M is an I
TYPED = re.compile(f"[{BEGINS}{GOES_ON}]-.+")


class Span(NamedTuple):
    """Words `start` to `end` (that one not) of a type."""

    start: int
    end: int
    kind: str


def are_spans(tags: Iterable[str]) -> bool:
    """Whether tags say where spans begin and go on, of types or of one that has no name; also BIOES, BILOU and BMES.

    >>> are_spans(["O", "B-person", "I-person"]), are_spans(["O", "B", "I"]), are_spans(["NOUN", "O"])
    (True, True, False)
    """
    every = {*tags}
    some = every - {"O"}
    if some and all(TYPED.fullmatch(tag) for tag in some):
        return "O" in every or any(tag[0] in "BI" for tag in some)
    return "B" in some and some <= {*BEGINS, *GOES_ON} and ("O" in every or bool(some & {*GOES_ON}))


def stray(tags: Iterable[str]) -> str:
    """The tag that keeps tags from being those of spans, where nearly all say where such begin; else nothing.

    >>> stray(["O", "B-person", "I-person", "B"]), stray(["o", "b-person"]), stray(["NOUN", "O"])
    ('B', 'b-person', '')
    """
    every = {*tags}
    if are_spans(every):
        return ""
    some = sorted(every - {"O"})
    typed = {tag for tag in some if TYPED.fullmatch(tag)}
    pairs = any(f"I{tag[1:]}" in typed for tag in typed if tag.startswith("B"))
    if pairs or (typed and "O" in every):
        return next(tag for tag in some if tag not in typed)
    usual = {tag: tag.upper().replace("_", "-") for tag in every}
    return next((tag for tag in sorted(every) if tag != usual[tag]), "") if are_spans(usual.values()) else ""


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans of one sentence; an I behind nothing of its type begins one, as the field's scorers have it.

    >>> spans(["B-a", "I-a", "O", "I-b", "B-b"])
    [Span(start=0, end=2, kind='a'), Span(start=3, end=4, kind='b'), Span(start=4, end=5, kind='b')]
    """
    found: list[Span] = []
    closed = True  # whether the last one cannot go on
    for place, tag in enumerate(tags):
        how, _, kind = tag.partition("-")
        if how not in {*BEGINS, *GOES_ON}:
            continue
        before = found[-1] if found else None
        if how in GOES_ON and not closed and before is not None and (before.end, before.kind) == (place, kind):
            found[-1] = before._replace(end=place + 1)
        else:
            found.append(Span(place, place + 1, kind))
        closed = how in ENDS
    return found


def span_figures(said: Sequence[Sequence[str]], right: Sequence[Sequence[str]]) -> dict[str, float]:
    """Precision, recall and F1 over all spans of some sentences; 0 where nothing is there to be counted.

    >>> span_figures([["B-a", "O"], ["O"]], [["B-a", "B-a"], ["O"]])["recall"]
    0.5
    """
    ours, theirs = ({(n, *span) for n, tags in enumerate(some) for span in spans(tags)} for some in (said, right))
    both = len(ours & theirs)
    precision, recall = both / max(len(ours), 1), both / max(len(theirs), 1)
    return {"precision": precision, "recall": recall, "f1": 2 * both / max(len(ours) + len(theirs), 1)}
