"""Equations as users write them, on the native backend: as the reference, or declined; also cells drawn at random."""

from __future__ import annotations

import random
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.ad_checkpoint import checkpoint_name

import jaxrnn
from jaxrnn.core.step import Rows, Step, as_it_stands
from jaxrnn.functions.activations import ACTIVATIONS
from jaxrnn.kernels.native import library
from tests.laws.programs import assert_close


class State(NamedTuple):
    h: jax.Array


class Two(NamedTuple):
    c: jax.Array
    h: jax.Array


def drawn(cell: Any, batch: tuple[int, ...], steps: int, inputs: int = 3, seed: int = 0) -> tuple[Any, ...]:
    """Parameters, a carry and inputs."""
    rng = np.random.default_rng(seed)
    params = {n: rng.standard_normal(p.shape) / 2 for n, p in cell.declare(inputs).items()}
    carry = cell.carry_type(*(rng.standard_normal(s) for s in cell.carry_shapes(batch)))
    return params, carry, rng.standard_normal((steps, *batch, inputs))


def plain_step(cell: Any, params: Any, carry: Any, x: Any, **per_step: Any) -> Any:
    """The equations as they stand."""
    return as_it_stands(cell, params, x.dtype, Rows({}, None), carry, Step(x, per_step=per_step), False)


def check(cell: Any, *, native: bool = True, steps: int = 6, rows: int = 3, **options: Any) -> None:
    """Steps, sequences and all gradients equal the reference's, natively or not."""
    params, carry, xs = drawn(cell, (rows,), steps)
    ours = jax.jit(cell.step).lower(params, carry, xs[0]).as_text().count(f"@{library.TARGET}(")
    assert ours == (1 if native and rows <= 8 else 0)
    assert_close(jax.jit(cell.step)(params, carry, xs[0]), plain_step(cell, params, carry, xs[0]), 1e-11)

    def loss(params: Any, carry: Any, xs: Any, backend: str, chunk: Any) -> Any:
        final, ys = jaxrnn.scan(cell, params, xs, carry, backend=backend, chunk=chunk, **options)
        return (ys * jnp.cos(jnp.arange(ys.size).reshape(ys.shape))).sum() + sum((a**2).sum() for a in final)

    run = jax.jit(jax.value_and_grad(loss, (0, 1, 2)), static_argnums=(3, 4))
    expected = run(params, carry, xs, "reference", None)
    for chunk in (None, 2, steps):  # as the memory law allows, multiplied again, all kept
        assert_close(run(params, carry, xs, "native" if native else "auto", chunk), expected, 1e-10)


def of(equations: Any, *gates: str, **options: Any) -> Any:
    return jaxrnn.gate_cell(gates=gates, carry=State, **options)(equations)(5)


def kernel(*shape: Any) -> dict[str, Any]:
    return {"other": jaxrnn.Parameter(shape, jaxrnn.initializers.glorot_uniform, "recurrent")}


def a_factor_used_twice(carry: Any, x: Any, h: Any) -> Any:
    f = h.a * x.b
    y = jax.nn.sigmoid(f) * jnp.tanh(f + x.c) * jnp.sin(h.a)
    return State(y), y


def a_kernel_to_one_number(carry: Any, x: Any, recur: Any, theta: Any) -> Any:
    one = jax.lax.stop_gradient(recur(carry.h, kernel="other"))  # its derivative would be a sum over units
    y = jnp.tanh(x.a + jnp.broadcast_to(one, x.a.shape)) * recur(carry.h).a
    return State(y), y


@jax.custom_jvp
def tanh_of_sum(a: Any, b: Any) -> Any:
    return jnp.tanh(a + b)


@tanh_of_sum.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (a, b), (da, db) = primals, tangents
    return tanh_of_sum(a, b), jnp.cos(a) * da + b * db  # sees more than their sum


def a_derivative_of_its_own(carry: Any, x: Any, h: Any) -> Any:
    y = tanh_of_sum(x.a, h.a)
    return State(y), y


def a_loop(carry: Any, x: Any, h: Any) -> Any:
    y = jax.lax.scan(lambda s, _: (jnp.tanh(s + x.a + h.a), None), carry.h, None, length=3)[0]
    return State(y), y


def a_rounding(carry: Any, x: Any, h: Any) -> Any:
    y = jnp.tanh(x.a + h.a).astype(jnp.bfloat16).astype(x.a.dtype)
    return State(y), y


def a_truth(carry: Any, x: Any, h: Any) -> Any:
    y = jnp.tanh(x.a + h.a) * (1 + carry.h.astype(bool).astype(x.a.dtype))
    return State(y), y


def an_assertion(carry: Any, x: Any, h: Any) -> Any:
    assert carry.h.ndim == 2
    y = jnp.tanh(x.a + h.a)
    return State(y), y


