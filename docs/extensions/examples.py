"""An example of a docstring with the imports that it leaves to its module."""

from __future__ import annotations

import ast
import builtins
import doctest
import inspect
from collections.abc import Mapping
from typing import Any

COMMON = {
    "jax": "import jax",
    "jnp": "import jax.numpy as jnp",
    "np": "import numpy as np",
    "optax": "import optax",
    "Path": "from pathlib import Path",
}


def unknown(lines: list[str]) -> list[str]:
    """The names that the examples of a docstring use, and neither import nor set."""
    code = "".join(example.source for example in doctest.DocTestParser().get_examples("\n".join(lines)))
    used: dict[str, None] = {}
    known = set(dir(builtins))
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                used[node.id] = None
            else:
                known.add(node.id)
        elif isinstance(node, ast.arg):
            known.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            known.add(node.name)
        elif isinstance(node, ast.alias):
            known.add((node.asname or node.name).split(".")[0])
    return [name for name in used if name not in known]


def imports(names: list[str], thing: Any, homes: Mapping[int, str]) -> list[str]:
    """A line for each name: from where it is public, else from the module that has it."""
    module = inspect.getmodule(thing)
    found = {name: COMMON[name] for name in names if name in COMMON}
    for name in names:
        if name not in found:
            room, _, public = homes.get(id(vars(module)[name]), f"{module.__name__}.{name}").rpartition(".")
            found[name] = f"from {room} import {public}" + f" as {name}" * (public != name)
    return sorted(found.values(), key=lambda line: (line.startswith("from"), line))


def completed(lines: list[str], thing: Any, homes: Mapping[int, str]) -> list[str]:
    """A docstring whose first example begins with what all of them need."""
    names = unknown(lines)
    if not names:
        return lines
    at = next(i for i, line in enumerate(lines) if line.startswith(">>> "))
    return [*lines[:at], *(f">>> {line}" for line in imports(names, thing, homes)), *lines[at:]]
