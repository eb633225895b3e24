"""Cells that live by heads, at any size."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd
from typing import Any

from jaxrnn.core.cell import Cell
from jaxrnn.forms.heads import heads


def in_heads(factory: Callable[..., Cell], most: int, size: int, **options: Any) -> Cell:
    """A cell in as many heads as divide it, up to its own number."""
    return factory(size, recurrent=heads(gcd(size, most)), **options)
