"""Numbers for the tests of the oracles: the same in every test, whichever run."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

D, H = 3, 4


def normal(*shape: int, name: str = "") -> Any:
    return np.random.default_rng([zlib.crc32(name.encode()), *shape]).standard_normal(shape)


def drawn(**shapes: tuple[int, ...]) -> dict[str, Any]:
    return {name: 0.7 * normal(*shape, name=name) for name, shape in shapes.items()}


def gates(G: int) -> dict[str, Any]:
    return drawn(kernel=(D, G, H), recurrent_kernel=(H, G, H), bias=(G, H))


X, STATE, CELL = normal(D, name="x"), normal(H, name="state"), normal(H, name="cell")


def same(one: Any, other: Any) -> None:
    """Both are `(carry, output)`."""
    for a, b in zip([*one[0], one[1]], [*other[0], other[1]], strict=True):
        np.testing.assert_allclose(a, b, 1e-13, 1e-13)
