"""Frames to come: of twenty, the first ten are shown and the others told.

    loss = -mean over films and frames of sum over pixels (x log p + (1 - x) log (1 - p))

in nats a frame. Beside it stands what a copy of the last frame that is shown costs: each of its grey values as bright
as what it turned into in training, frame by frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrnn.base.checks import check_size
from jaxrnn.base.typing import ArrayLike
from jaxrnn.tasks.frame_prediction import films
from jaxrnn.tasks.frame_prediction.films import HELD_OUT, SEEN, DataOptions, Films
from jaxrnn.tasks.frame_prediction.network import FrameNetwork, ModelOptions
from jaxrnn.tasks.frame_prediction.own_films import own_films
from jaxrnn.tasks.frame_prediction.pictures import animate, strip
from jaxrnn.tasks.shared.own_splits import OWN
from jaxrnn.train import ByLength, in_order
from jaxrnn.train.group_arrays import fetched
from jaxrnn.train.options import check
from jaxrnn.train.task import Batch, Carry, Params, recalled

GREYS = 16  # that a copy tells apart
LEAST = 1e-4  # the least probability, and the distance of the greatest from one, of a copy


@dataclass(frozen=True)
class FramePrediction:
    """The task; loss in nats a frame."""

    model: ModelOptions  # what it is made of
    data: DataOptions  # what it learns from, in which batches
    learned: str = ""  # what a run keeps of its data, as `DataTask.learn` gives it; "": they are read
    unit = "films"
    headline = "test loss"
    splits = ("validation", "test")

    @cached_property
    def network(self) -> FrameNetwork:
        """The network."""
        return FrameNetwork(self.model)

    @cached_property
    def own(self) -> dict[str, np.ndarray]:
        """The user's films in pieces, of each part."""
        return own_films(self.data, self.data.path, films.SIZE, films.SEEN + films.TOLD)

    def contents(self, split: str) -> Any:
        """The user's pieces, or what films of digits are made of."""
        if self.data.set == OWN:
            return self.own[split]
        return [films.small_digits(split), self.data.digits, self.data.films if split == "training" else HELD_OUT]

    def learn(self) -> dict[str, Any]:
        """What greys turned into in training, for the copy."""
        return {"turned": self._turned.tolist()}

    def _size(self, split: str) -> int:
        """How many films a part has."""
        if self.data.set == OWN:
            return len(self.own[split])
        return self.data.films if split == "training" else HELD_OUT

    def _films(self, split: str, rows: np.ndarray) -> Films:
        """Those of given numbers."""
        if self.data.set == OWN:
            return films.own_batch(self.own[split], rows)
        return films.batch(split, rows, self.data.digits)

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters of the network."""
        return self.network.init(key)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> ByLength:
        """The training films, in an order drawn anew each epoch."""
        collate = partial(self._films, "training")
        return ByLength(np.zeros(self._size("training")), self.data.rows, self.data.seed, collate, pool=1)

    def count(self, batch: Films) -> int:
        """Films in a batch."""
        return int(batch.valid.sum())

    def loss(
        self, params: Params, carry: Carry, batch: Films, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """The mean cross-entropy of a batch, in nats a frame."""
        return jnp.mean(self._costs(params, batch.frames), where=batch.valid[:, None]), (carry, {})

    def _costs(self, params: Params, frames: ArrayLike) -> jax.Array:
        """Nats of each frame that is told, [B, 10]."""
        frames = jnp.asarray(frames, jax.tree.leaves(params)[0].dtype)
        logits = self.network.tell(params, frames[:, :SEEN])
        return optax.sigmoid_binary_cross_entropy(logits, frames[:, SEEN:]).sum((-2, -1))

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Nats a frame, of the network and of a copy."""
        told, copied, count = 0.0, 0.0, 0
        for batch in self._held_out(split):
            costs = fetched(self._jitted(params, place(batch).frames)).astype(np.float64)
            told += costs[batch.valid].sum()
            copied += copy_costs(self._turned, batch.frames)[batch.valid].sum()
            count += int(batch.valid.sum()) * costs.shape[1]
        return {"loss": told / count, "copy": copied / count}

    def _held_out(self, split: str) -> Iterator[Films]:
        for rows in in_order(np.zeros(self._size(split)), self.data.rows):
            yield self._films(split, rows)

    @partial(jax.jit, static_argnums=0)
    def _jitted(self, params: Params, frames: ArrayLike) -> jax.Array:
        return self._costs(params, frames)

    @cached_property
    def _turned(self) -> np.ndarray:
        """How bright the greys of the last frame became in training, of each frame that is told: [10, GREYS]."""
        known = recalled(self.learned, "turned")
        if known is not None:
            return np.array(known)
        return turned(self._films("training", np.arange(min(self._size("training"), HELD_OUT))).frames)

    @partial(jax.jit, static_argnums=0)
    def _told(self, params: Params, frames: ArrayLike) -> jax.Array:
        return jax.nn.sigmoid(self.network.tell(params, jnp.asarray(frames[:, :SEEN])))

    def draw(self, params: Params, path: Path, count: int, seed: int) -> None:
        """Films of the test set and how the network says that they go on: a GIF that moves, or a PNG, frame by frame.

        Raises:
            ValueError: If the file's suffix is neither .gif nor .png, or the count is less than one.
        """
        check(path.suffix in (".gif", ".png"), "out", "a file .gif or .png", str(path))
        check_size(count, "count", 100)
        check(0 <= seed < 2**32, "seed", "an integer in [0, 2**32)", seed)
        there = self._size("test")
        rows = np.random.default_rng(seed).choice(there, min(count, there), replace=False)
        frames = self._films("test", rows).frames
        told = np.asarray(self._told(params, jnp.asarray(frames, jax.tree.leaves(params)[0].dtype)))
        (animate if path.suffix == ".gif" else strip)(frames, told, path)

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Films of the test set and how the network says that they go on."""
        self.draw(params, folder / "prediction.png", 4, seed)
        self.draw(params, folder / "prediction.gif", 9, seed)
        return "ten frames shown, ten told: prediction.gif, and frame by frame prediction.png"


def _grey(frames: np.ndarray) -> np.ndarray:
    """Which of the greys the last frame that is shown has, int [B, 32, 32]."""
    return (frames[:, SEEN - 1] * (GREYS - 1)).round().astype(int)


def turned(frames: np.ndarray) -> np.ndarray:
    """The mean of what each grey of the last frame that is shown turns into, of each frame to come: [10, GREYS]."""
    grey = _grey(frames).ravel()
    counts = np.maximum(np.bincount(grey, minlength=GREYS), 1)
    told = frames[:, SEEN:].swapaxes(0, 1).reshape(frames.shape[1] - SEEN, -1).astype(np.float64)
    means = np.stack([np.bincount(grey, row, GREYS) for row in told]) / counts
    return means.clip(LEAST, 1 - LEAST)


def copy_costs(means: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Nats of each frame to come, [B, 10], told by the greys of the last one that is shown."""
    p = means[:, _grey(frames)].swapaxes(0, 1)
    x = frames[:, SEEN:].astype(np.float64)
    return -(x * np.log(p) + (1 - x) * np.log1p(-p)).sum((-2, -1))
