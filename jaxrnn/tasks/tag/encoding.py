"""Sentences as arrays: words, their characters, their tags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from jaxrnn.tasks.shared.sizes import power
from jaxrnn.tasks.shared.words import words_of
from jaxrnn.tasks.tag.network import Sentences
from jaxrnn.tasks.tag.sentences import Sentence
from jaxrnn.train import EMPTY, Vocabulary
from jaxrnn.train.vocabulary import UNKNOWN

NOTHING = ""  # number 0, which fills rows up
LONGEST = 16  # characters that are read of a word
SHORTEST = 8  # words of a batch's rows, at least
ATTACHED = 0.02  # share of words with a mark at them, from which on blanks alone part words


def learned_from(training: Sequence[Sentence], others: Sequence[Sentence], at_least: int) -> dict[str, Any]:
    """The tags of all; of what trains alone its words, its characters, and whether blanks alone part its words."""
    tags = Vocabulary.of(sentence.tags for sentence in (*training, *others))
    words = [word for sentence in training for word in sentence.words]
    attached = sum(len(words_of(word)) > 1 for word in words)
    known = Vocabulary.of([map_case(words)], special=(NOTHING, UNKNOWN), at_least=at_least)
    return {
        "tags": sorted(tags.tokens),
        "words": [*known.tokens],
        "characters": [*Vocabulary.of(words, special=(NOTHING, UNKNOWN)).tokens],
        "blanks": attached > ATTACHED * len(words),
    }


def map_case(words: Sequence[str]) -> list[str]:
    """Words as embeddings know them; their characters keep what is lost."""
    return [word.lower() for word in words]


def spelling(word: str) -> str:
    """The characters that are read of a word: of a long one how it begins and ends."""
    half = LONGEST // 2
    return word if len(word) <= LONGEST else word[:half] + word[-half:]


@dataclass(frozen=True)
class Encoding:
    """From sentences to arrays, by what was learned."""

    learned: dict[str, Any]

    @cached_property
    def tags(self) -> Vocabulary:
        """In the order of their numbers."""
        return Vocabulary(tuple(self.learned["tags"]))

    @cached_property
    def words(self) -> Vocabulary:
        """Those with an embedding, in lower case."""
        return Vocabulary(tuple(self.learned["words"]))

    @cached_property
    def characters(self) -> Vocabulary:
        """All that are in words."""
        return Vocabulary(tuple(self.learned["characters"]))

    @cached_property
    def letters(self) -> tuple[int, ...]:
        """Code points of the characters; of what is none or unknown, its number."""
        return tuple(ord(token) if len(token) == 1 else n for n, token in enumerate(self.characters.tokens))

    @cached_property
    def unknown(self) -> int:
        """The number of a word without an embedding."""
        return self.words.number(UNKNOWN)

    def split(self, text: str) -> tuple[str, ...]:
        """The words of a line of text, as those of the training part were parted."""
        return tuple(text.split() if self.learned["blanks"] else words_of(text))

    def batches(self, sentences: Sequence[Sentence]) -> tuple[np.ndarray, Callable[[np.ndarray], Sentences]]:
        """Lengths of sentences, and the batch with given indices."""
        words = [self.words.encode(map_case(sentence.words)) for sentence in sentences]
        spelt = [[self.characters.encode(spelling(word)) for word in sentence.words] for sentence in sentences]
        tags = [self.tags.encode(sentence.tags) for sentence in sentences]

        def collate(rows: np.ndarray) -> Sentences:
            lengths = np.array([0 if row == EMPTY else len(words[row]) for row in rows], np.int32)
            shape = (len(rows), power(words, rows, SHORTEST))
            batch = Sentences(
                *(np.zeros(shape, np.int32), lengths, np.zeros((*shape, LONGEST), np.int32)),
                *(np.zeros(shape, np.int32), np.zeros(shape, np.int32)),
            )
            for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
                if length:
                    batch.words[place, :length], batch.tags[place, :length] = words[row], tags[row]
                    for t, letters in enumerate(spelt[row]):
                        batch.characters[place, t, : len(letters)] = letters
                        batch.sizes[place, t] = len(letters)
            return batch

        return np.array([len(row) for row in words]), collate
