"""A picture of where a translation looked: source words across, target words down, the weights as shades.

SVG, so that the reader's own fonts draw the words, whatever their script.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

CELL = 26  # pixels
CHARACTER = 9, 16  # width of a narrow and of a wide (East Asian) character


def alignment_svg(source: Sequence[str], target: Sequence[str], weights: np.ndarray) -> str:
    """The picture of weights [T, S], each in [0, 1].

    >>> alignment_svg(["a", "b"], ["x"], np.array([[0.25, 0.75]])).count("<rect")
    3
    """
    left, top = (max(map(_width, words), default=0) + 10 for words in (target, source))
    width, height = left + CELL * len(source) + 10, top + CELL * len(target) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="14"><rect width="100%" height="100%" fill="white"/>'
    ]
    for s, word in enumerate(source):
        x, y = left + CELL * s + CELL // 2 + 5, top - 5
        parts.append(f'<text transform="translate({x},{y}) rotate(-90)">{escape(word)}</text>')
    for t, word in enumerate(target):
        y = top + CELL * t
        parts.append(f'<text x="{left - 5}" y="{y + CELL // 2 + 5}" text-anchor="end">{escape(word)}</text>')
        for s, weight in enumerate(weights[t]):
            place = f'x="{left + CELL * s}" y="{y}" width="{CELL - 1}" height="{CELL - 1}"'
            parts.append(f'<rect {place} fill="rgb(8,48,107)" fill-opacity="{0.03 + 0.97 * float(weight):.3f}"/>')
    return "\n".join([*parts, "</svg>\n"])


def _width(word: str) -> int:
    """Pixels that a word needs, generously."""
    return sum(CHARACTER[character > "\u2e7f"] for character in word)
