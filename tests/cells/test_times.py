"""Times as per-step inputs: one number a row or a unit, of any dtype, through every backend and module."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrnn
from tests.laws.programs import GENERAL, assert_close

T, B, D, H = 5, 2, 3, 4
KEY = jax.random.key(0)
CELLS = {
    "cfc": (jaxrnn.cfc(H), "dt"),
    "cfc, backbone": (jaxrnn.cfc(H, backbone=6), "dt"),
    "phased_lstm": (jaxrnn.phased_lstm(H, period_max=9.0, ratio=0.4), "t"),
    "time_lstm": (jaxrnn.time_lstm(H), "dt"),
}
XS = jax.random.normal(KEY, (T, B, D))
TIMES = 5 * jax.random.uniform(jax.random.key(1), (T, B))


def outputs_and_gradients(name: str, times: Any, backend: str = "auto") -> Any:
    cell, asked = CELLS[name]
    params = cell.init(KEY, D)

    def run(params: Any, xs: Any, times: Any) -> Any:
        return jaxrnn.scan(cell, params, xs, per_step={asked: times}, backend=backend)

    outputs, pull = jax.vjp(run, params, XS, times)
    return outputs, pull(jax.tree.map(jnp.cos, outputs))


@pytest.mark.parametrize("backend", GENERAL)
@pytest.mark.parametrize("name", CELLS)
def test_a_number_a_row_is_that_number_for_all_units(name: str, backend: str) -> None:
    """And runs on every backend; its gradient is the sum of theirs."""
    outputs, (*rest, slope) = outputs_and_gradients(name, TIMES, backend)
    by_unit = jnp.broadcast_to(TIMES[..., None], (T, B, H))
    others, (*more, slopes) = outputs_and_gradients(name, by_unit, backend)
    assert_close((outputs, rest, slope), (others, more, slopes.sum(-1)))
    assert np.abs(slope).max() > 1e-6


@pytest.mark.parametrize("name", CELLS)
def test_each_unit_may_have_its_own_time(name: str) -> None:
    apart = TIMES[..., None] + jnp.arange(H, dtype=TIMES.dtype).reshape(1, 1, H)
    _, (*_, slopes) = outputs_and_gradients(name, apart)
    assert slopes.shape == (T, B, H)
    cell, asked = CELLS[name]
    params = cell.init(KEY, D)
    together = [jaxrnn.scan(cell, params, XS, per_step={asked: t})[1] for t in (apart, TIMES)]
    assert np.abs(together[0] - together[1]).max() > 1e-6


@pytest.mark.parametrize("backend", ["auto", "reference", "scheduled"])
@pytest.mark.parametrize("dtype", [jnp.int32, jnp.float32, jnp.float16])
@pytest.mark.parametrize("name", CELLS)
def test_times_of_any_dtype(name: str, dtype: Any, backend: str) -> None:
    cell, asked = CELLS[name]
    params, times = cell.init(KEY, D), jnp.arange(1, T * B + 1, dtype=dtype).reshape(T, B)
    run = partial(jaxrnn.scan, cell, params, XS, backend=backend)
    assert_close(run(per_step={asked: times}), run(per_step={asked: times.astype(jnp.float64)}))


@pytest.mark.parametrize("shape", [(T, B, 1), (T, B, H, 1), (T, B, H + 1)])
@pytest.mark.parametrize("name", CELLS)
def test_times_of_other_shapes(name: str, shape: tuple[int, ...]) -> None:
    cell, asked = CELLS[name]
    with pytest.raises(ValueError, match=rf"^`per_step\['{asked}'\]` must be one number a row"):
        jaxrnn.scan(cell, cell.init(KEY, D), XS, per_step={asked: jnp.ones(shape)})


@pytest.mark.parametrize("name", CELLS)
def test_times_are_the_batch_major_modules_too(name: str) -> None:
    cell, asked = CELLS[name]
    module = jaxrnn.nnx.RNN(cell, D, rngs=nnx.Rngs(0))
    ys = module(XS.swapaxes(0, 1), per_step={asked: TIMES.T})
    assert ys.shape == (B, T, H)


def test_phased_lstm_is_an_lstm_that_skips() -> None:
    """While a unit's gate is closed and does not leak, its state stays as it is, bit for bit."""
    cell = jaxrnn.phased_lstm(H, leak=0.0)
    params = cell.init(KEY, D) | {"clock": jnp.stack([jnp.full(H, 10.0), jnp.zeros(H)]), "ratio": jnp.full(H, 0.2)}
    carry = cell.carry_type(*jax.random.normal(KEY, (2, B, H)))
    closed, ys = jaxrnn.scan(cell, params, XS, carry, per_step={"t": jnp.full((T, B), 25.0)})
    np.testing.assert_array_equal(closed, carry)
    np.testing.assert_array_equal(ys, jnp.broadcast_to(carry.h, (T, B, H)))
    peak, _ = jaxrnn.scan(cell, params, XS, carry, per_step={"t": jnp.full((T, B), 21.0)})
    plain = {name: a for name, a in params.items() if name not in ("clock", "ratio")}
    assert_close(peak, jaxrnn.scan(jaxrnn.lstm(H, peepholes=True), plain, XS, carry)[0])


MASS = jaxrnn.mass_conserving_lstm(H)


@pytest.mark.parametrize("inside", ["scan", "step"])
@pytest.mark.parametrize(
    ("cell", "given", "message"),
    [
        (MASS, dict(mass=(B,)), r"`per_step\['mass'\]` must be of shape \((1, )?2, 1\)"),  # would mix the rows
        (MASS, dict(mass=(B, 2)), r"`per_step\['mass'\]` must be of shape \(2, 1\)"),
        (jaxrnn.gru_d(H, inputs=B), dict(observed=(B,), elapsed=(B, B)), r"`per_step\['observed'\]` must be of shape"),
        (jaxrnn.gru_d(H, inputs=B), dict(observed=(B, B), elapsed=(B,)), r"`per_step\['elapsed'\]` must be of shape"),
        (jaxrnn.ltc(H), dict(dt=(B, H)), r"`per_step\['dt'\]` must be of shape \(2,\) in a step"),
        (jaxrnn.ltc(H), dict(dt=(B, 1)), r"`per_step\['dt'\]` must be of shape \(2,\)"),
        (jaxrnn.clockwork_rnn(H), dict(t=(B, H)), r"`per_step\['t'\]` must be of shape \(2,\)"),
    ],
)
def test_inputs_of_another_shape_are_refused(
    cell: Any, given: dict[str, Any], message: str, inside: str, unchecked: None
) -> None:
    """Under the promotion of ranks that JAX has by default, a number a row may be taken for one a feature."""
    x, params = np.ones((B, B)), cell.init(KEY, B)
    per_step = {name: np.ones(shape) for name, shape in given.items()}

    def run() -> None:
        if inside == "step":
            cell.step(params, cell.initial_carry((B,), params), x, per_step=per_step)
        else:
            jaxrnn.scan(cell, params, x[None], per_step={name: a[None] for name, a in per_step.items()})

    with jax.numpy_rank_promotion("allow"), pytest.raises(ValueError, match=message):
        run()
