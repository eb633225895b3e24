"""What can be seen, with all that is said about it: examples of each split, and batches of them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.train import EMPTY, END, START, UNKNOWN, Vocabulary, pad

SPLITS = ("training", "validation", "test")


class Example(NamedTuple):
    """A view, and all that is said about it."""

    view: np.ndarray  # of one shape for all: a picture's colours, or features of a video's frames
    captions: tuple[tuple[str, ...], ...]  # words


class Described(NamedTuple):
    """A batch of views with a caption each; rows first."""

    views: np.ndarray  # [B, ...]
    words: np.ndarray  # int32 [B, T], END behind each caption
    lengths: np.ndarray  # int32 [B], END counted; 0 where a row holds no caption


@dataclass(frozen=True, eq=False)
class Descriptions:
    """The examples of each split, and their words as numbers.

    Raises:
        ValueError: If a split has none.
    """

    examples: dict[str, list[Example]]
    at_least: int  # words seen less often in training are <unk>
    longest: int  # words that are kept of a caption for training
    known: Vocabulary | None = None  # the words that a trained model knows, where these are its examples

    def __post_init__(self) -> None:
        for split in SPLITS:
            if not self.examples[split]:
                fail("data.path", "examples enough for every split", Said(f"none for {split}"))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words of the training captions."""
        if self.known is not None:
            return self.known
        captions = (caption for example in self.examples["training"] for caption in example.captions)
        return Vocabulary.of(captions, special=(UNKNOWN, START, END), at_least=self.at_least)

    def views(self, split: str) -> np.ndarray:
        """What is seen in the examples of a split, [N, ...]."""
        return np.stack([example.view for example in self.examples[split]])

    def pairs(self, split: str) -> tuple[np.ndarray, Callable[[np.ndarray], Described]]:
        """Lengths of a split's captions, END counted, and the batch with given indices of captions."""
        examples, longest = self.examples[split], self.longest if split == "training" else None
        views = self.views(split)
        owner = np.array([n for n, example in enumerate(examples) for _ in example.captions])
        captions = [
            self.vocabulary.encode([*caption[:longest], END]) for example in examples for caption in example.captions
        ]

        def collate(rows: np.ndarray) -> Described:
            chosen = views[owner[rows]]
            chosen[rows == EMPTY] = 0
            return Described(chosen, *pad(captions, rows, multiple=4))

        return np.array([len(caption) for caption in captions]), collate


def words(caption: str) -> tuple[str, ...]:
    """Lower case and without punctuation, as captions are scored in the field.

    >>> words("A man's T-shirt: red, white.")
    ('a', "man's", 't-shirt', 'red', 'white')
    """
    return tuple(re.findall(r"\w+(?:[-'\u2019]\w+)*", caption.lower()))


def split_of(name: str) -> str:
    """The split of all examples of a name: about a tenth is for validation, a tenth for the test.

    >>> [split_of(name) for name in ("1F600", "1F40D", "1F33E")]
    ['training', 'training', 'training']
    """
    return {0: "test", 1: "validation"}.get(zlib.crc32(name.encode()) % 10, "training")


def by_split(named: Sequence[tuple[str, Example]]) -> dict[str, list[Example]]:
    """Examples, each with the name that decides about its split."""
    found: dict[str, list[Example]] = {split: [] for split in SPLITS}
    for name, example in named:
        found[split_of(name)].append(example)
    return found
