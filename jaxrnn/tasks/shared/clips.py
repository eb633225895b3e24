"""Clips with sentences: one speaker of GRID (Cooke et al. 2006), or moving digits; and batches of them."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal, NamedTuple

import numpy as np
from PIL import ImageSequence

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.described import SPLITS
from jaxrnn.tasks.shared.image_files import Source, name_of, opened
from jaxrnn.tasks.shared.moving_digits import COUNTS, moving_digits
from jaxrnn.tasks.shared.own_clips import MOST_FRAMES, own_clips
from jaxrnn.tasks.shared.own_splits import OWN, OwnData
from jaxrnn.tasks.shared.shipped import DATA
from jaxrnn.train import EMPTY, END, START, UNKNOWN, Vocabulary, pad, read_source, read_sources
from jaxrnn.train.options import check
from jaxrnn.train.task import recalled

HEIGHT, WIDTH = 32, 48  # of a frame, in pixels
ROWS, COLUMNS = 15, 5  # frames in the mosaic that a clip of GRID is kept as
TRANSCRIPTS = "transcripts.json"
VALIDATES = 16  # one in so many of the clips that aren't held out
WHERE = (
    "GRID is at https://zenodo.org/records/3625687. Each clip is expected as one grey picture NAME.jpg, its 75 frames "
    f"of {WIDTH} x {HEIGHT} pixels around the mouth in {ROWS} rows of {COLUMNS}, beside a {TRANSCRIPTS} that gives "
    '{"NAME": {"text": "six words", ...}, ...}.'
)


class Spoken(NamedTuple):
    """A batch of clips with a sentence each; rows first."""

    frames: np.ndarray  # uint8 [B, T, 32, 48], grey
    words: np.ndarray  # int32 [B, L]
    lengths: np.ndarray  # int32 [B], words; 0 where a row holds no clip


class Clips(NamedTuple):
    """All clips of a split."""

    names: list[str]
    frames: np.ndarray  # uint8 [N, T, 32, 48]
    sentences: list[tuple[str, ...]]  # words


@dataclass(frozen=True)
class DataOptions(OwnData):
    """The clips.

    Args:
        set: digits, which move and are made here; grid, a speaker of GRID; or own, as `data.path` beside digits is too.
        path: Your own: a folder of films and a .csv or .jsonl with clip and text in each line, or a NAME.txt beside
            each. Of grid: a folder or archive with its clips.
        batch: B, the clips of a batch.
        seed: Of their order.
    """

    set: Literal["digits", "grid", "own"] = "digits"
    path: str = ""
    batch: int = 32
    seed: int = 0

    ships = ("digits",)
    full = ("grid",)
    counted = ("batch",)


@dataclass(frozen=True)
class SpokenClips:
    """The clips of each split, and their words as numbers."""

    options: DataOptions
    learned: str = ""

    @cached_property
    def splits(self) -> dict[str, Clips]:
        """By name: training, validation and test."""
        if self.options.set == OWN:
            return _own(self.options)
        found = _digits() if self.options.set == "digits" else _grid(self.options.path)
        for split, clips in found.items():
            if not clips.names:
                fail("data.path", "clips enough for every split", Said(f"none for {split}"), WHERE)
        return found

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words of the training sentences."""
        known = recalled(self.learned, "vocabulary")
        if known is not None:
            return Vocabulary(tuple(known))
        return Vocabulary.of(self.splits["training"].sentences, special=(UNKNOWN, START, END))

    def pairs(self, split: str, end: bool) -> tuple[np.ndarray, Callable[[np.ndarray], Spoken]]:
        """Lengths of a split's sentences, with END where they shall have it, and the batch of given indices."""
        clips = self.splits[split]
        encoded = [self.vocabulary.encode([*sentence, END] if end else sentence) for sentence in clips.sentences]

        def collate(rows: np.ndarray) -> Spoken:
            frames = clips.frames[rows]
            frames[rows == EMPTY] = 0
            return Spoken(frames, *pad(encoded, rows))

        return np.array([len(sentence) for sentence in encoded]), collate


def read_clip(source: Source) -> np.ndarray:
    """A film, a GIF or PNG, or a mosaic as GRID's clips are kept, a JPEG or PNG: uint8 [T, 32, 48].

    Raises:
        ValueError: If it is neither, or has more than 10,000 frames.
    """
    mosaic = (COLUMNS * WIDTH, ROWS * HEIGHT)
    expected = f"frames of {WIDTH} x {HEIGHT} pixels, or one mosaic of {mosaic[0]} x {mosaic[1]}"
    with opened(source, "clip", "a film, a GIF file, or a mosaic of frames", ("GIF", "PNG", "JPEG")) as file:
        size = file.size
        frames: list[np.ndarray] = []
        fits = size in ((WIDTH, HEIGHT), mosaic)
        check(fits, "clip", expected, Said(f"{size[0]} x {size[1]} in {name_of(source)}"))  # before it is unpacked
        for frame in ImageSequence.Iterator(file):
            check(
                len(frames) < MOST_FRAMES,
                "clip",
                f"{MOST_FRAMES:,} frames or fewer",
                Said(f"more in {name_of(source)}"),
            )
            frames.append(np.array(frame.convert("L")))
    if size == mosaic and len(frames) == 1:
        return _cut(frames[0])
    check(size != mosaic, "clip", expected, Said(f"{len(frames)} of {size[0]} x {size[1]} in {name_of(source)}"))
    return np.stack(frames)


def _cut(mosaic: np.ndarray) -> np.ndarray:
    """The frames of a mosaic, row by row."""
    return mosaic.reshape(ROWS, HEIGHT, COLUMNS, WIDTH).swapaxes(1, 2).reshape(-1, HEIGHT, WIDTH)


def _own(options: DataOptions) -> dict[str, Clips]:
    parts = own_clips(options, options.path, HEIGHT, WIDTH, aligned=True)
    return {
        split: Clips([c.name for c in clips], np.stack([c.frames for c in clips]), [c.words for c in clips])
        for split, clips in parts.items()
    }


@cache
def _digits() -> dict[str, Clips]:
    """Of moving digits; each split has digits of its own, in other hands."""
    return {
        split: Clips(*moving_digits(split, count, HEIGHT, WIDTH)) for split, count in zip(SPLITS, COUNTS, strict=True)
    }


@cache
def _grid(path: str) -> dict[str, Clips]:
    """Held out are the clips that data/grid/held_out.txt names; the speaker is the same in all splits."""
    held = (DATA / "grid/held_out.txt").read_text("utf-8").split()
    transcripts = read_source(path, TRANSCRIPTS, WHERE)
    try:
        spoken = {name: tuple(entry["text"].split()) for name, entry in json.loads(transcripts).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        fail("data.path", f"a {TRANSCRIPTS} that gives each clip's text", Said(f"another one ({error!r})"), WHERE)
    pictures = read_sources(path, [f"{name}.jpg" for name in spoken], WHERE)
    found: dict[str, tuple[list, list, list]] = {split: ([], [], []) for split in SPLITS}
    for name, sentence in sorted(spoken.items()):
        validates = zlib.crc32(name.encode()) % VALIDATES == 0
        split = "test" if name in held else "validation" if validates else "training"
        frames = read_clip(io.BytesIO(pictures[f"{name}.jpg"]))
        for parts, part in zip(found[split], (name, frames, sentence), strict=True):
            parts.append(part)
    return {split: Clips(names, np.array(frames, np.uint8), said) for split, (names, frames, said) in found.items()}
