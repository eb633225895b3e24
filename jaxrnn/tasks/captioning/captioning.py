"""Captioning: what a picture shows, in words.

    loss = -log p(caption | picture) a word, END counted

Encoder and decoder are in `captioner` and trained together, from nothing; losses, captions and figures in
`jaxrnn.tasks.shared.describer`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.tasks.captioning.captioned_pictures import DataOptions, captioned_pictures
from jaxrnn.tasks.captioning.captioner import GRID, CaptionNetwork, moved
from jaxrnn.tasks.captioning.picture_files import SIZE, SUFFIXES, read_picture
from jaxrnn.tasks.shared.captioning_pictures import attention_figure, captions_figure
from jaxrnn.tasks.shared.described import Described, Descriptions
from jaxrnn.tasks.shared.describer import Describer, WriterOptions
from jaxrnn.tasks.shared.given_rows import Picture, given_pictures
from jaxrnn.tasks.shared.writing import check_beam
from jaxrnn.train import END, pad
from jaxrnn.train.options import check
from jaxrnn.train.plots import save_figure
from jaxrnn.train.task import Params

BLOCK = 4  # pixels, in each direction, that are one in the search for the nearest picture


@dataclass(frozen=True)
class ModelOptions(WriterOptions):
    """The network.

    Args:
        attention: soft (the decoder looks again before each word) or none (it sees the picture once).
        channels: Features of a cell of the encoder's grid.
    """

    attention: Literal["none", "soft"] = "soft"
    channels: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.attention in ("none", "soft"), "model.attention", "'none' or 'soft'", self.attention)
        check(self.channels >= 1, "model.channels", "1 or more", self.channels)


@dataclass(frozen=True)
class Captioning(Describer):
    """The task: pictures with captions; losses in nats a word, END counted."""

    model: ModelOptions  # what it is made of
    data: DataOptions  # what it learns from, in which batches
    learned: str = ""  # what a run keeps of its data, as `DataTask.learn` gives it; "": they are read

    @cached_property
    def descriptions(self) -> Descriptions:
        """The pictures of each split with their captions."""
        return captioned_pictures(self.data, self.known)

    @cached_property
    def network(self) -> CaptionNetwork:
        """The model for this vocabulary."""
        m = self.model
        return CaptionNetwork(m.attention, m.channels, m.embedding, m.hidden, m.dropout, len(self.words))

    def view(self, params: Params, views: np.ndarray | jax.Array, rng: jax.Array | None = None) -> jax.Array:
        """Colours from 0, white, to 1, no light at all; moved a little, not mirrored: names say left and right."""
        ink = 1 - jnp.asarray(views).astype(params["words"]["bias"].dtype) / 255
        if self.model.blind:
            return jnp.zeros_like(ink)
        return ink if rng is None else moved(rng, ink)

    def coarse(self, views: np.ndarray) -> np.ndarray:
        """Means over 4 x 4 pixels."""
        blocks = SIZE // BLOCK
        return (
            views.astype(np.float64).reshape(-1, blocks, BLOCK, blocks, BLOCK, 3).mean((2, 4)).reshape(len(views), -1)
        )

    def caption(self, params: Params, picture_path: str | Path, beam: int = 1) -> str:
        """What a picture file shows, words separated by spaces.

        Raises:
            ValueError: If the file is no picture, or the beam has no width.
        """
        check_beam(beam)
        return " ".join(self.captions(params, [read_picture(picture_path)], beam)[0])

    def inputs(self, path: Path) -> list[Picture]:
        """A picture file, or those of a folder, by name."""
        return given_pictures(path, SUFFIXES, read_picture, "pictures")

    def predict(self, params: Params, inputs: Sequence[Picture]) -> Iterator[dict[str, Any]]:
        """What each picture shows, word by word the likeliest."""
        said = self.captions(params, [picture.view for picture in inputs], 1)
        return ({"file": one.file, "caption": " ".join(words)} for one, words in zip(inputs, said, strict=True))

    def look(self, params: Params, picture: np.ndarray) -> tuple[list[str], np.ndarray]:
        """A picture's greedy caption with END, and where the decoder looked before each word, [T, 8, 8].

        Raises:
            ValueError: If the model has no attention.
        """
        check(self.model.attention == "soft", "model.attention", "'soft'", self.model.attention)
        said = [*self.captions(params, [picture], 1)[0], END]
        one = pad([self.words.encode(said)], np.array([0]), self.data.longest + 1)  # one shape for all captions
        _, weights = jax.jit(self._logits)(params, Described(picture[None], *one))
        return said, np.asarray(weights)[: len(said), 0].reshape(-1, GRID, GRID)

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Test pictures with their captions in captions.png; with attention, some word by word in attention.png."""
        said = self.said(params, seed, 24)
        save_figure(captions_figure(*said), folder / "captions.png")
        if self.model.attention == "soft":
            looks = [(picture, *self.look(params, picture)) for picture in said.views[:6]]
            save_figure(attention_figure(looks), folder / "attention.png")
        return str(said)
