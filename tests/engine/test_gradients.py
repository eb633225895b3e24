"""Traps of gradients: frozen weights, one of two states in the loss, twice the same, double backward."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

import jaxrnn
from tests.laws import programs
from tests.laws.programs import GENERAL, assert_close, assert_same_bits, call
from tests.table import CASES, arrays

ROW = "lstm, projection"
STEPS = CASES["everything"]._asdict()


def loss(args: Any, backend: str, pick: Any = lambda carry, ys: (ys**2).sum() + (carry.c**2).sum()) -> Any:
    return pick(*call(ROW, backend, args, **STEPS, chunk=3))


@cache
def whole_gradient() -> Any:
    return jax.jit(jax.grad(lambda a: loss(a, "reference")))(arrays(ROW))


@pytest.mark.parametrize(
    "frozen",
    ["params", "recurrent_kernel", *(pytest.param(f, marks=pytest.mark.slow) for f in ("xs", "carry", "kernel"))],
)
def test_frozen_arguments_leave_the_other_gradients(frozen: str) -> None:
    """Gradients of the rest are those of everything (trap 25), whatever is not differentiated."""
    args = arrays(ROW)

    def split() -> tuple[dict[str, Any], dict[str, Any]]:
        if frozen in args:
            return {k: v for k, v in args.items() if k != frozen}, {frozen: args[frozen]}
        return args | {"params": {k: v for k, v in args["params"].items() if k != frozen}}, {
            "params": {frozen: args["params"][frozen]}
        }

    live, still = split()

    def join(live: Any) -> Any:
        return {**live, **still, "params": {**live.get("params", {}), **still.get("params", {})}}

    part = jax.jit(jax.grad(lambda live: loss(join(live), "scheduled")))(live)
    whole = whole_gradient()
    expected = {k: v for k, v in whole.items() if k in live}
    if "params" in live:
        expected["params"] = {k: whole["params"][k] for k in live["params"]}
    assert_close(part, expected)


@pytest.mark.parametrize(
    "pick",
    [lambda carry, ys: carry.c.sum(), lambda carry, ys: (ys[-1] ** 2).sum()],
    ids=["c", "last output"],
)
def test_one_output_in_the_loss(pick: Any) -> None:
    """Trap 24."""
    actual, expected = jax.jit(lambda a: tuple(jax.grad(loss)(a, b, pick) for b in ("scheduled", "reference")))(
        arrays(ROW)
    )
    assert_close(actual, expected)
    assert max(np.abs(a).max() for a in jax.tree.leaves(expected["params"])) > 0


@pytest.mark.parametrize("backend", GENERAL)
def test_backward_twice_is_the_same(backend: str) -> None:
    """Trap 26: bit for bit."""
    gradient = jax.jit(jax.grad(lambda a: loss(a, backend)))
    assert_same_bits(programs.to_numpy(gradient(arrays(ROW))), programs.to_numpy(gradient(arrays(ROW))))


def test_double_backward() -> None:
    """Trap 21: reverse over reverse, of a gradient penalty, in inputs and parameters."""

    def penalty(args: Any, backend: str) -> Any:
        return sum((g**2).sum() for g in jax.tree.leaves(jax.grad(loss)(args, backend)))

    actual, expected = jax.jit(lambda a: tuple(jax.grad(penalty)(a, b) for b in ("scheduled", "reference")))(
        arrays(ROW)
    )
    assert_close(actual, expected, 1e-9)


def test_forward_over_reverse_of_inputs_only() -> None:
    """A Hessian-vector product in xs alone, weights fixed."""
    args = arrays(ROW)
    direction = arrays(ROW, seed=1)["xs"]

    def product(backend: str) -> Any:
        gradient = jax.grad(lambda xs: loss(args | {"xs": xs}, backend))
        return jax.jvp(gradient, (args["xs"],), (direction,))[1]

    assert_close(*jax.jit(lambda: tuple(product(b) for b in ("scheduled", "reference")))())


@pytest.mark.parametrize("backend", [b for b in GENERAL if b != "native"])  # which declines integers
def test_per_step_inputs_that_are_integers_or_bools(backend: str) -> None:
    """They have no gradient, and are no obstacle to one."""
    import jaxrnn
    from tests.table import OwnCarry

    @jaxrnn.gate_cell(gates=("f",), carry=OwnCarry)
    def counted(carry: Any, x: Any, h: Any, *, times: Any, shown: Any) -> Any:
        new = jax.numpy.tanh(x.f + h.f) * times[..., None].astype(x.f.dtype)
        return OwnCarry(carry.slow + new, new), jax.numpy.where(shown[..., None], new, carry.slow)

    cell = counted(4)
    params, xs = cell.init(jax.random.key(0), 3), jax.random.normal(jax.random.key(1), (6, 3, 3))
    per_step = {"times": np.arange(18).reshape(6, 3) % 3, "shown": np.arange(18).reshape(6, 3) % 2 == 0}

    def run(params: Any, name: str) -> Any:
        carry, ys = jaxrnn.scan(cell, params, xs, per_step=per_step, lengths=np.array([6, 4, 0]), backend=name, chunk=3)
        return (ys**2).sum() + carry.slow.sum()

    assert_close(*jax.jit(lambda p: tuple(jax.grad(run)(p, b) for b in (backend, "reference")))(params))


class Mixed(NamedTuple):
    h: jax.Array


@jaxrnn.gate_cell(gates=("z", "g"), carry=Mixed)
def without_product(carry: Any, x: Any, recur: Any, theta: Any) -> Any:
    z = jax.nn.sigmoid(x.z)
    h = (1 - z) * carry.h + z * jax.numpy.tanh(x.g)
    return Mixed(h), h


@pytest.mark.parametrize("masked", [False, True])
def test_a_cell_that_multiplies_by_no_kernel(masked: bool) -> None:
    """Its state is read, and nothing is kept of products."""
    cell = without_product(4)
    rng = np.random.default_rng(2)
    params = jax.tree.map(lambda a: rng.normal(size=a.shape), cell.init(jax.random.key(0), 3))
    xs, mask = rng.normal(size=(11, 2, 3)), rng.random((11, 2)) < 0.7 if masked else None

    def program(backend: str) -> Any:
        def total(params: Any, xs: Any) -> Any:
            carry, ys = jaxrnn.scan(cell, params, xs, backend=backend, chunk=4, mask=mask)
            return (ys**2).sum() + carry.h.sum()

        return jax.jit(jax.grad(total, (0, 1)))(params, xs)

    assert_close(program("scheduled"), program("reference"))