@pytest.mark.parametrize(
    ("cell", "native"),
    [
        (of(a_factor_used_twice, "a", "b", "c"), True),
        (of(a_kernel_to_one_number, "a", parameters=kernel("H", 1)), True),
        (of(a_kernel_to_one_number, "a", "b", parameters=kernel("H", 1)), True),
        (of(a_derivative_of_its_own, "a"), True),
        (of(a_loop, "a"), False),
        (of(a_rounding, "a"), False),
        (of(a_truth, "a"), True),
        (of(an_assertion, "a"), False),
    ],
    ids=lambda v: v.name if isinstance(v, jaxrnn.Cell) else str(v),
)
def test_as_the_reference(cell: Any, native: bool) -> None:
    check(cell, native=native)


def test_wrong_sizes_are_refused_as_by_the_equations() -> None:
    """A per-step input that a kernel does not fit, or that has no axis of units."""

    @jaxrnn.gate_cell(gates=("a",), carry=State, parameters=kernel("H", "H"))
    def multiplied(carry: Any, x: Any, recur: Any, theta: Any, *, gain: Any) -> Any:
        y = jnp.tanh(x.a + recur(carry.h).a + recur(gain, kernel="other"))
        return State(y), y

    @jaxrnn.gate_cell(gates=("a",), carry=State)
    def chosen(carry: Any, x: Any, h: Any, *, gain: Any) -> Any:
        y = jnp.where(gain > 0, jnp.tanh(x.a + h.a), carry.h)
        return State(y), y

    for cell, gain, match in (
        (multiplied(5), np.ones((3, 4000)), r"`h` must be an array \[\*B, 5\], to be multiplied by 'other'"),
        (chosen(5), np.ones(3), r"`per_step\['gain'\]` must be of shape \((2, )?3, 1\)"),
        (chosen(3), np.ones(3), r"`per_step\['gain'\]` must be of shape \((2, )?3, 1\)"),  # would meet the units
    ):
        params, carry, xs = drawn(cell, (3,), 2)
        for run in (
            lambda: cell.step(params, carry, xs[0], per_step={"gain": gain}),  # noqa: B023
            lambda: jaxrnn.scan(cell, params, xs, carry, per_step={"gain": np.stack([gain, gain])}),  # noqa: B023
        ):
            with pytest.raises((TypeError, ValueError), match=match):
                run()


def test_vmap_over_nothing() -> None:
    cell = jaxrnn.lstm(4)
    params, carry, xs = drawn(cell, (0, 3), 5)
    final, y = jax.vmap(cell.step, (None, 0, 0))(params, carry, xs[0])
    assert (final.c.shape, y.shape) == ((0, 3, 4), (0, 3, 4))
    run = lambda carry, xs: jaxrnn.scan(cell, params, xs, carry, backend="native")  # noqa: E731
    gradient = jax.grad(lambda xs: jax.vmap(run, (0, 1))(carry, xs)[1].sum())(xs)
    assert gradient.shape == xs.shape


def test_forward_mode_costs_no_product_for_what_does_not_move() -> None:
    cell = jaxrnn.lstm(4)
    params, carry, xs = drawn(cell, (2,), 1)

    def products(step: Any) -> int:
        moved = lambda carry, direction: jax.jvp(lambda c: step(params, c, xs[0]), (carry,), (direction,))  # noqa: E731
        return jax.jit(moved).lower(carry, carry).as_text().count("dot_general")

    assert products(cell.step) == products(lambda *args: plain_step(cell, *args)) == 3


def test_a_mesh_of_one_device_with_explicit_axes_runs_natively() -> None:
    """Arrays carry their sharding in their types there, outside; inside the axes are automatic."""
    cell = jaxrnn.lstm(4)
    params, carry, xs = drawn(cell, (2, 2), 3)
    mesh = jax.make_mesh((1, 1), ("a", "b"), axis_types=(jax.sharding.AxisType.Explicit,) * 2)
    place = lambda a, *axes: jax.device_put(a, jax.NamedSharding(mesh, jax.P(*axes)))  # noqa: E731
    there = jax.tree.map(lambda a: place(a, "a", "b"), carry)
    x, sequence = place(xs[0], "a", "b"), place(xs, None, "a", "b")
    with jax.set_mesh(mesh):
        assert jax.jit(cell.step).lower(params, there, x).as_text().count(f"@{library.TARGET}(") == 1
        assert_close(jax.jit(cell.step)(params, there, x), plain_step(cell, params, carry, xs[0]), 1e-12)
        assert "runs on 'native'" in str(jaxrnn.explain(cell))
    assert_close(cell.step(params, there, x), plain_step(cell, params, carry, xs[0]), 1e-12)
    ours = jaxrnn.scan(cell, params, sequence, there)
    assert_close(ours, jaxrnn.scan(cell, params, xs, carry, backend="reference"), 1e-12)


