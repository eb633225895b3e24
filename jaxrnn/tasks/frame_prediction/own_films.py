"""A user's own films, brought to 32 x 32 grey pixels and cut into pieces of twenty frames."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.own_clips import MOST_FRAMES, SUFFIXES, read_film
from jaxrnn.tasks.shared.own_files import content_of, files_of, kept, located
from jaxrnn.tasks.shared.own_splits import OwnData, folder_split, parted
from jaxrnn.train.sources import DAMAGED

EXPECTED = "films"
ARRAY = "frames"
WHERE = (
    "A folder of films: GIF, PNG or WebP (`ffmpeg -i film.mp4 -vf fps=9,scale=64:-1 film.gif` makes one), or .npz with "
    f"an array {ARRAY!r} [T, H, W] of bytes or of numbers from 0 to 1. Folders train, valid and test are for that."
)


def own_films(data: OwnData, path: str, side: int, length: int) -> dict[str, np.ndarray]:
    """The pieces of each part, uint8 [N, length, side, side]; those of one film are in one part.

    A film is cut from its beginning on; what is left at its end is not used.

    Raises:
        ValueError: If there are too few films, or one is damaged, or shorter than a piece; it is named.
    """
    films = _read(path, side, length)
    parts = parted(films, lambda film: film[0], data, repr(path), EXPECTED)
    return {name: np.concatenate([pieces for _, pieces in some]) for name, some in parts.items()}


@kept
def _read(path: str, side: int, length: int) -> list[tuple[str | None, np.ndarray]]:
    """Films in pieces, each with the part that its folder says it is for."""
    place, found = located(path, EXPECTED, WHERE), []
    for file in files_of(path, (*SUFFIXES, ".npz"), EXPECTED, WHERE):
        frames = _array(file, side) if file.suffix.lower() == ".npz" else read_film(file, side, side)
        if len(frames) < length:
            fail("data.path", f"films of {length} frames or more", Said(f"{len(frames)} in {str(file)!r}"))
        whole = frames[: len(frames) // length * length]
        split = folder_split(file.relative_to(place)) if place.is_dir() else None
        found.append((split, whole.reshape(-1, length, side, side)))
    return found


def _array(file: Path, side: int) -> np.ndarray:
    """The film of an .npz, uint8 [T, side, side]."""
    try:
        with np.load(io.BytesIO(content_of(file)), allow_pickle=False) as arrays:
            frames = arrays[ARRAY]
    except DAMAGED as error:
        fail("data.path", f"films, an .npz with {ARRAY!r}", Said(f"{str(file)!r} ({error})"))
    numbers = frames.dtype == np.uint8 or frames.dtype.kind == "f"
    if frames.ndim != 3 or not numbers or 0 in frames.shape or len(frames) > MOST_FRAMES:
        expected = f"films, {ARRAY!r} [T, H, W] of bytes or of numbers from 0 to 1, {MOST_FRAMES:,} frames or fewer"
        fail("data.path", expected, Said(f"{frames.dtype}{list(frames.shape)} in {str(file)!r}"))
    if frames.dtype.kind == "f":
        if not ((frames >= 0) & (frames <= 1)).all():  # NaN is neither
            fail("data.path", "films of numbers from 0 to 1", Said(f"others in {str(file)!r}"))
        frames = (frames * 255).round().astype(np.uint8)
    return np.stack([np.array(ImageOps.pad(Image.fromarray(frame), (side, side))) for frame in frames])
