"""A user's own pictures as DRAW paints them: 28 x 28, white on black."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import ImageOps

from jaxrnn.tasks.shared.image_files import on_white, opened
from jaxrnn.tasks.shared.mnist import SIDE, binarise
from jaxrnn.tasks.shared.own_files import files_of, located
from jaxrnn.tasks.shared.own_splits import OwnData, folder_split, parted

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
EXPECTED = "pictures"
WHERE = "A folder of them, PNG, JPEG, WebP or BMP; those in folders train, valid and test are for that."


def own_drawings(data: OwnData, path: str) -> dict[str, np.ndarray]:
    """The pictures of each part, bool [N, 28, 28], each pixel white with the probability of its grey value.

    Raises:
        ValueError: If there are too few, or one is damaged; it is named.
    """
    place = located(path, EXPECTED, WHERE)
    files = files_of(path, SUFFIXES, EXPECTED, WHERE)

    def split(file: Path) -> str | None:
        return folder_split(file.relative_to(place)) if place.is_dir() else None

    parts = parted(files, split, data, repr(path), EXPECTED)
    names = {"training": "train"}
    return {names.get(part, part): binarise(np.stack([*map(grey_of, some)]), 0) for part, some in parts.items()}


def grey_of(file: Path) -> np.ndarray:
    """A picture, light on dark, in the middle of a square: uint8 [28, 28].

    Dark ink on light paper is turned over; paper is what most of the edge is.
    """
    with opened(file, "data.path", "pictures, PNG, JPEG, WebP or BMP files", FORMATS) as opened_file:
        grey = on_white(opened_file).convert("L")
    pixels = np.asarray(grey)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    if np.median(edge) > 127:
        grey = ImageOps.invert(grey)
    return np.array(ImageOps.pad(grey, (SIDE, SIDE)))
