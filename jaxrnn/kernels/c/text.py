"""Numbers and names as C writes them, and the pieces of a file as they grow."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxrnn.kernels.c.operations import HELPERS

COLUMN = 116  # where lines end
# Words of C99, and the names that statements and functions here have.
WORDS = """auto break case char const continue default do double else enum extern float for goto if inline int long
register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while _Bool
_Complex _Imaginary NULL NAN INFINITY main init reset step run advance sweep b backwards codes f gate i j m s scale
stride symbol symbols t T work x xs y ys"""
TAKEN = frozenset(HELPERS) | frozenset(WORDS.split())
TYPES = {"float32": "float", "int8": "int8_t"}


def number(value: Any) -> str:
    """A float32 as it reads back to the bit."""
    x = np.float32(value)
    if not np.isfinite(x):
        return "NAN" if np.isnan(x) else "INFINITY" if x > 0 else "-INFINITY"
    text = np.format_float_positional(x, trim="0") if 1e-4 <= abs(x) < 1e7 or x == 0 else f"{x:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def identifier(text: str) -> str:
    """A name that C allows and this file has not given away, as near to the text as can be."""
    spelled = "".join(c if c.isascii() else f"u{ord(c):x}" for c in text)
    name = re.sub(r"\W+", "_", spelled, flags=re.ASCII).strip("_")
    name = f"_{name}" if not name or name[0].isdigit() else name
    return f"{name}_" if name in TAKEN else name


def wrapped(pieces: list[str], indent: str) -> str:
    """Pieces behind each other, in lines of at most `COLUMN` characters."""
    lines, line = [], indent
    for piece in pieces:
        if len(line) + len(piece) + 1 > COLUMN and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += f"{piece} "
    return "\n".join([*lines, line.rstrip()])


@dataclass
class File:
    """A file as it grows: constants, functions, the numbers that a model keeps and those that it works with."""

    prefix: str
    constants: list[str] = field(default_factory=list)
    constant_bytes: int = 0
    functions: list[str] = field(default_factory=list)
    helpers: set[str] = field(default_factory=set)
    states: list[tuple[str, int, str]] = field(default_factory=list)  # name, floats, comment
    members: list[tuple[str, int, str]] = field(default_factory=list)  # that are no state
    resets: list[str] = field(default_factory=list)  # statements
    work: int = 0  # floats, of whichever cell needs most
    codes: int = 0  # int8 numbers

    def constant(self, name: str, array: Any, comment: str) -> str:
        """Numbers that do not change; returns their name."""
        values = np.ascontiguousarray(array)
        full = f"{self.prefix}_{identifier(name)}"
        texts = [f"{number(v) if values.dtype == np.float32 else v}," for v in values.reshape(-1)]
        shape = "".join(f"[{n}]" for n in values.shape)
        kind = TYPES[values.dtype.name]
        head = f"/* {comment} {shape} */\nstatic const {kind} {full}[{values.size}] = {{"
        self.constants.append(f"{head}\n{wrapped(texts, '  ')}\n}};")
        self.constant_bytes += values.nbytes
        return full

    def member(self, name: str, floats: int, comment: str, *, state: bool) -> str:
        """Numbers of the model's own; returns how they are reached. The state comes first in the struct."""
        (self.states if state else self.members).append((name, floats, comment))
        return f"m->{name}"

    def uses(self, text: str) -> str:
        """A statement with `@` for the prefix; notes the helpers that it calls."""
        self.helpers |= {name for name in re.findall(r"@(\w+)\(", text) if name in HELPERS}
        return text.replace("@", f"{self.prefix}_")

    def function(self, head: str, body: list[str], comment: str = "") -> None:
        """A static function."""
        lines = [f"  {line}" for statement in body for line in self.uses(statement).split("\n")]
        self.functions.append("\n".join([*([f"/* {comment} */"] if comment else []), f"{head} {{", *lines, "}"]))

    def needed_helpers(self) -> list[str]:
        """The texts of those that are called."""
        return [self.uses(text) for name, text in HELPERS.items() if name in self.helpers]

    @property
    def ram(self) -> int:
        """Bytes of the struct."""
        floats = sum(count for _, count, _ in (*self.states, *self.members)) + self.work
        return 4 * floats + -(-self.codes // 4) * 4
