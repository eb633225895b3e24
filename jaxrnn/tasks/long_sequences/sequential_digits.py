"""Sequential digits: a picture is read row by row, or pixel by pixel, and named when the last was read.

    p(digit | x[0..T-1]) = softmax(o[T-1]),    x[t] a row of 28 grey values, T = 28; or one pixel, T = 784

Paper: Le, Jaitly & Hinton, A simple way to initialize recurrent networks of rectified linear units, 2015
(arXiv:1504.00941), pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from PIL import Image, ImageDraw

from jaxrnn.tasks.drawing.own_drawings import SUFFIXES, grey_of
from jaxrnn.tasks.long_sequences.digits import Digits, of_splits
from jaxrnn.tasks.long_sequences.network import Network
from jaxrnn.tasks.shared.figures import share
from jaxrnn.tasks.shared.given_rows import Picture, given_pictures
from jaxrnn.tasks.shared.tiles import square, tile
from jaxrnn.train import EMPTY, ByLength, in_order
from jaxrnn.train.group_arrays import fetched
from jaxrnn.train.options import check
from jaxrnn.train.plots import save_image
from jaxrnn.train.program import Program
from jaxrnn.train.task import Batch, Carry, Params

CLASSES, ZOOM = 10, 2
TEST_ROWS = 250


@dataclass(frozen=True)
class DataOptions:
    """The pictures.

    Args:
        set: sample, 10,000 pictures of MNIST that ship with the package, or mnist, all 70,000.
        path: Of mnist: a folder or archive with its two files of images and two of labels.
        steps: rows, 28 steps of 28 pixels, or pixels, 784 steps of one.
        rows: B, the pictures of a batch.
        seed: Of their order.
    """

    set: Literal["sample", "mnist"] = "sample"
    path: str = ""
    steps: Literal["rows", "pixels"] = "rows"
    rows: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        check(self.set in ("sample", "mnist"), "data.set", "'sample' or 'mnist'", self.set)
        check(self.set == "mnist" or not self.path, "data.path", "empty unless `data.set` is 'mnist'", self.path)
        check(self.steps in ("rows", "pixels"), "data.steps", "rows or pixels", self.steps)
        check(self.rows >= 1, "data.rows", "1 or more", self.rows)
        check(0 <= self.seed < 2**32, "data.seed", "an integer in [0, 2**32)", self.seed)


class Pictures(NamedTuple):
    """A batch."""

    grey: np.ndarray  # uint8 [B, 28, 28]
    labels: np.ndarray  # int32 [B]
    valid: np.ndarray  # bool [B]: false where a row is there to fill up the batch


@dataclass(frozen=True)
class SequentialDigits:
    """The task: which digit a sequence of pixels shows."""

    model: Network  # the network and its readout
    data: DataOptions  # what it learns from, in which batches
    unit = "pictures"
    headline = "test accuracy"
    splits = ("validation", "test")

    @cached_property
    def digits(self) -> dict[str, Digits]:
        """Of each split."""
        return of_splits(self.data.set, self.data.path)

    def contents(self, split: str) -> tuple[np.ndarray, ...]:
        """The pictures of a part, and what they show."""
        return tuple(self.digits["train" if split == "training" else split])

    def learn(self) -> dict[str, Any]:
        """Nothing but what the steps teach."""
        return {}

    @property
    def features(self) -> int:
        """D, the pixels of a step."""
        return 28 if self.data.steps == "rows" else 1

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters of the network."""
        return self.model.init(key, inputs=self.features, outputs=CLASSES)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def batches(self) -> ByLength:
        """The training pictures, in an order drawn anew each epoch."""
        digits = self.digits["train"]
        collate = partial(_collate, digits)
        return ByLength(np.zeros(len(digits.labels)), self.data.rows, self.data.seed, collate, pool=1)

    def count(self, batch: Pictures) -> int:
        """Pictures in a batch."""
        return int(batch.valid.sum())

    def logits(self, params: Params, grey: np.ndarray | jax.Array) -> jax.Array:
        """Logits [T, B, 10] after each step."""
        dtype = params["readout"]["bias"].dtype
        pixels = jnp.asarray(grey).astype(dtype) / 255
        steps = pixels.shape[1] * pixels.shape[2] // self.features
        return self.model(params, jnp.moveaxis(pixels.reshape(pixels.shape[0], steps, self.features), 0, 1))

    def loss(
        self, params: Params, carry: Carry, batch: Pictures, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """Mean cross-entropy in nats a picture, and the share of pictures that are right."""
        losses, right = self._judged(params, batch)
        count = batch.valid.sum(dtype=losses.dtype)
        return losses.sum() / count, ((), {"accuracy": right.sum() / count})

    def _judged(self, params: Params, batch: Pictures) -> tuple[jax.Array, jax.Array]:
        """Of each picture the cross-entropy and whether it is right; 0 where there is none."""
        logits, labels = self.logits(params, batch.grey)[-1], jnp.asarray(batch.labels)
        valid = jnp.asarray(batch.valid)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        answers = logits.argmax(-1).astype(labels.dtype)
        judged = jnp.where(valid[:, None], logits, 0)
        right = jax.vmap(share)((answers == labels) & valid, judged)
        return jnp.where(valid, losses, 0), right

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Figures on all pictures of a split."""
        digits, totals = self.digits[split], np.zeros(2)
        for rows in in_order(np.zeros(len(digits.labels)), TEST_ROWS):
            found = self._figures(params, place(_collate(digits, rows)))
            totals += [fetched(part).astype(np.float64).sum() for part in found]
        loss, accuracy = (totals / len(digits.labels)).tolist()
        return {"loss": loss, "accuracy": accuracy}

    @partial(jax.jit, static_argnums=0)
    def _figures(self, params: Params, batch: Pictures) -> tuple[jax.Array, jax.Array]:
        return self._judged(params, batch)

    def inputs(self, path: Path) -> list[Picture]:
        """A picture file, or those of a folder, by name: a digit, dark on light or light on dark."""
        return given_pictures(path, SUFFIXES, grey_of, "pictures of digits")

    def predict(self, params: Params, inputs: Sequence[Picture]) -> Iterator[dict[str, Any]]:
        """The digit that each picture shows most likely, and how likely that is."""
        for start in range(0, len(inputs), TEST_ROWS):
            some = inputs[start : start + TEST_ROWS]
            grey = np.zeros((TEST_ROWS, 28, 28), np.uint8)  # one shape
            grey[: len(some)] = [picture.view for picture in some]
            for picture, chances in zip(some, np.asarray(self._chances(params, grey)), strict=False):
                digit = int(chances.argmax())
                yield {"file": picture.file, "digit": digit, "probability": float(chances[digit])}

    @partial(jax.jit, static_argnums=0)
    def _chances(self, params: Params, grey: np.ndarray | jax.Array) -> jax.Array:
        return jax.nn.softmax(self.logits(params, grey)[-1])

    def program(self, params: Params) -> Program:
        """Pictures to the chances of the ten digits."""
        note = "pictures are grey values from 0, black, to 255; a digit is light on black, as MNIST has them"
        function = lambda pictures: (self._chances(params, pictures),)  # noqa: E731
        return Program(function, {"pictures": (("B", 28, 28), "uint8")}, ("probabilities",), note)

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """25 test pictures and what was answered, wrong ones with a red edge, in samples.png."""
        digits = self.digits["test"]
        chosen = np.random.default_rng(seed).choice(len(digits.labels), 25, replace=False)
        answers = np.asarray(self.logits(params, digits.grey[chosen])[-1].argmax(-1))
        panels = []
        for grey, label, answer in zip(digits.grey[chosen], digits.labels[chosen], answers, strict=True):
            image = Image.fromarray(grey).convert("RGB").resize((28 * ZOOM, 28 * ZOOM), Image.Resampling.NEAREST)
            pen = ImageDraw.Draw(image)
            pen.text((3, 1), str(answer), fill=(120, 200, 255))
            if answer != label:
                pen.rectangle((0, 0, 28 * ZOOM - 1, 28 * ZOOM - 1), outline=(235, 60, 40), width=3)
            panels.append(image)
        save_image(tile(square(panels)), folder / "samples.png")
        wrong = int((answers != digits.labels[chosen]).sum())
        return f"25 test pictures, {wrong} of them read wrong: samples.png"


def _collate(digits: Digits, rows: np.ndarray) -> Pictures:
    """The batch with given indices; rows without a picture are black."""
    valid = rows != EMPTY
    return Pictures(digits.grey[rows] * valid[:, None, None], digits.labels[rows] * valid, valid)
