"""Commands that pages show are ones that the command line takes: their names, their options, their configurations."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from jaxrnn.cli.parser import make_parser
from jaxrnn.tasks import TASKS
from jaxrnn.train import find_config, read_experiment

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/guides").glob("*.md"))]
FENCED = re.compile(r"^```(?:sh|text)\n(.*?)^```", re.S | re.M)
SHELL = re.compile(r"[|<>;]|&&|\$\(")  # what ends a command


def commands(page: Path) -> set[str]:
    """`jaxrnn ...` in the blocks of a page and within its lines, without what the shell does around it."""
    text = page.read_text()
    lines = [line for block in FENCED.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    parts = [part for line in lines for part in SHELL.split(line)]
    calls = [call for part in parts if (call := re.match(r"\s*(?:do )?(?:\S*/)?jaxrnn (.*)", part))]
    return {call[1] for call in calls} | set(re.findall(r"`jaxrnn ([a-z][^`]*)`", re.sub(FENCED, "", text)))


WRITTEN = sorted({(command, page.stem) for page in PAGES if page.stem != "speed" for command in commands(page)})


@pytest.mark.parametrize(("command", "page"), WRITTEN)
def test_it_is_one(command: str, page: str) -> None:
    words = shlex.split(command.replace("$n", "1"), comments=True)  # $n: the variable of a loop
    parser = make_parser()
    if (len(words) == 1 and words[0] != "bench") or any(re.fullmatch(r"[A-Z]+|\.\.\.", word) for word in words[1:2]):
        assert words[0] in parser.format_help()  # named only: what follows stands for whatever it is
        return
    arguments, options = parser.parse_known_args(words)
    named = getattr(arguments, "config", None)
    if named is None:
        assert options == []
    elif not named.startswith("runs/"):
        read_experiment(find_config(named), [word for word in options if word not in ("-h", "--help")], TASKS)


def test_they_are_found() -> None:
    """So that a change of how pages are written does not leave nothing to be tested."""
    assert ("train char_lm --resume", "README") in WRITTEN
    assert len(WRITTEN) > 100
