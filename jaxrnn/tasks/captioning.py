"""Captioning: what a picture shows, in words.

    loss = -log p(caption | picture) a word, END counted

Encoder and decoder are in `jaxrnn.tasks.captioner` and trained together, from nothing. Two baselines belong to it: the
captions of the nearest training pictures, and the perplexity of a model that sees no picture (`model.blind`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.decode import beam, greedy
from jaxrnn.engine.masks import valid_steps
from jaxrnn.tasks.caption_scores import nearest, scores
from jaxrnn.tasks.captioned_pictures import Captioned, CaptionedPictures, DataOptions, read_picture
from jaxrnn.tasks.captioner import GRID, CaptionNetwork, moved
from jaxrnn.tasks.captioning_pictures import attention_figure, captions_figure
from jaxrnn.train import END, START, UNKNOWN, ByLength, Vocabulary, in_order, pad
from jaxrnn.train.options import check
from jaxrnn.train.plots import save_figure
from jaxrnn.train.task import Batch, Carry, Params

BEAM, LENGTH_PENALTY = 5, 0.6
NEVER = -1e9  # a logit


@dataclass(frozen=True)
class ModelOptions:
    """The network.

    Args:
        attention: soft (the decoder looks again before each word) or none (it sees the picture once).
        blind: Take a white page for every picture: what is learned is a language model of the captions alone.
        channels: Features of a cell of the encoder's grid.
        embedding: Features of a word.
        hidden: Units of the LSTM.
        dropout: Rate at the encoder's outputs, at embeddings and before the readout, while training.
    """

    attention: Literal["none", "soft"] = "soft"
    blind: bool = False
    channels: int = 128
    embedding: int = 64
    hidden: int = 128
    dropout: float = 0.5

    def __post_init__(self) -> None:
        check(self.attention in ("none", "soft"), "model.attention", "'none' or 'soft'", self.attention)
        for name in ("channels", "embedding", "hidden"):
            check(getattr(self, name) >= 1, f"model.{name}", "1 or more", getattr(self, name))
        check(0 <= self.dropout < 1, "model.dropout", "a rate in [0, 1)", self.dropout)


@dataclass(frozen=True)
class Captioning:
    """The task: pictures with captions; losses in nats a word, END counted."""

    model: ModelOptions
    data: DataOptions
    unit = "words"
    headline = "test perplexity"
    splits = ("validation", "test")

    @cached_property
    def pictures(self) -> CaptionedPictures:
        """The pictures of each split with their captions."""
        return CaptionedPictures(self.data)

    @property
    def words(self) -> Vocabulary:
        """The words that a caption may use."""
        return self.pictures.vocabulary

    @cached_property
    def network(self) -> CaptionNetwork:
        """The model for this vocabulary."""
        m = self.model
        return CaptionNetwork(m.attention, m.channels, m.embedding, m.hidden, m.dropout, len(self.words))

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""
        return self.network.init(key)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> ByLength:
        """The training captions, each beside its picture."""
        lengths, collate = self.pictures.pairs("training")
        return ByLength(lengths, self.data.batch, seed=0, collate=collate)

    def count(self, batch: Captioned) -> int:
        """Words of a batch, END counted."""
        return int(batch.lengths.sum())

    def _inked(self, params: Params, pictures: np.ndarray | jax.Array) -> jax.Array:
        """Colours as the network wants them: 0 is white, and 1 is no light at all."""
        ink = 1 - jnp.asarray(pictures).astype(params["words"]["bias"].dtype) / 255
        return jnp.zeros_like(ink) if self.model.blind else ink

    def _logits(self, params: Params, batch: Captioned, rng: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """Logits [T, B, V] of each word after those before it; and where the decoder looked, [T, B, 64]."""
        pictures, words, lengths = self._inked(params, batch.pictures), jnp.asarray(batch.words), batch.lengths
        move_rng, see_rng, write_rng = (None, None, None) if rng is None else jax.random.split(rng, 3)
        if move_rng is not None and not self.model.blind:
            pictures = moved(move_rng, pictures)
        seen = self.network.see(params, pictures, see_rng)
        start = jnp.full_like(words[:, :1], self.words.number(START))
        before = jnp.concatenate([start, words[:, :-1]], 1)
        return self.network.logits(params, seen, before, jnp.asarray(lengths), write_rng)

    def _total(self, params: Params, batch: Captioned, rng: jax.Array | None) -> jax.Array:
        """Summed loss of a batch."""
        logits, _ = self._logits(params, batch, rng)
        wanted = jnp.take_along_axis(logits, jnp.asarray(batch.words).T[..., None], -1)[..., 0]
        losses = jax.nn.logsumexp(logits, axis=-1) - wanted
        return jnp.sum(losses, where=valid_steps(losses.shape[0], jnp.asarray(batch.lengths), None))

    def loss(
        self, params: Params, carry: Carry, batch: Captioned, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """Mean loss of a batch; with a key the pictures are moved a little. Not mirrored: names say left and right."""
        total = self._total(params, batch, rng)
        return total / batch.lengths.sum().astype(total.dtype), (carry, {})

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Loss and perplexity; in the test BLEU-2 and chrF too, of the model's and the nearest pictures' captions."""
        lengths, collate = self.pictures.pairs(split)
        batches = map(collate, in_order(lengths, self.data.batch))
        loss = sum(self._evaluate_batch(params, place(batch)).item() for batch in batches) / int(lengths.sum())
        figures = {"loss": loss, "perplexity": math.exp(min(loss, 700))}
        if split == "test":
            examples = self.pictures.examples[split]
            references = [example.captions for example in examples]
            found = self.captions(params, [example.picture for example in examples], BEAM, place)
            for prefix, captions in (("", found), ("nearest_", self.nearest_captions(split))):
                figures |= {prefix + name: value for name, value in scores(captions, references).items()}
        return figures

    @partial(jax.jit, static_argnums=0)
    def _evaluate_batch(self, params: Params, batch: Captioned) -> jax.Array:
        return self._total(params, batch, None)

    def captions(
        self,
        params: Params,
        pictures: Sequence[np.ndarray],
        beam: int = BEAM,
        place: Callable[[Batch], Batch] = jax.device_put,
    ) -> list[list[str]]:
        """Captions of pictures, by beam search of a width (1: greedy)."""
        found: list[list[str]] = []
        for rows in in_order(np.zeros(len(pictures)), self.data.batch):
            batch = np.array([pictures[max(row, 0)] for row in rows])
            tokens, lengths = jax.device_get(self._write(params, place(batch), beam))
            found += [self.words.decode(tokens[: lengths[n], n]) for n in range((rows >= 0).sum())]
        return found

    @partial(jax.jit, static_argnums=(0, 3))
    def _write(self, params: Params, pictures: jax.Array, width: int) -> tuple[jax.Array, jax.Array]:
        """Words [longest, B] and how many of them count [B]."""
        seen = self.network.see(params, self._inked(params, pictures))
        never = jnp.array([self.words.number(UNKNOWN), self.words.number(START)])

        def step(carry: Carry, word: jax.Array) -> tuple[Carry, jax.Array]:
            carry, logits = self.network.step(params, seen.memory, carry, word)
            return carry, logits.at[..., never].set(NEVER)

        start = jnp.full(len(pictures), self.words.number(START), jnp.int32)
        limits: dict[str, Any] = {"length": self.data.longest, "end": self.words.number(END)}
        if width == 1:
            best = greedy(step, seen.carry, start, **limits)
            return best.tokens, best.lengths
        some = beam(step, seen.carry, start, width=width, length_penalty=LENGTH_PENALTY, **limits)
        return some.tokens[..., 0], some.lengths[..., 0]

    def nearest_captions(self, split: str) -> list[Sequence[str]]:
        """For each picture of a split the first caption of the training picture that is most like it."""
        training = self.pictures.examples["training"]
        ours = [example.picture for example in self.pictures.examples[split]]
        return [training[n].captions[0] for n in nearest(ours, [example.picture for example in training])]

    def caption(self, params: Params, picture_path: str | Path, beam: int = BEAM) -> str:
        """What a picture file shows, words separated by spaces.

        Raises:
            ValueError: If the file is no picture, or the beam has no width.
        """
        check(beam >= 1, "beam", "1 or more", beam)
        return " ".join(self.captions(params, [read_picture(picture_path)], beam)[0])

    def look(self, params: Params, picture: np.ndarray) -> tuple[list[str], np.ndarray]:
        """A picture's greedy caption with END, and where the decoder looked before each word, [T, 8, 8].

        Raises:
            ValueError: If the model has no attention.
        """
        check(self.model.attention == "soft", "model.attention", "'soft'", self.model.attention)
        said = [*self.captions(params, [picture], 1)[0], END]
        one = pad([self.words.encode(said)], np.array([0]), self.data.longest + 1)  # one shape for all captions
        _, weights = jax.jit(self._logits)(params, Captioned(picture[None], *one))
        return said, np.asarray(weights)[: len(said), 0].reshape(-1, GRID, GRID)

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Test pictures with their captions in captions.png; with attention, some word by word in attention.png."""
        examples = self.pictures.examples["test"]
        chosen = np.random.default_rng(seed).choice(len(examples), min(24, len(examples)), replace=False)
        pictures = [examples[n].picture for n in chosen]
        found = [" ".join(caption) for caption in self.captions(params, pictures)]
        theirs = [" ".join(examples[n].captions[0]) for n in chosen]
        save_figure(captions_figure(pictures, found, theirs), folder / "captions.png")
        if self.model.attention == "soft":
            looks = [(picture, *self.look(params, picture)) for picture in pictures[:6]]
            save_figure(attention_figure(looks), folder / "attention.png")
        return "\n".join(f"{ours}   (given: {given})" for ours, given in zip(found, theirs, strict=True))
