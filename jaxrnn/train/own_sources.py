"""Where the batches of one's own task come from: what is refused before a run begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

from jaxrnn.base.errors import Said, fail
from jaxrnn.train.check_task import check_rows
from jaxrnn.train.task import Batches

ENDLESS = "a function that makes an endless iterator with get_state and set_state, or what has one"
ALL = "a list of batches, or a function that makes an iterator of them"


def check_training(source: Any) -> None:
    """See to it that training data can be begun anew, and their place be stored."""
    if not callable(source) and not _has_place(source):
        fail("training", ENDLESS, source, kind=TypeError)


def _has_place(source: Any) -> bool:
    try:
        return isinstance(iter(source), Batches)
    except TypeError:
        return False


def check_held_out(source: Any, name: str) -> None:
    """See to it that held-out data are batches, one or more, that can be gone through again."""
    if callable(source):
        return
    plain = isinstance(source, Iterable) and not isinstance(source, (Iterator, Mapping, str, bytes))
    if not plain or hasattr(source, "dtype"):
        fail(name, ALL, source, kind=TypeError)
    if isinstance(source, Sized) and not len(source):
        fail(name, "of one batch or more", source)
    try:
        first = next(iter(source))
    except StopIteration:
        fail(name, "of one batch or more", Said("none"))
    check_rows(first, f"{name}[0]")
