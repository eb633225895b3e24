"""Video captioning: what happens in a video, in words.

    loss = -log p(caption | video) a word, END counted

The network is in `s2vt`, the videos are in `captioned_videos`; losses, captions and figures
in `jaxrnn.tasks.shared.describer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.tasks.shared.captioning_pictures import captions_figure
from jaxrnn.tasks.shared.described import Descriptions
from jaxrnn.tasks.shared.describer import Describer, WriterOptions
from jaxrnn.tasks.video_captioning.captioned_videos import DataOptions, captioned_videos, picture, raw_videos
from jaxrnn.tasks.video_captioning.s2vt import S2VT
from jaxrnn.train.options import check
from jaxrnn.train.plots import save_figure
from jaxrnn.train.task import Params, recalled

SHOWN = 12  # videos


@dataclass(frozen=True)
class ModelOptions(WriterOptions):
    """The network.

    Args:
        projected: Features that a frame is brought to before the first LSTM.
        every: Watch one frame of so many: the middle one; while training, any one.
        noise: Standard deviation of what is added to the features of a video while training, the same for all frames.
    """

    dropout: float = 0.3
    projected: int = 64
    every: int = 1
    noise: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.projected >= 1, "model.projected", "1 or more", self.projected)
        check(self.every >= 1, "model.every", "1 or more", self.every)
        check(0 <= self.noise < float("inf"), "model.noise", "a number of 0 or more", self.noise)


@dataclass(frozen=True)
class VideoCaptioning(Describer):
    """The task: videos with captions; losses in nats a word, END counted."""

    model: ModelOptions  # what it is made of
    data: DataOptions  # what it learns from, in which batches
    learned: str = ""  # what a run keeps of its data, as `DataTask.learn` gives it; "": they are read

    @cached_property
    def descriptions(self) -> Descriptions:
        """The videos of each split with their captions."""
        return captioned_videos(self.data, self.known)

    def contents(self, split: str) -> Any:
        """The videos of a part."""
        return raw_videos(self.data)[split]

    @cached_property
    def network(self) -> S2VT:
        """The model for these features and this vocabulary."""
        m, view = self.model, recalled(self.learned, "view") or self.learn()["view"]
        return S2VT(view[1], m.projected, m.embedding, m.hidden, m.dropout, len(self.words))

    def view(self, params: Params, views: np.ndarray | jax.Array, rng: jax.Array | None = None) -> jax.Array:
        """The features of the frames that are watched; none for a blind model."""
        features, m = jnp.asarray(views).astype(params["words"]["bias"].dtype), self.model
        rows, frames, size = features.shape
        check(m.every <= frames, "model.every", f"at most the {frames} frames of a video", m.every)
        features = features[:, : frames - frames % m.every].reshape(rows, -1, m.every, size)
        if m.blind:
            return jnp.zeros_like(features[:, :, 0])
        if rng is None:
            return features[:, :, m.every // 2]
        frame_rng, noise_rng = jax.random.split(rng)
        chosen = jax.random.randint(frame_rng, (*features.shape[:2], 1, 1), 0, m.every)
        noise = jax.random.normal(noise_rng, (rows, 1, size), features.dtype)
        watched = jnp.take_along_axis(features, chosen, 2)[:, :, 0]
        return watched + m.noise * jnp.broadcast_to(noise, watched.shape)

    def coarse(self, views: np.ndarray) -> np.ndarray:
        """Means over time."""
        return views.astype(np.float64).mean(1)

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Test videos with their captions, in captions.png and as text."""
        said = self.said(params, seed, SHOWN)
        pictures = [picture(view) for view in said.views]
        save_figure(captions_figure(pictures, said.ours, said.given, columns=2), folder / "captions.png")
        return str(said)
