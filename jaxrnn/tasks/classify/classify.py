"""Classification: which of some labels a text has, by its words or characters, or a series of several channels.

    loss = -log p(label | example)          the network is in `network`, the examples are in `examples`

What is counted on the training part alone: the vocabulary, or mean and deviation of each channel. Texts by characters
may be judged by their first few (`data.first`), and trained on pieces that are drawn anew for every batch.
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
import optax

from jaxrnn.base.typing import ArrayLike
from jaxrnn.tasks.classify.encoding import Encoding, Examples, learned_from
from jaxrnn.tasks.classify.examples import Example, Parts, examples_of
from jaxrnn.tasks.classify.labelled_series import arranged
from jaxrnn.tasks.classify.network import ModelOptions, Network
from jaxrnn.tasks.classify.options import DataOptions
from jaxrnn.tasks.classify.own_examples import channels_of, check_kind, check_known, read_examples
from jaxrnn.tasks.classify.pictures import attention_figure, table
from jaxrnn.tasks.classify.scores import label_figures
from jaxrnn.tasks.shared.confusions import confusion_figure
from jaxrnn.tasks.shared.figures import share
from jaxrnn.tasks.shared.own_splits import OWN
from jaxrnn.train import ByLength, Program, in_order
from jaxrnn.train.generated import Generated
from jaxrnn.train.group_arrays import fetched
from jaxrnn.train.named_axes import Named, Place
from jaxrnn.train.plots import save_figure
from jaxrnn.train.task import Batch, Carry, Params
from jaxrnn.train.vocabulary import UNKNOWN

TEST_ROWS = 128
BEST = 3  # labels that `predict` gives
SHOWN = 8


@dataclass(frozen=True)
class Classify:
    """The task: cross-entropy in nats an example, accuracy, and the mean of the labels' F1."""

    model: ModelOptions  # what it is made of
    data: DataOptions  # what it learns from, in which batches
    learned: str = ""  # what a run keeps of its data, as `DataTask.learn` gives it; "": they are read
    unit = "examples"
    headline = "test accuracy"
    splits = ("validation", "test")

    @cached_property
    def examples(self) -> Parts:
        """Of each part."""
        if self.learned and self.data.set == OWN:
            known = self.encoding
            check_known(self.data.path, known.labels.tokens, known.channels)
            return examples_of(self.data, self._channels)
        return examples_of(self.data)

    def contents(self, split: str) -> list[Example]:
        """The examples of a part."""
        return self.examples[split]

    def learn(self) -> dict[str, Any]:
        """Labels, and vocabulary or scales."""
        if self.learned:
            return json.loads(self.learned)
        held_out = [one for split in self.splits for one in self.examples[split]]
        found = learned_from(self.examples["training"], held_out, self.data)
        series = self.data.set == OWN and "vocabulary" not in found
        channels = channels_of(self.data.path) if series else []
        return found | ({"channels": channels} if channels else {})

    @property
    def _channels(self) -> list[str]:
        """What the channels are called that the model has learned from, where that was said."""
        return self.learn().get("channels", [])

    @cached_property
    def encoding(self) -> Encoding:
        """From examples to arrays."""
        return Encoding.of(self.data, self.learn())

    @cached_property
    def network(self) -> Network:
        """The model for these symbols or channels, and labels."""
        words = self.encoding.vocabulary
        unknown = None if words is None else words.number(UNKNOWN)
        return Network(self.model, self.encoding.inputs, len(self.encoding.labels), unknown)

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""
        return self.network.init(key)

    def named_axes(self) -> Named:
        """The layer that reads channels, where their names are known."""
        return (
            {"channels/kernel": {0: [Place("", name, "column") for name in self._channels]}} if self._channels else {}
        )

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> ByLength | Generated:
        """The training examples, those of similar length together; or pieces of them."""
        training = self.examples["training"]
        if self.data.first:
            return Generated(self.encoding.pieces(training))
        lengths, collate = self.encoding.batches(training)
        return ByLength(lengths, self.data.rows, self.data.seed, collate)

    def count(self, batch: Examples) -> int:
        """Examples in a batch."""
        return int(batch.valid.sum())

    def loss(
        self, params: Params, carry: Carry, batch: Examples, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """Mean cross-entropy in nats an example, and the share that is right."""
        logits, _ = self.network(params, jnp.asarray(batch.xs), jnp.asarray(batch.lengths), rng)
        valid, labels = jnp.asarray(batch.valid), jnp.asarray(batch.labels)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        right = (logits.argmax(-1).astype(labels.dtype) == labels) & valid
        judged = jnp.where(valid[:, None], logits, 0)
        count = valid.sum(dtype=losses.dtype)
        accuracy = share(right, judged) * (len(valid) / count)
        return jnp.where(valid, losses, 0).sum() / count, (carry, {"accuracy": accuracy})

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Figures on all examples of a split; where the first symbols count, of the test also by more of them."""
        first, examples = self.data.first, self.examples[split]
        found = label_figures(*self._judged(params, place, examples, first))
        if first and split == "test":
            for name, more in ((str(2 * first), 2 * first), ("whole", 0)):
                found[f"accuracy_{name}"] = label_figures(*self._judged(params, place, examples, more))["accuracy"]
        return found

    def _judged(
        self, params: Params, place: Callable[[Batch], Batch], examples: Sequence[Example], first: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log probabilities of the labels [N, L], and which are right [N]."""
        lengths, collate = self.encoding.batches(examples, first)
        labels = np.zeros(len(examples), np.int32)
        logs = np.zeros((len(examples), len(self.encoding.labels)))
        for rows in in_order(lengths, TEST_ROWS):
            batch = collate(rows)
            some = fetched(self._log_probabilities(params, *place((batch.xs, batch.lengths)))[0]).astype(np.float64)
            logs[rows[batch.valid]], labels[rows[batch.valid]] = some[batch.valid], batch.labels[batch.valid]
        return logs, labels

    @partial(jax.jit, static_argnums=0)
    def _log_probabilities(self, params: Params, xs: jax.Array, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Of every label, [B, L], and what each step counted, [B, T]."""
        logits, weights = self.network(params, jnp.asarray(xs), jnp.asarray(lengths))
        return jax.nn.log_softmax(logits), weights

    def inputs(self, path: Path) -> list[Any]:
        """The texts or series of a file, or of a folder.

        Raises:
            ValueError: If something else is in it; the message names file and line.
        """
        found = read_examples(path, labels=False)
        check_kind(found, self.encoding.channels)
        return [one.content for one in arranged(found, self._channels)]

    def predict(self, params: Params, inputs: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """Of each text or series the label, its probability, and those of the three likeliest labels."""
        some = [Example(one, self.encoding.labels.tokens[0]) for one in inputs]
        for logs in self._judged(params, jax.device_put, some, 0)[0] if some else ():
            best = np.argsort(-logs, kind="stable")[:BEST]
            labels, chances = self.encoding.labels.decode(best), np.exp(logs[best]).tolist()
            yield {"label": labels[0], "probability": chances[0], "labels": labels, "probabilities": chances}

    def program(self, params: Params) -> Program:
        """Probabilities [B, L] of the labels, from symbols or channels, and lengths."""
        encoding = self.encoding
        arguments, note = encoding.as_arguments

        def classify(xs: ArrayLike, lengths: ArrayLike) -> tuple[jax.Array]:
            xs, lengths = jnp.asarray(xs), jnp.asarray(lengths)
            if encoding.vocabulary is None:
                mean, deviation = (jnp.asarray(row, xs.dtype) for row in (encoding.mean, encoding.deviation))
                xs = (xs - jnp.broadcast_to(mean, xs.shape)) / jnp.broadcast_to(deviation, xs.shape)
            return (jax.nn.softmax(self.network(params, xs, lengths)[0]),)

        labels = ", ".join(encoding.labels.tokens)
        return Program(classify, arguments, ("probabilities",), f"{note}; probabilities of {labels}")

    def attention(self, params: Params, content: str | np.ndarray) -> np.ndarray:
        """What each symbol or step of one example counts, [T]."""
        _, collate = self.encoding.batches([Example(content, self.encoding.labels.tokens[0])])
        batch = collate(np.array([0]))
        return np.asarray(self._log_probabilities(params, batch.xs, batch.lengths)[1])[0, : batch.lengths[0]]

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """What was said of some test examples; which labels are taken for which, confusion.png; attention.png."""
        examples, labels = self.examples["test"], self.encoding.labels.tokens
        logs, right = self._judged(params, jax.device_put, examples, self.data.first)
        save_figure(confusion_figure(logs.argmax(-1), right, labels), folder / "confusion.png")
        chosen = np.random.default_rng(seed).choice(len(examples), min(SHOWN, len(examples)), replace=False)
        some = [examples[n] for n in chosen]
        if self.model.head == "attention" and self.encoding.vocabulary is not None:
            looks = [(self.encoding.read(one.content), self.attention(params, one.content)) for one in some[:5]]
            save_figure(attention_figure(looks), folder / "attention.png")
        return table(
            [self.encoding.read(one.content, self.data.first) for one in some], logs[chosen], right[chosen], labels
        )
