"""Files of pen strokes, each in its own layout: what ships with the package, sketch-rnn's Omniglot, lines of IAM."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.shipped import DATA, INSTALL
from jaxrnn.train import read_arrays

SHIPPED = {"hershey": "hershey_words.npz", "kanji": "kanjivg_strokes.npz"}
FULL = {"iam": "iam_ondb_lines.npz", "omniglot": "omniglot_stroke3_flat.npz"}
WITH_TEXT = ("hershey", "iam")
WHERE = {
    "iam": "It holds the lines of the IAM On-Line Handwriting Database (register at fki.tic.heia-fr.ch) as arrays dx, "
    "dy, end_of_stroke [points], offset [lines + 1], split (train, valid1, valid2, test) and text [lines]",
    "omniglot": "It holds omniglot.npz of github.com/hardmaru/sketch-rnn-datasets as arrays train, valid, test "
    "[points, 3] (dx, dy, pen-up) and train_offset, valid_offset, test_offset [drawings + 1]",
}
SPLITS = ("training", "validation", "test")
ARRAYS = ("dx", "dy", "end_of_stroke", "offset")


class Lines(NamedTuple):
    """Drawings of one split, in the order of the file."""

    points: list[np.ndarray]  # float32 [T, 3] each: offset from the point before in x and in y, end of stroke (0 or 1)
    texts: list[str]  # of each; empty where there is none


def read(chosen: str, path: str) -> dict[str, Lines]:
    """The splits of one of the sets in `SHIPPED` and `FULL`, in the units of its file.

    Raises:
        ValueError: If the file is missing or damaged, or a split has no drawing that predicts anything.
    """
    found = {"omniglot": _omniglot, "iam": _iam}[chosen](path) if chosen in FULL else _shipped(chosen)
    kept = {}
    for split, (points, texts) in found.items():
        rows = [n for n, drawing in enumerate(points) if len(drawing) > 1]  # one point predicts nothing
        if not rows:
            said = Said(f"one whose {split} lines are none")
            fail(
                "data.path", f"{(SHIPPED | FULL)[chosen]} with lines for every split", said, WHERE.get(chosen, INSTALL)
            )
        kept[split] = Lines([points[n] for n in rows], [texts[n] for n in rows])
    return kept


def _cut(points: np.ndarray, offset: np.ndarray) -> list[np.ndarray]:
    """Points [N, 3] of a file as its drawings."""
    return np.split(points.astype(np.float32), offset[1:-1])


def _shipped(chosen: str) -> dict[str, Lines]:
    """The first of the file train, the next validate, the last test."""
    texts = ("text",) if chosen in WITH_TEXT else ()
    names = (*ARRAYS, "training", "validation", *texts)
    file = read_arrays(DATA, SHIPPED[chosen], names, INSTALL)
    drawings = _cut(np.stack([file[name] for name in ARRAYS[:3]], -1), file["offset"])
    written = file["text"].tolist() if texts else [""] * len(drawings)
    first = int(file["training"])
    cuts = 0, first, first + int(file["validation"]), len(drawings)
    parts = (slice(*pair) for pair in pairwise(cuts))
    return {split: Lines(drawings[part], written[part]) for split, part in zip(SPLITS, parts, strict=True)}


def _omniglot(path: str) -> dict[str, Lines]:
    """The splits of sketch-rnn's file."""
    names = dict(zip(SPLITS, ("train", "valid", "test"), strict=True))
    arrays = [array for name in names.values() for array in (name, f"{name}_offset")]
    file = read_arrays(path, FULL["omniglot"], arrays, WHERE["omniglot"])
    drawings = {split: _cut(file[name], file[f"{name}_offset"]) for split, name in names.items()}
    return {split: Lines(found, [""] * len(found)) for split, found in drawings.items()}


def _iam(path: str) -> dict[str, Lines]:
    """As Graves 2013, section 4.2: all but one part train."""
    file = read_arrays(path, FULL["iam"], (*ARRAYS, "split", "text"), WHERE["iam"])
    drawings = _cut(np.stack([file[name] for name in ARRAYS[:3]], -1), file["offset"])
    split, texts = file["split"], file["text"].tolist()
    parts = {"training": np.isin(split, ("train", "valid2", "test")), "validation": split == "valid1"}
    rows = {name: np.flatnonzero(part) for name, part in parts.items()}
    return {name: Lines([drawings[n] for n in some], [texts[n] for n in some]) for name, some in rows.items()}
