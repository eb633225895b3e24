"""Docstrings of this package as reStructuredText: equations are mathematics, text stays text, papers have links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import examples
import rooms
from equations import line_of
from module_arguments import completed

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SECTION = re.compile(r"(Args|Returns|Raises|Yields|Attributes|Keyword Args|Note|Papers):$")
OPTIONS = re.compile(r"Options of (`[^`]+`)(.*):$")
APART = "\\ "
LINK = re.compile(r"(arXiv:\s?(\d{4}\.\d{4,5})|doi:(10\.\d+/[^\s;,)]+))")


def setup(app: Sphinx) -> None:
    """Before napoleon, which reads the sections."""
    app.connect("autodoc-process-docstring", process, priority=100)


def process(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Rewrite the lines of a docstring in place."""
    made = list(rewritten(examples.completed(lines, thing, rooms.homes())))
    module = name.startswith(("jaxrnn.nnx.", "jaxrnn.linen.", "jaxrnn.keras.")) and isinstance(thing, type)
    lines[:] = completed(thing, made, escaped) if module and made else made


def rewritten(lines: list[str]) -> Iterator[str]:
    """Blocks of a docstring: doctests and sections as they are, equations as a table, marks in text escaped."""
    section = ""
    for block in _blocks(lines):
        first = block[0]
        if first.lstrip().startswith(">>>"):
            yield from _doctest(block)
        elif first.startswith("    ") and not section:
            yield from table(block) if any(line_of(line) for line in block) else _literal(block)
        else:
            if not first.startswith(" "):
                section = ""
            if options := OPTIONS.match(first):
                yield from [f"Options of {escaped(options[1])}{options[2]}:", "", "Keyword Args:"]
                section, block = "Keyword Args", block[1:]
            elif match := SECTION.match(first):
                section = match[1]
                if section == "Papers":
                    yield from papers(block[1:])
                    block = []
            yield from escaped("\n".join(block)).split("\n")
        yield ""


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """What stands between blank lines; a table of equations goes on after a blank one."""
    block: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            if block and line.startswith(">>> ") and not block[0].lstrip().startswith(">>>"):
                yield block
                block = []
            block.append(line.rstrip())
        elif block:
            yield block
            block = []


def _doctest(block: list[str]) -> Iterator[str]:
    yield from [".. code-block:: pycon", ""]
    yield from (f"   {line}" for line in block)


def _literal(block: list[str]) -> Iterator[str]:
    yield from ["::", ""]
    yield from block


def table(block: list[str]) -> Iterator[str]:
    """Rows of equations and of the words beside them; a line that is no equation is shown as it is written."""
    yield from [".. list-table::", "   :class: equations", "   :widths: auto", ""]
    for line in block:
        found = line_of(line)
        if found is None:
            shown, words = f"``{line.strip()}``", ""
        else:
            shown, words = ":math:`" + r",\quad ".join(found[0]) + "`", found[1]
        yield f"   * - {shown}"
        yield f"     - {escaped(words)}".rstrip()


def papers(lines: list[str]) -> Iterator[str]:
    """A list; a paper ends with a line that ends with a full stop."""
    yield from [".. rubric:: Papers", ""]
    paper = ""
    for line in lines:
        paper = f"{paper} {line.strip()}".strip()
        if paper.endswith("."):
            yield f"* {_linked(escaped(paper))}"
            paper = ""
    if paper:
        yield f"* {_linked(escaped(paper))}"


def _linked(text: str) -> str:
    def link(match: re.Match[str]) -> str:
        target = f"https://arxiv.org/abs/{match[2]}" if match[2] else f"https://doi.org/{match[3]}"
        return f"`{match[1]} <{target}>`__"

    return LINK.sub(link, text)


def escaped(text: str) -> str:
    """Text outside of backticks without a mark that reStructuredText would read; inside: code."""
    parts = re.split(r"(``?[^`]+``?)", text)
    shown = ""
    for i, part in enumerate(parts):
        if i % 2:
            # Code in the middle of a word, `a`s, is set apart by a mark that is not shown.
            before, after = re.search(r"\w\Z", shown), re.match(r"\w", parts[i + 1])
            shown += APART * bool(before) + f"``{part.strip('`')}``" + APART * bool(after)
        else:
            shown += re.sub(r"([*|\\])|(?<=\w)_(?=\W|$)", lambda m: f"\\{m[0]}", part)
    return shown
