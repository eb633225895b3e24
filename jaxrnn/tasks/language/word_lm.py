"""Word language model: a stack of LSTMs over embedded words predicts the next word, on Penn Treebank or Shakespeare.

    p(x[t+1] | x[0..t]) = softmax(D(h[t]) W + b),    h = LSTM stack over D(E[x]), with dropout D between layers too

Zaremba, Sutskever & Vinyals 2014 (arXiv:1409.2329): dropout on all connections but the recurrent ones. AWD-LSTM,
Merity, Keskar & Socher 2017 (arXiv:1708.02182): masks locked over time, whole words and recurrent weights dropped,
W = E transposed, and penalties on activations. Its averaged SGD is `optimizer.averaging`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.typing import ArrayLike
from jaxrnn.cells import lstm
from jaxrnn.compose import stack, weight_drop
from jaxrnn.core.factory import Common
from jaxrnn.core.layer import Layer
from jaxrnn.functions.initializers import Uniform
from jaxrnn.tasks.language.language_model import DataOptions as DataOptions
from jaxrnn.tasks.language.language_model import LanguageModel, penn_treebank, shakespeare, valid_steps
from jaxrnn.tasks.shared.dense import dense, dropout
from jaxrnn.tasks.shared.own_splits import OWN
from jaxrnn.tasks.shared.words import between, words_of
from jaxrnn.train.options import check
from jaxrnn.train.streams import Chunk, Streams
from jaxrnn.train.task import Carry, Params, recalled
from jaxrnn.train.vocabulary import END, UNKNOWN, Vocabulary

WORD = re.compile(r"[A-Za-z']+(?:-[A-Za-z']+)*|--|[^\sA-Za-z']")
PUNCTUATION = re.compile(r"[.,:;?!]|--")  # written without a space before it


@dataclass(frozen=True)
class ModelOptions:
    """The network.

    Args:
        layers: LSTMs on top of each other.
        hidden: Units of each.
        embedding: Size of a word's vector.
        tied: The readout's kernel is the embedding, transposed; the last LSTM then has the embedding's size.
        init_scale: Embedding and readout kernel start uniform within this.
        uniform_lstm: So do the LSTMs, biases included (Zaremba 2014); otherwise they start as the library makes them.
    """

    layers: int = 2
    hidden: int = 200
    embedding: int = 200
    tied: bool = False
    init_scale: float = 0.1
    uniform_lstm: bool = False

    def __post_init__(self) -> None:
        for name in ("layers", "hidden", "embedding"):
            check(getattr(self, name) >= 1, f"model.{name}", "1 or more", getattr(self, name))
        check(0 < self.init_scale < float("inf"), "model.init_scale", "a positive number", self.init_scale)


@dataclass(frozen=True)
class RegularizationOptions:
    """What keeps the network from learning the text by heart, while training.

    Args:
        input_dropout: Rate on the embedded words.
        hidden_dropout: Rate between the layers.
        output_dropout: Rate before the readout.
        locked: The masks of these three stay the same throughout a chunk, one a row.
        word_dropout: Rate at which words are left out of the embedding, wherever they occur in a chunk.
        weight_dropout: Rate on the recurrent kernels, the same throughout a chunk for all rows.
        activation: Penalty on the mean square of the outputs (AR, after dropout).
        temporal: Penalty on the mean square of the outputs' change from step to step (TAR).
    """

    input_dropout: float = 0.0
    hidden_dropout: float = 0.0
    output_dropout: float = 0.0
    locked: bool = False
    word_dropout: float = 0.0
    weight_dropout: float = 0.0
    activation: float = 0.0
    temporal: float = 0.0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self) if field.name.endswith("dropout")):
            check(0 <= getattr(self, name) < 1, f"regularization.{name}", "a rate in [0, 1)", getattr(self, name))
        for name in ("activation", "temporal"):
            value = getattr(self, name)
            check(0 <= value < float("inf"), f"regularization.{name}", "0 or more", value)


@dataclass(frozen=True)
class WordLM(LanguageModel):
    """The task; loss in nats a word, the end of a line counted as a word.

    Words of Penn Treebank are what stands between spaces. Words of Shakespeare are runs of letters, apostrophes and
    inner hyphens, and every punctuation mark; nine tenths of the lines are for training, half of the rest for
    validation, half for the test. Of a user's text, words and punctuation marks are told apart in any alphabet. The
    vocabulary is that of the training text: what occurs once in Shakespeare's, or the user's, is <unk>.
    """

    model: ModelOptions  # what it is made of
    regularization: RegularizationOptions  # dropout and penalties
    data: DataOptions  # what it learns from, in which batches
    learned: str = ""  # what a run keeps of its data, as `DataTask.learn` gives it; "": they are read
    int8: Layer | None = None  # the layer with int8 kernels, which `quantized` makes
    unit = "words"
    headline = "test perplexity"
    splits = ("validation", "test")

    def read(self, part: int) -> list[str]:
        """The words of a text."""
        if self.data.set == OWN:
            lines = self.own(part).removesuffix("\n").split("\n")
        elif self.data.set == "ptb":
            lines = penn_treebank(self.data.path, part)
        else:
            every = shakespeare(self.data).splitlines()
            cuts = 0, len(every) * 9 // 10, len(every) * 19 // 20, len(every)
            lines = every[cuts[part] : cuts[part + 1]]
        return [word for line in lines for word in (*self.split(line), END)]

    def split(self, line: str) -> list[str]:
        """The words of a line."""
        if self.data.set == OWN and not self.data.spaces:
            return words_of(line)
        return line.split() if self.data.set in ("ptb", OWN) else WORD.findall(line)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words that the model knows, the most frequent first."""
        known = recalled(self.learned, "vocabulary")
        if known is not None:
            return Vocabulary(tuple(known))
        least = self.data.at_least or (1 if self.data.set == "ptb" else 2)
        return Vocabulary.of([self.text(0)], (UNKNOWN, END), least, self.data.most or None)

    @property
    def unknown(self) -> int | None:
        """Of a user's text, which has no such word."""
        return self.vocabulary.number(UNKNOWN) if self.data.set == OWN else None

    def learn(self) -> dict[str, Any]:
        """The vocabulary."""
        return {"vocabulary": self.vocabulary.tokens}

    def numbers(self, text: Sequence[str]) -> np.ndarray:
        """Words as symbols."""
        return self.vocabulary.encode(text)

    @cached_property
    def layer(self) -> Layer:
        """The recurrent part."""
        if self.int8 is not None:
            return self.int8
        model, options, uniform = self.model, self.regularization, Uniform(self.model.init_scale)
        inits = Common(kernel_init=uniform, recurrent_kernel_init=uniform, bias_init=uniform)
        sizes = [model.hidden] * (model.layers - 1) + [model.embedding if model.tied else model.hidden]
        lstms = [lstm(size, **(inits if model.uniform_lstm else Common())) for size in sizes]
        return stack(lstms, dropout=options.hidden_dropout, variational=options.locked)

    def init(self, key: jax.Array) -> Params:
        """Parameters {"embedding": {"kernel": [V, E]}, "rnn": ..., "readout": {"kernel": [H, V], "bias": [V]}}.

        Tied, the readout has no kernel of its own.
        """
        embedding, rnn, readout = jax.random.split(key, 3)
        words, size, uniform = len(self.vocabulary), self.model.embedding, Uniform(self.model.init_scale)
        kernel = {} if self.model.tied else {"kernel": uniform(readout, (self.layer.output_size, words))}
        return {
            "embedding": {"kernel": uniform(embedding, (words, size))},
            "rnn": self.layer.init(rnn, inputs=size),
            "readout": kernel | {"bias": jnp.zeros(words)},
        }

    def embed(self, params: Params, symbols: ArrayLike) -> jax.Array:
        """Vectors [..., E] of words [...]."""
        return params["embedding"]["kernel"][symbols]

    def logits(self, params: Params, ys: jax.Array) -> jax.Array:
        """Logits [..., V] of the stack's outputs [..., H]."""
        return dense(self._readout(params), ys)

    def around(self, params: Params) -> dict[str, Any]:
        """Vectors of words, and the readout."""
        return {"embedding": params["embedding"]["kernel"], "head": self._readout(params)}

    def _readout(self, params: Params) -> Params:
        kernel = params["embedding"]["kernel"].T if self.model.tied else params["readout"]["kernel"]
        return {"kernel": kernel, "bias": params["readout"]["bias"]}

    def loss(
        self, params: Params, carry: Carry, batch: Chunk, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """The loss summed over a chunk's words, mean over its rows; recorded is its mean in nats a word.

        So it is in Zaremba's code: to a gradient of the sum over time belong his learning rates and clipping norms.
        """
        options = self.regularization
        words, inputs, weights, hidden, output = (None,) * 5 if rng is None else jax.random.split(rng, 5)
        xs = self.embed(params, batch.inputs.T)  # [T, B, E]
        if words is not None and options.word_dropout:
            keep = jax.random.bernoulli(words, 1 - options.word_dropout, (len(self.vocabulary),))
            xs = jnp.where(keep[batch.inputs.T][..., None], xs / (1 - options.word_dropout), 0)
        xs = dropout(inputs, xs, options.input_dropout, options.locked)
        if weights is not None and options.weight_dropout:
            params = params | {"rnn": weight_drop(params["rnn"], weights, options.weight_dropout)}
        carry, ys = self.run(params, carry, xs, batch, hidden)
        dropped = dropout(output, ys, options.output_dropout, options.locked)
        total, count = self.score(params, dropped, batch)
        penalty = options.activation * mean_square(dropped, valid_steps(batch).T)
        penalty += options.temporal * mean_square(ys[1:] - ys[:-1], valid_steps(batch).T[1:])
        return (total + penalty) / len(batch.inputs), (carry, {"loss": total / count.astype(total.dtype)})

    def figures(self, loss: float) -> dict[str, float]:
        """The loss in nats a word, and the perplexity."""
        return {"loss": loss, "perplexity": math.inf if loss >= 700 else math.exp(loss)}

    def held_out(self, split: str) -> Streams:
        """The test text is one stream, so that no word but the first is predicted without what went before."""
        if split != "test":
            return super().held_out(split)
        return Streams(self.part(2), 1, self.data.streams * self.data.length)

    def encode(self, text: str) -> list[int]:
        """Numbers of a prompt's words; a line begins where it is empty or a line of it ends."""
        words = [word for line in text.split("\n") for word in (*self.split(line), END)]
        return self.vocabulary.encode(words[:-1] or [END]).tolist()

    def line(self, text: str) -> np.ndarray:
        """The words, and the end of the line."""
        return self.numbers([*self.split(text), END])

    def piece(self, symbol: int, before: int) -> str:
        """The word with a space before it, where one belongs."""
        word, last = self.vocabulary.decode([symbol, before])
        if word == END:
            return "\n"
        if self.data.set == OWN and not self.data.spaces:
            return word if last == END else between(last, word) + word
        return word if last == END or PUNCTUATION.fullmatch(word) else f" {word}"

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """150 words after "ROMEO:", "the" of Penn Treebank, or a line's first words of the user's, in sample.txt."""
        if self.data.set == OWN:
            return self.write_sample(params, folder, " ".join(self.start_of_own(seed).split()[:3]), 150, seed)
        return self.write_sample(params, folder, "the" if self.data.set == "ptb" else "ROMEO:", 150, seed)


def mean_square(ys: jax.Array, valid: jax.Array) -> jax.Array:
    """Squares of ys [T, B, H], mean over H, summed over valid [T, B]."""
    return jnp.sum(jnp.square(ys).mean(-1), where=valid)
