"""Tagging: what each word of a sentence is, such as a part of speech, a part of an address, a name of something.

    loss = -log p(tags | words), a word         the network is in `network`, the field over the tags in `crf`

Words and characters are those of the training part alone; the model spells what it does not know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.tasks.shared.confusions import confusion_figure
from jaxrnn.tasks.shared.own_files import answered_lines_of, files_of
from jaxrnn.tasks.shared.own_splits import OWN
from jaxrnn.tasks.tag import crf
from jaxrnn.tasks.tag.encoding import Encoding, learned_from, map_case
from jaxrnn.tasks.tag.network import Network, Sentences
from jaxrnn.tasks.tag.options import DataOptions, ModelOptions
from jaxrnn.tasks.tag.sentences import ANSWERED, SUFFIXES, Parts, Sentence, check_known, read_conll, sentences_of
from jaxrnn.tasks.tag.spans import are_spans, span_figures, spans
from jaxrnn.train import ByLength, Program, in_order
from jaxrnn.train.group_arrays import fetched
from jaxrnn.train.plots import save_figure
from jaxrnn.train.sources import bare
from jaxrnn.train.task import Batch, Carry, Params

SHOWN = 4  # sentences
PLAIN = (".txt",)  # a sentence a line; other files are in columns


@dataclass(frozen=True)
class Tag:
    """The task: nats a word; the share of words that are right, of unknown words, of whole sentences; F1 of spans."""

    model: ModelOptions  # what it is made of
    data: DataOptions  # what it learns from, in which batches
    learned: str = ""  # what a run keeps of its data, as `DataTask.learn` gives it; "": they are read
    unit = "words"
    splits = ("validation", "test")

    @property
    def chosen_by(self) -> str:
        """Of spans, such as B-person and I-person, their F1: where most words are in none, silence has a low loss."""
        spans = self.data.set == "wnut17" or (self.data.set == OWN and are_spans(self.encoding.tags.tokens))
        return "f1" if spans else "accuracy"

    @property
    def headline(self) -> str:
        """What steps are chosen by."""
        return f"test {self.chosen_by}"

    @cached_property
    def sentences(self) -> Parts:
        """Of each part."""
        if self.learned and self.data.set == OWN:
            check_known(self.data, self.encoding.tags)
        return sentences_of(self.data)

    def contents(self, split: str) -> list[Sentence]:
        """The sentences of a part."""
        return self.sentences[split]

    def learn(self) -> dict[str, Any]:
        """Tags, words and characters."""
        if self.learned:
            return json.loads(self.learned)
        held_out = [one for split in self.splits for one in self.sentences[split]]
        return learned_from(self.sentences["training"], held_out, self.data.at_least)

    @cached_property
    def encoding(self) -> Encoding:
        """From sentences to arrays."""
        return Encoding(self.learn())

    @cached_property
    def network(self) -> Network:
        """The model for these words, characters and tags."""
        known = self.encoding
        return Network(self.model, len(known.words), known.letters, len(known.tags), known.unknown)

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""
        return self.network.init(key)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> ByLength:
        """The training sentences, those of similar length together."""
        lengths, collate = self.encoding.batches(self.sentences["training"])
        return ByLength(lengths, self.data.rows, self.data.seed, collate)

    def count(self, batch: Sentences) -> int:
        """Words in a batch."""
        return int(batch.lengths.sum())

    def loss(
        self, params: Params, carry: Carry, batch: Sentences, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """-log p(tags | words), mean over words."""
        losses = self.network.losses(params, batch, rng)
        return losses.sum() / jnp.asarray(batch.lengths).sum(dtype=losses.dtype), (carry, {})

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Nats a word; shares of all words, of those that training had not, and of sentences; F1 of spans."""
        sentences = self.sentences[split]
        loss, said, _ = self._said(params, place, sentences)
        right = [np.array(ours) == np.array(one.tags) for ours, one in zip(said, sentences, strict=True)]
        known = {word for one in self.sentences["training"] for word in map_case(one.words)}
        new = [np.array([word not in known for word in map_case(one.words)]) for one in sentences]
        every, unseen = np.concatenate(right), np.concatenate(new)
        figures = {
            "loss": loss / len(every),
            "accuracy": float(every.mean()),
            "unknown": float(every[unseen].mean()) if unseen.any() else 1.0,
            "sentences": float(np.mean([one.all() for one in right])),
        }
        if are_spans(self.encoding.tags.tokens):
            figures |= span_figures(said, [one.tags for one in sentences])
        return dict.fromkeys(figures, float("nan")) if np.isnan(loss) else figures

    def _said(
        self, params: Params, place: Callable[[Batch], Batch], sentences: Sequence[Sentence]
    ) -> tuple[float, list[list[str]], list[list[float]]]:
        """Summed loss; tags of each sentence, and their probabilities."""
        lengths, collate = self.encoding.batches(sentences)
        loss, tags, chances = 0.0, [[""]] * len(sentences), [[0.0]] * len(sentences)
        for rows in in_order(lengths, self.data.rows):
            found = self._tagged(params, place(collate(rows)))
            losses, numbers, sure = map(fetched, found)
            loss += losses.sum(dtype=np.float64)
            for row, ours, chance in zip(rows, numbers, sure, strict=True):
                if row >= 0:
                    tags[row] = self.encoding.tags.decode(ours[: lengths[row]])
                    chances[row] = chance[: lengths[row]].tolist()
        return float(loss), tags, chances

    @partial(jax.jit, static_argnums=0)
    def _tagged(self, params: Params, batch: Sentences) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Losses [B], tags [B, T] and their probabilities [B, T]."""
        return self.network.losses(params, batch), *self.network.tag(params, batch)

    def inputs(self, path: Path) -> list[Any]:
        """The sentences of a file, lists of words: .txt has one a line, others a word a line, as those that train.

        Raises:
            ValueError: If a line has no such word; the message names file and line.
        """
        found: list[Any] = []
        for file in files_of(str(path), SUFFIXES, ANSWERED):
            if bare(file.name.lower()).endswith(PLAIN):
                found += [self.encoding.split(line) for _, line in answered_lines_of(file, "a sentence")]
            else:
                found += [one.sentence.words for one in read_conll(file, self.data.token, None)]
        return found

    def predict(self, params: Params, inputs: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """Of each sentence its words, their tags and how probable these are; where tags are of spans, these as text."""
        some = [Sentence(tuple(words), (self.encoding.tags.tokens[0],) * len(words)) for words in inputs]
        named = are_spans(self.encoding.tags.tokens)
        _, tags, chances = self._said(params, jax.device_put, some)
        for one, ours, sure in zip(some, tags, chances, strict=True):
            answer: dict[str, Any] = {"words": [*one.words], "tags": ours, "probabilities": sure}
            if named:
                answer["spans"] = [
                    f"{s.kind}: {' '.join(one.words[s.start : s.end])}".removeprefix(": ") for s in spans(ours)
                ]
            yield answer

    def program(self, params: Params) -> Program:
        """Scores of tags at words; and of one tag behind another, where there is a field over them."""
        field = [*crf.Transitions(**params["transitions"])] if self.model.crf else []

        def emit(words: jax.Array, lengths: jax.Array, characters: jax.Array, sizes: jax.Array) -> tuple[Any, ...]:
            found = self.network.emissions(params, words, lengths, characters, sizes)
            return (found.swapaxes(0, 1), *field)

        arguments = {
            "words": (("B", "T"), "int32"),
            "lengths": (("B",), "int32"),
            "characters": (("B", "T", "C"), "int32"),
            "sizes": (("B", "T"), "int32"),
        }
        note = (
            "words in lower case and characters by their places in `words` and `characters` (data.json), 1 where they "
            "lack one; sizes: characters a word; tags in the order of `tags`. The best path has the greatest sum of "
            "emissions, and of first, between and last where there are such."
        )
        return Program(emit, arguments, ("emissions", *(crf.Transitions._fields if field else ())), note)

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Some test sentences with their tags; which tags are taken for which, confusion.png."""
        sentences, tags = self.sentences["test"], self.encoding.tags
        _, said, chances = self._said(params, jax.device_put, sentences)
        ours, right = (
            tags.encode([tag for one in some for tag in one]) for some in (said, [s.tags for s in sentences])
        )
        save_figure(confusion_figure(ours, right, tags.tokens), folder / "confusion.png")
        chosen = np.random.default_rng(seed).choice(len(sentences), min(SHOWN, len(sentences)), replace=False)
        lines = []
        for n in chosen:
            words = zip(*sentences[n], said[n], chances[n], strict=True)
            lines += [
                f"{' ' if o == t else 'x'} {w:20} {o:16} {p:.2f}{'' if o == t else f'  {t}'}" for w, t, o, p in words
            ]
            lines.append("")
        return "\n".join(lines[:-1])
