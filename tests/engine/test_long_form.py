"""What the long form of gate equations may not do: each raises our own error, on every path that runs the equations."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn import Parameter
from jaxrnn.functions.initializers import ones
from tests.refusal import assert_refused

pytestmark = pytest.mark.usefixtures("unchecked")

T, B, D, H = 3, 2, 3, 5
GATES = ("z", "f")
KERNEL = {"inner": Parameter(("H", "H"), ones, "recurrent")}


class State(NamedTuple):
    c: Any
    h: Any


def cell(equations: Callable[..., Any], parameters: Any = None) -> Any:
    return jaxrnn.gate_cell(gates=GATES, carry=State, parameters=parameters)(equations)(H)


def long_form(act: Callable[[Any, Any, Any], Any]) -> Callable[..., Any]:
    """Equations that do what `act(carry, recur, theta)` says, then make a right step."""

    def equations(carry: Any, x: Any, recur: Any, theta: Any) -> Any:
        act(carry, recur, theta)
        h = jnp.tanh(x.z + recur(carry.h).f)
        return State(h, h), h

    return equations


def step(cell: Any, params: Any) -> Any:
    return cell.step(params, cell.initial_carry((B,)), np.ones((B, D)))


PATHS: dict[str, Callable[[Any, Any], Any]] = {
    "scheduled": lambda cell, params: jaxrnn.scan(cell, params, np.ones((T, B, D)), backend="scheduled"),
    "reference": lambda cell, params: jaxrnn.scan(cell, params, np.ones((T, B, D)), backend="reference"),
    "auto": lambda cell, params: jaxrnn.scan(cell, params, np.ones((T, B, D))),
    "step": step,
}

WRONG: dict[str, tuple[str, Callable[[Any, Any, Any], Any]]] = {
    "an unknown kernel": ("kernel", lambda c, recur, theta: recur(c.h, kernel="iner")),
    "no name of a kernel": ("kernel", lambda c, recur, theta: recur(c.h, kernel=["inner"])),
    "gates of a kernel without gates": ("gates", lambda c, recur, theta: recur(c.h, ("z",), kernel="inner")),
    "letters for gates": ("gates", lambda c, recur, theta: recur(c.h, "zf")),
    "a list of gates": ("gates", lambda c, recur, theta: recur(c.h, ["z"])),
    "no gates": ("gates", lambda c, recur, theta: recur(c.h, ())),
    "a gate twice": ("gates", lambda c, recur, theta: recur(c.h, ("z", "z"))),
    "an unknown gate": ("gates", lambda c, recur, theta: recur(c.h, ("z", "g"))),
    "the whole carry": ("h", lambda c, recur, theta: recur(c)),
    "a part of the state": ("h", lambda c, recur, theta: recur(c.h[..., 1:])),
    "a number": ("h", lambda c, recur, theta: recur(1.0)),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("what", WRONG)
def test_recur(what: str, path: str) -> None:
    named, act = WRONG[what]
    wrong = cell(long_form(act), KERNEL)
    params = wrong.init(jax.random.key(0), D)
    assert_refused(named, lambda: PATHS[path](wrong, params))


def test_the_message_names_kernel_gates_and_shapes() -> None:
    wrong = cell(long_form(lambda c, recur, theta: recur(c.h, ("z",), kernel="inner")), KERNEL)
    with pytest.raises(ValueError, match=r"`gates` must be left out for 'inner'.*\(5, 5\), got \('z',\)"):
        step(wrong, wrong.init(jax.random.key(0), D))
    wrong = cell(long_form(lambda c, recur, theta: recur(c.h[..., 1:])))
    with pytest.raises(ValueError, match=r"`h` .* 'recurrent_kernel' of shape \(5, 2, 5\), got float64\[2,4\]"):
        step(wrong, wrong.init(jax.random.key(0), D))


@pytest.mark.parametrize(
    ("shape", "role"),
    [
        (("H", 1, "H"), "recurrent"),  # one gate where the cell has two
        (("H", 3, "H"), "recurrent"),
        (("H",), "recurrent"),
        (("H", "G", "H", "H"), "recurrent"),
        (("H", "H"), "unit"),  # a kernel among the vectors: it would come as H rows
        (("D", "H"), "unit"),
        ((), "unit"),
        ((2, 3, "H"), "unit"),
        (("H",), "input"),  # arrays that nothing would read
        (("H",), "carry"),
    ],
    ids=str,
)
def test_a_parameter_that_the_equations_could_not_use(shape: Any, role: str) -> None:
    declared = {"more": Parameter(shape, ones, role)}
    assert_refused("parameters['more']", lambda: cell(long_form(lambda *_: None), declared))


@pytest.mark.parametrize("rows", [2, "G"])
def test_several_vectors_come_apart(rows: Any) -> None:
    seen = []

    def look(carry: Any, recur: Any, theta: Any) -> None:
        first, second = theta["pair"]
        seen.append((first.shape, second.shape, theta["single"].shape))

    made = cell(long_form(look), {"pair": Parameter((rows, "H"), ones), "single": Parameter(("H",), ones)})
    PATHS["reference"](made, made.init(jax.random.key(0), D))
    assert seen[-1] == ((B, H),) * 3


def cut(carry: Any, x: Any, recur: Any, theta: Any) -> Any:
    h = jnp.tanh(x.z + recur(carry.h).f)
    return State(h[..., :1], h), h


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("wrap", [lambda c: c, partial(jaxrnn.zoneout, c=0.5)], ids=["plain", "zoneout"])
def test_a_carry_of_another_shape(wrap: Callable[[Any], Any], path: str) -> None:
    """Also where a wrapper mixes the states before and after the step."""
    wrong = wrap(cell(cut))
    params = wrong.init(jax.random.key(0), D)
    with pytest.raises(ValueError, match=re.escape("`update of cut` must be a function that returns a carry like")):
        PATHS[path](wrong, params)


def test_what_is_said_of_equations_that_read_something_has_their_name() -> None:
    """They are run as a snapshot of themselves."""
    read: list[float] = []

    def reading(carry: Any, x: Any, recur: Any, theta: Any) -> Any:
        read.append(1.0)
        return cut(carry, x, recur, theta)

    with pytest.raises(ValueError, match=re.escape("`update of reading` must be a function that returns a carry like")):
        PATHS["reference"](made := cell(reading), made.init(jax.random.key(0), D))


@pytest.mark.parametrize("equations", [lambda carry, x, h: (carry, x.z), cut], ids=["short", "long"])
def test_a_carry_without_h_is_refused_in_either_form(equations: Any) -> None:
    class Unnamed(NamedTuple):
        state: jax.Array

    message = "`carry` must be a NamedTuple class with a field `h`, got .*Its field `h` is the state that the recurrent"
    with pytest.raises(TypeError, match=message):
        jaxrnn.gate_cell(gates=("z",), carry=Unnamed)(equations)


def test_equations_without_a_name_or_a_signature() -> None:
    """A partial has no name of its own; what is written in C may have no signature."""

    def equations(carry: Any, x: Any, recur: Any, theta: Any, *, rate: float) -> Any:
        h = jnp.tanh(rate * x.z + recur(carry.h).f)
        return State(h, h), h

    made = cell(partial(equations, rate=0.5))
    step(made, made.init(jax.random.key(0), D))
    assert made.name == "equations"
    assert_refused("equations", lambda: cell(dict))
    assert_refused("equations", lambda: cell(lambda carry, x, h, *, use_bias=True: None))
    assert_refused("equations", lambda: cell(lambda x, recur, theta: (x.z, x.f)))  # those of a linear cell


ASTRAY: dict[str, tuple[Callable[..., Any], str]] = {
    "x for the carry": (lambda v, c, h: (State(v.f, v.f), v.f), "`.f` of argument 1, carry: a named tuple of c, h"),
    "recur for its product": (
        lambda c, x, h, theta: (State(c.h, h.z), h.z),
        "`.z` of argument 3, recur: a function",
    ),
    "a gate that is not there": (
        lambda c, x, h: (State(c.h, h.q), h.q),
        "`.q` of argument 3, h: a named tuple of z, f",
    ),
    "theta's entries": (
        lambda c, x, recur, theta: (State(c.h, theta.a), x.z),
        "`.a` of argument 4, theta: a dict of nothing",
    ),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("what", ASTRAY)
def test_an_argument_taken_for_another(what: str, path: str) -> None:
    equations, words = ASTRAY[what]
    made = cell(equations)
    params = made.init(jax.random.key(0), D)
    assert_refused("equations", lambda: PATHS[path](made, params))
    with pytest.raises(TypeError, match=re.escape(words)):
        PATHS[path](made, params)


def test_an_error_of_the_equations_own_is_theirs() -> None:
    made = cell(lambda c, x, h: (State(c.h, jnp.nowhere), h.z))  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="nowhere"):
        step(made, made.init(jax.random.key(0), D))
