"""Errors for the person who reads them: the argument, what was expected, what came, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, NoReturn

import jax
import numpy as np


class Said(str):
    """What came in words that are ready to print, where its value alone would not tell: `Said("it alone")`."""


def describe(value: Any) -> str:
    """A short text for what came: `float32[3,4]` for arrays, the repr for anything else."""
    if isinstance(value, Said):
        return str(value)
    if isinstance(value, (jax.Array, np.ndarray, np.generic, jax.ShapeDtypeStruct)):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]"
    if isinstance(value, dict):
        return "a dict with " + (", ".join(map(repr, value)) or "no entries")
    if isinstance(value, tuple):
        inner = ", ".join(map(describe, value))
        return f"{type(value).__name__}({inner})"
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def fail(argument: str, expected: str, got: Any, hint: str = "", *, kind: type[Exception] = ValueError) -> NoReturn:
    """Raise `kind` in the one form that every error of jaxrnn has."""
    raise kind(f"`{argument}` must be {expected}, got {describe(got)}.{' ' + hint if hint else ''}")


def nearest(word: str, words: Iterable[str]) -> str:
    """`Did you mean 'x'?`, or nothing when no known word is close."""
    close = difflib.get_close_matches(str(word), [str(w) for w in words], n=1)
    return f"Did you mean {close[0]!r}?" if close else ""
