"""Errors for the person who reads them: the argument, what was expected, what came, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

import jax
import numpy as np


class Said(str):
    """What came in words that are ready to print, where its value alone would not tell: `Said("it alone")`."""


LONGEST = 120  # characters of a value in a message
_CALLED: ContextVar[tuple[tuple[str, str], ...]] = ContextVar("_CALLED", default=())


def describe(value: Any) -> str:
    """A short text for what came: `float32[3,4]` for arrays, also inside containers, the repr of anything else."""
    if isinstance(value, Said):
        return str(value)
    text = _text(value)
    if len(text) <= LONGEST:
        return text
    return f"a dict with {_cut(', '.join(map(_text, value)))}" if type(value) is dict else _cut(text)


def _text(value: Any) -> str:
    if isinstance(value, (jax.Array, np.ndarray, jax.ShapeDtypeStruct)):
        kind = "" if type(value) is not np.ma.MaskedArray else "masked "
        return f"{kind}{value.dtype}[{','.join(map(str, value.shape))}]"
    if type(value) is dict:
        return f"{{{', '.join(f'{_text(key)}: {_text(inner)}' for key, inner in value.items())}}}"
    if type(value) is list:
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        named = zip(value._fields, value, strict=True)
        return f"{type(value).__name__}({', '.join(f'{name}={_text(inner)}' for name, inner in named)})"
    if type(value) is tuple:
        return f"({', '.join(map(_text, value))}{',' * (len(value) == 1)})"
    try:
        return repr(value)
    except Exception:  # an object's own, or Python's for an integer of thousands of digits
        return object.__repr__(value)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


@contextmanager
def called(argument: str, here: str) -> Iterator[None]:
    """Errors inside name an argument as whoever asked knows it: one reader of files serves several commands."""
    before = _CALLED.set((*_CALLED.get(), (argument, here)))
    try:
        yield
    finally:
        _CALLED.reset(before)


def name_here(argument: str) -> str:
    """What errors call an argument now."""
    return dict(_CALLED.get()).get(argument, argument)


def fail(argument: str, expected: str, got: Any, hint: str = "", *, kind: type[Exception] = ValueError) -> NoReturn:
    """Raise `kind` in the one form that every error of jaxrnn has."""
    raise kind(f"`{name_here(argument)}` must be {expected}, got {describe(got)}.{' ' + hint if hint else ''}")


def nearest(word: Any, words: Iterable[Any]) -> str:
    """`Did you mean 'x'?`, or nothing when no known word is close."""
    known = [w for w in words if isinstance(w, str)]
    close = difflib.get_close_matches(word, known, n=1) if isinstance(word, str) else []
    return f"Did you mean {close[0]!r}?" if close else ""
