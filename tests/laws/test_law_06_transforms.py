"""Law 6: vmap, jit, remat, shard_map, bfloat16, float32, disable_jit, debug_nans and leak checks.

Strict dtype promotion and rank promotion "raise" hold in every test, by `tests/conftest.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

import jaxrnn
from tests.laws import programs
from tests.laws.programs import BACKEND_NAMES, GENERAL, QUICK_ROWS, assert_close, call
from tests.table import CASES, ROWS, Steps, T, arrays, cotangents


def loss(row: str, backend: str, args: Any, steps: Steps, cotangent: Any, **options: Any) -> Any:
    outputs = call(row, backend, args, **steps._asdict(), chunk=3, **options)
    return sum((w * a).sum() for w, a in zip(jax.tree.leaves(cotangent), jax.tree.leaves(outputs), strict=True))


def loss_of(gradients_of: str, reverse: bool, case: str) -> Any:
    """The reference's loss and gradients of a case."""
    (carry, ys), gradients = programs.result(gradients_of, "reference", reverse, case)
    weights = cotangents(gradients_of)
    return sum(
        (w * a).sum() for w, a in zip(jax.tree.leaves(weights), jax.tree.leaves((carry, ys)), strict=True)
    ), gradients


@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", QUICK_ROWS)
def test_vmap_of_gradient_of_remat(row: str, backend: str) -> None:
    """An ensemble: parameters, inputs, masks and cotangents all mapped."""
    cases = ("everything", "waiting resets")
    run = jax.checkpoint(lambda args, steps: loss(row, backend, args, steps, cotangents(row)))
    steps = jax.tree.map(lambda *a: np.stack(a), *(CASES[c] for c in cases))
    args = jax.tree.map(lambda a: np.stack([a, a]), arrays(row))
    values, gradients = jax.jit(jax.vmap(jax.value_and_grad(run)))(args, steps)
    for k, case in enumerate(cases):
        assert_close((values[k], jax.tree.map(lambda a, k=k: a[k], gradients)), loss_of(row, False, case), what=case)


@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", QUICK_ROWS)
def test_shard_map_over_the_batch(row: str, backend: str) -> None:
    """Sixteen rows on eight devices, parameters on all of them: losses and gradients of one device."""
    batch, rng = (16,), np.random.default_rng(3)
    args, weights = arrays(row, T, batch), cotangents(row, T, batch)
    marks = (rng.random((2, T, *batch)) < 0.7).tolist()
    steps = Steps(
        rng.integers(0, T + 1, batch), np.array(marks[0]), np.array(marks[1]), rng.integers(0, 2, (T, *batch))
    )
    mesh = Mesh(np.array(jax.devices()), ("data",))
    rows, times = PartitionSpec("data"), PartitionSpec(None, "data")
    specs = {"params": PartitionSpec(), "xs": times, "carry": rows, "reset_carry": rows, "per_step": times}

    def outputs(args: Any, steps: Steps) -> Any:
        return call(row, backend, args, **steps._asdict(), chunk=3)

    sharded = jax.shard_map(
        outputs, mesh=mesh, in_specs=(specs, Steps(rows, times, times, times)), out_specs=(rows, times)
    )

    def both(args: Any) -> Any:
        results = []
        for run in (sharded, outputs):
            out, pull = jax.vjp(lambda args, run=run: run(args, steps), args)
            results.append((out, pull(weights)))
        return tuple(results)

    assert mesh.size == 8
    assert_close(*jax.jit(both)(args))


@pytest.mark.parametrize("backend", GENERAL)
def test_shard_map_without_a_carry(backend: str) -> None:
    """The initial carry is made inside, and must vary over devices as the inputs do."""
    row, batch = "gru, learned carry without bias", (8,)
    args = {k: arrays(row, T, batch)[k] for k in ("params", "xs")}
    resets = np.random.default_rng(0).random((T, *batch)) < 0.3
    mesh = Mesh(np.array(jax.devices()), ("data",))
    times = PartitionSpec(None, "data")

    def outputs(args: Any, resets: Any) -> Any:
        return jaxrnn.scan(ROWS[row].cell, args["params"], args["xs"], resets=resets, backend=backend, chunk=3)[1]

    sharded = jax.shard_map(
        outputs, mesh=mesh, in_specs=({"params": PartitionSpec(), "xs": times}, times), out_specs=times
    )

    def gradient(run: Any, args: Any) -> Any:
        return jax.grad(lambda args: (run(args, resets) ** 2).sum())(args)

    assert_close(*jax.jit(lambda args: (gradient(sharded, args), gradient(outputs, args)))(args))


