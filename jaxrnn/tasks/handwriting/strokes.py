"""Pen strokes as data: what a pen did from point to point, and the text that it wrote where that is known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.shipped import DATA
from jaxrnn.train import Vocabulary, pad, read_arrays
from jaxrnn.train.options import check, check_set
from jaxrnn.train.task import recalled

IAM = "iam_ondb_lines.npz"
IAM_WHERE = (
    "It holds the lines of the IAM On-Line Handwriting Database (register at fki.tic.heia-fr.ch) as arrays dx, dy, "
    "end_of_stroke [points], offset [lines + 1], split (train, valid1, valid2, test) and text [lines]"
)
ARRAYS = ("dx", "dy", "end_of_stroke", "offset")


@dataclass(frozen=True)
class DataOptions:
    """The drawings.

    Args:
        set: omniglot, drawings of characters that ship with the package, or iam, lines of text.
        path: Of iam: a folder or archive with iam_ondb_lines.npz.
        rows: B, the drawings of a batch.
        longest: Train on so many points from the start of each drawing, 0: on all. What a window learns on the first
            words of a line it does on the others too, and it learns it in fewer points.
        multiple: Their points are padded to a multiple of this; each length is a compilation.
        seed: Of their order.
    """

    set: Literal["omniglot", "iam"] = "omniglot"
    path: str = ""
    rows: int = 32
    longest: int = 0
    multiple: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        check_set(self.set, self.path, ships="omniglot", full="iam")
        check(self.rows >= 1, "data.rows", "1 or more", self.rows)
        check(self.longest == 0 or self.longest >= 2, "data.longest", "0, or 2 or more points", self.longest)
        check(self.multiple >= 1, "data.multiple", "1 or more", self.multiple)
        check(0 <= self.seed < 2**32, "data.seed", "an integer in [0, 2**32)", self.seed)


class Lines(NamedTuple):
    """Drawings of one split, in the order of the file."""

    points: list[np.ndarray]  # float32 [T, 3] each: offset from the point before in x and in y, end of stroke (0 or 1)
    texts: list[str]  # of each; empty where there is none


class Strokes(NamedTuple):
    """A batch; rows first."""

    points: np.ndarray  # float32 [B, T, 3], beyond a row's length zeros
    lengths: np.ndarray  # int32 [B]
    text: np.ndarray  # int32 [B, S], characters by number
    text_lengths: np.ndarray  # int32 [B]


@dataclass(frozen=True)
class Drawings:
    """The data of a task. Offsets have mean 0 and deviation 1 over the training points, in x and in y."""

    data: DataOptions
    learned: str = ""

    @cached_property
    def _raw(self) -> dict[str, Lines]:
        """Both splits, in the units of the file."""
        if self.data.set == "iam":
            file = read_arrays(self.data.path, IAM, (*ARRAYS, "split", "text"), IAM_WHERE)
        else:
            folder = str(DATA)
            file = read_arrays(folder, "omniglot_strokes.npz", (*ARRAYS, "training"), "Install the package again.")
        dx, dy, end, offset = (file[name] for name in ARRAYS)
        count = len(offset) - 1
        if self.data.set == "iam":
            # As Graves 2013, section 4.2.
            split, texts = file["split"], file["text"].tolist()
            chosen = {"training": np.isin(split, ("train", "valid2", "test")), "validation": split == "valid1"}
        else:
            training, texts = np.arange(count) < file["training"], [""] * count
            chosen = {"training": training, "validation": ~training}
        points = np.stack([dx, dy, end], -1).astype(np.float32)
        drawings = np.split(points, offset[1:-1])
        found = {}
        for name, rows in chosen.items():
            kept = [n for n in np.flatnonzero(rows) if len(drawings[n]) > 1]  # one point predicts nothing
            if not kept:
                fail(
                    "data.path",
                    f"{IAM} with lines for every split",
                    Said(f"one whose {name} lines are none"),
                    IAM_WHERE,
                )
            found[name] = Lines([drawings[n] for n in kept], [texts[n] for n in kept])
        return found

    @cached_property
    def scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of the training offsets, [2] each, in the units of the file."""
        known = recalled(self.learned, "scale")
        if known is not None:
            return np.array(known[0]), np.array(known[1])
        points = np.concatenate(self._raw["training"].points)[:, :2].astype(np.float64)
        return points.mean(0), points.std(0)

    def normalised(self, points: np.ndarray) -> np.ndarray:
        """Points [T, 3] in the units of the file, as the model reads them."""
        mean, deviation = self.scale
        return np.concatenate([(points[:, :2] - mean) / deviation, points[:, 2:]], 1).astype(np.float32)

    def to_file_units(self, points: np.ndarray) -> np.ndarray:
        """The reverse of `normalised`."""
        mean, deviation = self.scale
        return np.concatenate([points[:, :2] * deviation + mean, points[:, 2:]], 1)

    @cached_property
    def lines(self) -> dict[str, Lines]:
        """The splits training and validation, normalised."""
        return {
            split: Lines([self.normalised(points) for points in lines.points], lines.texts)
            for split, lines in self._raw.items()
        }

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The characters of the training texts."""
        known = recalled(self.learned, "vocabulary")
        if known is not None:
            return Vocabulary(tuple(known))
        return Vocabulary.of(self._raw["training"].texts)

    @cached_property
    def encoded(self) -> dict[str, list[np.ndarray]]:
        """The texts of both splits as characters by number; one that training lacks is left out."""
        return {
            split: [self.vocabulary.encode([c for c in text if c in self.vocabulary]) for text in lines.texts]
            for split, lines in self._raw.items()
        }

    @cached_property
    def points(self) -> dict[str, list[np.ndarray]]:
        """Of each drawing; of those for training the first `longest`."""
        training, limit = self.lines["training"].points, self.data.longest or None
        return {"training": [points[:limit] for points in training], "validation": self.lines["validation"].points}

    def batch(self, split: str, rows: np.ndarray) -> Strokes:
        """The drawings of a split with the indices `rows`."""
        return Strokes(*pad(self.points[split], rows, self.data.multiple), *pad(self.encoded[split], rows, 64))

    def learn(self) -> dict[str, Any]:
        """Scale, vocabulary, and how long drawings are: where there is no text, as long as one drawn freely is."""
        scale, lengths = [part.tolist() for part in self.scale], self.lengths("training").tolist()
        return {"scale": scale, "vocabulary": self.vocabulary.tokens, "lengths": lengths}

    def contents(self, split: str) -> Lines:
        """The drawings of a part, in the units of the file."""
        return self._raw[split]

    def lengths(self, split: str) -> np.ndarray:
        """Points of each drawing."""
        known = recalled(self.learned, "lengths")
        if split == "training" and known is not None:
            return np.array(known)
        return np.array([len(points) for points in self.points[split]])