# ---------------------------------------------------------------- cells drawn at random


def softmax_of_three(a: Any, b: Any) -> Any:
    return jax.nn.softmax(jnp.stack([a, b, a - b]), axis=0)[1]


def stacked(*arrays: Any) -> Any:
    return lax.optimization_barrier(jnp.stack(arrays))


OPERATIONS = {
    "sum": lambda a, b: jnp.tanh(a + b),
    "factor": lambda a, b: jnp.tanh(a * b),
    "gate": lambda a, b: jax.nn.sigmoid(b + a) * a,
    "difference": lambda a, b: jnp.sin(a - b),
    "choice": lambda a, b: jnp.where(a + b > 0, a, jnp.tanh(b)),
    "softmax": softmax_of_three,
    "clip": lambda a, b: jnp.clip(a, -1, 1) * jax.nn.hard_tanh(b),
    "integer": lambda a, b: jnp.where(a > 1, 1, b) - (2 * a) % 1,
    "gelu": lambda a, b: jax.nn.gelu(a, approximate=False) - lax.erfc(b),
    "mean": lambda a, b: jnp.stack([a, b, 2 * a]).mean(0) - jnp.cumsum(jnp.stack([a, b]), 0)[1] / 3,
    # JAX finds the largest by comparing again. Without the barrier XLA may compute what is compared anew, rounded
    # otherwise, so that none equals it, and the derivative is 0 / 0.
    "largest": lambda a, b: stacked(a, b).max(0) * stacked(*map(jnp.tanh, (a, b, -b))).min(0),
    "checkpoint": lambda a, b: jax.checkpoint(lambda u, v: jnp.sin(jnp.tanh(u) * v))(a, b),
    "angle": lambda a, b: jnp.arctan2(a, 2 + jnp.square(b)) + jnp.arctan(b),
    "rounded": lambda a, b: jnp.tanh(a) + jnp.round(b) * jnp.ceil(a) / 9 + jnp.trunc(b) * jnp.floor(a) / 9,
    "hyperbolic": lambda a, b: jnp.tanh(jnp.sinh(jnp.tanh(a)) * jnp.arcsinh(b)) + jnp.cosh(jnp.sin(b)) / 3,
}


def random_cell(seed: int) -> Any:
    """A cell of one to four gates and one to three products, each followed by sums and other operations."""
    rng = random.Random(seed)
    gates = tuple("abcd"[: rng.randint(1, 4)])
    kernels = {
        f"kernel_{i}": jaxrnn.Parameter(
            rng.choice([("H", "H"), ("H", "G", "H")]), jaxrnn.initializers.orthogonal, "recurrent"
        )
        for i in range(rng.randint(0, 2))
    }
    pool, program, parts = [*gates, "c", "h"], [], 0
    for name in ("recurrent_kernel", *kernels):
        gated = name == "recurrent_kernel" or len(kernels[name].shape) == 3
        first = rng.randrange(len(gates))
        picked = gates[first : rng.randint(first + 1, len(gates))] if gated and rng.random() < 0.5 else None
        results = [f"{name}.{i}" for i in range(len(picked or gates) if gated else 1)]
        program.append((name, rng.choice([*pool[len(gates) :]]), picked, results))
        pool += results
        for _ in range(rng.randint(1, 3)):
            a, b = rng.choice(pool), rng.choice(pool)
            if rng.random() < 0.5:
                a, b = rng.choice(gates), rng.choice(results)
            program.append((rng.choice([*OPERATIONS]), a, b, f"part {parts}"))
            pool.append(f"part {parts}")
            parts += 1
    last = rng.sample(pool, 3)
    shown = rng.choice(["h", "c", "neither"])

    def drawn_equations(carry: Any, x: Any, recur: Any, theta: Any) -> Any:
        values = dict(zip(gates, x, strict=True)) | carry._asdict()
        for name, a, b, out in program:
            if name in OPERATIONS:
                values[out] = OPERATIONS[name](values[a], values[b])
            else:
                result = recur(values[a], b, kernel=name)
                values |= zip(out, result if isinstance(result, tuple) else (result,), strict=True)
        c = jnp.tanh(sum(values[name] for name in last))
        h = jax.nn.sigmoid(values[last[0]]) * c + 0.1 * carry.h
        return Two(c, h), {"h": h, "c": c, "neither": c * h}[shown]

    return jaxrnn.gate_cell(gates=gates, carry=Two, parameters=kernels)(drawn_equations)(rng.choice([1, 3, 5, 17]))


def weighted(gates: Any) -> Any:
    return (gates * jnp.array([1.0, 3.0], gates.dtype).reshape(2, *[1] * (gates.ndim - 1))).sum(0)


