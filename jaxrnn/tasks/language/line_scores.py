"""What a language model says of lines that it is given: what each costs in bits, alone or after those before it."""

from __future__ import annotations

import abc
import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrnn.base.typing import ArrayLike
from jaxrnn.core.layer import Layer
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.shared.given_rows import given_lines
from jaxrnn.train.program import Program
from jaxrnn.train.ragged import EMPTY, in_order, pad
from jaxrnn.train.task import Carry, Params

ROWS, STEPS = 64, 32  # lines that are scored side by side; their lengths are rounded up, so that shapes are few
NOTE = (
    "symbols are places in the vocabulary that was learned, lengths how many of each row count; "
    "probabilities[b, t] are those of what follows symbols[b, t]"
)


class LineScores(abc.ABC):
    """`jaxrnn predict` and `jaxrnn export` of a language model."""

    unit: str

    @property
    @abc.abstractmethod
    def layer(self) -> Layer:
        """The recurrent part."""

    @abc.abstractmethod
    def embed(self, params: Params, symbols: ArrayLike) -> ArrayLike:
        """What the stack reads in place of symbols [...]: floats [..., E], or the integers themselves."""

    @abc.abstractmethod
    def logits(self, params: Params, ys: jax.Array) -> jax.Array:
        """Logits [..., V] of the stack's outputs [..., H]."""

    @abc.abstractmethod
    def encode(self, text: str) -> list[int]:
        """Symbols of a prompt, or ValueError; of an empty one, the symbol after which a line begins."""

    @abc.abstractmethod
    def piece(self, symbol: int, before: int) -> str:
        """How a symbol is written after another."""

    @abc.abstractmethod
    def line(self, text: str) -> np.ndarray:
        """The symbols of a line, its end among them, or ValueError."""

    def inputs(self, path: Path) -> list[np.ndarray]:
        """The lines of a text file, as symbols; an empty one is a row too."""
        return given_lines(path, self.line, "a text file")

    def predict(self, params: Params, inputs: Sequence[np.ndarray]) -> Iterator[dict[str, Any]]:
        """What each line costs in bits, its end among it, as the first of a text."""
        start, bits = self.encode("")[-1:], np.zeros(len(inputs))
        whole = [np.concatenate([start, line]).astype(np.int32) for line in inputs]
        for rows in in_order(np.array([*map(len, inputs)]), ROWS):
            found, _ = self._scored(params, None, *pad(whole, rows, STEPS))
            bits[rows[rows != EMPTY]] = np.asarray(found)[rows != EMPTY]
        return (self._cost(cost, len(line)) for cost, line in zip(bits.tolist(), inputs, strict=True))

    def _cost(self, bits: float, symbols: int) -> dict[str, Any]:
        return {self.unit: symbols, "bits": bits, f"bits_per_{self.unit.removesuffix('s')}": bits / max(symbols, 1)}

    @partial(jax.jit, static_argnums=0)
    def _scored(self, params: Params, carry: Carry, symbols: Any, lengths: Any) -> tuple[jax.Array, Carry]:
        """The bits of all but the first of symbols [B, T], in each row, and the carry before the last."""
        steps = jnp.maximum(jnp.asarray(lengths) - 1, 0)
        carry, logits = self._after(params, carry, symbols[:, :-1], steps)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, symbols[:, 1:])
        counts = jnp.arange(losses.shape[1], dtype=jnp.int32) < steps[:, None]
        return jnp.sum(losses, axis=1, where=counts) / math.log(2), carry

    def _after(self, params: Params, carry: Carry, symbols: Any, lengths: Any) -> tuple[Carry, jax.Array]:
        """The carry after symbols [B, T], and the logits [B, T, V] of what follows each."""
        xs = self.embed(params, jnp.swapaxes(symbols, 0, 1))
        carry, ys = scan(self.layer, params["rnn"], xs, carry, lengths=lengths)
        return carry, self.logits(params, jnp.swapaxes(ys, 0, 1))

    def initial_stream(self, params: Params) -> Carry:
        """The carry before the last symbol, and that symbol: the one after which a line begins."""
        return self.layer.initial_carry((1,), params["rnn"]), np.array(self.encode("")[-1:], np.int32)

    def stream(self, params: Params, carry: Carry, line: str) -> tuple[dict[str, Any], Carry]:
        """What a line costs after all lines before it, and what the next one begins with, most likely."""
        (before, last), symbols = carry, self.line(line)
        whole = np.concatenate([last, symbols]).astype(np.int32)
        bits, after = self._scored(params, before, *pad([whole], np.array([0]), STEPS))
        best = int(self._likeliest(params, after, whole[-1:])[0])
        said = self._cost(float(bits[0]), len(symbols)) | {"next": self.piece(best, int(whole[-1]))}
        return said, (after, whole[-1:])

    @partial(jax.jit, static_argnums=0)
    def _likeliest(self, params: Params, carry: Carry, symbols: Any) -> jax.Array:
        _, logits = self._after(params, carry, symbols[:, None], None)
        return logits[:, 0].argmax(-1)

    def program(self, params: Params) -> Program:
        """Rows of symbols to the chances of what follows each."""

        def following(symbols: jax.Array, lengths: jax.Array) -> tuple[jax.Array]:
            return (jax.nn.softmax(self._after(params, None, symbols, lengths)[1]),)

        arguments = {"symbols": (("B", "T"), "int32"), "lengths": (("B",), "int32")}
        return Program(following, arguments, ("probabilities",), NOTE)
