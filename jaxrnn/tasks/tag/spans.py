"""Spans of tags such as B-person, I-person, O: what is found counts where its type and both its ends are right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Span(NamedTuple):
    """Words `start` to `end` (that one not) of a type."""

    start: int
    end: int
    kind: str


def are_spans(tags: Iterable[str]) -> bool:
    """Whether tags say where spans begin and go on.

    >>> are_spans(["O", "B-person", "I-person"]), are_spans(["NOUN", "O"])
    (True, False)
    """
    some = {*tags} - {"O"}
    return bool(some) and all(tag[:2] in ("B-", "I-") for tag in some)


def spans(tags: Sequence[str]) -> list[Span]:
    """The spans of one sentence; an I behind nothing of its type begins one, as the field's scorers have it.

    >>> spans(["B-a", "I-a", "O", "I-b", "B-b"])
    [Span(start=0, end=2, kind='a'), Span(start=3, end=4, kind='b'), Span(start=4, end=5, kind='b')]
    """
    found: list[Span] = []
    for place, tag in enumerate(tags):
        how, _, kind = tag.partition("-")
        if how not in ("B", "I"):
            continue
        before = found[-1] if found else None
        if how == "I" and before is not None and (before.end, before.kind) == (place, kind):
            found[-1] = before._replace(end=place + 1)
        else:
            found.append(Span(place, place + 1, kind))
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
