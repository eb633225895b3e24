"""What came is shown as `repr` shows it, and equal values make equal cells, whatever type they came in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn import Parameter
from jaxrnn.base.errors import Said, describe
from jaxrnn.functions import constraints, initializers, regularizers
from tests.refusal import assert_refused

pytestmark = pytest.mark.usefixtures("unchecked")


class Pair(NamedTuple):
    c: Any
    h: Any


SHOWN: list[tuple[Any, str]] = [
    ("4", "'4'"),
    ("", "''"),
    (b"x", "b'x'"),
    (Said("it alone"), "it alone"),
    (np.float64("nan"), "np.float64(nan)"),
    (np.int64(4), "np.int64(4)"),
    (np.str_("4"), "np.str_('4')"),
    ([], "[]"),
    ({}, "{}"),
    ((), "()"),
    ((1,), "(1,)"),
    (["4", 2.5], "['4', 2.5]"),
    ({"a": "b"}, "{'a': 'b'}"),
    (np.ones((2, 3), np.float32), "float32[2,3]"),
    (np.ones(2, ">f4"), ">f4[2]"),
    (np.ma.masked_array([1.0]), "masked float64[1]"),
    (Pair(np.ones(2), None), "Pair(c=float64[2], h=None)"),
    ({"kernel": np.ones((2, 3))}, "{'kernel': float64[2,3]}"),
    ([np.ones(2)], "[float64[2]]"),
    ("x" * 200, "'" + "x" * 116 + "..."),
]


@pytest.mark.parametrize(("value", "text"), SHOWN, ids=[text for _, text in SHOWN])
def test_shown(value: Any, text: str) -> None:
    assert describe(value) == text


def test_a_repr_that_raises_is_no_other_error() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert "Broken object at" in describe(Broken())
    assert_refused("size", lambda: jaxrnn.lstm(10**5000))
    assert_refused("forget_bias", lambda: jaxrnn.lstm(4, forget_bias=10**5000))


def test_a_string_of_the_wrong_type_has_its_quotes() -> None:
    with pytest.raises(TypeError, match="`size` must be a positive integer, got '4'"):
        jaxrnn.lstm("4")
    with pytest.raises(TypeError, match=r"`dtype` must be .*, got 'flaot32'"):
        jaxrnn.lstm(4, dtype="flaot32")


SAME: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "size": (lambda: jaxrnn.lstm(np.int64(4)), lambda: jaxrnn.lstm(4)),
    "projection": (lambda: jaxrnn.lstm(4, projection=np.int8(2)), lambda: jaxrnn.lstm(4, projection=2)),
    "flags": (lambda: jaxrnn.lstm(4, peepholes=np.True_), lambda: jaxrnn.lstm(4, peepholes=True)),
    "no bias": (lambda: jaxrnn.gru(4, use_bias=np.False_), lambda: jaxrnn.gru(4, use_bias=False)),
    "an int for a float": (lambda: jaxrnn.lstm(4, cell_clip=3), lambda: jaxrnn.lstm(4, cell_clip=3.0)),
    "cell_clip": (lambda: jaxrnn.lstm(4, cell_clip=np.float32(0.5)), lambda: jaxrnn.lstm(4, cell_clip=0.5)),
    "leak": (lambda: jaxrnn.elman(4, leak=np.float64(0.5)), lambda: jaxrnn.elman(4, leak=0.5)),
    "residual": (lambda: jaxrnn.elman(4, residual=np.True_), lambda: jaxrnn.elman(4, residual=True)),
    "chrono": (lambda: jaxrnn.gru(4, chrono=np.int64(9)), lambda: jaxrnn.gru(4, chrono=9.0)),
    "dtype": (lambda: jaxrnn.gru(4, dtype="f4"), lambda: jaxrnn.gru(4, dtype=jnp.float32)),
    "another order of bytes": (lambda: jaxrnn.gru(4, dtype=np.dtype(">f4")), lambda: jaxrnn.gru(4, dtype="float32")),
    "a parameter": (
        lambda: Parameter((np.int64(2), "H"), initializers.zeros, dtype="float32"),
        lambda: Parameter((2, "H"), initializers.zeros, dtype=np.float32),
    ),
    "a constant": (lambda: initializers.Constant(np.float32(1)), lambda: initializers.Constant(1.0)),
    "a factor": (lambda: regularizers.L2(np.float32(0.5)), lambda: regularizers.L2(0.5)),
    "axes": (lambda: constraints.MaxNorm(2, [np.int64(0), 1]), lambda: constraints.MaxNorm(2.0, (0, 1))),
}


@pytest.mark.parametrize("what", SAME)
def test_equal_values_make_equal_things(what: str) -> None:
    """By repr too: `np.float32(0.5)` equals 0.5, and yet a program traced with it differs."""
    given, canonical = (make() for make in SAME[what])
    assert given == canonical
    assert hash(given) == hash(canonical)
    assert repr(given) == repr(canonical)


WRONG: list[tuple[str, Callable[[], Any]]] = [
    ("role", lambda: Parameter(("H",), initializers.zeros, "bogus")),
    ("dtype", lambda: Parameter(("H",), initializers.zeros, dtype="float33")),
    ("dtype", lambda: Parameter(("H",), initializers.zeros, dtype=jnp.int32)),
    ("shape", lambda: Parameter(["H"], initializers.zeros)),
    ("shape", lambda: Parameter(("X",), initializers.zeros)),
    ("shape[0]", lambda: Parameter((0, "H"), initializers.zeros)),
    ("shape[1]", lambda: Parameter(("H", 2.0), initializers.zeros)),
    ("init", lambda: Parameter(("H",), "zeros")),
    ("size", lambda: jaxrnn.lstm(2**70)),
    ("size", lambda: jaxrnn.lstm(2**31)),
    ("cell_clip", lambda: jaxrnn.lstm(4, cell_clip=2**2000)),
    ("dtype", lambda: jaxrnn.lstm(4, dtype=np.float32(1))),
    ("dtype", lambda: jaxrnn.lstm(4, dtype=jnp.ones(2))),
    ("kernel_init", lambda: jaxrnn.lstm(4, kernel_init=Unhashable())),
    ("carry_init", lambda: jaxrnn.gru(4, learn_carry=True, carry_init=Unhashable())),
    ("activation", lambda: jaxrnn.gru(4, activation=Unhashable())),
    ("paper", lambda: jaxrnn.gate_cell(gates=("a",), carry=Pair, paper=3)),
    ("params", lambda: regularizers.penalty(np.ones(3), {"kernel": regularizers.L2()})),
    ("params", lambda: regularizers.penalty({}, {"kernel": regularizers.L2()})),
    ("w", lambda: constraints.UnitNorm(axis=2)(np.ones((2, 2)))),
    ("w", lambda: regularizers.L2()([1.0])),
    ("t_max", lambda: initializers.Chrono((0, 1), 2)),
    ("signs", lambda: initializers.Chrono((0, 2), 9)),
    ("inits", lambda: initializers.PerGate(())),
    ("shape", lambda: initializers.PerGate((initializers.zeros,) * 2)(jax.random.key(0), (3, 4))),
]


class Unhashable:
    """A function that cannot be part of a cell."""

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, *arguments: Any) -> Any:
        return None


@pytest.mark.parametrize(("named", "call"), WRONG, ids=[f"{i}-{named}" for i, (named, _) in enumerate(WRONG)])
def test_wrong_call(named: str, call: Callable[[], Any]) -> None:
    assert_refused(named, call)


def test_the_dtype_of_a_declaration_counts() -> None:
    """An array that is declared in one dtype has it, whatever the others have."""

    def equations(carry: Any, x: Any, recur: Any, theta: Any) -> Any:
        h = jnp.tanh(x.a + recur(carry.h).a * theta["gain"])
        return carry._replace(h=h), h

    gain = Parameter(("H",), initializers.ones, dtype=jnp.float32)
    cell = jaxrnn.gate_cell(gates=("a",), carry=Pair, parameters={"gain": gain})(equations)(4, param_dtype=jnp.bfloat16)
    params = cell.init(jax.random.key(0), inputs=3)
    assert {name: a.dtype.name for name, a in params.items()} == {
        "kernel": "bfloat16",
        "recurrent_kernel": "bfloat16",
        "bias": "bfloat16",
        "gain": "float32",
    }


BAD_ARRAYS = {
    "masked": np.ma.masked_array(np.ones((3, 2, 3)), np.ones((3, 2, 3), bool)),
    "objects": np.ones((3, 2, 3), object),
    "another order of bytes": np.ones((3, 2, 3), np.dtype(np.float64).newbyteorder()),
}


@pytest.mark.parametrize("kind", BAD_ARRAYS)
def test_arrays_that_jax_does_not_take(kind: str) -> None:
    cell = jaxrnn.gru(4)
    params = cell.init(jax.random.key(0), inputs=3)
    xs = BAD_ARRAYS[kind]
    carry = cell.initial_carry((2,))
    assert_refused("xs", lambda: jaxrnn.scan(cell, params, xs))
    assert_refused("x", lambda: cell.step(params, carry, xs[0]))
    assert_refused("xs", lambda: cell.project(params, xs))
    wrong = xs[0].repeat(2, axis=1)[:, :4]
    assert_refused("carry.h", lambda: jaxrnn.scan(cell, params, np.ones((3, 2, 3)), (wrong,)))
    assert_refused("params['bias']", lambda: jaxrnn.scan(cell, params | {"bias": xs[:, 0].repeat(2, 1)[:, :4]}, xs))


def test_pythons_float_is_jaxs() -> None:
    """float32 without x64, where asking for float64 would warn at every draw."""
    with jax.enable_x64(False):
        assert jaxrnn.initializers.Uniform(0.1)(jax.random.key(0), (2,), float).dtype == np.float32
        assert jaxrnn.gru(2, dtype=float).dtype == np.float32
    assert jaxrnn.gru(2, dtype=float).dtype == np.float64
