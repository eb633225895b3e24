"""Signals into signals: of each step of a recording what sources it has, or whether something happens.

    y[t] = W h[t] + b,    h = cells over inputs that are scaled, 0 in gaps beside a flag that says so
    values: the mean square of (y - target) / deviation;    events: the cross-entropy of sigmoid(y)

Where t counts frames of one step or some. A causal network may answer `latency` frames late: y[t] is for t - latency.
It learns from streams that go through the recordings chunk by chunk, states handed on; a bidirectional one from windows
with margins that do not count.
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

from jaxrnn.compose import bidirectional, stack
from jaxrnn.core.layer import Layer
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.shared.dense import dense, dense_init, dropout
from jaxrnn.tasks.shared.first_parameters import first_parameters
from jaxrnn.tasks.shared.own_splits import OWN
from jaxrnn.tasks.shared.sequence_cells import CELLS
from jaxrnn.tasks.signal.answers import initial_stream, predicted, program_of, recordings_of, size_of, streamed
from jaxrnn.tasks.signal.chunks import Joined, Steps, StreamedChunks, joined, windows
from jaxrnn.tasks.signal.features import features, learned_from, places, widened
from jaxrnn.tasks.signal.held_out import judged, shown
from jaxrnn.tasks.signal.options import DataOptions as DataOptions
from jaxrnn.tasks.signal.options import ModelOptions as ModelOptions
from jaxrnn.tasks.signal.own_signals import own_recordings
from jaxrnn.tasks.signal.recordings import Recording, Recordings, ecg, power
from jaxrnn.train.named_axes import Named, Place, along_inputs
from jaxrnn.train.program import Program
from jaxrnn.train.task import Batch, Batches, Carry, Params


@dataclass(frozen=True)
class Signal:
    """The task."""

    model: ModelOptions  # what it is made of
    data: DataOptions  # what it learns from, in which batches
    learned: str = ""  # what a run keeps of its data, as `DataTask.learn` gives it; "": they are read
    unit = "steps"
    splits = ("validation", "test")

    @property
    def headline(self) -> str:
        """F1 of events, R2 of values."""
        return "test F1" if self.data.marks else "test R2"

    @cached_property
    def recordings(self) -> Recordings:
        """Of each split."""
        if self.data.set == OWN:
            return own_recordings(self.data)
        return ecg(self.data.path) if self.data.set == "ecg" else power()

    def contents(self, split: str) -> Any:
        """The recordings of a part."""
        return [one[:3] for one in self.recordings.parts[split]]

    def learn(self) -> dict[str, Any]:
        """Moments of inputs and targets in the training part, and their names."""
        return self.record

    @cached_property
    def record(self) -> dict[str, Any]:
        """The same."""
        return json.loads(self.learned) if self.learned else learned_from(self.recordings, self.data)

    @property
    def targets(self) -> list[str]:
        """Names of what is found."""
        return [name for name, _, _ in self.record["targets"]]

    @cached_property
    def layer(self) -> Layer:
        """The recurrent part."""
        cells: list[Layer] = [CELLS[self.model.cell](self.model.hidden) for _ in range(self.model.layers)]
        if self.model.direction == "bidirectional":
            cells = [bidirectional(cell) for cell in cells]
        return stack(cells, dropout=self.model.dropout)

    def init(self, key: jax.Array) -> Params:
        """Parameters {"rnn", "readout"}."""
        rnn, readout = jax.random.split(key)
        size = size_of(self) * self.data.frame * (1 + self.model.recall)
        return {
            "rnn": first_parameters(self.layer, rnn, size, self.model.cell),
            "readout": dense_init(readout, self.layer.output_size, len(self.targets) * self.data.frame),
        }

    def named_axes(self) -> Named:
        """What reads the inputs, and what gives the targets."""
        steps, recalled = range(self.data.frame), range(1 + self.model.recall)
        step = places(self.record, self.data)
        inputs = [one._replace(role=f"{one.role} {k} {n}") for k in recalled for n in steps for one in step]
        targets = [Place(str(n), name, "target") for n in steps for name in self.targets]
        return along_inputs(self.layer, inputs, "rnn") | {"readout/kernel": {1: targets}, "readout/bias": {0: targets}}

    def initial_carry(self, params: Params) -> Carry:
        """Of each stream; nothing is handed on by a bidirectional network."""
        return self.layer.initial_carry((self.streams,), params["rnn"]) if self.streams else ()

    @property
    def streams(self) -> int:
        """How many are read side by side; 0 of a bidirectional network."""
        return self.data.rows if self.model.direction == "causal" else 0

    def joined(self, recordings: Sequence[Recording]) -> Joined:
        """Recordings one after the other, as the network reads them and is to answer."""
        parts = [(features(self.record, self.data, one.inputs, one.times), self.wanted(one)) for one in recordings]
        return joined(parts, self.model.latency, self.data.frame, self.model.recall)

    def wanted(self, recording: Recording) -> np.ndarray:
        """What the network is to answer of each step, [T, K]; values of mean 0 and variance 1 in the training part."""
        if self.data.marks:
            return widened(recording.targets, self.data.width)
        mean, deviation = (np.array(part, np.float32) for part in [*zip(*self.record["targets"], strict=True)][1:])
        return (recording.targets - mean) / deviation

    def batches(self) -> Batches:
        """Chunks of the training part."""
        data = self.joined(self.recordings.parts["training"])
        length, margin = self.data.frames
        if self.streams:
            return StreamedChunks(data, self.data.rows, length)
        return windows(data, self.data.rows, length, margin, self.data.seed)

    def count(self, batch: Steps) -> int:
        """Steps that count."""
        return int(batch.counts.sum()) // len(self.targets)

    def run(self, params: Params, carry: Carry, batch: Steps, rng: jax.Array | None) -> tuple[Carry, jax.Array]:
        """The carry after a chunk and what is found, [B, T, K]."""
        inner, outer = (None, None) if rng is None else jax.random.split(rng)
        xs = jnp.moveaxis(jnp.asarray(batch.inputs, params["readout"]["bias"].dtype), 0, 1)
        if self.streams:
            start = self.layer.initial_carry(batch.fresh.shape, params["rnn"])
            carry = jax.tree.map(lambda s, c: jnp.where(batch.fresh[:, None], s, c), start, carry)
            resets = jnp.asarray(batch.resets).T
            carry, ys = scan(self.layer, params["rnn"], xs, carry, lengths=batch.lengths, resets=resets, rng=inner)
        else:
            ys = scan(self.layer, params["rnn"], xs, rng=inner)[1]
        return carry, jnp.moveaxis(dense(params["readout"], dropout(outer, ys, self.model.dropout)), 0, 1)

    def loss(
        self, params: Params, carry: Carry, batch: Steps, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """The mean over the steps and targets that count."""
        carry, found = self.run(params, carry, batch, rng)
        counts = jnp.asarray(batch.counts)
        targets = jnp.where(counts, jnp.asarray(batch.targets, found.dtype), 0)
        error = optax.sigmoid_binary_cross_entropy if self.data.marks else optax.squared_error
        losses = jnp.where(counts, error(found, targets), 0)
        return losses.sum() / jnp.maximum(counts.sum(), 1).astype(losses.dtype), (carry, {})

    @partial(jax.jit, static_argnums=0)
    def chunk(self, params: Params, carry: Carry, batch: Steps) -> tuple[Carry, jax.Array]:
        """`run`, compiled, without dropout."""
        return self.run(params, carry, batch, None)

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """R2 and mean absolute error of each target; of events F1, sensitivity and precision."""
        return judged(self, params, self.recordings.parts[split])

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """A day of the test, or some seconds of its recordings, with what was found: signals.png."""
        return shown(self, params, folder, seed)

    def inputs(self, path: Path) -> list[Any]:
        """The steps of a user's recording, or of several, one after the other."""
        return recordings_of(self, str(path))

    def predict(self, params: Params, inputs: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """What is found in each step."""
        return predicted(self, params, inputs)

    def initial_stream(self, params: Params) -> Carry:
        """What a stream remembers before its first step."""
        return initial_stream(self, params)

    def stream(self, params: Params, carry: Carry, line: str) -> tuple[dict[str, Any], Carry]:
        """What is found in the step that is answered for now, after one more."""
        return streamed(self, params, carry, line)

    def program(self, params: Params) -> Program:
        """Inputs as the network sees them to what is found in each step."""
        return program_of(self, params)
