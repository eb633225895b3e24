"""Per-step inputs of cells of a user's own: what is one number a row has an axis of one, or is told to."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrnn

T, B, D = 5, 3, 2
KEY = jax.random.key(0)


class State(NamedTuple):
    h: Any


@jaxrnn.gate_cell(gates=("f", "g"), carry=State)
def bare(carry: Any, x: Any, h: Any, *, dt: Any) -> Any:
    new = carry.h + dt * jnp.tanh(x.g + h.g) * jax.nn.sigmoid(x.f + h.f)
    return State(new), new


@jaxrnn.gate_cell(gates=("f", "g"), carry=State)
def spread(carry: Any, x: Any, h: Any, *, dt: Any) -> Any:
    new = carry.h + dt[..., None] * jnp.tanh(x.g + h.g) * jax.nn.sigmoid(x.f + h.f)
    return State(new), new


@jaxrnn.gate_cell(gates=("g",), carry=State)
def two(carry: Any, x: Any, h: Any, *, dt: Any, on: Any) -> Any:
    new = jnp.where(on, carry.h + dt[..., None] * jnp.tanh(x.g + h.g), carry.h)
    return State(new), new


@jaxrnn.linear_cell(gates=("a", "b"), carry=State)
def linear(x: Any, *, dt: Any) -> Any:
    a = jax.nn.sigmoid(x.a) ** dt
    return a, (1 - a) * x.b


def loop(params: Any, xs: Any, dt: Any) -> Any:
    """`bare` and `spread` in NumPy: one number a row, `[T, B]`."""
    W, U, b = (np.asarray(params[n]) for n in ("kernel", "recurrent_kernel", "bias"))
    h, ys = np.zeros((xs.shape[1], W.shape[-1])), []
    for x, times in zip(np.asarray(xs), np.asarray(dt), strict=True):
        f, g = (x @ W[:, i] + b[i] + h @ U[:, i] for i in range(2))
        h = h + times[:, None] * np.tanh(g) / (1 + np.exp(-f))
        ys.append(h)
    return np.stack(ys)


def posed(factory: Any, size: int, rows: int = B) -> tuple[Any, Any, Any, Any]:
    """A cell, its parameters, inputs, and one number a row."""
    cell = factory(size)
    xs, dt = jax.random.normal(KEY, (T, rows, D)), jax.random.uniform(jax.random.key(1), (T, rows))
    return cell, cell.init(KEY, inputs=D), xs, dt


@pytest.mark.parametrize("backend", ["auto", "reference", "scheduled"])
@pytest.mark.parametrize("size", [B, 4])
def test_a_number_a_row_equals_a_loop(size: int, backend: str) -> None:
    for factory, axes in ((bare, 1), (spread, 0)):
        cell, params, xs, dt = posed(factory, size)
        given = dt.reshape(T, B, *(1,) * axes)
        ys = jaxrnn.scan(cell, params, xs, per_step={"dt": given}, backend=backend)[1]
        np.testing.assert_allclose(ys, loop(params, xs, dt), rtol=0, atol=1e-12)


MESSAGE = r"^`per_step\['{}'\]` must be of shape \({}\), since the equations have it meet units, not rows, got"


def run(cell: Any, params: Any, xs: Any, given: Any, inside: str) -> Any:
    first = {name: a[0] for name, a in given.items()}
    batch = xs.shape[1:-1]
    if inside == "step":
        return cell.step(params, cell.initial_carry(batch, params), xs[0], per_step=first)
    if inside == "module":
        module = jaxrnn.nnx.RNN(cell, D, rngs=nnx.Rngs(0))
        return module(xs.swapaxes(0, 1), per_step={name: a.swapaxes(0, 1) for name, a in given.items()})
    if inside == "stack":
        return jaxrnn.scan(jaxrnn.stack([cell]), {"layer_0": params}, xs, per_step=given)
    if inside == "truncated":
        return jaxrnn.scan_truncated(cell, params, xs, k1=2, per_step=given)
    return jax.jit(partial(jaxrnn.scan, cell))(params, xs, per_step=given)


@pytest.mark.parametrize("inside", ["scan", "step", "stack", "module", "truncated"])
@pytest.mark.parametrize("size", [B, 4])
@pytest.mark.parametrize("factory", [bare, linear])
def test_rows_that_would_meet_units_are_refused(factory: Any, size: int, inside: str, unchecked: None) -> None:
    """Where B = H, JAX broadcasts them by default without a word."""
    cell, params, xs, dt = posed(factory, size)
    shape = f"{B}, 1" if inside == "step" else f"{T}, {B}, 1" if inside != "truncated" else rf"\d, {B}, 1"
    with jax.numpy_rank_promotion("allow"), pytest.raises(ValueError, match=MESSAGE.format("dt", shape)):
        run(cell, params, xs, {"dt": dt}, inside)


def test_the_one_that_does_not_fit_is_named(unchecked: None) -> None:
    cell, params, xs, dt = posed(two, B)
    with jax.numpy_rank_promotion("allow"), pytest.raises(ValueError, match=MESSAGE.format("on", f"{T}, {B}, 1")):
        jaxrnn.scan(cell, params, xs, per_step={"dt": dt, "on": dt > 0.5})
    ys = jaxrnn.scan(cell, params, xs, per_step={"dt": dt, "on": (dt > 0.5)[..., None]})[1]
    assert ys.shape == (T, B, B)


@pytest.mark.parametrize("batch", [(B, B), (1, B)])
def test_several_axes_of_rows(batch: tuple[int, ...], unchecked: None) -> None:
    cell, params = bare(B), bare(B).init(KEY, inputs=D)
    xs, dt = jax.random.normal(KEY, (T, *batch, D)), jax.random.uniform(KEY, (T, *batch))
    with jax.numpy_rank_promotion("allow"), pytest.raises(ValueError, match=r"must be of shape \(5, \d, 3, 1\)"):
        jaxrnn.scan(cell, params, xs, per_step={"dt": dt})
    ys = jaxrnn.scan(cell, params, xs, per_step={"dt": dt[..., None]})[1]
    for i in range(batch[0]):
        np.testing.assert_allclose(ys[:, i], loop(params, xs[:, i], dt[:, i]), rtol=0, atol=1e-12)


def test_one_row_alone_has_no_axis_to_mistake() -> None:
    """Below `vmap` a row's number is a number."""
    cell, params, xs, dt = posed(bare, B)
    each = jax.vmap(lambda xs, dt: jaxrnn.scan(cell, params, xs, per_step={"dt": dt})[1], in_axes=1, out_axes=1)
    with jax.numpy_rank_promotion("allow"):
        np.testing.assert_allclose(each(xs, dt), loop(params, xs, dt), rtol=0, atol=1e-12)


