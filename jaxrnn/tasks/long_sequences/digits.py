"""MNIST's pictures with what they show: grey values and digits of each split."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.mnist import HEADER, TEST, TRAINING, WHERE, parse
from jaxrnn.tasks.shared.shipped import DATA
from jaxrnn.train import read_sources

OF_PICTURES = {TRAINING: "train-labels-idx1-ubyte", TEST: "t10k-labels-idx1-ubyte"}
SPLITS = ("train", "validation", "test")


class Digits(NamedTuple):
    """Pictures and what they show."""

    grey: np.ndarray  # uint8 [N, 28, 28]
    labels: np.ndarray  # int32 [N]


def parse_labels(content: bytes, name: str, count: int) -> np.ndarray:
    """Digits of a file of labels: int32 [N].

    Raises:
        ValueError: If it isn't one, or not of so many pictures.
    """
    kind, size = np.frombuffer(content[: HEADER // 2].ljust(HEADER // 2, b"\0"), ">i4").tolist()
    digits = np.frombuffer(content[HEADER // 2 :], np.uint8)
    if kind != 0x801 or not size == len(digits) == count or digits.max(initial=0) > 9:
        fail("data.path", f"{count} labels from 0 to 9 in the idx format", Said(f"another content in {name}"), WHERE)
    return digits.astype(np.int32)


def of_splits(chosen: str, path: str) -> dict[str, Digits]:
    """Pictures for training, validation and test: 50,000, 10,000, 10,000 of "mnist"; 8,000, 1,000, 1,000 of "sample".

    Raises:
        ValueError: If a file is missing or damaged; the message says where to get it.
    """
    test = _read(path if chosen == "mnist" else str(DATA / "mnist"), TEST)
    if chosen == "mnist":
        training, validation = _cut(_read(path, TRAINING), 50_000)
        return dict(zip(SPLITS, (training, validation, test), strict=True))
    return dict(zip(SPLITS, _cut(test, 8_000, 9_000), strict=True))


def _read(path: str, pictures: str) -> Digits:
    labels = OF_PICTURES[pictures]
    contents = read_sources(path, [pictures, labels], WHERE)
    grey = parse(contents[pictures], pictures)
    return Digits(grey, parse_labels(contents[labels], labels, len(grey)))


def _cut(digits: Digits, *places: int) -> list[Digits]:
    return [Digits(*parts) for parts in zip(*(np.split(array, places) for array in digits), strict=True)]
