"""The embedded Reber grammar: predict the next symbol; the last but one is that which came second.

    p(x[t+1] | x[0..t]) = softmax(h[t] W + b),    strings B T reber T E  and  B P reber P E

The symbols in between say nothing about the branch that was taken, and there may be any number of them. A prediction is
right where every symbol that the grammar allows has a higher logit than every one that it does not.

Papers: Smith & Zipser 1989; Cleeremans, Servan-Schreiber & McClelland 1989 (the grammar); Hochreiter & Schmidhuber,
Long short-term memory, Neural Computation 9(8), 1997, experiment 1 (the figure).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrnn.base.files import write_text
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.shared.dense import dense
from jaxrnn.tasks.shared.figures import share
from jaxrnn.tasks.shared.network import Network
from jaxrnn.train.generated import Generated
from jaxrnn.train.options import check
from jaxrnn.train.ragged import pad
from jaxrnn.train.task import Batch, Carry, Params

SYMBOLS = "BTPSXVE"
# State: what may come, and where it leads. A string begins in state 0, and ends in state 7.
REBER: tuple[dict[str, int], ...] = (
    {"B": 1},
    {"T": 2, "P": 3},
    {"S": 2, "X": 4},
    {"T": 3, "V": 5},
    {"X": 3, "S": 6},
    {"P": 4, "V": 6},
    {"E": 7},
)
TEST_ROWS, TEST_BATCHES = 256, 4


@dataclass(frozen=True)
class DataOptions:
    """The strings.

    Args:
        rows: B, the strings of a batch.
    """

    rows: int = 32

    def __post_init__(self) -> None:
        check(self.rows >= 1, "data.rows", "1 or more", self.rows)


class Strings(NamedTuple):
    """A batch; rows first. The prediction after a string's last symbol is of no symbol, and left out."""

    inputs: np.ndarray  # int32 [B, T]
    targets: np.ndarray  # int32 [B, T]: the symbol after each input
    allowed: np.ndarray  # bool [B, T, V]: what the grammar allows after each input
    lengths: np.ndarray  # int32 [B]


def reber(rng: np.random.Generator) -> tuple[str, list[str]]:
    """A string of the embedded grammar, and at each place the symbols that might stand there."""
    branch = "TP"[rng.integers(2)]
    string, choices, state = "B" + branch, ["B", "TP"], 0
    while state < len(REBER):
        choices.append("".join(REBER[state]))
        string += choices[-1][rng.integers(len(choices[-1]))]
        state = REBER[state][string[-1]]
    return string + branch + "E", [*choices, branch, "E"]


def draw(rng: np.random.Generator, rows: int) -> Strings:
    """Strings in which each choice is as likely as the other."""
    inputs, targets, allowed = [], [], []
    for _ in range(rows):
        string, choices = reber(rng)
        symbols = np.array([SYMBOLS.index(symbol) for symbol in string], np.int32)
        inputs.append(symbols[:-1])
        targets.append(symbols[1:])
        allowed.append(np.array([[symbol in may for symbol in SYMBOLS] for may in choices[1:]]))
    every = np.arange(rows)
    padded = pad(inputs, every, multiple=16)
    return Strings(padded.values, pad(targets, every, 16).values, pad(allowed, every, 16).values, padded.lengths)


@dataclass(frozen=True)
class Reber:
    """The task: the next symbol of strings of the embedded Reber grammar, fresh ones without end."""

    model: Network  # the network and its readout
    data: DataOptions  # what it learns from, in which batches
    unit = "symbols"
    headline = "test strings"
    splits = ("validation", "test")

    def init(self, key: jax.Array) -> Params:
        """Parameters of the network; symbols come in and go out."""
        return self.model.init(key, inputs=len(SYMBOLS), outputs=len(SYMBOLS))

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> Generated:
        """Training strings."""
        return Generated(partial(draw, rows=self.data.rows))

    def count(self, batch: Strings) -> int:
        """Symbols predicted."""
        return int(batch.lengths.sum())

    def logits(self, params: Params, inputs: np.ndarray | jax.Array, lengths: np.ndarray | jax.Array) -> jax.Array:
        """Logits [B, T, V] of the symbol after each input."""
        _, ys = scan(self.model.layer, params["rnn"], jnp.asarray(inputs).T, lengths=lengths)
        return jnp.moveaxis(dense(params["readout"], ys), 0, 1)

    def loss(
        self, params: Params, carry: Carry, batch: Strings, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """Mean cross-entropy in nats a symbol, and the figures `strings` and `long_range`.

        strings: the share in which every prediction is right.
        long_range: the share in which that of the last symbol but one is.
        """
        logits = self.logits(params, batch.inputs, batch.lengths)
        time, lengths = jnp.arange(logits.shape[1], dtype=jnp.int32)[None], jnp.asarray(batch.lengths)[:, None]
        valid = time < lengths
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(batch.targets))
        right = jnp.where(batch.allowed, logits, jnp.inf).min(-1) > jnp.where(batch.allowed, -jnp.inf, logits).max(-1)
        figures = {"strings": (right | ~valid).all(1), "long_range": (right & (time == lengths - 2)).any(1)}
        judged = jnp.where(valid[..., None], logits, 0)
        loss = jnp.sum(losses, where=valid) / valid.sum(dtype=losses.dtype)
        return loss, ((), {name: share(rows, judged) for name, rows in figures.items()})

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Loss and figures on 1024 strings."""
        strings = islice(Generated(partial(draw, rows=TEST_ROWS), split), TEST_BATCHES)
        found = [self._figures(params, place(batch)) for batch in strings]
        names = ("loss", "strings", "long_range")
        return {name: float(np.mean([figures[name] for figures in found])) for name in names}

    @partial(jax.jit, static_argnums=0)
    def _figures(self, params: Params, batch: Strings) -> dict[str, jax.Array]:
        loss, (_, figures) = self.loss(params, (), batch, None)
        return {"loss": loss} | figures

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Three strings, and below each symbol the likeliest at its place, in sample.txt."""
        lines, rng = [], np.random.default_rng(seed)
        for _ in range(3):
            string, _ = reber(rng)
            symbols = jnp.array([[SYMBOLS.index(symbol) for symbol in string[:-1]]], jnp.int32)
            logits = self.logits(params, symbols, jnp.array([symbols.shape[1]], jnp.int32))
            lines += [f"string     {string}", f"prediction  {''.join(SYMBOLS[s] for s in logits[0].argmax(-1))}"]
        write_text(folder / "sample.txt", "\n".join(lines) + "\n")
        return "\n".join(lines)
