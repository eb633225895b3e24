"""A cell as one types it: `mgu(64)`, `janet(64, beta=0.5)`, `ind_rnn(64, activation=tanh)`. Nothing of it is run."""

from __future__ import annotations

import ast
from typing import Any

from jaxrnn import cells
from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.core.cell import Cell
from jaxrnn.functions.activations import get_activation

EXPECTED = "a cell as its factory is called, such as mgu(64) or janet(64, beta=0.5)"
FACTORIES = tuple(name for name in cells.__all__ if name.islower())


def cell_of(text: str, argument: str = "cell") -> Cell:
    """The cell that is called for: numbers, strings and names of activations are its options.

    Raises:
        ValueError, TypeError: it is no such call, or an option does not fit; the message names it.

    >>> cell_of("janet(8, beta=0.5)")
    janet(8, beta=0.5)
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        fail(argument, EXPECTED, text)
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        fail(argument, EXPECTED, text)
    if call.func.id not in FACTORIES:
        fail(argument, f"a call of one of {FACTORIES}", call.func.id, nearest(call.func.id, FACTORIES))
    if len(call.args) != 1 or any(keyword.arg is None for keyword in call.keywords):
        fail(argument, EXPECTED, text)
    size, *_ = (_value(node, argument) for node in call.args)
    options = {str(keyword.arg): _value(keyword.value, argument) for keyword in call.keywords}
    found: Cell = getattr(cells, call.func.id)(size, **options)
    return found


def _value(node: ast.expr, argument: str) -> Any:
    """A number, a string, or the activation of a name."""
    if isinstance(node, ast.Name):
        return get_activation(node.id, argument)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        fail(argument, "with options that are numbers, strings or names of activations", Said(ast.unparse(node)))
