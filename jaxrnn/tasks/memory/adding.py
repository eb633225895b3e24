"""The adding problem: two numbers of a long sequence are marked, and their sum is due at its end.

    x[t] = (value in [-1, 1], marker),    target = 0.5 + (X1 + X2) / 4,    loss = (h[last] W + b - target)^2

The marker is 1 at the two numbers that count, -1 at both ends of the sequence, 0 elsewhere. The first number is one of
the first ten, the second lies in the first half: what the network has seen must survive at least half of the sequence,
and the error must find its way back over as many steps.

Paper: Hochreiter & Schmidhuber, Long short-term memory, Neural Computation 9(8), 1997, experiment 4.
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

from jaxrnn.base.files import write_text
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.shared.dense import dense
from jaxrnn.tasks.shared.figures import share
from jaxrnn.tasks.shared.network import Network
from jaxrnn.train.generated import Generated
from jaxrnn.train.options import check
from jaxrnn.train.task import Batch, Carry, Params

NEAR = 0.04  # a sequence is processed correctly if its error is below this
TEST_ROWS, TEST_BATCHES = 256, 10  # 2560 sequences, as in the paper


@dataclass(frozen=True)
class DataOptions:
    """The sequences.

    Args:
        length: T; each sequence has T to T + T / 10 steps.
        rows: B, the sequences of a batch.
    """

    length: int = 100
    rows: int = 64

    def __post_init__(self) -> None:
        check(self.length >= 11, "data.length", "11 or more (one of the first ten numbers is marked)", self.length)
        check(self.rows >= 1, "data.rows", "1 or more", self.rows)


class Sums(NamedTuple):
    """A batch; rows first."""

    inputs: np.ndarray  # float32 [B, T, 2]: value and marker
    lengths: np.ndarray  # int32 [B]
    targets: np.ndarray  # float32 [B]


def draw(rng: np.random.Generator, rows: int, length: int) -> Sums:
    """Sequences by the rules of the paper.

    A first pair that is marked counts zero: it has the marker of a number, and cannot have that of an end.
    """
    longest = length + length // 10
    row, lengths = np.arange(rows), rng.integers(length, longest + 1, rows, dtype=np.int32)
    values, markers = rng.uniform(-1, 1, (rows, longest)), np.zeros((rows, longest))
    first = rng.integers(0, 10, rows)
    second = rng.integers(0, length // 2 - 1, rows)
    second += second >= first  # of the first T / 2 - 1 that are still unmarked
    values[(first == 0) | (second == 0), 0] = 0.0
    markers[:, 0] = markers[row, lengths - 1] = -1.0
    markers[row, first] = markers[row, second] = 1.0
    inside = np.arange(longest) < lengths[:, None]
    inputs = np.where(inside[..., None], np.stack([values, markers], axis=-1), 0.0)
    targets = 0.5 + (values[row, first] + values[row, second]) / 4
    return Sums(inputs.astype(np.float32), lengths, targets.astype(np.float32))


@dataclass(frozen=True)
class Adding:
    """The task: the sum of two marked numbers, from fresh sequences without end."""

    model: Network  # the network and its readout
    data: DataOptions  # what it learns from, in which batches
    unit = "steps"
    headline = "test accuracy"
    splits = ("validation", "test")

    def init(self, key: jax.Array) -> Params:
        """Parameters of the network, two inputs and one output."""
        return self.model.init(key, inputs=2, outputs=1)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> Generated:
        """Training sequences."""
        return Generated(partial(draw, rows=self.data.rows, length=self.data.length))

    def count(self, batch: Sums) -> int:
        """Steps read."""
        return int(batch.lengths.sum())

    def predict(self, params: Params, batch: Sums) -> jax.Array:
        """The output [B] after each sequence's last step."""
        xs = jnp.moveaxis(jnp.asarray(batch.inputs), 0, 1)  # [T, B, 2]
        carry, _ = scan(self.model.layer, params["rnn"], xs, lengths=batch.lengths)
        return dense(params["readout"], carry.h)[:, 0]

    def loss(
        self, params: Params, carry: Carry, batch: Sums, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """Mean squared error, and the share of sequences whose error is below 0.04."""
        predicted = self.predict(params, batch)
        errors = predicted - batch.targets.astype(predicted.dtype)
        right = jnp.abs(errors) < NEAR
        return jnp.square(errors).mean(), ((), {"accuracy": share(right, errors)})

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Figures on 2560 sequences; `loss` is the mean squared error."""
        sequences = Generated(partial(draw, rows=TEST_ROWS, length=self.data.length), split)
        figures = [self._figures(params, place(batch)) for batch in islice(sequences, TEST_BATCHES)]
        losses, accuracies = np.array(jax.device_get(figures), np.float64).T
        return {"loss": losses.mean().item(), "accuracy": accuracies.mean().item()}

    @partial(jax.jit, static_argnums=0)
    def _figures(self, params: Params, batch: Sums) -> tuple[jax.Array, jax.Array]:
        loss, (_, figures) = self.loss(params, (), batch, None)
        return loss, figures["accuracy"]

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Ten sequences: sum, answer and error, in sample.txt."""
        batch = draw(np.random.default_rng(seed), rows=10, length=self.data.length)
        lines = [
            f"{length} steps, sum {4 * target - 2:6.3f}, answer {4 * answer - 2:6.3f}, error {answer - target:6.3f}"
            for length, target, answer in zip(batch.lengths, batch.targets, self.predict(params, batch), strict=True)
        ]
        write_text(folder / "sample.txt", "\n".join(lines) + "\n")
        return "\n".join(lines)
