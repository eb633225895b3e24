"""Pictures with captions: emoji with their names, which ship with the package, and Flickr8k; and batches of them."""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from jaxrnn.errors import fail
from jaxrnn.train import END, START, UNKNOWN, Vocabulary, pad, read_source, read_sources
from jaxrnn.train.options import check

SIZE = 64  # of a picture, in pixels
SHEET = 40  # pictures in a row of the sheet of emoji
WHERE = (
    "Flickr8k is for research only: https://www.kaggle.com/datasets/adityajn105/flickr8k has it, with its captions.csv "
    "named captions.txt. Any pictures will do beside a captions.csv with the columns image and caption."
)


class Captioned(NamedTuple):
    """A batch of pictures with a caption each; rows first."""

    pictures: np.ndarray  # uint8 [B, 64, 64, 3], colours
    words: np.ndarray  # int32 [B, T], END behind each caption
    lengths: np.ndarray  # int32 [B], END counted; 0 where a row holds no caption


class Example(NamedTuple):
    """A picture and all that is said about it."""

    picture: np.ndarray  # uint8 [64, 64, 3]
    captions: tuple[tuple[str, ...], ...]  # words


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
        check(self.set in ("emoji", "flickr8k"), "data.set", "'emoji' or 'flickr8k'", self.set)
        check(self.set != "emoji" or not self.path, "data.path", "empty for the emoji of the package", self.path)
        for name in ("at_least", "batch", "longest"):
            check(getattr(self, name) >= 1, f"data.{name}", "1 or more", getattr(self, name))


@dataclass(frozen=True)
class CaptionedPictures:
    """The examples of each split, and their words as numbers."""

    options: DataOptions

    @cached_property
    def examples(self) -> dict[str, list[Example]]:
        """By split: training, validation and test."""
        found = _emoji() if self.options.set == "emoji" else _photographs(self.options.path)
        for split, examples in found.items():
            if not examples:
                fail("data.path", "pictures enough for every split", f"none for {split}")
        return found

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words of the training captions."""
        captions = (caption for example in self.examples["training"] for caption in example.captions)
        return Vocabulary.of(captions, special=(UNKNOWN, START, END), at_least=self.options.at_least)

    def pairs(self, split: str) -> tuple[np.ndarray, Callable[[np.ndarray], Captioned]]:
        """Lengths of a split's captions, END counted, and the batch with given indices of captions."""
        examples, longest = self.examples[split], self.options.longest if split == "training" else None
        pictures = np.array([example.picture for example in examples])
        owner = np.array([n for n, example in enumerate(examples) for _ in example.captions])
        captions = [
            self.vocabulary.encode([*caption[:longest], END]) for example in examples for caption in example.captions
        ]

        def collate(rows: np.ndarray) -> Captioned:
            chosen = pictures[owner[rows]]
            chosen[rows < 0] = 0
            return Captioned(chosen, *pad(captions, rows, multiple=4))

        return np.array([len(caption) for caption in captions]), collate


def words(caption: str) -> tuple[str, ...]:
    """Lower case and without punctuation, as captions are scored in the field.

    >>> words("A man's T-shirt: red, white.")
    ('a', "man's", 't-shirt', 'red', 'white')
    """
    return tuple(re.findall(r"\w+(?:[-'\u2019]\w+)*", caption.lower()))


def split_of(name: str) -> str:
    """The split of all pictures of a name: about a tenth is for validation, a tenth for the test.

    >>> [split_of(name) for name in ("1F600", "1F40D", "1F33E")]
    ['training', 'training', 'training']
    """
    return {0: "test", 1: "validation"}.get(zlib.crc32(name.encode()) % 10, "training")


def read_picture(source: str | Path | io.BytesIO) -> np.ndarray:
    """A picture of any size and format that Pillow reads, on white where it is transparent, as uint8 [64, 64, 3].

    Raises:
        ValueError: If it is none.
    """
    name = str(source) if isinstance(source, str | Path) else "a damaged one"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source) as file:
                picture = ImageOps.exif_transpose(file).convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        fail("picture", "a picture, such as a PNG or JPEG file", f"{name!r} ({error})")
    ground = Image.new("RGBA", picture.size, "white")
    ground.alpha_composite(picture)
    return np.array(ground.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))


@cache
def _emoji() -> dict[str, list[Example]]:
    """Variants of one emoji, such as man and woman, are all in one split."""
    folder = str(resources.files("jaxrnn.tasks") / "data/emoji")
    with Image.open(io.BytesIO(read_source(folder, "sheet.png", WHERE))) as file:
        sheet = np.array(file.convert("RGB"))
    tiles = sheet.reshape(-1, SIZE, SHEET, SIZE, 3).swapaxes(1, 2).reshape(-1, SIZE, SIZE, 3)
    entries = json.loads(read_source(folder, "captions.json", WHERE))
    found: dict[str, list[Example]] = {"training": [], "validation": [], "test": []}
    for tile, entry in zip(tiles, entries, strict=False):  # the last row of the sheet isn't full
        found[split_of(entry["base"])].append(Example(tile, (words(entry["caption"]),)))
    return found


@cache
def _photographs(path: str) -> dict[str, list[Example]]:
    """All captions of a photograph are in one split."""
    if not path:
        fail("data.path", "a folder or archive with the photographs and captions.csv", "none", WHERE)
    table = csv.DictReader(io.StringIO(read_source(path, "captions.csv", WHERE).decode("utf-8")))
    captions: dict[str, list[tuple[str, ...]]] = {}
    for row in table:
        if not row.get("image") or not row.get("caption"):
            fail("data.path", "a captions.csv with an image and a caption in each line", f"{dict(row)}", WHERE)
        captions.setdefault(row["image"], []).append(words(row["caption"]))
    if not captions:
        fail("data.path", "a captions.csv that has lines", "an empty one", WHERE)
    contents = read_sources(path, list(captions), WHERE)
    found: dict[str, list[Example]] = {"training": [], "validation": [], "test": []}
    for name, said in captions.items():
        found[split_of(name)].append(Example(read_picture(io.BytesIO(contents[name])), tuple(said)))
    return found
