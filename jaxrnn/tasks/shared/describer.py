"""What all tasks share that say what they see: losses, captions, and the figures of both.

loss = -log p(caption | view) a word, END counted

Two baselines belong to each: the captions of the nearest training views, and the perplexity of a model that sees
nothing (`model.blind`).
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.tasks.shared.caption_scores import consensus, nearest, scores
from jaxrnn.tasks.shared.described import Described, Descriptions
from jaxrnn.tasks.shared.writing import BEAM, before, cross_entropy, sentences, written
from jaxrnn.train import END, START, UNKNOWN, ByLength, Vocabulary, in_order
from jaxrnn.train.options import check
from jaxrnn.train.task import Batch, Carry, Params, recalled

NEVER = -1e9  # a logit
DRAWN = 32  # captions of a view, for their consensus


@dataclass(frozen=True)
class WriterOptions:
    """How captions are learned and written; a task adds what it sees with.

    Args:
        embedding: Features of a word.
        hidden: Units of an LSTM.
        dropout: Rate while training, at what is seen, at embeddings and before the readout.
        label_smoothing: Share of the target that is spread over all words, while training.
        blind: See nothing: what is learned is a language model of the captions alone.
    """

    embedding: int = 64
    hidden: int = 128
    dropout: float = 0.5
    label_smoothing: float = 0.0
    blind: bool = False

    def __post_init__(self) -> None:
        check(self.embedding >= 1, "model.embedding", "1 or more", self.embedding)
        check(self.hidden >= 1, "model.hidden", "1 or more", self.hidden)
        check(0 <= self.dropout < 1, "model.dropout", "a rate in [0, 1)", self.dropout)
        check(0 <= self.label_smoothing < 1, "model.label_smoothing", "a share in [0, 1)", self.label_smoothing)


class Seen(NamedTuple):
    """What a network that writes captions starts from."""

    carry: Carry
    memory: Any  # what is attended to; () where nothing is


class Said(NamedTuple):
    """Views with the model's captions of them, and with those that were given."""

    views: list[np.ndarray]
    ours: list[str]
    given: list[str]

    def __str__(self) -> str:
        """A line each."""
        return "\n".join(f"{ours}   (given: {given})" for ours, given in zip(self.ours, self.given, strict=True))