ALONE = "tan arcsin arccos arctanh sinh cosh cbrt arctan arcsinh"
APPLIED: dict[str, Any] = {n: lambda a, f=getattr(jnp, n): f(a / 4) for n in ALONE.split()} | {
    "acosh": lambda a: jnp.arccosh(1.5 + jnp.square(a)),
    "erf": lax.erf,
    "log_softmax over gates": lambda a: jax.nn.log_softmax(jnp.stack([a, jnp.sin(a)]), axis=0).sum(0),
    "variance over gates": lambda a: jnp.var(jnp.stack([a, jnp.sin(a), 2 * a]), axis=0),
    "product over gates": lambda a: jnp.prod(jnp.stack([a, jnp.sin(a), 2 * a]), axis=0),
    "flipped gates": lambda a: weighted(jnp.flip(jnp.stack([a, 2 * a]), 0)),
    "powers": lambda a: jnp.power(a, 3) + jnp.power(2, a) + jnp.power(jnp.abs(a) + 1, a),
    "remainder": lambda a: jnp.fmod(a, 0.7) + a // 1,
    "saved by name": lambda a: jax.checkpoint(
        lambda u: jnp.sin(checkpoint_name(jnp.tanh(u), "kept")),
        policy=jax.checkpoint_policies.save_only_these_names("kept"),
    )(a),
}
ACTIVATIONS_OVER_UNITS = {"softmax", "log_softmax", "sparsemax"}


def both_ways(function: Any) -> None:
    """Values, gradients and second derivatives of a function inside a cell, natively and as the reference."""

    def equations(carry: Any, x: Any, h: Any) -> Any:
        y = jnp.tanh(function(x.a + h.a))
        return State(y), y

    cell = of(equations, "a")
    params, carry, xs = drawn(cell, (3,), 3)

    def loss(backend: str, params: Any, carry: Any, xs: Any) -> Any:
        return (jaxrnn.scan(cell, params, xs, carry, backend=backend)[1] ** 2).sum()

    def program(backend: str, *args: Any) -> Any:
        whole = jax.value_and_grad(partial(loss, backend), (0, 1, 2))
        return whole(*args), jax.jvp(whole, args, args)[1]

    assert_close(*(jax.jit(partial(program, backend))(params, carry, xs) for backend in ("native", "reference")), 1e-10)


@pytest.mark.parametrize("name", [n if "gates" in n else pytest.param(n, marks=pytest.mark.slow) for n in APPLIED])
def test_functions_and_their_derivatives(name: str) -> None:
    both_ways(APPLIED[name])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_run_natively(name: str) -> None:
    """All but those that mix the units of a vector."""

    def equations(carry: Any, x: Any, h: Any) -> Any:
        y = ACTIVATIONS[name](x.a + h.a)
        return State(y), y

    assert ("runs on 'native'" in str(jaxrnn.explain(of(equations, "a")))) == (name not in ACTIVATIONS_OVER_UNITS)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS) - ACTIVATIONS_OVER_UNITS))
def test_activations_and_their_derivatives(name: str) -> None:
    both_ways(ACTIVATIONS[name])


DECLINED = {
    "mixes the units": lambda a: a - a.sum(-1, keepdims=True),
    "moves or cuts the units": lambda a: jnp.roll(a, 1, -1),
    "loop or branch": lambda a: lax.fori_loop(0, 3, lambda i, u: jnp.tanh(u), a),
    "draw random numbers": lambda a: a * jax.random.uniform(jax.random.key(0), a.shape, a.dtype),
    "multiply matrices themselves": lambda a: a @ jnp.ones((a.shape[-1],) * 2, a.dtype),
    "differ from unit to unit": lambda a: a * jnp.broadcast_to(jnp.arange(5.0, dtype=a.dtype), a.shape),
    "look at the bits": lambda a: jnp.where(jnp.signbit(a), a, 2 * a),
    "compute in int": lambda a: a.astype(int).astype(a.dtype),
    "use `lgamma`": lax.lgamma,
}


@pytest.mark.parametrize("reason", DECLINED)
def test_what_is_declined_and_why(reason: str) -> None:
    def equations(carry: Any, x: Any, h: Any) -> Any:
        y = DECLINED[reason](x.a + h.a)
        return State(y), y

    assert reason in str(jaxrnn.explain(of(equations, "a")))


@pytest.mark.parametrize("seed", [s if s < 12 else pytest.param(s, marks=pytest.mark.slow) for s in range(120)])
def test_cells_drawn_at_random(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, steps = int(rng.choice([1, 3, 9])), int(rng.choice([2, 5, 7]))
    options: dict[str, Any] = {"reverse": bool(rng.random() < 0.3)}
    if rng.random() < 0.4:
        options["mask"] = rng.random((steps, rows)) < 0.7
    if rng.random() < 0.4:
        options["resets"] = rng.random((steps, rows)) < 0.3
    check(random_cell(seed), steps=steps, rows=rows, **options)
