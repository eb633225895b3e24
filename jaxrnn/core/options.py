"""Options as factories declare them: what values each takes stands in its annotation, what excludes what beside it.

    @factory(Conflict("coupled", "False without a forget gate", lambda o: not o.forget_gate))
    def lstm(size: int, *, forget_gate: Flag = True, coupled: Flag = False, ...): ...

Checks, canonical values, errors and the text of `help` follow from that.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any, NamedTuple, TypeAlias, get_args, get_origin, get_type_hints

from jaxrnn.base.checks import check_choice, check_flag, check_function, check_least, check_number, check_size
from jaxrnn.base.dtypes import check_dtype
from jaxrnn.base.errors import fail
from jaxrnn.base.made import same
from jaxrnn.base.typing import Activation
from jaxrnn.forms.around import check_form
from jaxrnn.forms.convolution import check_sizes
from jaxrnn.forms.form import Form
from jaxrnn.functions.initializers import check_steps


@dataclass(frozen=True)
class Kind:
    """What values an option takes."""

    expected: str  # in words
    check: Callable[[Any, str, str], Any]  # (value, argument, expected) -> the value in canonical form, or an error
    optional: bool = False  # None stands for nothing of the kind

    def checked(self, value: Any, argument: str) -> Any:
        """The value in canonical form, or an error that names the argument."""
        return None if value is None and self.optional else self.check(value, argument, self.words)

    @property
    def words(self) -> str:
        return f"{self.expected} or None" if self.optional else self.expected


def numbers(expected: str, within: Callable[[float], bool] = lambda value: True) -> Kind:
    """Finite numbers of some range."""

    def check(value: Any, argument: str, expected: str) -> float:
        number = check_number(value, argument, expected)
        if not within(number):
            fail(argument, expected, value)
        return number

    return Kind(expected, check)


def choices(*values: Any) -> Kind:
    """One of some values, of which strings and bools are told apart by their type."""

    def check(value: Any, argument: str, expected: str) -> Any:
        if isinstance(value, str) or value is None or not any(isinstance(v, bool) for v in values):
            return check_choice(value, argument, values)
        return check_flag(value, argument)

    return Kind(f"one of {values}", check)


def _function(value: Any, argument: str, expected: str) -> Any:
    check_function(value, argument, expected)
    return value


Flag: TypeAlias = Annotated[bool, Kind("a bool", lambda v, argument, _: check_flag(v, argument))]
Size: TypeAlias = Annotated[int, Kind("a positive integer", lambda v, argument, _: check_size(v, argument))]
Count: TypeAlias = Annotated[int, Kind("an integer, zero or more", lambda v, argument, _: check_least(v, argument))]
Grid: TypeAlias = Annotated[
    tuple[int, ...], Kind("a size for each axis of a grid", lambda v, argument, _: check_sizes(v, argument))
]
Number: TypeAlias = Annotated[float, numbers("a number")]
Positive: TypeAlias = Annotated[float, numbers("a positive number", lambda value: value > 0)]
NonNegative: TypeAlias = Annotated[float, numbers("a number, zero or more", lambda value: value >= 0)]
Share: TypeAlias = Annotated[float, numbers("a number in (0, 1]", lambda value: 0 < value <= 1)]
Steps: TypeAlias = Annotated[
    float, Kind("a number of steps, more than 2", lambda v, argument, _: check_steps(v, argument))
]
Function: TypeAlias = Annotated[Activation, Kind("a function of one array", _function)]
FormOf: TypeAlias = Annotated[
    Form, Kind("a form of kernels, such as jaxrnn.heads(4)", lambda v, argument, _: check_form(v, argument))
]
DType: TypeAlias = Annotated[Any, Kind("a floating dtype", lambda v, argument, _: check_dtype(v, argument), True)]


class Conflict(NamedTuple):
    """An option that must be left alone where others are set."""

    option: str
    expected: str
    where: Callable[[SimpleNamespace], bool]  # of all options


def kinds_of(declared: Any) -> dict[str, Kind]:
    """The kinds in the annotations of a function or a TypedDict."""
    found = {}
    for name, hint in get_type_hints(declared, include_extras=True).items():
        parts = (hint, *get_args(hint))
        kinds = [k for part in parts if get_origin(part) is Annotated for k in get_args(part) if isinstance(k, Kind)]
        if kinds:
            optional = kinds[0].optional or type(None) in get_args(hint)
            found[name] = Kind(kinds[0].expected, kinds[0].check, optional)
    return found


def checked(kinds: Mapping[str, Kind], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, in canonical form where there is a kind; an error names the first that is of no such kind."""
    return {n: kinds[n].checked(value, n) if n in kinds else value for n, value in given.items()}


def check_conflicts(
    conflicts: tuple[Conflict, ...], defaults: Mapping[str, Any], chosen: Mapping[str, Any], given: Mapping[str, Any]
) -> None:
    """No option that has no effect, or two; `chosen` is in canonical form what was `given`."""
    options = SimpleNamespace(**{**defaults, **chosen})
    for option, expected, where in conflicts:
        if option in chosen and not same(chosen[option], defaults[option]) and where(options):
            fail(option, expected, given[option])


# ---------------------------------------------------------------- in words


def described(text: str, signature: inspect.Signature, kinds: Mapping[str, Kind]) -> str:
    """A docstring whose entries under `Args` say each option's kind and default."""
    head, mark, rest = text.partition("\nArgs:\n")
    body, end, tail = rest.partition("\n\n")
    entries = re.split(r"\n(?=    \S)", body)
    return head + mark + "\n".join(_entry(entry, signature, kinds) for entry in entries) + end + tail


def _entry(entry: str, signature: inspect.Signature, kinds: Mapping[str, Kind]) -> str:
    """`name (kind; default): text`, in lines of at most 120 characters; without a kind as it stands."""
    listed, _, text = entry.strip().partition(":")
    names = listed.split(", ")
    if not all(name in kinds for name in names):
        return entry
    words = ", ".join(dict.fromkeys(kinds[name].words for name in names))
    default = ", ".join(_shown(signature.parameters[name].default) for name in names)
    whole = f"{listed} ({words}; default {default}): {' '.join(text.split())}"
    return textwrap.fill(whole, 120, initial_indent=" " * 4, subsequent_indent=" " * 8)


def _shown(value: Any) -> str:
    return getattr(value, "__name__", repr(value))
