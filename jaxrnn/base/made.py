"""What factories make shows itself as one would type it, and what `help` says of a factory is complete by itself."""

from __future__ import annotations

import functools
import inspect
import sys
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import jax.numpy as jnp
import numpy as np

from jaxrnn.base.dtypes import check_dtype

P = ParamSpec("P")
R = TypeVar("R")

EQUATIONS = "The equations are at the head of this file."
COMMON = "**common: see `jaxrnn.core.factory.Common`."


def remembered(function: Callable[P, R]) -> Callable[P, R]:
    """A factory whose layers know how they were made: `lstm(128, peepholes=True)` is their repr."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def factory(*args: P.args, **kwargs: P.kwargs) -> R:
        layer = function(*args, **kwargs)
        object.__setattr__(layer, "made", written(function.__name__, signature, *args, **kwargs))  # frozen, and new
        return layer

    return factory


def written(name: str, signature: inspect.Signature, *args: Any, **kwargs: Any) -> str:
    """A call as one would type it, without the options that have their default."""
    shown: list[str] = []
    places = list(signature.parameters)
    for key, value in signature.bind(*args, **kwargs).arguments.items():
        parameter = signature.parameters[key]
        if parameter.kind is parameter.VAR_KEYWORD:
            shown += [f"{k}={_text(_named(k, _plain(v, parameter)))}" for k, v in value.items()]
            continue
        value = _plain(value, parameter)
        if parameter.default is parameter.empty or not same(value, parameter.default):
            named = parameter.kind is parameter.KEYWORD_ONLY or places.index(key) != len(shown)
            shown.append(f"{key}={_text(value)}" if named else _text(value))
    return f"{name}({', '.join(shown)})"


def _plain(value: Any, parameter: inspect.Parameter) -> Any:
    """A number as Python has it, and a float where one is asked for: equal layers show themselves as equal."""
    value = value.item() if isinstance(value, np.generic) else value
    number = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if number and str(parameter.annotation) in ("float", "float | None") else value


def _named(key: str, value: Any) -> Any:
    """A dtype by its name, however it was given."""
    return value if value is None or not key.endswith("dtype") else check_dtype(value, key).name


def same(value: Any, default: Any) -> bool:
    """Whether an option is left alone, or given as it is by default."""
    return value is default or (type(value) is type(default) and bool(value == default))


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        inner = ", ".join(map(_text, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k!r}: {_text(v)}' for k, v in value.items())}}}"
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, (np.dtype, type)) or (hasattr(value, "dtype") and callable(value)):
        return repr(jnp.dtype(value).name)
    if callable(value) and hasattr(value, "__name__"):
        return value.__name__
    return repr(value)


def complete(function: Callable[..., Any], common: str | None) -> str | None:
    """A factory's documentation with the equations and papers of its file, and the options that all factories have."""
    text, head = function.__doc__, sys.modules[function.__module__].__doc__
    if text is None or head is None or common is None:
        return text  # python -OO
    text = inspect.cleandoc(text)
    if EQUATIONS in text:
        equations, _, papers = inspect.cleandoc(head).partition("\n\n")[2].partition("Papers:")
        text = text.replace(f"{EQUATIONS} ", f"{equations.rstrip()}\n\n", 1)
        text = text.replace(">>> ", f"Papers:{papers.rstrip()}\n\n>>> ", 1)
    return text.replace(COMMON, options(common, 4).lstrip(), 1)


def options(common: str, indent: int) -> str:
    """The options that all factories have, a line each."""
    lines = inspect.cleandoc(common).partition("\n\n")[2]
    return textwrap.indent(lines, " " * indent)
