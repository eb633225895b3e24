"""MNIST in two colours: every pixel drawn once, white with the probability that its grey value says.

Salakhutdinov & Murray 2008 (On the quantitative analysis of deep belief networks) began it; bounds in nats are
comparable on such pictures only. Theirs were drawn elsewhere: a fixed seed draws ours.
"""

from __future__ import annotations

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.shipped import DATA
from jaxrnn.train import read_source

SIDE = 28
TRAINING, TEST = "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"
HEADER = 16  # bytes: the kind of the file, then the sizes of its three axes, big-endian int32
WHERE = f"Get {TRAINING}.gz and {TEST}.gz of MNIST, for example from https://ossci-datasets.s3.amazonaws.com/mnist/."


def parse(content: bytes, name: str) -> np.ndarray:
    """Grey values of a file of images: uint8 [N, 28, 28].

    Raises:
        ValueError: If it isn't one.
    """
    kind, count, *sides = np.frombuffer(content[:HEADER].ljust(HEADER, b"\0"), ">i4").tolist()
    if (kind, *sides) != (0x803, SIDE, SIDE) or len(content) != HEADER + count * SIDE * SIDE:
        fail("data.path", f"images of {SIDE} x {SIDE} in the idx format", Said(f"another content in {name}"), WHERE)
    return np.frombuffer(content, np.uint8, offset=HEADER).reshape(count, SIDE, SIDE)


def binarise(grey: np.ndarray, seed: int) -> np.ndarray:
    """Bool of the same shape, true with probability grey / 255."""
    return grey > np.random.default_rng(seed).integers(0, 255, grey.shape, np.uint8)


def digits(path: str) -> dict[str, np.ndarray]:
    """MNIST's pictures, bool [N, 28, 28]: 50,000 for training, 10,000 each for validation and test.

    Raises:
        ValueError: If a file is missing or damaged; the message says where to get it.
    """
    training, validation = np.split(binarise(parse(read_source(path, TRAINING, WHERE), TRAINING), seed=0), [50_000])
    return {"train": training, "validation": validation, "test": _test(path)}


def sample() -> dict[str, np.ndarray]:
    """What ships with the package: MNIST's test pictures, 8,000 for training, 1,000 each for validation and test."""
    pictures = _test(str(DATA / "mnist"))
    return dict(zip(("train", "validation", "test"), np.split(pictures, [8_000, 9_000]), strict=True))


def _test(path: str) -> np.ndarray:
    return binarise(parse(read_source(path, TEST, WHERE), TEST), seed=1)
