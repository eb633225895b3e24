"""Tokens and their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any, SupportsIndex

import numpy as np

from jaxrnn.base.checks import is_array
from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.train.options import as_integers, check_whole

UNKNOWN, START, END = "<unk>", "<s>", "</s>"


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their numbers.

    A token that is not in it is read as `<unk>`, where the vocabulary has one, and is an error where it has none.

    >>> from jaxrnn.train import END, UNKNOWN, Vocabulary
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
        at_least = check_whole(at_least, "at_least")
        special = [*_texts(special, "special")]
        most = None if most is None else check_whole(most, "most", 0)
        counts: Counter[str] = Counter()
        for row in _rows(sequences):
            plain = isinstance(row, (list, tuple)) and all(type(token) is str for token in row)  # most are
            counts.update(row if plain else _texts(row, "sequences"))
        ordered = sorted((t for t in counts if counts[t] >= at_least), key=lambda token: (-counts[token], token))
        return cls(tuple(map(str, dict.fromkeys([*special, *ordered])))[:most])

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
        return self._number(token, "token")

    def _number(self, token: str, argument: str) -> int:
        if not isinstance(token, str):
            fail(argument, "a text", token, kind=TypeError)
        found = self._numbers.get(token, self._numbers.get(UNKNOWN))
        if found is None:
            fail(argument, f"one of the {len(self)} tokens of the vocabulary", token, nearest(token, self.tokens))
        return found

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """The numbers of tokens, int32.

        Raises:
            ValueError: As `number` does.
        """
        return np.array([self._number(token, "tokens") for token in _texts(tokens, "tokens")], np.int32)

    def decode(self, numbers: Iterable[SupportsIndex]) -> list[str]:
        """The tokens of numbers.

        Raises:
            ValueError: If one is not a token's.
        """
        if isinstance(numbers, str):
            fail("numbers", "an iterable of integers", numbers, kind=TypeError)
        found = as_integers(numbers if is_array(numbers) else [*_in_order(numbers, "numbers", "integers")], "numbers")
        outside = found[found >= len(self)]
        if outside.size:
            fail("numbers", f"below {len(self)}, the size of the vocabulary", Said(str(outside[0])))
        return [self.tokens[number] for number in found]


def _in_order(values: Any, argument: str, of: str) -> Iterable[Any]:
    """Something to go through that has an order: no set, and no dict, which would be read by its keys."""
    if not isinstance(values, Iterable) or isinstance(values, (bytes, Mapping, Set)) or getattr(values, "ndim", 1) < 1:
        fail(argument, f"an iterable of {of}", values, kind=TypeError)
    return values


def _texts(values: Any, argument: str) -> Iterator[str]:
    """Texts, each looked at as it comes; a text is a sequence of characters."""
    if not _may_hold_texts(values):
        fail(argument, "an iterable of texts", values, kind=TypeError)
    for value in _in_order(values, argument, "texts"):
        if not isinstance(value, str):
            fail(argument, "texts", value, kind=TypeError)
        yield value


def _rows(sequences: Any) -> Iterable[Any]:
    """Sequences of texts; one text alone is none, though one can go through it."""
    if isinstance(sequences, str) or not _may_hold_texts(sequences):
        fail("sequences", "sequences of texts", sequences, kind=TypeError)
    return _in_order(sequences, "sequences", "sequences of texts")


def _may_hold_texts(values: Any) -> bool:
    """Any but arrays of numbers, which might be empty."""
    return not is_array(values) or (isinstance(values, np.ndarray) and values.dtype.kind in "UO")