@runtime_checkable
class Network(Protocol):
    """A network that sees, and writes what it saw."""

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""

    def see(self, params: Params, views: jax.Array, rng: jax.Array | None = None) -> Seen:
        """The writer's start, before it has read a word."""

    def logits(
        self, params: Params, seen: Seen, words: jax.Array, lengths: jax.Array, rng: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """What may follow each word of given captions [B, T]: logits [T, B, V]; and where it looked, [T, B, S]."""

    def step(self, params: Params, memory: Any, carry: Carry, word: jax.Array) -> tuple[Carry, jax.Array]:
        """Read one word [B]; logits [B, V] of the next."""


class Describer(abc.ABC):
    """A task whose model says what it sees; a frozen dataclass with `data.batch` and `data.longest`."""

    model: Any  # WriterOptions
    data: Any
    learned: str
    unit = "words"
    headline = "test perplexity"
    splits = ("validation", "test")

    @property
    @abc.abstractmethod
    def descriptions(self) -> Descriptions:
        """The data."""

    @property
    @abc.abstractmethod
    def network(self) -> Network:
        """The model for this vocabulary."""

    @abc.abstractmethod
    def view(self, params: Params, views: np.ndarray | jax.Array, rng: jax.Array | None = None) -> jax.Array:
        """Views [B, ...] as the network wants them; with a key, changed a little."""

    @abc.abstractmethod
    def coarse(self, views: np.ndarray) -> np.ndarray:
        """Features [N, K] by which the nearest of some views [N, ...] is found."""

    @property
    def words(self) -> Vocabulary:
        """The words that a caption may use."""
        return self.known or self.descriptions.vocabulary

    @cached_property
    def known(self) -> Vocabulary | None:
        """The words of a trained model."""
        tokens = recalled(self.learned, "vocabulary")
        return None if tokens is None else Vocabulary(tuple(tokens))

    def contents(self, split: str) -> Any:
        """The examples of a part."""
        return self.descriptions.examples[split]

    def learn(self) -> dict[str, Any]:
        """The vocabulary, and the shape of what is seen."""
        view = self.descriptions.examples["training"][0].view
        return {"vocabulary": self.words.tokens, "view": view.shape}

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""
        return self.network.init(key)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> ByLength:
        """The training captions, each beside what it is about."""
        lengths, collate = self.descriptions.pairs("training")
        return ByLength(lengths, self.data.batch, seed=0, collate=collate)

    def count(self, batch: Described) -> int:
        """Words of a batch, END counted."""
        return int(batch.lengths.sum())

    def _logits(self, params: Params, batch: Described, rng: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """Logits [T, B, V] of each word after those before it; and where the decoder looked, [T, B, S]."""
        view_rng, see_rng, write_rng = (None, None, None) if rng is None else jax.random.split(rng, 3)
        words, lengths = jnp.asarray(batch.words), jnp.asarray(batch.lengths)
        seen = self.network.see(params, self.view(params, batch.views, view_rng), see_rng)
        return self.network.logits(params, seen, before(words, self.words), lengths, write_rng)

    def _total(self, params: Params, batch: Described, rng: jax.Array | None, smoothing: float) -> jax.Array:
        """Summed loss of a batch, a share `smoothing` of what is wanted spread over all words."""
        logits, _ = self._logits(params, batch, rng)
        return cross_entropy(logits, jnp.asarray(batch.words), jnp.asarray(batch.lengths), smoothing)

    def loss(
        self, params: Params, carry: Carry, batch: Described, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """Mean loss of a batch."""
        total = self._total(params, batch, rng, self.model.label_smoothing)
        return total / batch.lengths.sum().astype(total.dtype), (carry, {})

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Loss and perplexity; of the test BLEU-2 and chrF too: of captions found in three ways, and of the nearest."""
        lengths, collate = self.descriptions.pairs(split)
        batches = map(collate, in_order(lengths, self.data.batch))
        loss = sum(self._evaluate_batch(params, place(batch)).item() for batch in batches) / int(lengths.sum())
        figures = {"loss": loss, "perplexity": math.exp(min(loss, 700))}
        if split == "test":
            references = [example.captions for example in self.descriptions.examples[split]]
            views = self.descriptions.views(split)
            found: dict[str, Sequence[Sequence[str]]] = {
                "": self.captions(params, views, 1, place),
                "beam_": self.captions(params, views, BEAM, place),
                "consensus_": [consensus(some) for some in self.drawn(params, views, DRAWN, place)],
                "nearest_": self.nearest_captions(split),
            }
            for prefix, captions in found.items():
                figures |= {prefix + name: value for name, value in scores(captions, references).items()}
        return figures

    @partial(jax.jit, static_argnums=0)
    def _evaluate_batch(self, params: Params, batch: Described) -> jax.Array:
        return self._total(params, batch, None, 0.0)

    def captions(
        self,
        params: Params,
        views: np.ndarray | Sequence[np.ndarray],
        beam: int = 1,
        place: Callable[[Batch], Batch] = jax.device_put,
    ) -> list[list[str]]:
        """Captions of views, by beam search of a width (1: greedy)."""
        found: list[list[str]] = []
        for batch, rows in self._view_batches(views):
            found += self._decode(*self._write(params, place(batch), beam))[:rows]
        return found

    def drawn(
        self,
        params: Params,
        views: np.ndarray | Sequence[np.ndarray],
        count: int,
        place: Callable[[Batch], Batch] = jax.device_put,
        seed: int = 0,
    ) -> list[list[list[str]]]:
        """So many captions of each view, drawn from the model's distribution."""
        keys = jax.random.split(jax.random.key(seed), count)
        found: list[list[list[str]]] = []
        for batch, rows in self._view_batches(views):
            placed = place(batch)
            draws = [self._decode(*self._write(params, placed, 1, key)) for key in keys]
            found += [list(captions) for captions in zip(*draws, strict=True)][:rows]
        return found

    def _view_batches(self, views: np.ndarray | Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, int]]:
        """Batches of one size, and how many rows of each are views: the rest repeats the first."""
        for rows in in_order(np.zeros(len(views)), self.data.batch):
            yield np.array([views[max(row, 0)] for row in rows]), int((rows >= 0).sum())

    def _decode(self, tokens: jax.Array, lengths: jax.Array) -> list[list[str]]:
        """The words of each row."""
        return sentences(self.words, tokens, lengths)

    @partial(jax.jit, static_argnums=(0, 3))
    def _write(
        self, params: Params, views: jax.Array, width: int, key: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Words [longest, B] and how many of them count [B]: the likeliest, or with a key drawn."""
        seen = self.network.see(params, self.view(params, views))

        def step(carry: Carry, word: jax.Array) -> tuple[Carry, jax.Array]:
            carry, logits = self.network.step(params, seen.memory, carry, word)
            return carry, self._writable(logits)

        return written(step, seen.carry, len(views), self.words, self.data.longest, width, key)

    def _writable(self, logits: jax.Array) -> jax.Array:
        """Log-probabilities [..., V] without <unk> and <s>, whose share goes to the words.

        An unknown word is some word, and not the end: were its share given to END too, captions would be too short.
        """
        end = self.words.number(END)
        barred = [self.words.number(token) for token in (UNKNOWN, START)]
        ending = jax.nn.log_softmax(logits)[..., end]
        words = jax.nn.log_softmax(logits.at[..., jnp.array([*barred, end])].set(NEVER))
        words = words + jnp.broadcast_to(jnp.log1p(-jnp.exp(ending))[..., None], words.shape)
        return jnp.maximum(words.at[..., end].set(ending), NEVER)

    def said(self, params: Params, seed: int, count: int) -> Said:
        """What is said of some test views, which a seed chooses."""
        examples = self.descriptions.examples["test"]
        chosen = np.random.default_rng(seed).choice(len(examples), min(count, len(examples)), replace=False)
        views = [examples[n].view for n in chosen]
        found = [" ".join(caption) for caption in self.captions(params, views)]
        return Said(views, found, [" ".join(examples[n].captions[0]) for n in chosen])

    def nearest_captions(self, split: str) -> list[Sequence[str]]:
        """For each view of a split the first caption of the training view that is most like it."""
        training = self.descriptions.examples["training"]
        found = nearest(*(self.coarse(self.descriptions.views(name)) for name in (split, "training")))
        return [training[n].captions[0] for n in found]