def test_positions_are_units_too(unchecked: None) -> None:
    """Where states are `[B, S, H]`, an input `[B, 1]` would meet positions."""
    cell = bare(4, recurrent=jaxrnn.convolution(3), input=jaxrnn.convolution(3))
    params, xs = cell.init(KEY, inputs=D), jax.random.normal(KEY, (T, B, B, D))
    dt = jax.random.uniform(KEY, (T, B, 1))
    message = MESSAGE.format("dt", f"{T}, {B}, 1, 1")
    with jax.numpy_rank_promotion("allow"), pytest.raises(ValueError, match=message):
        jaxrnn.scan(cell, params, xs, per_step={"dt": dt})
    ys = jaxrnn.scan(cell, params, xs, per_step={"dt": dt[..., None]})[1]
    for i in range(B):
        alone = jaxrnn.scan(cell, params, xs[:, i : i + 1], per_step={"dt": dt[:, i : i + 1, :, None]})[1]
        np.testing.assert_allclose(ys[:, i : i + 1], alone, rtol=0, atol=1e-12)


def test_equations_that_fail_in_any_case_say_why_themselves(unchecked: None) -> None:
    @jaxrnn.gate_cell(gates=("g",), carry=State)
    def broken(carry: Any, x: Any, h: Any, *, dt: Any) -> Any:
        raise RuntimeError("of its own")

    cell, params, xs, dt = posed(broken, B)
    with pytest.raises(RuntimeError, match="of its own"):
        jaxrnn.scan(cell, params, xs, per_step={"dt": dt})


def test_arrays_that_equations_close_over_stay_as_they_are(unchecked: None) -> None:
    """A gain for each row of this batch does not fit any other batch: such equations are left alone."""
    gain = jnp.arange(1.0, B + 1)[:, None]

    @jaxrnn.gate_cell(gates=("g",), carry=State)
    def closed(carry: Any, x: Any, h: Any, *, dt: Any) -> Any:
        new = carry.h + gain * dt[..., None] * jnp.tanh(x.g + h.g)
        return State(new), new

    cell, params, xs, dt = posed(closed, 4)
    ys = jaxrnn.scan(cell, params, xs, per_step={"dt": dt})[1]
    W, U, b = (np.asarray(params[n])[..., 0, :] for n in ("kernel", "recurrent_kernel", "bias"))
    h = np.zeros((B, 4))
    for x, times, y in zip(np.asarray(xs), np.asarray(dt), ys, strict=True):
        h = h + np.asarray(gain) * times[:, None] * np.tanh(x @ W + b + h @ U)
        np.testing.assert_allclose(y, h, rtol=0, atol=1e-12)
