"""A user's own text: a file or a folder of them, in any alphabet, cut into what trains, validates and tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.own_files import files_of, kept, text_of
from jaxrnn.tasks.shared.own_splits import SPLITS, OwnData, named_split

WHERE = "A text file in UTF-8, or a folder of them; `--data.suffix .md` reads other names than .txt of a folder."


def own_text(data: OwnData, path: str, suffix: str) -> dict[str, str]:
    """The texts for training, validation and test.

    Files that say by their names what they are for (train.txt, valid.txt, test.txt) are that. Else all files, in an
    order that the seed draws, are one text, turned so that a place that the seed draws stands first: its end is held
    out, cut between lines where there are some.

    Raises:
        ValueError: If there is no text, no UTF-8, or too little of it.
    """
    return _read(path, suffix, data.held_out, data.split_seed)


@kept
def _read(path: str, suffix: str, share: float, seed: int) -> dict[str, str]:
    files = files_of(path, [suffix], f"a text file, or a folder with files {suffix}", WHERE)
    texts = [_ended(text_of(file)) for file in files]
    folder = Path(path).expanduser()
    said = [named_split(file.relative_to(folder)) if len(files) > 1 else None for file in files]
    unnamed = [file for file, of in zip(files, said, strict=True) if of is None]
    if unnamed and len(unnamed) < len(files):
        expected = "files that all say their part by name (train, valid, test), or none of them"
        fail("data.path", expected, Said(f"{str(unnamed[0])!r} beside others that do"), WHERE)
    found = {split: "".join(t for t, of in zip(texts, said, strict=True) if of == split) for split in SPLITS}
    if not (found["training"] and (found["validation"] or found["test"])):
        draw = np.random.default_rng(seed)
        whole = "".join(texts[n] for n in draw.permutation(len(texts)))
        if share == 1:
            found = dict.fromkeys(SPLITS, whole)
        else:
            found = dict(zip(SPLITS, _cut(_turned(whole, draw), (1 - 2 * share, 1 - share)), strict=True))
    elif not (found["validation"] and found["test"]):
        missing = "test" if found["validation"] else "validation"
        found["training"], found[missing] = _cut(found["training"], (1 - share,))
    for split, text in found.items():
        if len(text) < 2:
            fail("data.path", "a text long enough for every part", Said(f"{len(text)} characters for {split}"), WHERE)
    return found


def _ended(text: str) -> str:
    """A file's last line ends where the next file begins."""
    return text if text.endswith("\n") or not text else f"{text}\n"


def _turned(text: str, draw: np.random.Generator) -> str:
    """The same text from another of its lines on."""
    start = _line_start(text, int(draw.integers(len(text) + 1)), len(text) // 4)
    return text[start:] + text[:start]


def _cut(text: str, shares: tuple[float, ...]) -> list[str]:
    """The text in pieces that begin at some shares of it."""
    near = int(len(text) * (1 - shares[-1]) / 2)
    places = [_line_start(text, round(len(text) * share), near) for share in shares]
    return [text[a:b] for a, b in zip((0, *places), (*places, len(text)), strict=True)]


def _line_start(text: str, place: int, near: int) -> int:
    """Where a line begins soon before a place; the place itself where none does."""
    found = text.rfind("\n", max(place - near, 0), place) + 1
    return found or place
