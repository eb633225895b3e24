"""Tokens and their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import SupportsIndex

import numpy as np

from jaxrnn.errors import fail, nearest

UNKNOWN, START, END = "<unk>", "<s>", "</s>"


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their numbers.

    A token that is not in it is read as `<unk>`, where the vocabulary has one, and is an error where it has none.

    >>> vocabulary = Vocabulary.of(["the cat sat".split(), "the dog".split()], special=(UNKNOWN, END), at_least=2)
    >>> vocabulary.tokens, vocabulary.encode(["the", "cow"]).tolist()
    (('<unk>', '</s>', 'the'), [2, 0])
    >>> vocabulary.decode([2, 1])
    ['the', '</s>']
    """

    tokens: tuple[str, ...]

    @classmethod
    def of(
        cls, sequences: Iterable[Sequence[str]], special: Sequence[str] = (), at_least: int = 1, most: int | None = None
    ) -> Vocabulary:
        """The special tokens, then those of the sequences, the most frequent first (equal counts: by alphabet).

        Args:
            sequences: Sequences of tokens.
            special: Tokens to put first, whether or not they occur.
            at_least: Leave out what occurs less often.
            most: Keep so many tokens at most, special ones included.
        """
        counts = Counter(token for sequence in sequences for token in sequence)
        ordered = sorted((t for t in counts if counts[t] >= at_least), key=lambda token: (-counts[token], token))
        return cls(tuple(dict.fromkeys([*special, *ordered]))[:most])

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._numbers

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens)}

    def number(self, token: str) -> int:
        """The number of one token.

        Raises:
            ValueError: If it is not in the vocabulary and there is no `<unk>`.
        """
        found = self._numbers.get(token, self._numbers.get(UNKNOWN))
        if found is None:
            fail("token", f"one of the {len(self)} tokens of the vocabulary", token, nearest(token, self.tokens))
        return found

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """The numbers of tokens, int32."""
        return np.array([self.number(token) for token in tokens], np.int32)

    def decode(self, numbers: Iterable[SupportsIndex]) -> list[str]:
        """The tokens of numbers."""
        return [self.tokens[number] for number in numbers]
