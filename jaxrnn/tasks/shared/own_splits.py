"""What a user brings, in three parts: those that are there by name, or drawn by a fraction and a seed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.own_files import wrong
from jaxrnn.tasks.shared.own_tables import Row
from jaxrnn.train.options import check, check_seed, check_whole

SPLITS = ("training", "validation", "test")
NAMES = {
    "train": "training",
    "training": "training",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
OWN = "own"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """What the data of all applications have: sets that ship, sets that have a path, and the user's own files.

    Args:
        held_out: Of your own files: the share that validates, and as much again tests, where the files do not say so by
            name (train, valid, test). 1: each part is all there is.
        split_seed: Of your own files: another number holds out others.
    """

    held_out: float = 0.1
    split_seed: int = 0

    ships: ClassVar[tuple[str, ...]] = ()  # sets that need no path; where a path is given beside one, it is the user's
    full: ClassVar[tuple[str, ...]] = ()  # sets of others that have a path
    counted: ClassVar[tuple[str, ...]] = ()  # options that are 1 or more

    def __post_init__(self) -> None:
        chosen, path = getattr(self, "set", ""), getattr(self, "path", "")
        if self.ships:
            known = (*self.ships, *self.full, OWN)
            check(chosen in known, "data.set", " or ".join(map(repr, known)), chosen)
            if path and chosen in self.ships:
                object.__setattr__(self, "set", OWN)
            if chosen == OWN and not path:
                fail("data.path", "your own file or folder with `data.set` own", Said("none"))
        fits = 0 < self.held_out < 0.5 or self.held_out == 1
        check(fits, "data.held_out", "a share in (0, 0.5), or 1", self.held_out)
        for name in self.counted:
            check_whole(getattr(self, name), f"data.{name}")
        for field in fields(self):
            if field.name.endswith("seed"):
                check_seed(getattr(self, field.name), f"data.{field.name}")


def named_split(name: str | Path) -> str | None:
    """The split that a file says in its name, or by a folder that it lies in: "train.txt", "corpus.test.en", "val/".

    >>> [named_split(name) for name in ("ptb.valid.txt", "my/train/a.txt", "qa1_train.txt", "test_of_time.txt")]
    ['validation', 'training', 'training', None]
    """
    path = Path(name)
    for part in path.name.lower().split("."):
        first, *rest = re.split("[_-]", part)
        if [first, *rest][-1] in NAMES:
            return NAMES[[first, *rest][-1]]
        if first in NAMES and all(map(str.isdigit, rest)):
            return NAMES[first]
    return folder_split(path)


def folder_split(path: Path) -> str | None:
    """The split that a folder says which a file lies in: of pictures, whose own names say what they show."""
    return next((NAMES[name] for part in reversed(path.parts[:-1]) if (name := part.lower()) in NAMES), None)


def row_split(row: Row) -> str | None:
    """The split that a row of a table says in its column `split`.

    Raises:
        ValueError: If it says another word: what was meant to be held out would be trained on.
    """
    said = next((value for name, value in row.cells.items() if name.lower() == "split"), None)
    found = named_split(said) if isinstance(said, str) else None
    if found is None and said is not None and said != "" and not (isinstance(said, str) and said.isspace()):
        wrong(row.file, row.line, "train, valid or test in 'split', or nothing", repr(said))
    return found


def drawn(
    items: Sequence[T], data: OwnData, where: str, what: str, together: Callable[[T], Hashable] | None = None
) -> dict[str, list[T]]:
    """Items in three parts by fraction and seed; those of one key stay together. Each part keeps their order.

    Raises:
        ValueError: If there are fewer than three.
    """
    if data.held_out == 1:
        check(bool(items), "data.path", f"one or more {what}", Said(f"none in {where}"))
        return {split: list(items) for split in SPLITS}
    return _drawn(items, SPLITS, data, where, what, together)


def parted(
    items: Sequence[T],
    split: Callable[[T], Any],
    data: OwnData,
    where: str,
    what: str,
    together: Callable[[T], Hashable] | None = None,
) -> dict[str, list[T]]:
    """Items in three parts: as each says (None: it does not), or drawn where none is said to be held out.

    Where validation or test alone is there, the other is drawn from what trains.

    Raises:
        ValueError: If there is too little for every part.
    """
    named = [split(item) for item in items]
    if None in named and "training" in named:
        more = f"{named.count(None)} of {len(named)} {what} of {where}"
        warnings.warn(f"trained on are {more} that do not say their part, as others do", stacklevel=2)
    said = [name or "training" for name in named]
    missing = [name for name in SPLITS if name not in said]
    if not items or missing == ["validation", "test"]:
        return drawn(items, data, where, what, together)
    found = {name: [item for item, of in zip(items, said, strict=True) if of == name] for name in SPLITS}
    if not missing:
        return found
    if data.held_out == 1:  # there is nothing to train on
        some = found["test"] or found["validation"] or found["training"]
        return {name: found[name] or some for name in SPLITS}
    if "training" in missing:
        there = " and ".join(name for name in SPLITS if found[name])
        fail("data.path", f"{what} to train on", Said(f"{where}, where all are for {there}"))
    return found | _drawn(found["training"], ("training", *missing), data, where, what, together)


def _drawn(
    items: Sequence[T],
    names: Sequence[str],
    data: OwnData,
    where: str,
    what: str,
    together: Callable[[T], Hashable] | None,
) -> dict[str, list[T]]:
    """Items in parts, of which the first has what the others leave."""
    groups: dict[Hashable, list[int]] = {}
    for n, item in enumerate(items):
        groups.setdefault(n if together is None else together(item), []).append(n)
    if len(groups) < len(names):
        alike = "" if len(groups) == len(items) else f" (of {len(items)}, counting once what is the same)"
        fail("data.path", f"{len(names)} or more {what}, one for each part", Said(f"{len(groups)} in {where}{alike}"))
    order = np.random.default_rng(data.split_seed).permutation(len(groups))
    held = min(max(1, round(len(groups) * data.held_out)), (len(groups) - 1) // (len(names) - 1))
    owners = [*groups.values()]
    cuts = [held * n for n in range(len(names))]
    parts = [order[cuts[-1] :], *(order[a:b] for a, b in pairwise(cuts))]
    return {
        name: [items[n] for n in sorted(n for group in part for n in owners[group])]
        for name, part in zip(names, parts, strict=True)
    }
