"""Video captioning: what happens in a video, in words.

    loss = -log p(caption | video) a word, END counted

The network is in `jaxrnn.tasks.s2vt`, the videos are in `jaxrnn.tasks.captioned_videos`; losses, captions and figures
in `jaxrnn.tasks.describer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.tasks.captioned_videos import DataOptions, captioned_videos, picture
from jaxrnn.tasks.captioning_pictures import captions_figure
from jaxrnn.tasks.described import Descriptions
from jaxrnn.tasks.describer import Describer
from jaxrnn.tasks.s2vt import S2VT
from jaxrnn.train.options import check
from jaxrnn.train.plots import save_figure
from jaxrnn.train.task import Params

SHOWN = 12  # videos


@dataclass(frozen=True)
class ModelOptions:
    """The network.

    Args:
        blind: Take a dark screen for every video: what is learned is a language model of the captions alone.
        projected: Features that a frame is brought to before the first LSTM.
        embedding: Features of a word.
        hidden: Units of each LSTM.
        dropout: Rate at frames, at embeddings and before the readout, while training.
    """

    blind: bool = False
    projected: int = 64
    embedding: int = 64
    hidden: int = 128
    dropout: float = 0.3

    def __post_init__(self) -> None:
        for name in ("projected", "embedding", "hidden"):
            check(getattr(self, name) >= 1, f"model.{name}", "1 or more", getattr(self, name))
        check(0 <= self.dropout < 1, "model.dropout", "a rate in [0, 1)", self.dropout)


@dataclass(frozen=True)
class VideoCaptioning(Describer):
    """The task: videos with captions; losses in nats a word, END counted."""

    model: ModelOptions
    data: DataOptions

    @cached_property
    def descriptions(self) -> Descriptions:
        """The videos of each split with their captions."""
        return captioned_videos(self.data)

    @cached_property
    def network(self) -> S2VT:
        """The model for these features and this vocabulary."""
        m, features = self.model, self.descriptions.examples["training"][0].view.shape[1]
        return S2VT(features, m.projected, m.embedding, m.hidden, m.dropout, len(self.words))

    def view(self, params: Params, views: np.ndarray | jax.Array, rng: jax.Array | None = None) -> jax.Array:
        """The features; none for a blind model."""
        features = jnp.asarray(views).astype(params["words"]["bias"].dtype)
        return jnp.zeros_like(features) if self.model.blind else features

    def coarse(self, views: np.ndarray) -> np.ndarray:
        """Means over time."""
        return views.astype(np.float64).mean(1)

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Test videos with their captions, in captions.png and as text."""
        examples = self.descriptions.examples["test"]
        chosen = np.random.default_rng(seed).choice(len(examples), min(SHOWN, len(examples)), replace=False)
        found = [" ".join(caption) for caption in self.captions(params, [examples[n].view for n in chosen])]
        theirs = [" ".join(examples[n].captions[0]) for n in chosen]
        pictures = [picture(examples[n].view) for n in chosen]
        save_figure(captions_figure(pictures, found, theirs, columns=2), folder / "captions.png")
        return "\n".join(f"{ours}   (given: {given})" for ours, given in zip(found, theirs, strict=True))
