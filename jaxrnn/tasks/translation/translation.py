"""Translation: an encoder and a decoder, with or without attention, from one language into another.

    loss = -log p(target | source) a word, END counted;    BLEU (Papineni et al. 2002) as sacrebleu counts it

Sequence to sequence: Sutskever et al. 2014 (arXiv:1409.3215). The model is in `encoder_decoder`. Text:
what programs say in English and German, which ships with the package, or a folder of files such as Multi30k.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.files import write_text
from jaxrnn.tasks.shared.given_rows import given_lines
from jaxrnn.tasks.shared.writing import BEAM, before, check_beam, cross_entropy, sentences, written
from jaxrnn.tasks.translation.alignment import alignment_svg
from jaxrnn.tasks.translation.encoder_decoder import EncoderDecoder
from jaxrnn.tasks.translation.parallel_text import DataOptions, Pairs, ParallelText, to_batch
from jaxrnn.train import END, ByLength, Vocabulary, in_order, pad
from jaxrnn.train.options import check
from jaxrnn.train.task import Batch, Carry, Params


@dataclass(frozen=True)
class ModelOptions:
    """The network.

    Args:
        attention: bahdanau (additive, before the step), luong (multiplicative, after it) or none.
        cell: gru or lstm.
        embedding: Features of a word.
        hidden: Units of the decoder, and of the encoder in each direction.
        dropout: Rate at embeddings and before the readout, while training.
        label_smoothing: Share of the target that is spread over all words, while training.
    """

    attention: Literal["none", "bahdanau", "luong"] = "bahdanau"
    cell: Literal["gru", "lstm"] = "gru"
    embedding: int = 256
    hidden: int = 256
    dropout: float = 0.3
    label_smoothing: float = 0.1

    def __post_init__(self) -> None:
        attentions = ("none", "bahdanau", "luong")
        check(self.attention in attentions, "model.attention", f"one of {attentions}", self.attention)
        check(self.cell in ("gru", "lstm"), "model.cell", "'gru' or 'lstm'", self.cell)
        check(self.embedding >= 1, "model.embedding", "1 or more", self.embedding)
        check(self.hidden >= 1, "model.hidden", "1 or more", self.hidden)
        check(0 <= self.dropout < 1, "model.dropout", "a rate in [0, 1)", self.dropout)
        check(0 <= self.label_smoothing < 1, "model.label_smoothing", "a share in [0, 1)", self.label_smoothing)


@dataclass(frozen=True)
class Translation:
    """The task: sentence pairs; losses in nats a target word, END counted."""

    model: ModelOptions  # what it is made of
    data: DataOptions  # what it learns from, in which batches
    learned: str = ""  # what a run keeps of its data, as `DataTask.learn` gives it; "": they are read
    unit = "words"
    headline = "test BLEU"
    splits = ("validation", "test")

    @cached_property
    def text(self) -> ParallelText:
        """The sentences of both languages."""
        return ParallelText(self.data, self.learned)

    def contents(self, split: str) -> Any:
        """The sentences of a part in both languages."""
        return self.text.sentences(split)

    def learn(self) -> dict[str, Any]:
        """The vocabularies of both languages, and how words are made of pieces."""
        found: dict[str, Any] = {"vocabularies": [vocabulary.tokens for vocabulary in self.text.vocabularies]}
        return found | ({"merges": self.text.pairs.merges} if self.data.merges else {})

    @property
    def words(self) -> Vocabulary:
        """The words, or pieces, that a translation may use."""
        return self.text.vocabularies[1]

    @cached_property
    def network(self) -> EncoderDecoder:
        """The model for these vocabularies."""
        source, target = map(len, self.text.vocabularies)
        m = self.model
        return EncoderDecoder(m.attention, m.cell, m.embedding, m.hidden, m.dropout, source, target)

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""
        return self.network.init(key)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> ByLength:
        """The training pairs; in a batch, targets of nearly one length, since the readout costs most."""
        source, target = self.text.encoded("training")
        lengths = np.array([(self.data.longest + 1) * len(t) + len(s) for s, t in zip(source, target, strict=True)])
        return ByLength(lengths, self.data.batch, seed=0, collate=partial(to_batch, source, target))

    def count(self, batch: Pairs) -> int:
        """Target words, END counted."""
        return int(batch.target_lengths.sum())

    def _logits(self, params: Params, batch: Pairs, rng: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """Logits [T, B, V] of each target word after those before it; and where the decoder looked, [T, B, S]."""
        source, source_lengths, target, target_lengths = map(jnp.asarray, batch)
        encoder_rng, decoder_rng = (None, None) if rng is None else jax.random.split(rng)
        encoded = self.network.encode(params, source, source_lengths, encoder_rng)
        return self.network.logits(params, encoded, before(target, self.words), target_lengths, decoder_rng)

    def _total(self, params: Params, batch: Pairs, rng: jax.Array | None, smoothing: float) -> jax.Array:
        """Summed loss of a batch."""
        logits, _ = self._logits(params, batch, rng)
        return cross_entropy(logits, jnp.asarray(batch.target), jnp.asarray(batch.target_lengths), smoothing)

    def loss(
        self, params: Params, carry: Carry, batch: Pairs, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """Mean loss of a batch, towards smoothed labels."""
        total = self._total(params, batch, rng, self.model.label_smoothing)
        return total / batch.target_lengths.sum().astype(total.dtype), (carry, {})

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Loss and perplexity; for the test sentences BLEU too, of greedy translations and of a beam of five."""
        source, target = self.text.encoded(split)
        lengths, total = np.array([len(t) for t in target]), 0.0
        for rows in in_order(lengths, self.data.batch):
            total += self._evaluate_batch(params, place(to_batch(source, target, rows))).item()
        loss = total / int(lengths.sum())
        figures = {"loss": loss, "perplexity": math.exp(min(loss, 700))}
        if split == "test":
            references = self.text.sentences(split)[1]
            figures["BLEU"] = bleu(self.translations(params, source, 1, place), references)[0]
            figures["BLEU_beam"] = bleu(self.translations(params, source, BEAM, place), references)[0]
        return figures

    @partial(jax.jit, static_argnums=0)
    def _evaluate_batch(self, params: Params, batch: Pairs) -> jax.Array:
        return self._total(params, batch, None, 0.0)

    def translations(
        self,
        params: Params,
        source: Sequence[np.ndarray],
        beam: int = 1,
        place: Callable[[Batch], Batch] = jax.device_put,
    ) -> list[list[str]]:
        """Translations of encoded sentences as words, by beam search of a width (1: greedy)."""
        found: list[list[str]] = [[]] * len(source)
        for rows in in_order(np.array([len(s) for s in source]), self.data.batch):
            said = sentences(self.words, *self._translate(params, *place(pad(source, rows)), beam))
            for row, pieces in zip(rows[rows >= 0], said, strict=False):
                found[row] = self.text.joined(pieces)
        return found

    @partial(jax.jit, static_argnums=(0, 4))
    def _translate(
        self, params: Params, source: jax.Array, lengths: jax.Array, width: int
    ) -> tuple[jax.Array, jax.Array]:
        """Words [longest, B] and how many of them count [B]."""
        encoded = self.network.encode(params, source, lengths)
        step = partial(self.network.step, params, encoded.memory)
        return written(step, encoded.carry, len(lengths), self.words, self.data.longest, width)

    def translate(self, params: Params, text: str, beam: int = BEAM) -> str:
        """One sentence in the other language, words separated by spaces.

        Raises:
            ValueError: If the text has no word, or the beam no width.
        """
        check_beam(beam)
        return " ".join(self.translations(params, [self._read(text)], beam)[0])

    def _read(self, text: str) -> np.ndarray:
        """A sentence as numbers."""
        check(bool(text.split()), "text", "a sentence", text)
        return self.text.vocabularies[0].encode(self.text.pieces(self.text.words(text)))

    def inputs(self, path: Path) -> list[np.ndarray]:
        """The sentences of a text file, one a line."""
        return given_lines(path, self._read, "sentences, one a line")

    def predict(self, params: Params, inputs: Sequence[np.ndarray]) -> Iterator[dict[str, Any]]:
        """The translation of each sentence, by beam search."""
        return ({"translation": " ".join(words)} for words in self.translations(params, inputs, BEAM))

    def align(self, params: Params, text: str) -> tuple[list[str], list[str], np.ndarray]:
        """A sentence, its greedy translation with END (in pieces, where words have them), and the weights [T, S]."""
        source = self.text.pieces(self.text.words(text))
        target = [*self.text.pieces(self.translate(params, text, 1).split()), END]
        pair = to_batch([self.text.vocabularies[0].encode(source)], [self.words.encode(target)], np.array([0]))
        _, weights = jax.jit(self._logits)(params, pair)
        return source, target, np.asarray(weights)[: len(target), 0, : len(source)]

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Some test sentences with their translations, in translations.txt; where one looked, in attention.svg."""
        sources, targets = self.text.sentences("test")
        chosen = np.random.default_rng(seed).choice(len(sources), min(8, len(sources)), replace=False)
        encoded = self.text.encoded("test")[0]
        found = self.translations(params, [encoded[i] for i in chosen])
        blocks = [
            "\n".join(
                (
                    f"source     {' '.join(sources[i])}",
                    f"reference  {' '.join(targets[i])}",
                    f"model      {' '.join(t)}",
                )
            )
            for i, t in zip(chosen, found, strict=True)
        ]
        text = "\n\n".join(blocks)
        signature = bleu(found, [targets[i] for i in chosen])[1]
        write_text(folder / "translations.txt", f"{text}\n\nBLEU of this run: sacrebleu {signature}\n")
        if self.model.attention != "none":
            picture = alignment_svg(*self.align(params, " ".join(sources[chosen[0]])))
            write_text(folder / "attention.svg", picture)
        return text


def bleu(found: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> tuple[float, str]:
    """Corpus BLEU in percent of tokenised sentences, and sacrebleu's signature of how it is counted (Post 2018)."""
    from sacrebleu.metrics import BLEU

    metric = BLEU(tokenize="none", force=True)  # forced: it warns where text looks tokenised, as ours is
    score = metric.corpus_score([" ".join(s) for s in found], [[" ".join(s) for s in references]])
    return float(score.score), str(metric.get_signature())
