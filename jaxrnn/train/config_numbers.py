"""Numbers in configurations as people write them (`steps: 1e3`), and a parser's refusals in our words."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any

NUMBER = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$")  # all of it: a digest may begin like one
REFUSAL = re.compile(r'Parser key "(?P<key>[^"]+)": Expected a (?P<kind>.+)\. Got value: (?P<value>.*)')
WORDS = {
    "<class 'int'>": "an integer",
    "<class 'float'>": "a number",
    "<class 'bool'>": "true or false",
    "<class 'str'>": "a text",
}


def _whole(value: Any) -> Any:
    """1000 for 1e3 or "1e3"; what is no whole number as it is."""
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = float(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _integers(sections: Mapping[str, type]) -> set[str]:
    """The keys of all options that are integers."""
    hints = {section: typing.get_type_hints(options) for section, options in sections.items()}
    return {"seed"} | {f"{section}.{key}" for section, kinds in hints.items() for key in kinds if kinds[key] is int}


def with_whole_numbers(content: Mapping[str, Any], sections: Mapping[str, type]) -> dict[str, Any]:
    """A file's content with integers where integers belong."""
    integers = _integers(sections)

    def value(key: str, found: Any) -> Any:
        if isinstance(found, dict):
            return {inner: value(f"{key}.{inner}", part) for inner, part in found.items()}
        return _whole(found) if key in integers else found

    return {key: value(key, found) for key, found in content.items()}


def whole_overrides(overrides: Sequence[str], sections: Mapping[str, type]) -> list[str]:
    """A command line's options in the same way: `--key=1e3`, or `--key 1e3`."""
    integers, found, key = _integers(sections), [], ""
    for argument in overrides:
        if key in integers:
            argument = str(_whole(argument))
        key, equals, value = argument.removeprefix("--").partition("=") if argument.startswith("--") else ("", "", "")
        if equals and key in integers:
            argument = f"--{key}={_whole(value)}"
        found.append(argument)
        key = "" if equals else key
    return found


def in_our_words(error: Exception) -> str:
    """A refusal in one line; the parser's as an error of ours reads."""
    text = " ".join(str(error).split())
    found = REFUSAL.fullmatch(text)
    if found is None:
        return text
    kind = WORDS.get(found["kind"], found["kind"].replace("typing.Literal[", "one of ").rstrip("]"))
    return f"`{found['key']}` must be {kind}, got {found['value']}."
