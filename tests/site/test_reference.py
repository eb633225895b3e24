"""The reference: every public name is on a page, and its docstring says what a user needs."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import choices
import docstrings
import pytest
import rooms
from module_arguments import missing

from jaxrnn import cells
from tests.test_public import PACKAGES

PUBLIC = rooms.public()
FUNCTIONS = [p for p in PUBLIC if inspect.isfunction(p.thing) and p.thing.__module__.startswith("jaxrnn")]
MODULES = [p for p in PUBLIC if p.room in ("jaxrnn.nnx", "jaxrnn.linen", "jaxrnn.keras") and isinstance(p.thing, type)]


def test_every_room_has_a_page() -> None:
    assert set(PACKAGES) <= rooms.ROOMS.keys()


def test_every_public_name_is_on_a_page(tmp_path: Path) -> None:
    rooms.write(tmp_path)
    pages = {room: (tmp_path / f"{room}.md").read_text() for room in rooms.ROOMS}
    everything = "\n".join(pages.values())
    for room in rooms.ROOMS:
        for name in importlib.import_module(room).__all__:
            thing = getattr(importlib.import_module(room), name)
            if inspect.ismodule(thing) or name == "__version__":
                continue
            if name in rooms.factories():
                assert f"[`{name}`](../cells/{name}.md)" in pages["jaxrnn"]
            else:
                home = next(p for p in PUBLIC if p.thing is thing)
                assert re.search(rf":: {re.escape(home.dotted)}$", everything, re.M), f"{room}.{name}"


def test_every_factory_has_a_purpose_and_its_peers_are_in_their_tests() -> None:
    assert set(rooms.factories()) == choices.PURPOSE.keys()
    folder = Path(__file__).parent.parent / "peers"
    for library, (file, names) in choices.PEERS.items():
        text = (folder / file).read_text()
        for name in names.split():
            assert name in cells.__all__
            assert re.search(name.removesuffix("_rnn"), text), f"{library} was not compared with {name} in {file}"


@pytest.mark.parametrize("public", FUNCTIONS, ids=lambda p: p.dotted)
def test_a_function_says_all(public: rooms.Public) -> None:
    text = inspect.getdoc(public.thing) or ""
    signature = inspect.signature(public.thing)
    wanted = (
        ["Returns:" if "Yields:" not in text else "Yields:"]
        if signature.return_annotation not in ("None", None)
        else []
    )
    wanted += ["Args:", "Raises:"] * bool(signature.parameters) + [">>> "]
    wanted += ["Paper"] * (public.name in rooms.factories())
    assert [part for part in wanted if part not in text] == []
    named = [p.name for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    assert [name for name in named if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize("public", MODULES, ids=lambda p: p.dotted)
def test_a_module_says_what_each_argument_is(public: rooms.Public) -> None:
    lines = (inspect.getdoc(public.thing) or "").splitlines()
    docstrings.process(None, "class", public.dotted, public.thing, None, lines)
    assert missing(public.thing, lines) == []


def test_text_is_text_and_equations_are_mathematics() -> None:
    assert docstrings.escaped("as `a`s, b_ and\n`c\nd`") == "as ``a``\\ s, b\\_ and\n``c\nd``"
    lines = ["It takes `x` of shape [*B, H].", "", "    c' = f * c     the cell", "    else: words", "", ">>> 1", "1"]
    assert list(docstrings.rewritten(lines)) == [
        r"It takes ``x`` of shape [\*B, H].",
        "",
        ".. list-table::",
        "   :class: equations",
        "   :widths: auto",
        "",
        r"   * - :math:`c' = f \odot c`",
        "     - the cell",
        "   * - ``else: words``",
        "     -",
        "",
        ".. code-block:: pycon",
        "",
        "   >>> 1",
        "   1",
        "",
    ]
