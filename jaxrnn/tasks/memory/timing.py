"""Generating timed spikes: a spike every F + I steps, where the input tells I and nothing tells when.

    x[t] = I of the present delay,    p[t] = sigmoid(h[t] W + b),    target 1 at the last step of each delay, else 0

Nobody counts for the network: it must count itself, and start anew when it has spiked. Peepholes let the gates see the
count while the output gate hides it.

Paper: Gers, Schraudolph & Schmidhuber, Learning precise timing with LSTM recurrent networks, JMLR 3, 2002, the task
GTS. There a stream is right where the output is on the right side of one half at every step of it.
"""

from __future__ import annotations

import math
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
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.shared.dense import dense
from jaxrnn.tasks.shared.figures import share
from jaxrnn.tasks.shared.network import Network
from jaxrnn.train.generated import Generated
from jaxrnn.train.options import check
from jaxrnn.train.task import Batch, Carry, Params

TEST_ROWS = 1000


@dataclass(frozen=True)
class DataOptions:
    """The streams of spikes.

    Args:
        shortest: F, the steps of the shortest delay.
        extra: The greatest I: delays have F, F + 1, ..., F + extra steps.
        length: T, the steps of a stream.
        rows: B, the streams of a batch.
    """

    shortest: int = 10
    extra: int = 1
    length: int = 100
    rows: int = 16

    def __post_init__(self) -> None:
        check(self.shortest >= 1, "data.shortest", "1 or more steps", self.shortest)
        check(self.extra >= 0, "data.extra", "0 or more steps", self.extra)
        check(self.length >= 1, "data.length", "1 or more", self.length)
        check(self.rows >= 1, "data.rows", "1 or more", self.rows)


class Spikes(NamedTuple):
    """A batch; rows first."""

    inputs: np.ndarray  # float32 [B, T]: I
    targets: np.ndarray  # float32 [B, T]: 1 where a spike is due


def draw(rng: np.random.Generator, rows: int, data: DataOptions) -> Spikes:
    """Streams whose delays are equally likely."""
    extras = rng.integers(0, data.extra + 1, (rows, data.length // data.shortest + 1))
    ends = np.cumsum(data.shortest + extras, axis=1)[:, None]  # [B, 1, delays]: the first step after each
    time = np.arange(data.length)[:, None]
    present = (ends <= time).sum(-1)
    inputs, targets = np.take_along_axis(extras, present, axis=1), (ends == time + 1).any(-1)
    return Spikes(inputs.astype(np.float32), targets.astype(np.float32))


@dataclass(frozen=True)
class Timing:
    """The task: spikes at exact times, in fresh streams without end."""

    model: Network  # the network and its readout
    data: DataOptions  # what it learns from, in which batches
    unit = "steps"
    headline = "test streams"
    splits = ("validation", "test")

    def init(self, key: jax.Array) -> Params:
        """Parameters of the network, one input and one output.

        Spikes are rare, and the output starts at about their rate: from one half, with 4 units, fewer runs learn them.
        """
        params = self.model.init(key, inputs=1, outputs=1)
        params["readout"]["bias"] -= math.log(self.data.shortest + self.data.extra / 2)
        return params

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> Generated:
        """Training streams."""
        return Generated(partial(draw, rows=self.data.rows, data=self.data))

    def count(self, batch: Spikes) -> int:
        """Steps of all streams."""
        return batch.inputs.size

    def logits(self, params: Params, inputs: np.ndarray | jax.Array) -> jax.Array:
        """Logits [B, T] of a spike at each step."""
        xs = jnp.asarray(inputs).T[..., None]  # [T, B, 1]
        _, ys = scan(self.model.layer, params["rnn"], xs)
        return dense(params["readout"], ys)[..., 0].T

    def loss(
        self, params: Params, carry: Carry, batch: Spikes, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """Mean cross-entropy of a step, in nats, and the figures `streams` and `spikes`.

        streams: the share in which every step is right.
        spikes: of all that were due or told (p > 1/2), the share that was both, at the very step.
        """
        logits = self.logits(params, batch.inputs)
        losses = optax.sigmoid_binary_cross_entropy(logits, jnp.asarray(batch.targets, logits.dtype))
        told, due = logits > 0, jnp.asarray(batch.targets) > 0
        both, either = (told & due).sum(dtype=logits.dtype), (told | due).sum(dtype=logits.dtype)
        spikes = both / jnp.maximum(either, 1)
        figures = {"streams": share((told == due).all(1), logits), "spikes": share(spikes[None], logits)}
        return losses.mean(), ((), figures)

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Loss and figures on 1000 streams."""
        batch = next(Generated(partial(draw, rows=TEST_ROWS, data=self.data), split))
        loss, figures = self._figures(params, place(batch))
        return {"loss": loss.item()} | {name: figure.item() for name, figure in figures.items()}

    @partial(jax.jit, static_argnums=0)
    def _figures(self, params: Params, batch: Spikes) -> tuple[jax.Array, dict[str, jax.Array]]:
        loss, (_, figures) = self.loss(params, (), batch, None)
        return loss, figures

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Two streams, due spikes over those told, in sample.txt."""
        batch = draw(np.random.default_rng(seed), 2, self.data)
        told = np.asarray(self.logits(params, batch.inputs)) > 0
        lines = []
        for row in range(2):
            for name, spikes in (("due ", batch.targets[row]), ("told", told[row])):
                lines.append(f"{name} {''.join('|' if spike else '.' for spike in spikes)}")
        write_text(folder / "sample.txt", "\n".join(lines) + "\n")
        return "\n".join(lines)
