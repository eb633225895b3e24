"""Copying: symbols come early in a long sequence, and are due, in their order, at its end.

    copy            s_1 ... s_N  _ _ _ _ _ _ _ _  ? ? ... ?          due: s_1 ... s_N, one at each ?
    selective copy  _ s_1 _ _ s_2 _ ... _ s_N _   ? ? ... ?

The blanks say nothing. To copy is to remember; where symbols stand among the blanks is drawn anew for each sequence of
the selective copy, so that what is kept must depend on the input. `length` counts the steps before the first ?.
Training sequences have every length up to it, one as likely as the other.

Papers: Hochreiter & Schmidhuber, Long short-term memory, Neural Computation 9(8), 1997; Arjovsky, Shah & Bengio,
Unitary evolution recurrent neural networks, ICML 2016 (arXiv:1511.06464); Jing et al., Gated orthogonal recurrent
units, Neural Computation 31(4), 2019; Gu & Dao, Mamba, 2023 (arXiv:2312.00752), which calls it selective copying.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrnn.base.files import write_text
from jaxrnn.tasks.long_sequences.network import Network
from jaxrnn.tasks.shared.figures import share
from jaxrnn.train.generated import Generated
from jaxrnn.train.options import check
from jaxrnn.train.task import Batch, Carry, Params

TEST_ROWS = 256
TIMES = (1 / 4, 1 / 2, 1, 2, 4, 8)  # test lengths, of `length`


@dataclass(frozen=True)
class DataOptions:
    """The sequences.

    Args:
        selective: Symbols stand anywhere among the blanks, not at the beginning.
        symbols: K, how many there are to choose from.
        count: N, how many a sequence has.
        length: T, the most steps of a training sequence before the symbols are due.
        rows: B, the sequences of a batch.
    """

    selective: bool = False
    symbols: int = 8
    count: int = 6
    length: int = 100
    rows: int = 32

    def __post_init__(self) -> None:
        check(2 <= self.symbols <= 26, "data.symbols", "2 to 26, the letters", self.symbols)
        check(self.count >= 1, "data.count", "1 or more", self.count)
        check(self.length >= self.count, "data.length", f"{self.count} or more, one for each symbol", self.length)
        check(self.rows >= 1, "data.rows", "1 or more", self.rows)


class Copies(NamedTuple):
    """A batch; rows first."""

    inputs: np.ndarray  # int32 [B, T + N]: 0 a blank, 1 to K symbols, K + 1 where one is due
    lengths: np.ndarray  # int32 [B]
    targets: np.ndarray  # int32 [B, N]: 0 to K - 1


def draw(rng: np.random.Generator, rows: int, data: DataOptions, length: int | None = None) -> Copies:
    """Sequences of `length` steps before the symbols are due; None: of any number of them up to `data.length`."""
    count, longest = data.count, data.length if length is None else length
    before = rng.integers(count, longest + 1, rows) if length is None else np.full(rows, length)
    targets = rng.integers(0, data.symbols, (rows, count), dtype=np.int32)
    time = np.arange(longest)
    if data.selective:
        order = np.where(time < before[:, None], rng.random((rows, longest)), 2.0)
        places = np.sort(np.argsort(order, axis=1)[:, :count], axis=1)
    else:
        places = np.broadcast_to(time[:count], (rows, count))
    inputs = np.zeros((rows, longest + count), np.int32)
    np.put_along_axis(inputs, places, targets + 1, axis=1)
    np.put_along_axis(inputs, before[:, None] + np.arange(count), data.symbols + 1, axis=1)
    return Copies(inputs, (before + count).astype(np.int32), targets)


@dataclass(frozen=True)
class Copying:
    """The task: symbols in their order, long after they came, from fresh sequences without end."""

    model: Network  # the network and its readout
    data: DataOptions  # what it learns from, in which batches
    unit = "steps"
    headline = "test accuracy"
    splits = ("validation", "test")

    def init(self, key: jax.Array) -> Params:
        """Parameters of the network; symbols, the blank and the mark come in, symbols go out."""
        return self.model.init(key, inputs=self.data.symbols + 2, outputs=self.data.symbols)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> Generated:
        """Training sequences."""
        return Generated(partial(draw, rows=self.data.rows, data=self.data))

    def count(self, batch: Copies) -> int:
        """Steps read."""
        return int(batch.lengths.sum())

    def logits(self, params: Params, batch: Copies) -> jax.Array:
        """Logits [B, N, K] where symbols are due."""
        count, lengths = self.data.count, jnp.asarray(batch.lengths)
        dtype = params["readout"]["bias"].dtype
        xs = jax.nn.one_hot(jnp.asarray(batch.inputs).T, self.data.symbols + 2, dtype=dtype)
        ys = self.model(params, xs, lengths)  # [T + N, B, K]
        due = (lengths - count)[:, None] + jnp.arange(count, dtype=lengths.dtype)[None]
        return jnp.take_along_axis(jnp.moveaxis(ys, 0, 1), due[..., None], axis=1)

    def loss(
        self, params: Params, carry: Carry, batch: Copies, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """Mean cross-entropy in nats a symbol, and the share of symbols that are right."""
        logits, targets = self.logits(params, batch), jnp.asarray(batch.targets)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        answers = logits.argmax(-1).astype(targets.dtype)
        return losses.mean(), ((), {"accuracy": share(answers == targets, logits)})

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Figures on 256 sequences of the greatest length; of the test, also `accuracy_L` of L steps, up to 8 times."""
        found = self._at(params, place, self.data.length, split)
        if split == "test":
            for length in self.lengths:
                found[f"accuracy_{length}"] = self._at(params, place, length, split)["accuracy"]
        return found

    @property
    def lengths(self) -> list[int]:
        """Of test sequences."""
        return sorted({max(self.data.count, int(times * self.data.length)) for times in TIMES})

    def _at(self, params: Params, place: Callable[[Batch], Batch], length: int, split: str) -> dict[str, float]:
        sequences = Generated(partial(draw, rows=TEST_ROWS, data=self.data, length=length), split)
        loss, accuracy = self._figures(params, place(next(sequences)))
        return {"loss": loss.item(), "accuracy": accuracy.item()}

    @partial(jax.jit, static_argnums=0)
    def _figures(self, params: Params, batch: Copies) -> tuple[jax.Array, jax.Array]:
        loss, (_, figures) = self.loss(params, (), batch, None)
        return loss, figures["accuracy"]

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Five sequences, and what was answered, in sample.txt."""
        batch = draw(np.random.default_rng(seed), 5, self.data)
        letters = "." + "abcdefghijklmnopqrstuvwxyz"[: self.data.symbols] + "?"
        answers = np.asarray(self.logits(params, batch).argmax(-1))
        lines = []
        for inputs, length, answer in zip(batch.inputs, batch.lengths, answers, strict=True):
            read = "".join(letters[symbol] for symbol in inputs[:length])
            lines += [read, "".join(letters[symbol + 1] for symbol in answer).rjust(length), ""]
        text = "\n".join(lines[:-1])
        write_text(folder / "sample.txt", text + "\n")
        return text
