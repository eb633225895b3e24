"""Laws 3 and 4: padding changes no bit; rows of length zero, T = 0, B = 0, none and several batch axes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.laws import programs
from tests.laws.programs import BACKEND_NAMES, DIRECTIONS, GENERAL, assert_close, assert_same_bits, call
from tests.table import CASES, ROWS, B, D, H, Steps, T, arrays, cotangents

GARBAGE = {"NaN": np.nan, "inf": np.inf, "-inf": -np.inf, "huge": 1e300, "tiny": 1e-310}


def valid_of(steps: Steps) -> Any:
    return steps.mask & (np.arange(T)[:, None] < steps.lengths)


def spoil(tree: Any, valid: Any, value: float) -> Any:
    """`value` at every invalid step of arrays `[T, B, ...]`."""
    return jax.tree.map(lambda a: np.where(valid.reshape(valid.shape + (1,) * (a.ndim - 2)), a, value), tree)


@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize(("row", "direction"), programs.WAYS)
def test_padding_changes_no_bit(row: str, backend: str, direction: str) -> None:
    """Inputs, per-step inputs, ids and cotangents at invalid steps: outputs and all gradients stay, bit for bit."""
    program = programs.masked(row, backend, DIRECTIONS[direction])
    for case in ("lengths", "everything", "waiting resets"):
        steps, args, (carry_cotangent, ys_cotangent) = CASES[case], arrays(row), cotangents(row)
        valid = valid_of(steps)
        assert not valid.all()
        expected = programs.result(row, backend, DIRECTIONS[direction], case)
        for name, value in GARBAGE.items():
            dirty = args | {k: spoil(args[k], valid, value) for k in ("xs", "per_step")}
            ids = steps._replace(segments=np.where(valid, steps.segments, -77).astype(np.int32))
            actual = programs.to_numpy(program(dirty, ids, (carry_cotangent, spoil(ys_cotangent, valid, value))))
            assert_same_bits(actual, expected, f"{case}, {name}")
        outputs, gradients = expected
        assert not np.any(outputs[1][~valid])
        assert not np.any(gradients["xs"][~valid])


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", ROWS)
def test_rows_do_not_see_each_other(row: str, backend: str, direction: str) -> None:
    """A row full of NaN leaves the other rows' outputs, carries and x gradients as they were, bit for bit."""
    program, steps, args = programs.masked(row, backend, DIRECTIONS[direction]), CASES["everything"], arrays(row)
    (carry, ys), gradients = programs.result(row, backend, DIRECTIONS[direction], "everything")
    sick = args | {"xs": np.where(np.arange(B)[:, None] == 1, np.nan, args["xs"])}
    (sick_carry, sick_ys), sick_gradients = programs.to_numpy(program(sick, steps, cotangents(row)))
    others = [0, 2]
    assert np.isnan(sick_ys[:, 1]).any()
    assert_same_bits(sick_ys[:, others], ys[:, others])
    assert_same_bits(sick_gradients["xs"][:, others], gradients["xs"][:, others])
    assert_same_bits(jax.tree.map(lambda a: a[others], sick_carry), jax.tree.map(lambda a: a[others], carry))


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", ROWS)
def test_row_of_length_zero(row: str, backend: str, direction: str) -> None:
    """It returns its initial carry; that carry's gradient is the final carry's cotangent, all else of it is zero."""
    program, args, (carry_cotangent, ys_cotangent) = (
        programs.masked(row, backend, DIRECTIONS[direction]),
        arrays(row),
        cotangents(row),
    )
    nothing = CASES["resets"]._replace(lengths=np.zeros(B, int))
    (carry, ys), gradients = programs.to_numpy(program(args, nothing, (carry_cotangent, ys_cotangent)))
    assert_same_bits(carry, args["carry"])
    assert_same_bits(gradients["carry"], carry_cotangent)
    for name in ("params", "xs", "reset_carry", "per_step"):
        assert all(not a.any() for a in jax.tree.leaves(gradients[name])), name
    assert not ys.any()
    # A row of length zero among others is the same, and the others are as without it.
    (carry, _), gradients = programs.result(row, backend, DIRECTIONS[direction], "lengths")
    assert CASES["lengths"].lengths[2] == 0
    for final, initial, slope, weight in zip(carry, args["carry"], gradients["carry"], carry_cotangent, strict=True):
        assert_same_bits(final[2], initial[2])
        assert_same_bits(slope[2], weight[2])
    assert not gradients["xs"][:, 2].any()


def empty_program(row: str, backend: str, **options: Any) -> Any:
    def program(args: Any, cotangent: Any) -> Any:
        outputs, pull = jax.vjp(lambda args: call(row, backend, args, **options), args)
        return outputs, pull(cotangent)[0]

    return jax.jit(program)


@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", programs.QUICK_ROWS)
def test_no_steps(row: str, backend: str) -> None:
    args, cotangent = programs.without_reset(arrays(row, 0)), cotangents(row, 0)
    options = dict(lengths=np.zeros(B, int), resets=np.zeros((0, B), bool), chunk=3)
    (carry, ys), gradients = empty_program(row, backend, **options)(args, cotangent)
    assert_same_bits(programs.to_numpy(carry), args["carry"])
    assert ys.shape == (0, B, ROWS[row].cell.output_size)
    assert_same_bits(programs.to_numpy(gradients["carry"]), cotangent[0])
    assert all(not a.any() for a in jax.tree.leaves(gradients["params"]))


