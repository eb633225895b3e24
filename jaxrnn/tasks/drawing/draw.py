"""DRAW: a picture painted glimpse by glimpse, by a recurrent variational autoencoder that attends.

    x'[t] = x - sigmoid(c[t-1])                          what is still missing
    h_enc[t] = encoder(h_enc[t-1], [read(x), read(x'), h_dec[t-1]])
    z[t] ~ N(mean, deviation^2),    mean, log deviation = W h_enc[t] + b
    h_dec[t] = decoder(h_dec[t-1], z[t])
    c[t] = c[t-1] + write(h_dec[t])

    loss = -log Bernoulli(x; sigmoid(c[T])) + sum_t KL(N(mean, deviation^2) || N(0, 1))

The loss is a bound on -log p(x). Reading and writing look through a grid of Gaussian filters (`jaxrnn.decode.glimpse`)
that h_dec places; without attention, at the whole picture. To paint from nothing, z is drawn from N(0, 1).
Gregor et al. 2015 (arXiv:1502.04623).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.checks import check_size
from jaxrnn.tasks.drawing.network import DrawNetwork, Glimpses
from jaxrnn.tasks.drawing.network import ModelOptions as ModelOptions
from jaxrnn.tasks.drawing.own_drawings import own_drawings
from jaxrnn.tasks.drawing.pictures import animate, film_strip, sheet
from jaxrnn.tasks.shared.mnist import digits, sample
from jaxrnn.tasks.shared.own_splits import OWN, OwnData
from jaxrnn.train import EMPTY, ByLength, in_order
from jaxrnn.train.group_arrays import fetched
from jaxrnn.train.options import check
from jaxrnn.train.task import Batch, Carry, Params


@dataclass(frozen=True)
class DataOptions(OwnData):
    """The pictures.

    Args:
        set: sample, 10,000 pictures of MNIST that ship with the package; mnist, all 70,000; or own, as `data.path`
            beside sample is too.
        path: Your own: a folder of pictures, PNG, JPEG or WebP, made 28 x 28 in black and white. Of mnist: a folder or
            archive with its two files of images.
        rows: B, the pictures of a batch.
        seed: Of their order.
    """

    set: Literal["sample", "mnist", "own"] = "sample"
    path: str = ""
    rows: int = 128
    seed: int = 0

    ships = ("sample",)
    full = ("mnist",)
    counted = ("rows",)


class Pictures(NamedTuple):
    """A batch."""

    pixels: np.ndarray  # bool [B, 28, 28]
    valid: np.ndarray  # bool [B]: false where a row is there to fill up the batch


@dataclass(frozen=True)
class Draw:
    """The task; loss in nats a picture."""

    model: ModelOptions  # what it is made of
    data: DataOptions  # what it learns from, in which batches
    unit = "pictures"
    headline = "test loss"
    splits = ("validation", "test")

    @cached_property
    def pictures(self) -> dict[str, np.ndarray]:
        """Of each split, bool [N, 28, 28]."""
        if self.data.set == OWN:
            return own_drawings(self.data, self.data.path)
        return digits(self.data.path) if self.data.set == "mnist" else sample()

    def contents(self, split: str) -> np.ndarray:
        """The pictures of a part."""
        return self.pictures["train" if split == "training" else split]

    def learn(self) -> dict[str, Any]:
        """Nothing but what the steps teach."""
        return {}

    @cached_property
    def network(self) -> DrawNetwork:
        """The network."""
        return DrawNetwork(self.model)

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters of the network."""
        return self.network.init(key)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> ByLength:
        """The training pictures, in an order drawn anew each epoch."""
        pictures = self.pictures["train"]
        return ByLength(np.zeros(len(pictures)), self.data.rows, self.data.seed, partial(_collate, pictures), pool=1)

    def count(self, batch: Pictures) -> int:
        """Pictures in a batch."""
        return int(batch.valid.sum())

    def loss(
        self, params: Params, carry: Carry, batch: Pictures, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """The mean bound of a batch in nats a picture, and its two parts; no key draws always the same noise."""
        dtype = params["canvas"].dtype
        noise = self.network.noise(jax.random.key(0) if rng is None else rng, len(batch.pixels), dtype)
        parts = self.network.bound(params, batch.pixels.astype(dtype), noise)
        reconstruction, kl = (jnp.mean(part, where=batch.valid) for part in parts)
        return reconstruction + kl, (carry, {"reconstruction": reconstruction, "kl": kl})

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """The bound in nats a picture and its two parts, by one draw of the noise, always the same."""
        totals, pictures = np.zeros(2), self.pictures[split]
        for number, rows in enumerate(in_order(np.zeros(len(pictures)), self.data.rows)):
            batch = _collate(pictures, rows)
            parts = self._parts(params, place(batch), jax.random.key(number))
            totals += [fetched(part)[batch.valid].sum(dtype=float) for part in parts]
        reconstruction, kl = (totals / len(pictures)).tolist()
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    @partial(jax.jit, static_argnums=0)
    def _parts(self, params: Params, batch: Pictures, rng: jax.Array) -> tuple[jax.Array, jax.Array]:
        dtype = params["canvas"].dtype
        return self.network.bound(params, batch.pixels.astype(dtype), self.network.noise(rng, len(batch.pixels), dtype))

    @partial(jax.jit, static_argnums=(0, 2))
    def _imagined(self, params: Params, count: int, rng: jax.Array) -> Glimpses:
        return self.network.imagine(params, self.network.noise(rng, count, params["canvas"].dtype))

    def draw(self, params: Params, path: Path, count: int, seed: int) -> None:
        """Paint pictures from nothing: a GIF that moves, or a PNG with a row for each picture, a column a glimpse.

        A red box shows where it paints; its line is as wide as the filters are.

        Raises:
            ValueError: If the file's suffix is neither .gif nor .png, or the count is less than one.
        """
        check(path.suffix in (".gif", ".png"), "out", "a file .gif or .png", str(path))
        check_size(count, "count", 1000)  # all of them are on each frame of a film
        check(0 <= seed < 2**32, "seed", "an integer in [0, 2**32)", seed)
        glimpses = self._imagined(params, count, jax.random.key(seed))
        picture = animate if path.suffix == ".gif" else film_strip
        picture(glimpses.canvas, glimpses.write, self.model.write, path)

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Pictures from nothing: 100 of them as samples.png, and how they were painted, drawing.png and drawing.gif."""
        sheet(self._imagined(params, 100, jax.random.key(seed)).canvas[-1], folder / "samples.png")
        self.draw(params, folder / "drawing.png", 8, seed)
        self.draw(params, folder / "drawing.gif", 25, seed)
        return "painted from nothing: samples.png, and glimpse by glimpse drawing.png and drawing.gif"


def _collate(pictures: np.ndarray, rows: np.ndarray) -> Pictures:
    """The batch with given indices; rows without a picture are black."""
    valid = rows != EMPTY
    return Pictures(pictures[rows] & valid[:, None, None], valid)
