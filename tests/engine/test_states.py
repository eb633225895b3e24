"""Cells whose states take little or nothing from the step: every derivative on every backend equals a loop of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from tests.laws.programs import GENERAL, assert_close

T, B, H = 3, 3, 4


class State(NamedTuple):
    h: jax.Array
    z: jax.Array


def product(carry: State, x: Any, recur: Any) -> Any:
    return jnp.tanh(x.a + recur(carry.h).a + recur(carry.z).b)


def held(carry: State, x: Any, recur: Any, theta: Any) -> Any:
    h = product(carry, x, recur)
    return State(h, carry.z), h


def fading(carry: State, x: Any, recur: Any, theta: Any) -> Any:
    h = product(carry, x, recur)
    return State(h, 0.9 * carry.z), h


def swapped(carry: State, x: Any, recur: Any, theta: Any) -> Any:
    return State(carry.z, carry.h), product(carry, x, recur)


def scaled(carry: State, x: Any, recur: Any, theta: Any) -> Any:
    h = product(carry, x, recur)
    return State(h, theta["scale"] * carry.z), h


def constant(carry: State, x: Any, recur: Any, theta: Any) -> Any:
    return State(jnp.ones_like(carry.h), jnp.zeros_like(carry.z)), product(carry, x, recur)


def inputs_alone(carry: State, x: Any, recur: Any, theta: Any) -> Any:
    return State(x.a, x.b), product(carry, x, recur)


def no_product(carry: State, x: Any, recur: Any, theta: Any) -> Any:
    return State(carry.z, carry.h), x.a * x.b


def output_apart(carry: State, x: Any, recur: Any, theta: Any) -> Any:
    h = jnp.tanh(recur(carry.h).a)  # and no gate of x
    return State(h, carry.h), x.b


def nothing(carry: State, x: Any, recur: Any, theta: Any) -> Any:
    return carry, jnp.ones_like(carry.h)


CELLS = {
    f.__name__: f for f in (held, fading, swapped, scaled, constant, inputs_alone, no_product, output_apart, nothing)
}
QUICK = ("held",)


def run(backend: str, equations: Any, masked: bool, steps: int) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The loss as a function of parameters, carry and inputs, and these; `loop` calls `step`."""
    scale = {"scale": jaxrnn.Parameter(("H",), jax.nn.initializers.normal(1.0), "unit")}
    cell = jaxrnn.gate_cell(gates=("a", "b"), carry=State, parameters=scale)(equations)(H)
    rng = np.random.default_rng(0)
    params = {n: rng.standard_normal(p.shape) / 2 for n, p in cell.declare(2).items()}
    carry, xs = State(*rng.standard_normal((2, B, H))), rng.standard_normal((steps, B, 2))
    lengths, w = np.array([steps, 0, (steps + 1) // 2]), rng.standard_normal((steps, B, H))
    resets = rng.random((steps, B)) < 0.3
    options = dict(lengths=lengths, resets=resets) if masked else {}

    def scan(params: Any, carry: Any, xs: Any) -> Any:
        final, ys = jaxrnn.scan(cell, params, xs, carry, backend=backend, **options)
        return (w * ys**2).sum() + sum((a**2).sum() for a in final)

    def loop(params: Any, carry: Any, xs: Any) -> Any:
        total = jnp.zeros(())
        for t in range(steps):
            valid = (t < lengths)[:, None] | (not masked)
            fresh = resets[t][:, None] & masked & valid
            old = jax.tree.map(lambda a, fresh=fresh: jnp.where(fresh, 0.0, a), carry)
            new, y = cell.step(params, old, xs[t])
            carry = jax.tree.map(lambda n, o, valid=valid: jnp.where(valid, n, o), new, carry)
            total += (w[t] * jnp.where(valid, y, 0.0) ** 2).sum()
        return total + sum((a**2).sum() for a in carry)

    return (loop if backend == "loop" else scan), (params, carry, xs)


def derivatives(backend: str, equations: Any, masked: bool, steps: int) -> Any:
    """Value, gradient, a tangent, a tangent of the gradient, and the gradient of the carry alone, by one program."""
    f, args = run(backend, equations, masked, steps)
    direction = jax.tree.map(lambda a: np.cos(np.arange(a.size)).reshape(a.shape), args)

    def program(*args: Any) -> Any:
        whole = jax.value_and_grad(f, (0, 1, 2))
        carry = jax.grad(lambda c: f(args[0], c, args[2]))(args[1])
        return whole(*args), jax.jvp(f, args, direction), jax.jvp(whole, args, direction)[1], carry

    return jax.jit(program)(*args)


@pytest.mark.parametrize("name", [c if c in QUICK else pytest.param(c, marks=pytest.mark.slow) for c in CELLS])
@pytest.mark.parametrize("masked", [False, True])
def test_derivatives(name: str, masked: bool) -> None:
    expected = derivatives("loop", CELLS[name], masked, T)
    for backend in GENERAL:
        assert_close(derivatives(backend, CELLS[name], masked, T), expected, 1e-11, backend)


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_one_step(name: str) -> None:
    expected = derivatives("loop", CELLS[name], False, 1)
    for backend in GENERAL:
        assert_close(derivatives(backend, CELLS[name], False, 1), expected, 1e-11, backend)
