"""Pictures with captions: emoji with their names, which ship with the package, and Flickr8k."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.described import Descriptions, Example, by_split, words
from jaxrnn.tasks.shared.image_files import Source, opened
from jaxrnn.tasks.shared.shipped import DATA
from jaxrnn.train import Vocabulary, read_source, read_sources, read_text
from jaxrnn.train.options import check, check_set

SIZE = 64  # of a picture, in pixels
SHEET = 40  # pictures in a row of the sheet of emoji
WHERE = (
    "Flickr8k is for research only: https://www.kaggle.com/datasets/adityajn105/flickr8k has it, with its captions.csv "
    "named captions.txt. Any pictures will do beside a captions.csv with the columns image and caption."
)


@dataclass(frozen=True)
class DataOptions:
    """The pictures.

    Args:
        set: emoji, which ship with the package, or flickr8k, photographs.
        path: Of flickr8k: a folder or archive with captions.csv and the pictures that it names.
        at_least: Words seen less often in training are <unk>.
        batch: B, the captions of a batch.
        longest: Words that a caption has at most; longer ones are cut in training.
    """

    set: Literal["emoji", "flickr8k"] = "emoji"
    path: str = ""
    at_least: int = 2
    batch: int = 64
    longest: int = 20

    def __post_init__(self) -> None:
        check_set(self.set, self.path, ships=("emoji",), full=("flickr8k",))
        for name in ("at_least", "batch", "longest"):
            check(getattr(self, name) >= 1, f"data.{name}", "1 or more", getattr(self, name))


def captioned_pictures(options: DataOptions, known: Vocabulary | None = None) -> Descriptions:
    """The pictures, uint8 [64, 64, 3] each, with their captions."""
    found = _emoji() if options.set == "emoji" else _photographs(options.path)
    return Descriptions(found, options.at_least, options.longest, known)


def read_picture(source: Source) -> np.ndarray:
    """A PNG, JPEG or WebP of any shape, on white where it is transparent, as uint8 [64, 64, 3].

    Raises:
        ValueError: If it is none, or has more than 40 million pixels.
    """
    with opened(source, "picture", "a picture, a PNG, JPEG or WebP file", ("PNG", "JPEG", "WEBP")) as file:
        picture = ImageOps.exif_transpose(file).convert("RGBA")
    ground = Image.new("RGBA", picture.size, "white")
    ground.alpha_composite(picture)
    return np.array(ground.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))


@cache
def _emoji() -> dict[str, list[Example]]:
    """Variants of one emoji, such as man and woman, are all in one split."""
    folder = str(DATA / "emoji")
    sheet_file = io.BytesIO(read_source(folder, "sheet.png", WHERE))
    with opened(sheet_file, "data", "the package's sheet of emoji", ("PNG",)) as file:
        sheet = np.array(file.convert("RGB"))
    tiles = sheet.reshape(-1, SIZE, SHEET, SIZE, 3).swapaxes(1, 2).reshape(-1, SIZE, SIZE, 3)
    entries = json.loads(read_source(folder, "captions.json", WHERE))
    pairs = zip(tiles, entries, strict=False)  # the last row of the sheet isn't full
    return by_split([(entry["base"], Example(tile, (words(entry["caption"]),))) for tile, entry in pairs])


@cache
def _photographs(path: str) -> dict[str, list[Example]]:
    """All captions of a photograph are in one split."""
    table = csv.DictReader(io.StringIO(read_text(path, "captions.csv", WHERE)))
    captions: dict[str, list[tuple[str, ...]]] = {}
    for row in table:
        if not row.get("image") or not row.get("caption"):
            fail("data.path", "a captions.csv with an image and a caption in each line", Said(f"{dict(row)}"), WHERE)
        captions.setdefault(row["image"], []).append(words(row["caption"]))
    if not captions:
        fail("data.path", "a captions.csv that has lines", Said("an empty one"), WHERE)
    contents = read_sources(path, list(captions), WHERE)
    return by_split(
        [(name, Example(read_picture(io.BytesIO(contents[name])), tuple(said))) for name, said in captions.items()]
    )