@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", programs.QUICK_ROWS)
def test_no_rows(row: str, backend: str) -> None:
    args, cotangent = arrays(row, T, (0,)), cotangents(row, T, (0,))
    options = dict(lengths=np.zeros(0, int), mask=np.ones((T, 0), bool), segments=np.ones((T, 0), int), chunk=3)
    (carry, ys), gradients = empty_program(row, backend, **options)(args, cotangent)
    assert [a.shape for a in carry] == [a.shape for a in args["carry"]]
    assert ys.shape == (T, 0, ROWS[row].cell.output_size)
    assert all(not a.any() and a.shape == args["params"][k].shape for k, a in gradients["params"].items())


@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", programs.QUICK_ROWS)
def test_several_batch_axes_and_none(row: str, backend: str) -> None:
    """A batch of (B, 2) and a single row, with lengths and resets, against the flat batch, gradients included."""
    steps = CASES["waiting resets"]

    def program(args: Any, cotangent: Any, steps: Steps) -> Any:
        def run(args: Any) -> Any:
            return call(row, backend, args, **steps._asdict(), chunk=3)

        outputs, pull = jax.vjp(run, args)
        return outputs, pull(cotangent)[0]

    def spread(a: Any, axis: int) -> Any:
        return np.stack([a, a], axis=axis + 1)

    args, (carry_cotangent, ys_cotangent) = arrays(row), cotangents(row)
    double = args | {
        "xs": spread(args["xs"], 1),
        "per_step": {k: spread(a, 1) for k, a in args["per_step"].items()},
        **{k: jax.tree.map(lambda a: spread(a, 0), args[k]) for k in ("carry", "reset_carry")},
    }
    marks = Steps(spread(steps.lengths, 0), *(spread(a, 1) for a in steps[1:]))
    cotangent = (jax.tree.map(lambda a: spread(a, 0), carry_cotangent), spread(ys_cotangent, 1))
    (carry, ys), gradients = programs.to_numpy(jax.jit(program)(double, cotangent, marks))
    expected, slopes = programs.result(row, "reference", False, "waiting resets")
    for k in (0, 1):
        assert_close((jax.tree.map(lambda a, k=k: a[:, k], carry), ys[:, :, k]), expected)
        assert_close(gradients["xs"][:, :, k], slopes["xs"])
    assert_close(gradients["params"], jax.tree.map(lambda a: 2 * a, slopes["params"]))

    b = 1
    single = args | {
        "xs": args["xs"][:, b],
        "per_step": {k: a[:, b] for k, a in args["per_step"].items()},
        **{k: jax.tree.map(lambda a: a[b], args[k]) for k in ("carry", "reset_carry")},
    }
    marks = Steps(steps.lengths[b], *(a[:, b] for a in steps[1:]))
    cotangent = (jax.tree.map(lambda a: a[b], carry_cotangent), ys_cotangent[:, b])
    outputs, gradients = programs.to_numpy(jax.jit(program)(single, cotangent, marks))
    assert_close(outputs, (jax.tree.map(lambda a: a[b], expected[0]), expected[1][:, b]))
    assert_close(gradients["xs"], slopes["xs"][:, b])


@pytest.mark.parametrize("backend", GENERAL)
def test_integer_inputs_equal_one_hot_and_their_padding_is_free(backend: str) -> None:
    """Symbols gather kernel rows. A symbol out of range in padding is neither an error nor a change."""
    row, lengths = "gru", np.array([6, 4, 0])
    args = programs.without_reset(arrays(row))
    symbols = np.random.default_rng(0).integers(0, D, (T, B))

    def program(params: Any, xs: Any) -> Any:
        outputs, pull = jax.vjp(
            lambda params: call(row, backend, args | {"params": params, "xs": xs}, lengths=lengths, chunk=3), params
        )
        return outputs, pull(cotangents(row))

    expected = jax.jit(program)(args["params"], np.eye(D)[symbols])
    jitted = jax.jit(program)
    actual = programs.to_numpy(jitted(args["params"], symbols))
    assert_close(actual, expected)
    dirty = np.where(np.arange(T)[:, None] < lengths, symbols, 10**6)
    assert_same_bits(programs.to_numpy(jitted(args["params"], dirty)), actual)
    assert_close(call(row, backend, args | {"xs": dirty}, lengths=lengths), expected[0])


@pytest.mark.parametrize("backend", GENERAL)
def test_projected_inputs_equal_raw_ones(backend: str) -> None:
    """`projected=True` takes what `cell.project` returns, gradients included; NaN in its padding is no matter."""
    row, lengths = "lstm, peepholes", np.array([6, 4, 0])
    args, cell = programs.without_reset(arrays(row)), ROWS["lstm, peepholes"].cell

    def loss(args: Any, projected: bool) -> Any:
        xs = cell.project(args["params"], args["xs"]) if projected else args["xs"]
        if projected:
            xs = jnp.where((np.arange(T)[:, None] < lengths)[..., None, None], xs, jnp.nan)
        outputs = call(row, backend, args | {"xs": xs}, lengths=lengths, projected=projected, chunk=3)
        return sum(
            (w * a).sum() for w, a in zip(jax.tree.leaves(cotangents(row)), jax.tree.leaves(outputs), strict=True)
        )

    raw, projected = jax.jit(lambda args: tuple(jax.value_and_grad(loss)(args, p) for p in (False, True)))(args)
    assert_close(projected, raw)
    assert cell.size == H
