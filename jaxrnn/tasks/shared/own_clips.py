"""A user's own clips with sentences: films of any size and length, brought to one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import ImageOps, ImageSequence

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.image_files import Source, name_of, on_white, opened
from jaxrnn.tasks.shared.own_files import kept
from jaxrnn.tasks.shared.own_splits import OwnData, parted
from jaxrnn.tasks.shared.own_views import Told, read_told, told_of

EXPECTED = "clips with sentences"
SUFFIXES = (".gif", ".png", ".webp")
MOST_FRAMES = 10_000  # of a clip
WHERE = (
    "A folder of films (GIF, PNG or WebP; `ffmpeg -i clip.mp4 -vf fps=25,scale=96:-1 clip.gif` makes one) and a .csv "
    "with the columns clip and text, or a .jsonl with these keys; or beside each NAME.gif its NAME.txt."
)


class OwnClip(NamedTuple):
    """A clip and what is said in it."""

    name: str
    frames: np.ndarray  # uint8 [T, H, W], grey
    words: tuple[str, ...]
    split: str | None


def own_clips(data: OwnData, path: str, height: int, width: int, *, aligned: bool = False) -> dict[str, list[OwnClip]]:
    """The clips of each part, of one length: a shorter one rests at its last frame. Those of one film are in one part.

    Raises:
        ValueError: If a line or a film is damaged or missing, or, where words are to be aligned to frames, a film has
            fewer frames than words; it is named.
    """
    found = _read(path, height, width, aligned)
    longest = max(len(clip.frames) for clip in found)
    rested = [clip._replace(frames=rest(clip.frames, longest)) for clip in found]
    return parted(rested, lambda clip: clip.split, data, repr(path), EXPECTED, lambda clip: clip.name)


def rest(frames: np.ndarray, length: int) -> np.ndarray:
    """Frames [T, H, W], the last of them as often as makes so many."""
    return frames[np.minimum(np.arange(length), len(frames) - 1)]


@kept
def _read(path: str, height: int, width: int, aligned: bool) -> list[OwnClip]:
    found = []
    for told in told_of(path, SUFFIXES, EXPECTED, WHERE):
        frames = read_told(told, lambda file: read_film(file, height, width))
        if aligned:
            _check_fits(told, len(frames))
        found.append(OwnClip(str(told.file), frames, told.words, told.split))
    return found


def _check_fits(told: Told, frames: int) -> None:
    """CTC says a word a frame at most, and a blank between two that are equal."""
    needed = len(told.words) + sum(a == b for a, b in zip(told.words, told.words[1:], strict=False))
    if frames < needed:
        said = Said(f"{frames} in {str(told.file)!r}, {told.where}")
        fail("data.path", f"clips with a frame for each word, {needed} for {' '.join(told.words)!r}", said)


def read_film(source: Source, height: int, width: int) -> np.ndarray:
    """A film of any size, whole and in the middle of frames of another: uint8 [T, height, width], grey.

    Raises:
        ValueError: If it is none, or has more than 10,000 frames.
    """
    frames: list[np.ndarray] = []
    with opened(source, "clip", "a film, a GIF, PNG or WebP file", ("GIF", "PNG", "WEBP")) as file:
        for frame in ImageSequence.Iterator(file):
            if len(frames) == MOST_FRAMES:
                fail("clip", f"{MOST_FRAMES:,} frames or fewer", Said(f"more in {name_of(source)}"))
            frames.append(np.array(ImageOps.pad(on_white(frame).convert("L"), (width, height))))
    return np.stack(frames)
