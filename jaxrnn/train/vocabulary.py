"""Tokens and their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import SupportsIndex

import numpy as np

from jaxrnn.errors import Said, fail, nearest
from jaxrnn.train.options import as_integers, check_whole

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

    def __post_init__(self) -> None:
        if not isinstance(self.tokens, tuple) or not all(isinstance(token, str) for token in self.tokens):
            fail("tokens", "a tuple of texts", self.tokens, kind=TypeError)
        if len(self._numbers) != len(self.tokens):
            twice, count = Counter(self.tokens).most_common(1)[0]
            fail("tokens", "different texts", Said(f"{twice!r} {count} times"))

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
        check_whole(at_least, "at_least")
        check_whole(len(special) if most is None else most, "most", 0)
        sequences = _checked(sequences)
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
        if not isinstance(token, str):
            fail("token", "a text", token, kind=TypeError)
        found = self._numbers.get(token, self._numbers.get(UNKNOWN))
        if found is None:
            fail("token", f"one of the {len(self)} tokens of the vocabulary", token, nearest(token, self.tokens))
        return found

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """The numbers of tokens, int32.

        Raises:
            ValueError: As `number` does.
        """
        if not isinstance(tokens, Iterable):
            fail("tokens", "an iterable of texts", tokens, kind=TypeError)
        return np.array([self.number(token) for token in tokens], np.int32)

    def decode(self, numbers: Iterable[SupportsIndex]) -> list[str]:
        """The tokens of numbers.

        Raises:
            ValueError: If one is not a token's.
        """
        found = as_integers(numbers if isinstance(numbers, np.ndarray) else [*numbers], "numbers")
        outside = found[found >= len(self)]
        if outside.size:
            fail("numbers", f"below {len(self)}, the size of the vocabulary", Said(str(outside[0])))
        return [self.tokens[number] for number in found]


def _checked(sequences: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
    """The sequences, each looked at as it comes; a text is a sequence of characters."""
    if isinstance(sequences, str) or not isinstance(sequences, Iterable):
        fail("sequences", "sequences of texts", sequences, kind=TypeError)
    for sequence in sequences:
        if not isinstance(sequence, (str, Sequence, np.ndarray)):
            fail("sequences", "sequences of texts", sequence, kind=TypeError)
        yield sequence
