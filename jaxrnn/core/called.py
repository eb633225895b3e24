"""A user's equations, called: one that takes an argument for another is told so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jaxrnn.base.errors import Said, fail


def called(
    function: Callable[..., Any], name: str, expected: str, arguments: Mapping[str, Any], named: Mapping[str, Any]
) -> Any:
    """What a function makes of `arguments`, taken by position; here they are named by what they are.

    Raises:
        TypeError: it reads an attribute of one of them that is not there.
    """
    try:
        return function(*arguments.values(), **named)
    except AttributeError as error:
        for position, (role, value) in enumerate(arguments.items()):
            if error.obj is value:
                found = Said(f"one that reads `.{error.name}` of argument {position + 1}, {role}: {_held(value)}")
                fail(name, expected, found, kind=TypeError)
        raise


def _held(value: Any) -> str:
    """What an argument of equations is made of."""
    if hasattr(value, "_fields"):
        return f"a named tuple of {', '.join(value._fields)}"
    if isinstance(value, Mapping):
        return f"a dict of {', '.join(map(repr, value)) or 'nothing'}"
    return "a function" if callable(value) else "an array"
