"""Character language model: a stack of LSTMs predicts the next character of Shakespeare's plays.

    p(x[t+1] | x[0..t]) = softmax(h[t] W + b),    h = LSTM stack over one-hot x

An LSTM's kernel times a one-hot symbol is a row of the kernel, so symbols are given as integers and no embedding is
needed. Generating with recurrent networks: Graves 2013 (arXiv:1308.0850). Text: tinyshakespeare, of Karpathy's
char-rnn (2015).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxrnn
from jaxrnn.train.options import check
from jaxrnn.train.streams import Chunk, Streams
from jaxrnn.train.task import Batch, Carry, Params

# A one-hot input switches on a single row of the first kernel: its fan-in is one, not the size of the vocabulary.
one_row = jax.nn.initializers.normal(1.5)

CELLS: dict[str, Callable[..., jaxrnn.Cell]] = {"lstm": jaxrnn.lstm, "gru": jaxrnn.gru}


@dataclass(frozen=True)
class ModelOptions:
    """The network.

    Args:
        layers: LSTMs (or cells of another kind) on top of each other.
        hidden: Units of each.
        dropout: Rate between the layers and before the readout, while training.
        cell: The kind: lstm or gru.
    """

    layers: int = 2
    hidden: int = 256
    dropout: float = 0.0
    cell: Literal["lstm", "gru"] = "lstm"

    def __post_init__(self) -> None:
        check(self.layers >= 1, "model.layers", "1 or more", self.layers)
        check(self.hidden >= 1, "model.hidden", "1 or more", self.hidden)
        check(0 <= self.dropout < 1, "model.dropout", "a rate in [0, 1)", self.dropout)
        check(self.cell in CELLS, "model.cell", f"one of {', '.join(CELLS)}", self.cell)


@dataclass(frozen=True)
class DataOptions:
    """The text as ordered streams.

    Args:
        streams: B, the streams read side by side.
        length: T, the characters of a chunk: gradients go back this far, carries further.
    """

    streams: int = 32
    length: int = 64

    def __post_init__(self) -> None:
        check(1 <= self.streams <= 10_000, "data.streams", "1 to 10000", self.streams)
        check(self.length >= 1, "data.length", "1 or more", self.length)


@dataclass(frozen=True)
class CharLM:
    """The task: Shakespeare, first nine tenths for training, last tenth for validation; loss in nats a character."""

    model: ModelOptions
    data: DataOptions
    unit = "characters"
    headline = "validation loss"
    splits = ("validation",)

    @cached_property
    def _text(self) -> np.ndarray:
        """All characters, as ASCII codes [N]."""
        return np.frombuffer((resources.files("jaxrnn.tasks") / "data/tinyshakespeare.txt").read_bytes(), np.uint8)

    @cached_property
    def vocabulary(self) -> str:
        """The characters that the model knows, in the order of their symbols."""
        return "".join(map(chr, np.unique(self._text)))

    @cached_property
    def symbols(self) -> tuple[np.ndarray, np.ndarray]:
        """Training and validation text as symbols, int32."""
        symbols = np.unique(self._text, return_inverse=True)[1].astype(np.int32)
        cut = len(symbols) * 9 // 10
        return symbols[:cut], symbols[cut:]

    @cached_property
    def layer(self) -> jaxrnn.Layer:
        """The recurrent part."""
        cell = CELLS[self.model.cell]
        first = cell(self.model.hidden, kernel_init=one_row)
        others = [cell(self.model.hidden)] * (self.model.layers - 1)
        return jaxrnn.stack([first, *others], dropout=self.model.dropout)

    def init(self, key: jax.Array) -> Params:
        """Parameters {"rnn": ..., "readout": {"kernel": [H, V], "bias": [V]}}."""
        rnn, readout = jax.random.split(key)
        shape = (self.layer.output_size, len(self.vocabulary))
        kernel = jax.nn.initializers.glorot_uniform()(readout, shape)
        return {
            "rnn": self.layer.init(rnn, inputs=len(self.vocabulary)),
            "readout": {"kernel": kernel, "bias": jnp.zeros(shape[1])},
        }

    def initial_carry(self, params: Params) -> Carry:
        """The carry of every stream at its beginning."""
        return self.layer.initial_carry((self.data.streams,), params["rnn"])

    def batches(self) -> Streams:
        """The training text."""
        return Streams(self.symbols[0], self.data.streams, self.data.length)

    def count(self, batch: Chunk) -> int:
        """Characters that are predicted."""
        return int(batch.lengths.sum())

    def _total(
        self, params: Params, carry: Carry, batch: Chunk, rng: jax.Array | None
    ) -> tuple[jax.Array, jax.Array, Carry]:
        """Summed loss of a chunk, number of characters, and the carry after it."""
        start = self.layer.initial_carry(batch.fresh.shape, params["rnn"])
        carry = jax.tree.map(lambda s, c: jnp.where(batch.fresh[:, None], s, c), start, carry)
        layers_rng, readout_rng = (None, None) if rng is None else jax.random.split(rng)
        carry, ys = jaxrnn.scan(
            self.layer, params["rnn"], batch.inputs.T, carry, lengths=batch.lengths, rng=layers_rng
        )  # ys [T, B, H]
        if readout_rng is not None and self.model.dropout:
            keep = jax.random.bernoulli(readout_rng, 1 - self.model.dropout, ys.shape)
            ys = jnp.where(keep, ys / (1 - self.model.dropout), 0)
        losses = optax.softmax_cross_entropy_with_integer_labels(_readout(params, ys), batch.targets.T)
        valid = jnp.arange(losses.shape[0], dtype=jnp.int32)[:, None] < batch.lengths[None]
        return jnp.sum(losses, where=valid), valid.sum(), carry

    def loss(
        self, params: Params, carry: Carry, batch: Chunk, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """Mean loss of a chunk in nats a character."""
        total, count, carry = self._total(params, carry, batch, rng)
        return total / count.astype(total.dtype), (carry, {})

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Mean loss of all validation text, read in streams as in training, each from the initial carry."""
        streams = Streams(self.symbols[1], self.data.streams, self.data.length)
        carry, total, count = place(self.initial_carry(params)), 0.0, 0
        for batch in islice(streams, streams.chunks):
            chunk_total, chunk_count, carry = self._evaluate_chunk(params, carry, place(batch))
            total, count = total + chunk_total.item(), count + chunk_count.item()
        return {"loss": total / count, "bits_per_character": total / count / math.log(2)}

    @partial(jax.jit, static_argnums=0)
    def _evaluate_chunk(self, params: Params, carry: Carry, batch: Chunk) -> tuple[jax.Array, jax.Array, Carry]:
        return self._total(params, carry, batch, None)

    def encode(self, text: str) -> list[int]:
        """Symbols of a text.

        Raises:
            ValueError: If a character is not in the vocabulary.
        """
        for character in text:
            if character not in self.vocabulary:
                raise ValueError(f"prompt: the character {character!r} is not in the vocabulary {self.vocabulary!r}")
        return [self.vocabulary.index(character) for character in text]

    def sample(self, params: Params, prompt: str, length: int, temperature: float, seed: int) -> Iterator[str]:
        """Yield `length` characters that follow a prompt, one at a time (greedy at temperature 0).

        Raises:
            ValueError: If the prompt has an unknown character, or length or temperature is negative.
        """
        symbols = self.encode(prompt or "\n")  # a line begins where nothing is given
        check(length >= 0, "length", "0 or more characters", length)
        check(0 <= temperature < float("inf"), "temperature", "0 or a positive number", temperature)
        check(0 <= seed < 2**32, "seed", "an integer in [0, 2**32)", seed)
        return self._generate(params, symbols, length, temperature, jax.random.key(seed))

    def _generate(
        self, params: Params, symbols: list[int], length: int, temperature: float, key: jax.Array
    ) -> Iterator[str]:
        carry = self.layer.initial_carry((), params["rnn"])
        for symbol in symbols[:-1]:
            carry, _ = self._next(params, carry, jnp.int32(symbol), temperature, key)
        symbol = jnp.int32(symbols[-1])
        for time in range(length):
            carry, symbol = self._next(params, carry, symbol, temperature, jax.random.fold_in(key, time))
            yield self.vocabulary[int(symbol)]

    @partial(jax.jit, static_argnums=0)
    def _next(
        self, params: Params, carry: Carry, symbol: jax.Array, temperature: jax.Array, key: jax.Array
    ) -> tuple[Carry, jax.Array]:
        """Read one symbol, draw the next."""
        carry, y = self.layer.step(params["rnn"], carry, symbol)
        logits = _readout(params, y)
        drawn = jax.random.categorical(key, logits / jnp.where(temperature > 0, temperature, 1.0))
        return carry, jnp.where(temperature > 0, drawn, logits.argmax()).astype(jnp.int32)

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """500 characters after "ROMEO:", in sample.txt."""
        text = "ROMEO:" + "".join(self.sample(params, "ROMEO:", length=500, temperature=0.8, seed=seed))
        (folder / "sample.txt").write_text(text + "\n", encoding="utf-8")
        return text


def _readout(params: Params, ys: jax.Array) -> jax.Array:
    """Logits [..., V] of the stack's outputs [..., H]."""
    logits = ys @ params["readout"]["kernel"]
    return logits + jnp.broadcast_to(params["readout"]["bias"], logits.shape)
