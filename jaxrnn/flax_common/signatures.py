"""The options of functional factories as the modules show them: in their signatures, and in `help`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

from jaxrnn.core.factory import DEFAULTS, Common

FLAX_NAMES = {"activation": "activation_fn", "gate_activation": "gate_fn"}  # options that Flax's cells name otherwise
OPTIONS = "options"  # the name of `**` that stands for them


def options_of(factory: Callable[..., Any]) -> list[inspect.Parameter]:
    """What a factory takes beside the size, by Flax's names; but for what it `settles` itself."""
    own = [p for p in inspect.signature(factory).parameters.values() if p.kind is p.KEYWORD_ONLY]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=DEFAULTS[name], annotation=_text(hint))
        for name, hint in Common.__annotations__.items()
        if name not in getattr(factory, "settles", ())
    ]
    return [p.replace(name=FLAX_NAMES.get(p.name, p.name)) for p in (*own, *common)]


def _text(hint: Any) -> Any:
    """An annotation as it is written."""
    return getattr(hint, "__forward_arg__", hint)


def expanded(init: Callable[..., Any], more: Iterable[inspect.Parameter]) -> inspect.Signature:
    """The signature of a constructor in whose `**options` more arguments go."""
    _, *own = inspect.signature(init).parameters.values()
    rest = [p for p in own if p.kind is p.VAR_KEYWORD and p.name == OPTIONS]
    if rest:
        own.remove(rest[0])
        names = {p.name for p in own}
        own += [p for p in more if p.name not in names]
    return inspect.Signature(own)


def documented(text: str, factory: Callable[..., Any]) -> str:
    """A module's docstring with the options of its factory, before the example."""
    arguments = inspect.cleandoc(factory.__doc__ or "").partition("\nArgs:\n")[2].partition("\n\n")[0]
    _, *entries = re.split(r"\n(?=    \S)", arguments)  # but for the size
    listed = "\n".join(map(_by_flax, entries))
    options = f"Options of `jaxrnn.{factory.__name__}`:\n{listed}\n\n"
    return inspect.cleandoc(text).replace(">>> ", f"{options}>>> ", 1) if entries else text


def _by_flax(entry: str) -> str:
    """`    name, name (kind; default): text`, with Flax's names."""
    names, rest = re.match(r"([\w, ]+)(.*)", entry, re.DOTALL).groups()  # type: ignore[union-attr]
    return re.sub(r"\w+", lambda name: FLAX_NAMES.get(name[0], name[0]), names) + rest
