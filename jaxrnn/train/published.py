"""What others report belongs to the data that they report it for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Options of a section `data` that say what the data are; the others say how they are read.
CHOOSE = ("set", "path", "tasks", "source", "target", "training", "validation", "test")


def of_these_data(data: Any, stated: Mapping[str, Any]) -> bool:
    """Whether options `data` choose the data that a configuration states.

    Data that ship are known; where a configuration asks for a folder with a set of its own, any folder is taken at its
    word. A folder in place of what ships, or another set, is other data.
    """
    default = type(data)()
    names = [name for name in CHOOSE if hasattr(default, name)]
    own = {name: _plain(stated.get(name, getattr(default, name))) for name in names}
    ships = all(own[name] == _plain(getattr(default, name)) for name in names)
    kept = all(_plain(getattr(data, name)) == own[name] for name in names if name != "path")
    elsewhere = bool(getattr(data, "path", ""))
    return kept and not (ships and elsewhere)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple)) else value
