"""Videos as features of their frames, with captions: of MSR-VTT, or of moving digits, which are made here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.clips import HEIGHT, WIDTH
from jaxrnn.tasks.shared.described import SPLITS, Descriptions, Example, by_split, words
from jaxrnn.tasks.shared.moving_digits import COUNTS, moving_digits
from jaxrnn.tasks.shared.own_clips import OwnClip, own_clips
from jaxrnn.tasks.shared.own_splits import OWN, OwnData
from jaxrnn.train import Vocabulary, read_arrays

FEATURES = "msrvtt_first1000_vgg16ae128.npz"
WHERE = (
    f"{FEATURES} holds arrays features [videos, frames, F], caption [videos] and video_id [videos]; MSR-VTT's videos, "
    "to compute features of, are described at https://www.microsoft.com/en-us/research/publication/"
    "msr-vtt-a-large-video-description-dataset-for-bridging-video-and-language/"
)
BLOCK = 4  # pixels of a moving digit's frame, in each direction, that are one feature
EPSILON = 1e-6  # the least deviation that a feature is divided by: one that never changes is zero


@dataclass(frozen=True)
class DataOptions(OwnData):
    """The videos.

    Args:
        set: digits, which move and are made here; msrvtt; or own, as `data.path` beside digits is too.
        path: Your own: a folder of films and a .csv or .jsonl with video and caption in each line. Of msrvtt: a folder
            or archive with its features.
        at_least: Words seen less often in training are <unk>.
        batch: B, the captions of a batch.
        longest: Words that a caption has at most; longer ones are cut in training.
    """

    set: Literal["digits", "msrvtt", "own"] = "digits"
    path: str = ""
    at_least: int = 1
    batch: int = 32
    longest: int = 20

    ships = ("digits",)
    full = ("msrvtt",)
    counted = ("at_least", "batch", "longest")


def captioned_videos(options: DataOptions, known: Vocabulary | None = None) -> Descriptions:
    """The videos, float32 [T, F] each, with their captions."""
    found = _vtt(options.path) if options.set == "msrvtt" else raw_videos(options)
    return Descriptions(found, options.at_least, options.longest, known)


def picture(video: np.ndarray) -> np.ndarray:
    """Features [T, F] to look at: of moving digits eight frames side by side, else the features over time."""
    rows, columns = HEIGHT // BLOCK, WIDTH // BLOCK
    if video.shape[1] != rows * columns:
        return video.T
    return np.concatenate(video[:: max(1, len(video) // 8)].reshape(-1, rows, columns), 1)


@cache
def _digits() -> dict[str, list[Example]]:
    """A feature is the mean of 4 x 4 pixels, from 0 to 1; digits are another hand's in each split."""
    found = {}
    for split, count in zip(SPLITS, COUNTS, strict=True):
        _, clips, sentences = moving_digits(split, count, HEIGHT, WIDTH)
        found[split] = [Example(view, (said,)) for view, said in zip(_blocks(clips), sentences, strict=True)]
    return found


def _blocks(clips: np.ndarray) -> np.ndarray:
    """Features [N, T, F] of grey clips [N, T, 32, 48]: means of blocks."""
    means = clips.reshape(*clips.shape[:2], HEIGHT // BLOCK, BLOCK, WIDTH // BLOCK, BLOCK).mean((3, 5)) / 255
    return means.reshape(*clips.shape[:2], -1).astype(np.float32)


def _own(options: DataOptions) -> dict[str, list[Example]]:
    """The same features of a user's films; all that is said of one is in one part."""
    found: dict[str, list[Example]] = {}
    for split, clips in own_clips(options, options.path, HEIGHT, WIDTH).items():
        of_film: dict[str, list[OwnClip]] = {}
        for clip in clips:
            of_film.setdefault(clip.name, []).append(clip)
        views = _blocks(np.stack([some[0].frames for some in of_film.values()]))
        said = [tuple(clip.words for clip in some) for some in of_film.values()]
        found[split] = [Example(view, captions) for view, captions in zip(views, said, strict=True)]
    return found


def raw_videos(options: DataOptions) -> dict[str, list[Example]]:
    """The videos as they lie there: what is computed of them may differ in its last bits from machine to machine."""
    if options.set == OWN:
        return _own(options)
    return _digits() if options.set == "digits" else _read(options.path)


@cache
def _read(path: str) -> dict[str, list[Example]]:
    """One caption a video; a tenth of the videos validates, a tenth tests."""
    features, captions, names = read_arrays(path, FEATURES, ("features", "caption", "video_id"), WHERE).values()
    shapes = f"{features.dtype}{list(features.shape)}, {captions.dtype}{list(captions.shape)}, {list(names.shape)}"
    numbers = features.ndim == 3 and 0 not in features.shape and features.dtype.kind == "f"
    if not numbers or not captions.shape == names.shape == features.shape[:1] or captions.dtype.kind != "U":
        fail("data.path", "features float[videos, frames, F] with a caption and a video_id each", Said(shapes), WHERE)
    if not np.isfinite(features).all():
        fail("data.path", "features that are finite", Said("NaN or infinity among them"), WHERE)
    rows = zip(names, features.astype(np.float32), captions, strict=True)
    return by_split([(str(name), Example(view, (words(str(said)),))) for name, view, said in rows])


@cache
def _vtt(path: str) -> dict[str, list[Example]]:
    """The same with standardised features."""
    found = _read(path)
    trained = np.concatenate([example.view for example in found["training"] or found["test"]]).astype(np.float64)
    mean, deviation = trained.mean(0), np.maximum(trained.std(0), EPSILON)
    return {
        split: [Example(((view - mean) / deviation).astype(np.float32), said) for view, said in examples]
        for split, examples in found.items()
    }
