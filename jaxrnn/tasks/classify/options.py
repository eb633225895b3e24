"""Which examples there are, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxrnn.tasks.shared.own_splits import OwnData
from jaxrnn.train.options import check, check_types, check_whole


@dataclass(frozen=True)
class DataOptions(OwnData):
    """The examples.

    Args:
        set: languages, paragraphs in 78 of them; vowels, how nine speakers say them; sentiment, sentences of reviews;
            polarity, snippets of film reviews (Pang & Lee 2005); or own, yours, as `data.path` beside the first three
            is too.
        path: Your own: lines of a label, a tab and a text; a .csv or .jsonl with columns label and text; a folder with
            one folder a label, of texts; or series, as .jsonl ({"label": ..., "values": [[...], ...]}), .csv or .npz.
            Of polarity: its file.
        by: Of texts: characters or words.
        first: Of characters: examples are judged by so many (test figures are also of twice as many, and of all), and
            pieces of up to `crop` of them train. 0: whole texts.
        crop: Of characters: the most of a piece.
        longest: Symbols or steps that are read, at most; what is longer is cut off.
        at_least: Symbols that occur less often in what trains are unknown.
        most: Symbols that are known, at most. 0: any number.
        rows: B, the examples of a batch.
        seed: Of their order, and of pieces.
        folds: Cross-validation: the number of parts.
        fold: Of cross-validation: which part tests; the next one validates, the others train. -1: none, the split that
            the data have.
    """

    set: Literal["languages", "vowels", "sentiment", "polarity", "own"] = "languages"
    path: str = ""
    by: Literal["characters", "words"] = "characters"
    first: int = 0
    crop: int = 40
    longest: int = 1000
    at_least: int = 1
    most: int = 0
    rows: int = 32
    seed: int = 0
    folds: int = 10
    fold: int = -1

    ships = ("languages", "vowels", "sentiment")
    full = ("polarity",)
    counted = ("crop", "longest", "at_least", "rows")

    def __post_init__(self) -> None:
        check_types(self, "data")
        super().__post_init__()
        check(self.by in ("characters", "words"), "data.by", "characters or words", self.by)
        check_whole(self.first, "data.first", 0)
        check_whole(self.most, "data.most", 0)
        check_whole(self.folds, "data.folds", 3)
        check(self.set != "polarity" or self.folds == 10, "data.folds", "10, the folds of polarity", self.folds)
        check(-1 <= self.fold < self.folds, "data.fold", f"-1, or one of {self.folds} folds from 0", self.fold)
        pieces = self.first == 0 or self.by == "characters"
        check(pieces, "data.first", "0 for texts by words", self.first)
