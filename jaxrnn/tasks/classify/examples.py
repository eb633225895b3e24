"""What is classified: the sets that ship, the film snippets of others, and folds of any of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.classify.options import DataOptions
from jaxrnn.tasks.classify.own_examples import own_examples
from jaxrnn.tasks.shared.own_files import lines_of, shortened, wrong
from jaxrnn.tasks.shared.own_splits import NAMES, OWN, SPLITS
from jaxrnn.tasks.shared.own_tables import Row
from jaxrnn.tasks.shared.shipped import DATA, INSTALL
from jaxrnn.train import read_arrays
from jaxrnn.train.sources import bare

POLARITY = "sentence_polarity.tsv"
WHERE = f"Sentence Polarity v1.0 (Pang & Lee 2005) as {POLARITY}: lines of fold, label and text, with tabs between."
SIGNS = ("negative", "positive")
FILES = {"languages": "udhr/udhr_languages.tsv.xz", "sentiment": "sentiment/sentiment_sentences.tsv.xz"}


class Example(NamedTuple):
    """A text, or a series of channels [T, D], and its label."""

    content: str | np.ndarray
    label: str


Parts = dict[str, list[Example]]


def examples_of(data: DataOptions, channels: Sequence[str] = ()) -> Parts:
    """Of each part; series of a user's with their channels in this order, where both have names for these.

    Raises:
        ValueError: If a file is missing or damaged, or has too little for every part.
    """
    if data.set == OWN:
        found = own_examples(data, data.path, channels)
        parts = {split: [Example(one.content, one.label) for one in found[split]] for split in SPLITS}
        folds = None
    elif data.set == "polarity":
        folds = _polarity(data.path)
        parts = _of_fold(folds, max(data.fold, 0))
    else:
        parts, folds = _shipped(data.set), None
    if data.fold < 0 or data.set == "polarity":
        return parts
    return _of_fold(_drawn(parts, data), data.fold)


@cache
def _shipped(chosen: str) -> Parts:
    if chosen == "vowels":
        return _vowels()
    found: Parts = {split: [] for split in SPLITS}
    for row in _rows(DATA / FILES[chosen]):
        label = row.cells["language"] if chosen == "languages" else SIGNS[int(row.cells["label"])]
        found[NAMES[row.cells["split"]]].append(Example(row.cells["text"], label))
    return found


def _rows(file: Path) -> Iterator[Row]:
    """Lines of as many cells as the first has names; tabs between, and a quotation mark is a mark."""
    (_, header), *lines = lines_of(file)
    names = header.split("\t")
    for number, line in lines:
        cells = line.split("\t")
        if len(cells) != len(names):
            wrong(file, number, f"{', '.join(names)}, with tabs between", shortened(line))
        yield Row(file, number, dict(zip(names, cells, strict=True)))


def _vowels() -> Parts:
    """The official split; every fifth series of a speaker's training part validates."""
    names = ["x", "offset", "speaker", "test"]
    x, offset, speaker, test = read_arrays(DATA / "japanese_vowels", "japanese_vowels.npz", names, INSTALL).values()
    found: Parts = {split: [] for split in SPLITS}
    seen: dict[int, int] = defaultdict(int)
    for series, who, held_out in zip(np.split(x, offset[1:-1]), speaker.tolist(), test, strict=True):
        seen[who] += not held_out
        split = "test" if held_out else "validation" if seen[who] % 5 == 0 else "training"
        found[split].append(Example(series, f"speaker {who + 1}"))
    return found


def _polarity(path: str) -> list[list[Example]]:
    place = Path(path).expanduser()
    file = (
        next((f for f in sorted(place.rglob(f"{POLARITY}*")) if bare(f.name) == POLARITY), None)
        if place.is_dir()
        else place
    )
    if not path or file is None or not file.is_file():
        fail("data.path", f"a folder with {POLARITY}", Said(repr(path) if path else "none"), WHERE)
    found: list[list[Example]] = [[] for _ in range(10)]
    for row in _rows(file):
        fold, label = str(row.cells.get("fold")), str(row.cells.get("label"))
        if fold not in map(str, range(10)) or label not in ("0", "1") or not row.cells.get("text"):
            wrong(row.file, row.line, "a fold from 0 to 9, a label 0 or 1, and a text", repr(row.cells), WHERE)
        found[int(fold)].append(Example(row.cells["text"], SIGNS[int(label)]))
    return found


def _drawn(parts: Parts, data: DataOptions) -> list[list[Example]]:
    """All examples in folds that have as much of each label, as near as can be; equal texts are in one of them."""
    groups: dict[tuple, list[Example]] = defaultdict(list)
    for n, one in enumerate(example for split in SPLITS for example in parts[split]):
        groups[(one.label, one.content if isinstance(one.content, str) else n)].append(one)
    of_label: dict[str, list[list[Example]]] = defaultdict(list)
    for (label, _), some in groups.items():
        of_label[label].append(some)
    found: list[list[Example]] = [[] for _ in range(data.folds)]
    draw, turn = np.random.default_rng(data.split_seed), 0
    for label in sorted(of_label):
        for n in draw.permutation(len(of_label[label])):
            found[turn % data.folds] += of_label[label][n]
            turn += 1
    if not all(found):
        fail("data.folds", "no more than there are examples", Said(f"{data.folds} for {turn}"))
    return found


def _of_fold(folds: list[list[Example]], test: int) -> Parts:
    """One fold tests, the next one validates, the others train."""
    validation = (test + 1) % len(folds)
    others = [one for n, fold in enumerate(folds) for one in fold if n not in (test, validation)]
    return {"training": others, "validation": folds[validation], "test": folds[test]}
