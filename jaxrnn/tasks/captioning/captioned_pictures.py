"""Pictures with captions: emoji with their names, which ship with the package, and Flickr8k."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.captioning.own_pictures import own_pictures
from jaxrnn.tasks.captioning.picture_files import SIZE, read_picture
from jaxrnn.tasks.shared.described import Descriptions, Example, by_split, words
from jaxrnn.tasks.shared.image_files import opened
from jaxrnn.tasks.shared.own_splits import OWN, OwnData
from jaxrnn.tasks.shared.shipped import DATA
from jaxrnn.train import Vocabulary, read_source, read_sources, read_text

SHEET = 40  # pictures in a row of the sheet of emoji
WHERE = (
    "Flickr8k is for research only: https://www.kaggle.com/datasets/adityajn105/flickr8k has it, with its captions.csv "
    "named captions.txt. Any pictures will do beside a captions.csv with the columns image and caption."
)


@dataclass(frozen=True)
class DataOptions(OwnData):
    """The pictures.

    Args:
        set: emoji, which ship with the package; flickr8k, photographs; or own, as `data.path` beside emoji is too.
        path: Your own: a folder of pictures and a .csv or .jsonl with image and caption in each line. Of flickr8k: a
            folder or archive with captions.csv and the pictures that it names.
        at_least: Words seen less often in training are <unk>.
        batch: B, the captions of a batch.
        longest: Words that a caption has at most; longer ones are cut in training.
    """

    set: Literal["emoji", "flickr8k", "own"] = "emoji"
    path: str = ""
    at_least: int = 2
    batch: int = 64
    longest: int = 20

    ships = ("emoji",)
    full = ("flickr8k",)
    counted = ("at_least", "batch", "longest")


def captioned_pictures(options: DataOptions, known: Vocabulary | None = None) -> Descriptions:
    """The pictures, uint8 [64, 64, 3] each, with their captions."""
    if options.set == OWN:
        found = own_pictures(options, options.path)
    else:
        found = _emoji() if options.set == "emoji" else _photographs(options.path)
    return Descriptions(found, options.at_least, options.longest, known)


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
