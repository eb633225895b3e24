"""A cell is its fields: what a subclass would do otherwise in one place alone is refused where the class is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jaxrnn
from jaxrnn.compose.stack import Stack
from jaxrnn.compose.wrappers import Wrapper

OWN = [
    *("step", "one_step", "project", "projection_of", "kernels", "theta", "draw", "initial_carry", "init", "declare"),
    *("output_size", "noisy", "masks", "accepted", "compute_dtype", "mask_shape", "_masks", "pack", "parts"),
]


def other(*arguments: Any, **named: Any) -> Any:
    """Of a user."""


@pytest.mark.parametrize("as_a_dataclass", [False, True])
@pytest.mark.parametrize("name", OWN)
def test_a_cell_with_a_method_of_its_own(name: str, as_a_dataclass: bool) -> None:
    """`scan` would run past a step, a backend past a projection, and a program outlive what a method reads."""
    make: Callable[[type], type] = dataclass(frozen=True) if as_a_dataclass else lambda kind: kind
    with pytest.raises(TypeError, match=rf"`Mine.{name}` must be that of `Cell`: .*Write equations with") as caught:
        make(type("Mine", (jaxrnn.Cell,), {name: other}))
    assert "jaxrnn" in str(caught.traceback[-1].path)
    mixin = type("Mixin", (), {name: property(other)})
    with pytest.raises(TypeError, match=f"`Mine.{name}` must be"):
        type("Mine", (mixin, jaxrnn.Cell), {})


def test_a_cell_with_more_to_it() -> None:
    """A subclass that adds runs, in numbers as the cell that it is made of."""

    @dataclass(frozen=True, repr=False)
    class Named(jaxrnn.Cell):
        label: str = ""

        def shown(self) -> str:
            return f"{self.label}: {self.size}"

    cell = jaxrnn.gru(3)
    mine = Named(**{f.name: getattr(cell, f.name) for f in fields(cell)}, label="a")
    assert mine.shown() == "a: 3"
    params, xs = cell.init(jax.random.key(0), inputs=2), jnp.ones((4, 2, 2))
    carry, ys = cell.initial_carry((2,)), []
    for x in xs:
        carry, y = cell.step(params, carry, x)
        ys.append(y)
    assert jnp.allclose(jaxrnn.scan(mine, params, xs)[1], jnp.stack(ys), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["init", "step", "accepted"])
@pytest.mark.parametrize("base", [jaxrnn.Layer, Wrapper, Stack])
def test_a_layer_with_what_its_holder_would_not_ask(base: type, name: str) -> None:
    with pytest.raises(TypeError, match=f"`Mine.{name}` must be that of `Layer`: layers that hold it ask"):
        type("Mine", (base,), {name: other})


@pytest.mark.parametrize("name", ["apply", "one_step"])
def test_a_layer_that_says_half_of_what_it_does(name: str) -> None:
    """A sequence would be run in one way, its steps in another."""
    with pytest.raises(TypeError, match=f"`Mine` must be a class with both .*, got one with '{name}' alone"):
        type("Mine", (Stack,), {name: other})
    type("Mine", (Stack,), {"apply": other, "one_step": other})
    type("Mine", (jaxrnn.Layer,), {name: other})
