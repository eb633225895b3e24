"""How the things of a class are called; a method that several classes have is shown by the nearest to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

METHODS = ("__call__", "step", "reset_state", "initialize_carry")


def writer(kind: type, name: str) -> type | None:
    """Which class of ours, it or a base of it, has a method with a text."""
    ours = (base for base in kind.__mro__ if name in vars(base) and base.__module__.startswith("jaxrnn"))
    found = next(ours, None)
    return found if found is not None and (vars(found)[name].__doc__ or "").strip() else None


def methods(kind: type, kinds: Iterable[type]) -> tuple[list[str], dict[type, list[str]]]:
    """The methods that a class's own members leave out, and those that another class shows, by that class."""
    here: list[str] = []
    elsewhere: dict[type, list[str]] = {}
    kinds = [kind, *kinds]
    for name in METHODS:
        owner = writer(kind, name)
        if owner is None:
            continue
        nearest = min((k for k in kinds if writer(k, name) is owner), key=lambda k: k.__mro__.index(owner))
        if nearest is not kind:
            elsewhere.setdefault(nearest, []).append(name)
        elif owner is not kind or name.startswith("__"):
            here.append(name)
    return here, elsewhere


def directives(dotted: str, kind: type, homes: dict[Any, str]) -> list[str]:
    """What an autoclass holds of them; `homes` are the public classes, and where they are."""
    here, elsewhere = methods(kind, homes)
    lines = []
    for other, names in elsewhere.items():
        said = ", ".join(f"``{name}``" for name in names)
        lines += ["", f"   {said}: see :py:obj:`{other.__name__} <{homes[other]}>`."]
    for name in here:
        lines += ["", f"   .. automethod:: {dotted}.{name}"]
    return lines
