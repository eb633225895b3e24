"""A user's own pictures with captions."""

from __future__ import annotations

from pathlib import Path

from jaxrnn.tasks.captioning.picture_files import SUFFIXES, read_picture
from jaxrnn.tasks.shared.described import Example
from jaxrnn.tasks.shared.own_files import kept
from jaxrnn.tasks.shared.own_splits import OwnData, parted
from jaxrnn.tasks.shared.own_views import Told, read_told, told_of

EXPECTED = "pictures with captions"
WHERE = (
    "A folder of pictures (PNG, JPEG, WebP) and a .csv with the columns image and caption, or a .jsonl with these keys;"
    " a third, split, may say train, valid or test."
)


def own_pictures(data: OwnData, path: str) -> dict[str, list[Example]]:
    """The pictures of each part; all captions of one are in the same.

    Raises:
        ValueError: If a line or a picture is damaged or missing; the message names it.
    """
    pictures: dict[Path, list[Told]] = {}
    for told in _told(path):
        pictures.setdefault(told.file, []).append(told)
    parts = parted([*pictures.values()], lambda some: some[0].split, data, repr(path), EXPECTED)
    return {
        split: [Example(read_told(some[0], read_picture), tuple(one.words for one in some)) for some in found]
        for split, found in parts.items()
    }


@kept
def _told(path: str) -> list[Told]:
    return told_of(path, SUFFIXES, EXPECTED, WHERE)
