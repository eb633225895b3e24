"""Files that are there whole, or as they were before: a kill or a full disk leaves no half of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file to write, which takes the place of `path` when all has gone well."""
    temporary = path.with_suffix(".tmp")
    yield temporary
    temporary.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write all of a text or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