def bound(dtype: Any, expected: Any) -> float:
    """The one bound of lower precision: 4 T roundings of the largest entry. Every step rounds, and errors add up."""
    return 4 * T * float(jnp.finfo(dtype).eps) * max(np.abs(a).max() for a in jax.tree.leaves(expected))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32], ids=["bfloat16", "float32"])
@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", QUICK_ROWS)
def test_lower_precision(row: str, backend: str, dtype: Any) -> None:
    """Products in `dtype`, gates and carry in float32: outputs in `dtype`, gradients in the parameters' float32."""
    cell = replace(ROWS[row].cell, dtype=dtype)
    args, weights = jax.tree.map(lambda a: np.asarray(a, np.float32), (arrays(row), cotangents(row)))

    def program(args: Any) -> Any:
        def run(args: Any) -> Any:
            given = dict(args)
            params, xs, carry, per_step = (given.pop(k) for k in ("params", "xs", "carry", "per_step"))
            steps = CASES["everything"]._asdict()
            return jaxrnn.scan(
                cell, params, xs, carry, per_step=per_step or None, backend=backend, chunk=3, **steps, **given
            )

        (carry, ys), pull = jax.vjp(run, args)
        return (carry, ys), pull((weights[0], weights[1].astype(ys.dtype)))[0]

    (carry, ys), gradients = jax.jit(program)(args)
    assert ys.dtype == dtype
    assert {a.dtype for a in jax.tree.leaves((carry, gradients))} == {jnp.dtype(jnp.float32)}
    expected = programs.truth(row, False, "everything"), programs.true_gradients(row, False, "everything")
    for name, actual, true in (("outputs", (carry, ys), expected[0]), ("gradients", gradients, expected[1])):
        for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(true), strict=True):
            error = np.abs(np.asarray(a, np.float64) - e).max()
            assert error <= bound(dtype, true), (name, error, bound(dtype, true))
        assert any(
            np.abs(np.asarray(a, np.float64) - e).max() > 0
            for a, e in zip(jax.tree.leaves(actual), jax.tree.leaves(true), strict=True)
        )


@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize(
    "row", [pytest.param(r, marks=() if r == "gru, reset before" else pytest.mark.slow) for r in ROWS]
)
def test_without_jit(row: str, backend: str) -> None:
    args, weights, steps = arrays(row, 2), cotangents(row, 2), jax.tree.map(lambda a: a[:2], CASES["everything"])
    steps = steps._replace(lengths=np.array([2, 1, 0]))
    with jax.disable_jit():
        actual = jax.value_and_grad(lambda args: loss(row, backend, args, steps, weights))(args)
    assert_close(actual[0], loss_by_oracle(row, args, steps, weights))
    expected = jax.jit(jax.grad(lambda args: loss(row, "reference", args, steps, weights)))(args)
    assert_close(actual[1], expected)


def loss_by_oracle(row: str, args: Any, steps: Steps, weights: Any) -> Any:
    outputs = programs.run_oracle(row, args, steps, False)
    return sum((w * a).sum() for w, a in zip(jax.tree.leaves(weights), jax.tree.leaves(outputs), strict=True))


@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", QUICK_ROWS)
def test_debug_nans_is_silent_for_finite_inputs(row: str, backend: str) -> None:
    """No intermediate NaN, not even one that a later `where` would hide."""
    with jax.debug_nans(True):
        actual = jax.jit(
            jax.value_and_grad(lambda args: loss(row, backend, args, CASES["everything"], cotangents(row)))
        )(arrays(row))
    assert_close(actual, loss_of(row, False, "everything"))


@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", QUICK_ROWS)
def test_no_tracer_leaks(row: str, backend: str) -> None:
    with jax.checking_leaks():
        jaxpr = jax.make_jaxpr(jax.grad(lambda args: loss(row, backend, args, CASES["everything"], cotangents(row))))(
            arrays(row)
        )
    assert any("scan" in str(eqn.primitive) or eqn.params.get("jaxpr") for eqn in jaxpr.eqns)
