"""Sentence pairs: where they come from, and batches of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.own_splits import OWN, OwnData
from jaxrnn.tasks.shared.shipped import DATA, INSTALL
from jaxrnn.tasks.shared.words import words_of
from jaxrnn.tasks.translation.byte_pairs import BytePairs
from jaxrnn.tasks.translation.own_pairs import own_pairs, whole_set
from jaxrnn.train import END, START, UNKNOWN, Vocabulary, pad, read_text
from jaxrnn.train.options import check
from jaxrnn.train.task import recalled

WHERE = (
    "Multi30k is at https://github.com/multi30k/dataset, folder data/task1/tok; any folder will do that has two files "
    "of equally many lines for each part, named PART.LANGUAGE."
)
COLUMNS = ("en", "de")  # of the pairs that ship
SHIPPED = ("train", "valid", "test")
# Hyphens, apostrophes, points and commas between letters belong to a word; of a quotation mark only what it shortens.
WORD = re.compile(r"'(?:[stmd]|re|ll|ve)\b|\w+(?:[-'.,]\w+)*|[^\w\s]")


class Pairs(NamedTuple):
    """A batch of sentence pairs; rows first."""

    source: np.ndarray  # int32 [B, S]
    source_lengths: np.ndarray  # int32 [B]
    target: np.ndarray  # int32 [B, T], END behind each sentence
    target_lengths: np.ndarray  # int32 [B], END counted; 0 where a row holds no pair


@dataclass(frozen=True)
class DataOptions(OwnData):
    """The sentence pairs.

    Args:
        path: Your own pairs: a file with one a line, a tab between, or a folder with NAME.en and NAME.de. Or a folder
            or archive with PART.LANGUAGE for all three parts, words apart. None: the English-German pairs that ship.
        source: Language to translate from, the end of its files' names.
        target: Language to translate into.
        training: Beginning of the names of the training files; so the next two.
        validation: Of the validation files.
        test: Of the test files.
        at_least: Words seen less often in training are <unk>.
        merges: Words are pieces made by so many byte pairs, learned from both languages; 0: words are whole.
        batch: B, the pairs of a batch.
        longest: Words (or pieces) that a translation has at most; training pairs with a longer sentence are left out.
        set: english_german, which ships; parts, files for training, validation and test as they are; or own, sentences
            as people write them. Where there is a path, it says which of the latter two.
    """

    path: str = ""
    source: str = "en"
    target: str = "de"
    training: str = "train"
    validation: str = "valid"
    test: str = "test"
    at_least: int = 2
    merges: int = 0
    batch: int = 64
    longest: int = 50
    set: Literal["english_german", "parts", "own"] = "english_german"

    ships = ("english_german",)
    full = ("parts",)
    counted = ("at_least", "batch", "longest")

    def __post_init__(self) -> None:
        parts = (self.training, self.validation, self.test)
        if self.set == "english_german" and self.path and whole_set(self.path, parts, (self.source, self.target)):
            object.__setattr__(self, "set", "parts")
        super().__post_init__()
        for name in ("source", "target", "training", "validation", "test"):
            check(bool(getattr(self, name)), f"data.{name}", "the name of a language or file", "''")
        check(
            self.source != self.target, "data.target", f"another language than data.source {self.source!r}", self.target
        )
        check(self.merges >= 0, "data.merges", "0 or more", self.merges)


@dataclass(frozen=True)
class ParallelText:
    """Sentences in two languages, line by line."""

    options: DataOptions
    learned: str = ""

    def sentences(self, split: str) -> tuple[list[list[str]], list[list[str]]]:
        """Source and target sentences of a part, `training`, `validation` or `test`, as words.

        Raises:
            ValueError: If a file is missing or damaged, or two files do not have equally many lines.
        """
        if split not in self._kept:
            own = self.options.set == OWN
            self._kept[split] = self._own(split) if own else self._read(getattr(self.options, split))
        return self._kept[split]

    @cached_property
    def _kept(self) -> dict[str, tuple[list[list[str]], list[list[str]]]]:
        return {}

    def _own(self, split: str) -> tuple[list[list[str]], list[list[str]]]:
        pairs = own_pairs(self.options, self.options.path, self.options.source, self.options.target)[split]
        return [self.words(pair.source) for pair in pairs], [self.words(pair.target) for pair in pairs]

    def _read(self, part: str) -> tuple[list[list[str]], list[list[str]]]:
        options = self.options
        languages = (options.source, options.target)
        if not options.path and {*languages} == {*COLUMNS} and part in SHIPPED:
            text = read_text(DATA / "english_german", f"{part}.tsv", INSTALL)
            columns = dict(zip(COLUMNS, zip(*(line.split("\t") for line in _lines(text)), strict=True), strict=False))
            source, target = (list(map(self.words, columns[language])) for language in languages)
            return source, target
        names = [f"{part}.{language}" for language in languages]
        source, target = ([line.split() for line in _lines(read_text(options.path, n, WHERE))] for n in names)
        if len(source) != len(target):
            said = Said(f"{len(source)} and {len(target)}")
            fail("data.path", f"{names[0]} and {names[1]} with equally many lines", said)
        return source, target

    @cached_property
    def pairs(self) -> BytePairs:
        """How words are made of pieces, in both languages alike."""
        known = recalled(self.learned, "merges")
        if known is not None:
            return BytePairs(tuple((first, second) for first, second in known))
        source, target = self.sentences("training")
        counts = Counter(word for sentence in (*source, *target) for word in sentence)
        return BytePairs.learned(counts, self.options.merges)

    def pieces(self, words: Sequence[str]) -> list[str]:
        """A sentence as the model reads it: its words, or what they are made of."""
        return self.pairs.pieces(words) if self.options.merges else [*words]

    def joined(self, pieces: Sequence[str]) -> list[str]:
        """The reverse of `pieces`."""
        return self.pairs.joined(pieces) if self.options.merges else [*pieces]

    @cached_property
    def vocabularies(self) -> tuple[Vocabulary, Vocabulary]:
        """The words (or pieces) of both languages, as the training sentences have them."""
        known = recalled(self.learned, "vocabularies")
        if known is not None:
            of_source, of_target = (Vocabulary(tuple(tokens)) for tokens in known)
            return of_source, of_target
        source, target = (list(map(self.pieces, side)) for side in self.sentences("training"))
        least = self.options.at_least
        return (
            Vocabulary.of(source, special=(UNKNOWN,), at_least=least),
            Vocabulary.of(target, special=(UNKNOWN, START, END), at_least=least),
        )

    def encoded(self, split: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Sentences of a part as numbers, END behind each target sentence; those for training only if not too long."""
        source, target = self.vocabularies
        longest = self.options.longest if split == "training" else None
        pairs = [
            (source.encode(s), target.encode([*t, END]))
            for s, t in zip(*(map(self.pieces, side) for side in self.sentences(split)), strict=True)
            if longest is None or max(len(s), len(t)) <= longest
        ]
        check(bool(pairs), "data.longest", "a length that some training sentences keep to", longest)
        return [s for s, _ in pairs], [t for _, t in pairs]

    def words(self, text: str) -> list[str]:
        """A sentence as the corpora have it: lower case, punctuation apart.

        >>> ParallelText(DataOptions()).words("Hello, World.")
        ['hello', ',', 'world', '.']
        """
        return words_of(text.lower()) if self.options.set == OWN else WORD.findall(text.lower())


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")


def to_batch(source: Sequence[np.ndarray], target: Sequence[np.ndarray], rows: np.ndarray) -> Pairs:
    """The pairs with the indices `rows`, padded."""
    return Pairs(*pad(source, rows), *pad(target, rows))
