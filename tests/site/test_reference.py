"""The reference: every public name is on a page, and its docstring says what a user needs."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import calls
import choices
import constants
import docstrings
import examples
import pytest
import rooms
from module_arguments import missing

from jaxrnn import cells
from tests.test_public import PACKAGES

PUBLIC = rooms.public()
FUNCTIONS = [p for p in PUBLIC if inspect.isfunction(p.thing) and p.thing.__module__.startswith("jaxrnn")]
CLASSES = [p for p in PUBLIC if isinstance(p.thing, type) and p.thing.__module__.startswith("jaxrnn")]
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


def test_what_no_docstring_can_describe_is_described() -> None:
    """Tables, strings and numbers; a form of kernels, an object too, has the docstring of its class."""
    described = {p.dotted for p in PUBLIC if isinstance(p.thing, (dict, tuple, str, int))}
    assert described == constants.MEANING.keys()
    assert constants.shown("jaxrnn.train.END", "</s>")[-1] == "``'</s>'``"


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


def test_the_call_of_a_module_is_on_its_page_or_a_link_away(tmp_path: Path) -> None:
    rooms.write(tmp_path)
    for public in MODULES:
        if calls.writer(public.thing, "__call__") is None:
            continue
        page = (tmp_path / f"{public.room}.md").read_text()
        _, here, rest = page.partition(f":: {public.dotted}\n")
        shown = rest.partition("```")[0]
        home = re.search(r"``__call__``.*: see :py:obj:`\w+ <([\w.]+)>`", shown)
        assert here, public.dotted
        assert f"automethod:: {home[1] if home else public.dotted}.__call__" in (page if home else shown), public.dotted
    assert "automethod:: jaxrnn.linen.RNN.step" in (tmp_path / "jaxrnn.linen.md").read_text()


@pytest.mark.parametrize("public", MODULES, ids=lambda p: p.dotted)
def test_a_call_says_what_each_argument_is(public: rooms.Public) -> None:
    for name in calls.methods(public.thing, [])[0]:
        method = getattr(public.thing, name)
        taken = [p.name for p in inspect.signature(method).parameters.values() if p.name not in ("self", "options")]
        text = inspect.getdoc(method) or ""
        assert text.startswith("One step; see") or [n for n in taken if not re.search(rf"\b{n}\b", text)] == []


@pytest.mark.parametrize("public", FUNCTIONS + CLASSES, ids=lambda p: p.dotted)
def test_an_example_is_shown_with_all_that_it_imports(public: rooms.Public) -> None:
    lines = (inspect.getdoc(public.thing) or "").splitlines()
    shown = examples.completed(lines, public.thing, rooms.homes())
    assert examples.unknown(shown) == []
    for line in examples.imports(examples.unknown(lines), public.thing, rooms.homes()):
        exec(line, {})


@pytest.mark.parametrize("public", [p for p in CLASSES if p not in MODULES], ids=lambda p: p.dotted)
def test_a_class_says_what_it_holds_and_where_it_comes_from(public: rooms.Public) -> None:
    """Its docstring or a comment says what each argument is; it has an example, or names what makes it, which has one.

    Errors are what is raised, and their docstrings say when. Of what a protocol asks of others, each member says what.
    """
    kind, text = public.thing, inspect.getdoc(public.thing) or ""
    if issubclass(kind, BaseException):
        return
    if getattr(kind, "_is_protocol", False):
        members = [getattr(kind, name) for name in vars(kind) if not name.startswith("_")]
        assert [member for member in members if callable(member) and not member.__doc__] == []
        assert any(">>> " in (base.__doc__ or "") for base in kind.__mro__) or _points_elsewhere(public)
        return
    commented = {row.partition(":")[0] for row in rooms.fields(kind) if "#" in row}
    taken = inspect.signature(kind).parameters.values()
    named = [p.name for p in taken if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    assert [name for name in named if name not in commented and not re.search(rf"\b{name}\b", text)] == []
    assert ">>> " in text or rooms.made_by(kind) or _points_elsewhere(public)


def _points_elsewhere(public: rooms.Public) -> bool:
    """Whether a docstring names another public thing that has an example."""
    names = {name.rpartition(".")[2] for name in re.findall(r"`([\w.]+)`", inspect.getdoc(public.thing) or "")}
    return any(p.name in names - {public.name} and ">>> " in (inspect.getdoc(p.thing) or "") for p in PUBLIC)


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
