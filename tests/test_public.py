"""What is public is documented, can be imported and completed, and is found by `help`; modules show all options."""

from __future__ import annotations

import ast
import builtins
import doctest
import importlib
import inspect
import pydoc
from typing import Any

import jax.numpy as jnp
import pytest
from flax import nnx

import jaxrnn
from jaxrnn import cells
from jaxrnn.core.factory import DEFAULTS
from jaxrnn.core.options import kinds_of
from jaxrnn.flax_common import arguments
from jaxrnn.flax_common.signatures import FLAX_NAMES, options_of
from jaxrnn.nnx.layers import SETTINGS

ROOMS = (
    "bench",
    "cells",
    "compose",
    "decode",
    "dynamics",
    "interop",
    "keras",
    "linen",
    "nnx",
    "plan",
    "tasks",
    "testing",
    "train",
)
FUNCTIONS = ("activations", "constraints", "initializers", "regularizers")
PACKAGES = ("jaxrnn", *(f"jaxrnn.{room}" for room in ROOMS), *(f"jaxrnn.functions.{kind}" for kind in FUNCTIONS))


@pytest.mark.parametrize("name", PACKAGES)
def test_all_dir_and_help_agree(name: str) -> None:
    module = importlib.import_module(name)
    assert dir(module) == sorted(module.__all__)
    text = pydoc.plain(pydoc.render_doc(module))
    for public in module.__all__:
        thing = getattr(module, public)
        assert public.strip("_").lower() in text.lower()
        if inspect.ismodule(thing):
            assert thing.__doc__
        elif callable(thing) and thing.__module__.startswith("jaxrnn"):
            described = thing.__dict__.get("__doc__") if isinstance(thing, type) else thing.__doc__
            assert described, f"{name}.{public} has no docstring"
            assert not described.startswith(f"{public}("), f"{name}.{public} has the docstring of its fields"


@pytest.mark.parametrize("name", PACKAGES)
def test_examples_import_all_that_they_use(name: str) -> None:
    """What `help` shows can be copied: a doctest sees its module's names, and whoever reads it does not."""
    module = importlib.import_module(name)
    for public in module.__all__:
        thing = getattr(module, public)
        if callable(thing) and thing.__module__.startswith("jaxrnn"):
            assert not unbound(inspect.getdoc(thing) or ""), f"{name}.{public}"


def unbound(docstring: str) -> set[str]:
    """The names that examples read and nobody has bound."""
    examples = doctest.DocTestParser().get_examples(docstring)
    bound, read = {*dir(builtins)}, set()
    for node in ast.walk(ast.parse("".join(example.source for example in examples))):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                read.add(name)
            case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.Import() | ast.ImportFrom():
                bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return read - bound


def test_what_an_example_has_not_bound_is_found() -> None:
    assert unbound("An example:\n\n>>> import numpy as np\n>>> f = lambda x: np.sin(x)\n>>> f(g(1))\n") == {"g"}


FACTORIES = tuple(made for name in cells.__all__ if inspect.isfunction(made := getattr(cells, name)))


@pytest.mark.parametrize("factory", FACTORIES, ids=lambda f: f.__name__)
def test_help_of_a_factory_is_complete(factory: Any) -> None:
    """Equations, every option with its kind and default, shapes, errors, paper."""
    text = pydoc.plain(pydoc.render_doc(factory))
    own = [p for p in inspect.signature(factory).parameters.values() if p.kind is p.KEYWORD_ONLY]
    kinds = kinds_of(factory)
    assert [p.name for p in own if p.name not in kinds] == [], "an option without a kind"
    lines = " ".join(text.split())
    for option in own:
        assert any(f"{option.name}{mark}" in lines for mark in (" (", ", ")), option.name
        assert f"{kinds[option.name].words}" in lines
    for common in DEFAULTS:
        assert f"{common}" in lines
    for part in ("= ", "Args:", "Returns:", "Raises:", "Paper", ">>> "):
        assert part in text


FAMILIES = {
    "LSTM": (jaxrnn.lstm, arguments.LSTMArguments, arguments.LSTMLayersArguments),
    "GRU": (jaxrnn.gru, arguments.GRUArguments, arguments.GRULayersArguments),
    "Elman": (jaxrnn.elman, arguments.ElmanArguments, arguments.ElmanLayersArguments),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_modules_show_every_option(family: str) -> None:
    factory, of_cell, of_layers = FAMILIES[family]
    options = {p.name: p for p in options_of(factory)}
    nnx_cell, nnx_layers = getattr(jaxrnn.nnx, f"{family}Cell"), getattr(jaxrnn.nnx, family)
    linen_cell, linen_layers = getattr(jaxrnn.linen, f"{family}Cell"), getattr(jaxrnn.linen, family)
    for module in (nnx_cell, nnx_layers, linen_cell, linen_layers):
        shown = inspect.signature(module).parameters
        assert options.keys() <= shown.keys()
        assert not any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in shown.values())
        for name in options:
            assert name in module.__doc__, f"{module.__name__} says nothing of {name}"
    for name, option in options.items():
        if name != "carry_init":
            assert inspect.signature(nnx_cell).parameters[name].default is option.default
    made = dict(num_layers=1, bidirectional=False, merge="concat", dropout=0.0)
    assert set(of_cell.__annotations__) == options.keys()
    assert set(of_layers.__annotations__) == options.keys() | SETTINGS.keys() | made.keys()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_defaults_that_are_shown_are_the_defaults(family: str) -> None:
    factory = FAMILIES[family][0]
    back = {theirs: ours for ours, theirs in FLAX_NAMES.items()}
    shown = {p.name: p.default for p in options_of(factory) if p.name != "carry_init"}
    assert factory(4, **{back.get(n, n): v for n, v in shown.items()}) == factory(4)
    module = getattr(jaxrnn.nnx, f"{family}Cell")(3, 4, rngs=nnx.Rngs(0), **shown)
    assert module.functional == factory(4)


def test_a_users_class_shows_its_own_constructor() -> None:
    class Mine(jaxrnn.nnx.LSTMCell):
        def __init__(self, width: int, *, rngs: nnx.Rngs) -> None:
            super().__init__(3, width, rngs=rngs)

    assert str(inspect.signature(Mine)) == "(width: 'int', *, rngs: 'nnx.Rngs')"
    carry = (jnp.zeros((2, 4)), jnp.zeros((2, 4)))
    assert Mine(4, rngs=nnx.Rngs(0))(carry, jnp.ones((2, 3)))[1].shape == (2, 4)


def test_what_excludes_another_option_is_shown_as_it_was_given() -> None:
    with pytest.raises(ValueError, match=r"`chrono` must be None with bias_init, .* got 5\.$"):
        jaxrnn.gru(4, chrono=5, use_bias=False)
