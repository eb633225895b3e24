"""Lip reading: what a mouth says, word by word, from its pictures alone.

    ctc         loss = -log sum over alignments of p(alignment | clip), a sentence
    attention   loss = -log p(sentence | clip), END counted, and a share of CTC's (Kim et al. 2017)

Neither is told when a word is said, nor how many there are. The model is in `network`, the clips are
in `jaxrnn.tasks.shared.clips`: GRID, or digits that move through the picture, which ship with the package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrnn.tasks.lip_reading.clip_changes import changed, standardised
from jaxrnn.tasks.lip_reading.network import LipNetwork
from jaxrnn.tasks.lip_reading.pictures import alignment_figure, film
from jaxrnn.tasks.shared.clips import HEIGHT, WIDTH, DataOptions, Spoken, SpokenClips, read_clip
from jaxrnn.tasks.shared.own_clips import read_film
from jaxrnn.tasks.shared.own_splits import OWN
from jaxrnn.tasks.shared.writing import BEAM, before, check_beam, cross_entropy, sentences, written
from jaxrnn.train import END, START, ByLength, Vocabulary, in_order, pad
from jaxrnn.train.group_arrays import fetched
from jaxrnn.train.options import check
from jaxrnn.train.plots import save_figure
from jaxrnn.train.task import Batch, Carry, Params

BLANK = START  # CTC has no use for the one, and the decoder that attends has none for the other
LONGEST = 16  # words that a decoder says at most


@dataclass(frozen=True)
class ModelOptions:
    """The network.

    Args:
        decoder: ctc, or attention.
        ctc: Of a decoder that attends: CTC's share of the loss, which shows the encoder early what is said when.
        patch: Features of a patch of 4 x 4 pixels.
        features: Features of a frame.
        hidden: Units of each GRU.
        layers: GRUs on top of each other, in each direction.
        embedding: Features of a word, for the decoder that attends.
        dropout: Rate at the features of frames, between and after the GRUs, and at embeddings, while training.
        mirror: Show half of the clips from the other side, while training. Not where a sentence says left or right.
    """

    decoder: Literal["ctc", "attention"] = "ctc"
    ctc: float = 0.3
    patch: int = 32
    features: int = 128
    hidden: int = 128
    layers: int = 1
    embedding: int = 64
    dropout: float = 0.3
    mirror: bool = False

    def __post_init__(self) -> None:
        check(self.decoder in ("ctc", "attention"), "model.decoder", "'ctc' or 'attention'", self.decoder)
        check(0 <= self.ctc < 1, "model.ctc", "a share in [0, 1)", self.ctc)
        for name in ("patch", "features", "hidden", "layers", "embedding"):
            check(getattr(self, name) >= 1, f"model.{name}", "1 or more", getattr(self, name))
        check(0 <= self.dropout < 1, "model.dropout", "a rate in [0, 1)", self.dropout)


@dataclass(frozen=True)
class LipReading:
    """The task: clips with sentences; losses in nats a sentence, word error as jiwer counts it."""

    model: ModelOptions  # what it is made of
    data: DataOptions  # what it learns from, in which batches
    learned: str = ""  # what a run keeps of its data, as `DataTask.learn` gives it; "": they are read
    unit = "clips"
    headline = "test word_error"
    splits = ("validation", "test")

    @cached_property
    def clips(self) -> SpokenClips:
        """The clips of each split with their sentences."""
        return SpokenClips(self.data, self.learned)

    def contents(self, split: str) -> Any:
        """The clips of a part."""
        return self.clips.splits[split]

    def learn(self) -> dict[str, Any]:
        """The vocabulary."""
        return {"vocabulary": self.words.tokens}

    @property
    def words(self) -> Vocabulary:
        """The words that may be said."""
        return self.clips.vocabulary

    @property
    def attends(self) -> bool:
        """Whether the decoder is not CTC's."""
        return self.model.decoder == "attention"

    @cached_property
    def network(self) -> LipNetwork:
        """The model for this vocabulary."""
        m = self.model
        sizes = (m.patch, m.features, m.hidden, m.layers, m.embedding, m.dropout)
        return LipNetwork(self.attends, *sizes, len(self.words))

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""
        return self.network.init(key)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> ByLength:
        """The training clips."""
        lengths, collate = self.clips.pairs("training", self.attends)
        return ByLength(np.zeros(len(lengths)), self.data.batch, self.data.seed, collate, pool=1)

    def count(self, batch: Spoken) -> int:
        """Clips of a batch."""
        return int((batch.lengths > 0).sum())

    def _read(self, params: Params, frames: np.ndarray | jax.Array, rng: jax.Array | None = None) -> jax.Array:
        """Features [T, B, 2 H] of clips."""
        move_rng, read_rng = (None, None) if rng is None else jax.random.split(rng)
        xs = standardised(jnp.asarray(frames).astype(params["norm"]["bias"].dtype))
        if move_rng is not None:
            xs = changed(move_rng, xs, self.model.mirror)
        return self.network.read(params, xs, read_rng)

    def _total(self, params: Params, batch: Spoken, rng: jax.Array | None) -> jax.Array:
        """Summed loss of a batch."""
        read_rng, write_rng = (None, None) if rng is None else jax.random.split(rng)
        hs = self._read(params, batch.frames, read_rng)
        words, lengths = jnp.asarray(batch.words), jnp.asarray(batch.lengths)
        if not self.attends:
            return self._ctc(params, hs, words, lengths)
        logits, _ = self._attend(params, hs, words, lengths, write_rng)
        total = cross_entropy(logits, words, lengths)
        if rng is None or not self.model.ctc:
            return total
        spoken = self._ctc(params, hs, words, jnp.maximum(lengths - 1, 0))  # without END
        return (1 - self.model.ctc) * total + self.model.ctc * spoken

    def _ctc(self, params: Params, hs: jax.Array, words: jax.Array, lengths: jax.Array) -> jax.Array:
        """Summed CTC loss of a batch."""
        logits = self.network.spot(params, hs).swapaxes(0, 1)
        places = jnp.arange(words.shape[1], dtype=lengths.dtype)
        beyond = (places[None] >= lengths[:, None]).astype(logits.dtype)
        frames = jnp.zeros(logits.shape[:2], logits.dtype)  # all of them count
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # optax mixes float types
            losses = optax.ctc_loss(logits, frames, words, beyond, blank_id=self.words.number(BLANK))
        return jnp.sum(losses, where=lengths > 0)

    def _attend(
        self, params: Params, hs: jax.Array, words: jax.Array, lengths: jax.Array, rng: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Logits [L, B, V] of each word after those before it; and where the decoder looked, [L, B, T]."""
        return self.network.logits(params, hs, before(words, self.words), lengths, rng)

    def loss(
        self, params: Params, carry: Carry, batch: Spoken, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """Mean loss of a batch; with a key, clips are moved, hurried, and lit differently."""
        total = self._total(params, batch, rng)
        return total / (batch.lengths > 0).sum().astype(total.dtype), (carry, {})

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Loss a sentence, and word error in per cent: of greedy sentences, and of a beam's where a decoder attends."""
        lengths, collate = self.clips.pairs(split, self.attends)
        batches = [place(collate(rows)) for rows in in_order(np.zeros(len(lengths)), self.data.batch)]
        loss = sum(self._evaluate_batch(params, batch).item() for batch in batches) / len(lengths)
        wanted = self.clips.splits[split].sentences

        def error(width: int) -> float:
            said = [s for batch in batches for s in self._sentences(params, batch.frames, width)]
            return word_error(said[: len(wanted)], wanted)

        if np.isnan(loss):
            return {"loss": loss, "word_error": loss}  # nothing can be said to be understood
        figures = {"loss": loss, "word_error": error(1)}
        return figures | {"word_error_beam": error(BEAM)} if self.attends and split == "test" else figures

    @partial(jax.jit, static_argnums=0)
    def _evaluate_batch(self, params: Params, batch: Spoken) -> jax.Array:
        return self._total(params, batch, None)

    def _sentences(self, params: Params, frames: np.ndarray | jax.Array, width: int = 1) -> list[list[str]]:
        """What is said in clips [B, T, 32, 48], by beam search of a width where the decoder attends."""
        if not self.attends:
            chances = fetched(self._spot(params, frames))
            if np.isnan(chances).any():
                raise FloatingPointError("no word can be chosen: the model's logits have NaN or inf")
            paths = chances.argmax(-1).T
            return [self.words.decode(collapsed(path, self.words.number(BLANK))) for path in paths]
        return sentences(self.words, *self._write(params, frames, width))

    @partial(jax.jit, static_argnums=0)
    def _spot(self, params: Params, frames: jax.Array) -> jax.Array:
        """Probability of each word at each frame, [T, B, V]."""
        return jax.nn.softmax(self.network.spot(params, self._read(params, frames)))

    @partial(jax.jit, static_argnums=(0, 3))
    def _write(self, params: Params, frames: jax.Array, width: int) -> tuple[jax.Array, jax.Array]:
        """Words [LONGEST, B] and how many of them count [B]."""
        carry, memory = self.network.attend(params, self._read(params, frames))
        step = partial(self.network.step, params, memory)
        return written(step, carry, len(frames), self.words, LONGEST, width)

    def caption(self, params: Params, picture: Path, beam: int = 1) -> str:
        """What is said in a clip's file, words separated by spaces; CTC takes the likeliest word at every frame.

        Raises:
            ValueError: If the file is no clip, or the beam has no width.
        """
        check_beam(beam)
        clip = read_film(picture, HEIGHT, WIDTH) if self.data.set == OWN else read_clip(picture)
        return " ".join(self._sentences(params, clip[None], beam)[0])

    def align(self, params: Params, frames: np.ndarray) -> tuple[list[str], np.ndarray]:
        """What is said in a clip [T, 32, 48], and when: a row a word, [L, T].

        With CTC a word's probability at each frame; with attention, where the decoder looked before it, END too.
        """
        said = self._sentences(params, frames[None])[0]
        if not self.attends:
            chances = np.asarray(self._spot(params, frames[None]))[:, 0]
            return said, chances[:, [self.words.number(word) for word in said]].T
        said = [*said, END]
        words, lengths = pad([self.words.encode(said)], np.array([0]), LONGEST + 1)  # one shape for all sentences
        _, weights = self._look(params, frames[None], words, lengths)
        return said, np.asarray(weights)[: len(said), 0]

    @partial(jax.jit, static_argnums=0)
    def _look(self, params: Params, frames: jax.Array, words: jax.Array, lengths: jax.Array) -> Any:
        return self._attend(params, self._read(params, frames), jnp.asarray(words), jnp.asarray(lengths))

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """What was understood in some test clips; when, in alignment.png; the first of them as clip.gif."""
        clips = self.clips.splits["test"]
        chosen = np.random.default_rng(seed).choice(len(clips.names), min(8, len(clips.names)), replace=False)
        film(clips.frames[chosen[0]], folder / "clip.gif")
        looks = [(clips.frames[n], *self.align(params, clips.frames[n])) for n in chosen[:3]]
        save_figure(alignment_figure(looks, [clips.sentences[n] for n in chosen[:3]]), folder / "alignment.png")
        found = self._sentences(params, clips.frames[chosen])
        pairs = zip(found, (clips.sentences[n] for n in chosen), strict=True)
        return "\n".join(f"{' '.join(ours)}   (said: {' '.join(theirs)})" for ours, theirs in pairs)


def word_error(found: Sequence[Sequence[str]], wanted: Sequence[Sequence[str]]) -> float:
    """Words put in, left out and replaced, in per cent of the words that were said."""
    import jiwer

    return 100 * float(jiwer.wer([" ".join(s) for s in wanted], [" ".join(s) for s in found]))


def collapsed(path: np.ndarray, blank: int) -> np.ndarray:
    """What CTC's path [T] says: repeats are one, blanks are none.

    >>> collapsed(np.array([1, 5, 5, 1, 5, 7, 7, 1]), blank=1).tolist()
    [5, 5, 7]
    """
    kept = path[np.flatnonzero(np.diff(path, prepend=-1))]
    return kept[kept != blank]
