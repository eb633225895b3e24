"""Pen strokes as data: what a pen did from point to point, and the text that it wrote where that is known."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from jaxrnn.tasks.handwriting.own_strokes import own_strokes
from jaxrnn.tasks.handwriting.stroke_files import FULL, SHIPPED, Lines, read
from jaxrnn.tasks.shared.own_splits import OWN, OwnData
from jaxrnn.train import Vocabulary, pad
from jaxrnn.train.options import check
from jaxrnn.train.task import recalled

SHOWN = 20  # characters in a message


@dataclass(frozen=True)
class DataOptions(OwnData):
    """The drawings.

    Args:
        set: hershey, words as a simulated pen writes them, or kanji, Japanese characters stroke by stroke (both ship
            with the package); omniglot, characters of fifty alphabets, or iam, lines of text; or own, as `data.path`
            beside one that ships is too.
        path: Your own: a file or folder of JSON lines such as {"strokes": [[[x, y], [x, y]], [[x, y]]], "text": "hi"},
            or of Quick, Draw!'s. Of omniglot: a folder or archive with omniglot_stroke3_flat.npz. Of iam: with
            iam_ondb_lines.npz.
        rows: B, the drawings of a batch.
        longest: Train on so many points from the start of each drawing, 0: on all. What a window learns on the first
            words of a line it does on the others too, and it learns it in fewer points.
        multiple: Their points are padded to a multiple of this; each length is a compilation.
        seed: Of their order.
    """

    set: Literal["hershey", "kanji", "omniglot", "iam", "own"] = "hershey"
    path: str = ""
    rows: int = 32
    longest: int = 0
    multiple: int = 16
    seed: int = 0

    ships = (*SHIPPED,)
    full = (*FULL,)
    counted = ("rows", "multiple")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.longest == 0 or self.longest >= 2, "data.longest", "0, or 2 or more points", self.longest)


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

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the held-out parts."""
        return ("validation",) if self.data.set == "iam" else ("validation", "test")

    @cached_property
    def _raw(self) -> dict[str, Lines]:
        """All splits, in the units of the file."""
        return own_strokes(self.data, self.data.path) if self.data.set == OWN else read(self.data.set, self.data.path)

    @cached_property
    def scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of the training offsets, [2] each, in the units of the file."""
        known = recalled(self.learned, "scale")
        if known is not None:
            return np.array(known[0]), np.array(known[1])
        points = np.concatenate(self._raw["training"].points)[:, :2].astype(np.float64)
        spread = points.std(0)
        return points.mean(0), np.where(spread > 0, spread, 1.0)  # of lines drawn all along one axis

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
        """All splits, normalised."""
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

    def tell_unknown(self, split: str) -> None:
        """Say which characters of a part's texts are left out, since the training texts lack them."""
        texts = self._raw[split].texts
        unknown = Counter(c for text in texts for c in text if c not in self.vocabulary)
        if unknown:
            some = "".join(character for character, _ in unknown.most_common(SHOWN))
            said = f"{unknown.total()} of {sum(map(len, texts))} characters of the {split} texts are left out"
            warnings.warn(f"{said}, since the model has learned none of {some!r}", stacklevel=3)

    @cached_property
    def encoded(self) -> dict[str, list[np.ndarray]]:
        """The texts of all splits as characters by number; one that training lacks is left out."""
        return {
            split: [self.vocabulary.encode([c for c in text if c in self.vocabulary]) for text in lines.texts]
            for split, lines in self._raw.items()
        }

    @cached_property
    def points(self) -> dict[str, list[np.ndarray]]:
        """Of each drawing; of those for training the first `longest`."""
        limits = dict.fromkeys(self.lines) | {"training": self.data.longest or None}
        return {split: [points[: limits[split]] for points in lines.points] for split, lines in self.lines.items()}

    @cached_property
    def _characters(self) -> int:
        """Texts are padded to a multiple of this: what holds a word, or half a line."""
        longest = max(map(len, self.encoded["training"]))
        return 16 if longest <= 16 else 64

    def batch(self, split: str, rows: np.ndarray) -> Strokes:
        """The drawings of a split with the indices `rows`."""
        return Strokes(
            *pad(self.points[split], rows, self.data.multiple), *pad(self.encoded[split], rows, self._characters)
        )

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
