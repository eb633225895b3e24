"""Examples as arrays: symbols of texts, standardised channels of series, in batches or as pieces that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from jaxrnn.tasks.classify.examples import Example
from jaxrnn.tasks.classify.options import DataOptions
from jaxrnn.tasks.shared.sizes import power
from jaxrnn.tasks.shared.words import words_of
from jaxrnn.train import EMPTY, Vocabulary, pad
from jaxrnn.train.vocabulary import UNKNOWN

NO_SYMBOL = ""  # number 0, which fills rows up
SHORTEST = 8  # steps of a batch, at least
BEGINNINGS = 1 / 3  # share of pieces with which a text begins


class Examples(NamedTuple):
    """A batch."""

    xs: np.ndarray  # int32 [B, T] symbols, or float32 [B, T, D] channels
    lengths: np.ndarray  # int32 [B]
    labels: np.ndarray  # int32 [B]
    valid: np.ndarray  # bool [B]: false where a row is there to fill up the batch


def learned_from(training: Sequence[Example], others: Sequence[Example], data: DataOptions) -> dict[str, Any]:
    """The labels of all; of what trains alone the vocabulary, or mean and deviation of each channel."""
    labels = Vocabulary.of([example.label] for example in (*training, *others))
    found: dict[str, Any] = {"labels": sorted(labels.tokens)}
    if isinstance(training[0].content, str):
        texts = (symbols(str(example.content), data) for example in training)
        most = data.most or None
        words = Vocabulary.of(texts, special=(NO_SYMBOL, UNKNOWN), at_least=data.at_least, most=most)
        return found | {"vocabulary": [*words.tokens]}
    steps = np.concatenate([np.asarray(example.content, np.float64) for example in training])
    spread = steps.std(0)
    return found | {"mean": steps.mean(0).tolist(), "deviation": np.where(spread > 0, spread, 1).tolist()}


def symbols(text: str, data: DataOptions) -> list[str]:
    """The characters of a text, white space one blank each, or its words and marks in lower case."""
    return words_of(text.lower()) if data.by == "words" else [*" ".join(text.split())]


@dataclass(frozen=True)
class Encoding:
    """From examples to arrays, by what was learned."""

    data: DataOptions
    labels: Vocabulary
    vocabulary: Vocabulary | None  # None: of series
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    @classmethod
    def of(cls, data: DataOptions, learned: dict[str, Any]) -> Encoding:
        """By what `learned_from` gave."""
        words = Vocabulary(tuple(learned["vocabulary"])) if "vocabulary" in learned else None
        scales = (tuple(learned.get(name, ())) for name in ("mean", "deviation"))
        return cls(data, Vocabulary(tuple(learned["labels"])), words, *scales)

    @cached_property
    def inputs(self) -> int:
        """V symbols or D channels."""
        return len(self.mean) if self.vocabulary is None else len(self.vocabulary)

    @property
    def channels(self) -> int | None:
        """D; None: of texts."""
        return len(self.mean) if self.vocabulary is None else None

    def encode(self, content: str | np.ndarray, first: int = 0) -> np.ndarray:
        """A text as int32 [T], its first so many symbols (0: all), or a series as float32 [T, D].

        Raises:
            ValueError: If it is of the other kind, or has another number of channels.
        """
        most = first or self.data.longest
        if self.vocabulary is None:
            series = content if isinstance(content, np.ndarray) else np.zeros((0, 0))
            if series.ndim != 2 or series.shape[1] != len(self.mean):
                raise ValueError(f"expected a series of {len(self.mean)} channels")
            return ((series[:most] - np.array(self.mean)) / np.array(self.deviation)).astype(np.float32)
        if not isinstance(content, str):
            raise ValueError("expected a text")
        return self._encoded(symbols(content, self.data)[:most])

    def _encoded(self, symbols: Sequence[str]) -> np.ndarray:
        assert self.vocabulary is not None
        return self.vocabulary.encode(symbols)

    def read(self, content: str | np.ndarray, first: int = 0) -> Sequence[str]:
        """An example to look at: its symbols, or what can be said of a series."""
        if isinstance(content, str):
            return symbols(content, self.data)[: first or self.data.longest]
        return f"{len(content)} steps of {content.shape[1]} channels"

    @property
    def as_arguments(self) -> tuple[dict[str, tuple[tuple[int | str, ...], str]], str]:
        """What a program of the model takes, and in words how an example becomes that."""
        lengths: dict[str, tuple[tuple[int | str, ...], str]] = {"lengths": (("B",), "int32")}
        if self.vocabulary is None:
            channels = ("B", "T", len(self.mean))
            return {"values": (channels, "float32")} | lengths, "values: channels as they are measured, a row a step"
        cut = "words and marks in lower case" if self.data.by == "words" else "characters, white space one blank each"
        note = f"ids: places in `vocabulary` (data.json) of {cut}; what it lacks is 1, what fills up 0"
        return {"ids": (("B", "T"), "int32")} | lengths, note

    def batches(
        self, examples: Sequence[Example], first: int = 0
    ) -> tuple[np.ndarray, Callable[[np.ndarray], Examples]]:
        """Lengths of examples, and the batch with given indices."""
        arrays = [self.encode(example.content, first) for example in examples]
        labels = np.array([*(self.labels.number(example.label) for example in examples), 0], np.int32)

        def collate(rows: np.ndarray) -> Examples:
            return Examples(*pad(arrays, rows, power(arrays, rows, SHORTEST)), labels[rows], rows != EMPTY)

        return np.array([len(array) for array in arrays]), collate

    def pieces(self, examples: Sequence[Example]) -> Callable[[np.random.Generator], Examples]:
        """Draws pieces of texts: each label as often, its texts by their lengths.

        A piece begins where a text does, or where a word does, as texts do with a capital, where the letter has one.
        """
        of_label: list[list[list[str]]] = [[] for _ in self.labels.tokens]
        for example in examples:
            of_label[self.labels.number(example.label)].append(symbols(str(example.content), self.data))
        there = [n for n, texts in enumerate(of_label) if texts]
        shares = {n: np.array([len(text) for text in of_label[n]]) / sum(map(len, of_label[n])) for n in there}
        B, T = self.data.rows, max(self.data.crop, self.data.first)

        def draw(rng: np.random.Generator) -> Examples:
            xs, lengths = np.zeros((B, T), np.int32), np.zeros(B, np.int32)
            labels = rng.choice(there, B).astype(np.int32)
            for row, label in enumerate(labels):
                text = of_label[label][rng.choice(len(of_label[label]), p=shares[label])]
                size = min(int(rng.integers(self.data.first, T + 1)), len(text))
                start = int(rng.integers(len(text) - size + 1)) if rng.random() > BEGINNINGS else 0
                while start > 0 and text[start - 1] != " " and " " in text:
                    start -= 1
                piece = text[start : start + size]
                xs[row, :size] = self._encoded([_capital(piece[0]), *piece[1:]])
                lengths[row] = size
            return Examples(xs, lengths, labels, np.ones(B, bool))

        return draw


def _capital(letter: str) -> str:
    return letter.upper() if len(letter.upper()) == 1 else letter
