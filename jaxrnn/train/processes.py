"""A run of several processes (one a host, as a rule) that JAX has joined: what they tell each other.

All of them compute; the first alone reads and writes the run's folder, and tells the others. Each call below is made by
all processes at the same place. Where there is one process, each is what it would be without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

T = TypeVar("T")
AGAIN = (  # of a run of which one process was killed, whenever that was
    "By the same command with --resume the run goes on from its last checkpoint, or begins anew where it has none"
)
LEAST = 1024  # bytes of a message: it is filled up to a power of two, each of which is a compilation


class GroupError(ValueError):
    """The processes of a run cannot go on together; the message says which of them, and why."""


def alone() -> bool:
    """Whether this process is the only one."""
    return jax.process_count() == 1


def first() -> bool:
    """Whether this process is the one that reads and writes the run's folder."""
    return jax.process_index() == 0


def gather(value: Any) -> list[Any]:
    """What each process gives, by its number; anything that JSON can hold."""
    if alone():
        return [value]
    content = json.dumps(value).encode()
    sizes = multihost_utils.process_allgather(np.int32(len(content))).reshape(-1)
    filled = np.zeros(max(LEAST, 1 << int(sizes.max() - 1).bit_length()), np.uint8)
    filled[: len(content)] = np.frombuffer(content, np.uint8)
    rows = multihost_utils.process_allgather(filled)
    return [json.loads(row[:size].tobytes()) for row, size in zip(rows, sizes, strict=True)]


def tell(value: T) -> T:
    """What the first process gives, on all; anything that JSON can hold, and small."""
    found: T = gather(value if first() else None)[0]
    return found


def on_first(do: Callable[[], T]) -> T | None:
    """What a function gives on the first process; None on the others.

    Raises:
        GroupError: On the others, if it raises on the first: with what is said there.
    """
    found: T | None = None
    error: Exception | None = None
    if first():
        try:
            found = do()
        except (ValueError, OSError, TypeError, FloatingPointError) as raised:
            error = raised
    said = None if alone() else tell(None if error is None else str(error))
    if error is not None:
        raise error
    if said is not None:
        raise GroupError(f"process 0: {said}")
    return found


def together(do: Callable[[], T]) -> T:
    """What a function gives on each process by itself; where it raises on one, none goes on.

    Raises:
        GroupError: If it raises on others: with what is said there.
    """
    if alone():
        return do()
    found: Any = None
    error: Exception | None = None
    try:
        found = do()
    except (ValueError, OSError, TypeError) as raised:
        error = raised
    said = gather(None if error is None else str(error))
    if error is not None:
        raise error
    by_text: dict[str, list[int]] = {}
    for number, text in enumerate(said):
        if text is not None:
            by_text.setdefault(text, []).append(number)
    if by_text:
        raise GroupError("; ".join(f"{_named(numbers)}: {text}" for text, numbers in by_text.items()))
    return found


def _named(numbers: list[int]) -> str:
    return f"process{'es' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def agree(**said: Any) -> None:
    """See to it that all processes say the same; anything that JSON can hold.

    Raises:
        GroupError: On all, if one says something else than the first; the message names it, and where they differ.
    """
    ours, *others = gather(_flat(said))
    differing: dict[str, list[int]] = {}
    for number, theirs in enumerate(others, 1):
        for key in sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k)):
            text = f"{key} is {_short(theirs.get(key))} there and {_short(ours.get(key))} on process 0"
            differing.setdefault(text, []).append(number)
    if differing:
        found = "; ".join(f"{_named(numbers)}: {text}" for text, numbers in differing.items())
        raise GroupError(f"the processes of this run differ ({found}). Start all with the same command and data")


def _flat(said: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    parts = [_flat(v, f"{prefix}{k}.") if isinstance(v, dict) else {f"{prefix}{k}": v} for k, v in said.items()]
    return {key: value for part in parts for key, value in part.items()}


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
