"""A public callable with one right call, and its arguments as its signature has them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.wrong_calls.judge import Argument

FUNCTIONS = ("Activation", "Initializer", "Callable")
ARRAYS = ("Array", "ArrayLike", "Float", "Shaped", "Integer", "Bool", "PRNGKeyArray", "np.ndarray")


@dataclass(frozen=True)
class Call:
    """A callable, its right arguments, made anew for each call, and what its signature does not tell.

    types: of arguments whose annotation says less than the docstring, "int | None" and the like. more: arguments that
    the signature does not show, with their types. known_as: how errors may call an argument beside its own name.
    made_by: what is called, where that is not `of` itself. without: arguments that may be anything, with the reason.
    """

    of: Callable[..., Any]
    right: Callable[[], Mapping[str, Any]] = dict
    types: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, str] = field(default_factory=dict)
    known_as: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    made_by: Callable[..., Any] | None = None
    without: Mapping[str, str] = field(default_factory=dict)

    @property
    def call(self) -> Callable[..., Any]:
        return self.made_by or self.of

    def arguments(self) -> list[Argument]:
        """Every argument, with those that `**options: Unpack[...]` stands for."""
        return [
            Argument(name, _types(self.types.get(name, text)), self.known_as.get(name, ()))
            for name, text in (annotations(self.of) | self.more).items()
            if name not in self.without
        ]


def annotations(of: Callable[..., Any]) -> dict[str, str]:
    function = of.__init__ if inspect.isclass(of) else of
    found: dict[str, str] = {}
    signature = inspect.signature(of)
    if {"args", "kwargs"} <= signature.parameters.keys():  # a class whose metaclass hides its own
        signature = inspect.signature(function)
    for name, parameter in signature.parameters.items():
        if name == "self" or parameter.kind is parameter.VAR_POSITIONAL:
            continue
        text = parameter.annotation if isinstance(parameter.annotation, str) else str(parameter.annotation)
        if parameter.kind is not parameter.VAR_KEYWORD:
            found[name] = text
        elif unpacked := re.match(r"Unpack\[(\w+)\]", text):
            plain = inspect.unwrap(getattr(function, "__func__", function))
            found |= {k: getattr(v, "__forward_arg__", str(v)) for k, v in _typed_dict(plain, unpacked[1]).items()}
    return found


def _typed_dict(function: Any, name: str) -> dict[str, Any]:
    return function.__globals__[name].__annotations__


KINDS = dict(Flag="bool", Size="int", Count="int", Function="Activation", DType="Any")
KINDS |= dict.fromkeys(("Number", "Positive", "NonNegative", "Share", "Steps", "Blend"), "float")


def _types(text: str) -> frozenset[str]:
    """The types of an annotation; "any" where it tells none. An option's kind is a type and a range."""
    text = re.sub(r"Annotated\[([^,]*),.*\]", r"\1", text)
    text = re.sub(rf"\b({'|'.join(KINDS)})\b", lambda kind: KINDS[kind[0]], text)
    while "[" in text:
        text = re.sub(r"\[[^\[\]]*\]", "", text)
    return frozenset(_type(part.strip()) for part in text.split("|"))


def _type(name: str) -> str:
    if name in FUNCTIONS:
        return "function"
    if name in ARRAYS:
        return "array"
    return "any" if name == "Any" else name
