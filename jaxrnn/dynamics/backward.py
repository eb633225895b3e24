"""Backwards along a trajectory: products of Jacobians, and the gradient of a loss, one pass from the last step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

from jaxrnn.base.checks import check_key, check_size
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Array, Carry
from jaxrnn.dynamics.systems import Posed, Step, as_map, vectors

TINY = 1e-30


def through_time(posed: Posed, directions: int | None, key: Any) -> np.ndarray:
    """Logarithms of || d z[L] / d z_i[L - k] ||, [T + 1, R, N], NaN before a row's first step."""
    size = ravel_pytree(posed.row)[0].size
    if directions is not None:
        directions = check_size(directions, "directions")
    if key is not None:
        check_key(key, "key")
    if directions is None or directions >= size:
        start = jnp.eye(size, dtype=vectors(posed.carry).dtype)
    else:
        signs = jax.random.rademacher(jax.random.key(0) if key is None else key, (directions, size))
        start = signs.astype(vectors(posed.carry).dtype) / np.sqrt(directions)
    scaled, scales = _products(posed.step, posed.params, _rows(posed), posed.row, start)
    with np.errstate(divide="ignore"):
        scale = np.cumsum(np.asarray(scales, np.float64)[:, ::-1], axis=1)[:, ::-1]  # in float64: rounding adds up
        logs = np.log(np.asarray(scaled, np.float64)) + scale[..., None]
    first = np.broadcast_to(0.0, (len(logs), 1, size))  # of identity or signs; exact
    return by_distance(np.concatenate([logs, first], 1), posed.lengths)


def by_distance(found: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """[R, T + 1, N] at times 0 to T as [T + 1, R, N] by the distance from each row's last step."""
    T = found.shape[1] - 1
    at = lengths[:, None] - np.arange(T + 1)
    picked = np.take_along_axis(found, np.clip(at, 0, T)[..., None], axis=1)
    # At and after a row's end nothing is multiplied yet: what stands there belongs to distance 0.
    return np.moveaxis(np.where(at[..., None] >= 0, picked, np.nan), 1, 0)


def _rows(posed: Posed) -> tuple[Any, ...]:
    """What differs from row to row, rows first."""
    steps = (posed.xs, posed.valid, posed.per_step)
    return vectors(posed.carry), *(jax.tree.map(lambda a: jnp.moveaxis(a, 1, 0), s) for s in steps)


def trajectory(advance: Any, params: Any, z: Array, steps: tuple[Any, ...]) -> tuple[Array, Array]:
    """The state before every step and the outputs, of one row."""

    def forward(z: Array, at: tuple[Any, ...]) -> tuple[Array, tuple[Array, Array]]:
        x, valid, per_step = at
        new, y = advance(params, z, x, per_step)
        return jnp.where(valid, new, z), (z, jnp.where(valid, y, jnp.zeros_like(y)))

    return lax.scan(forward, z, steps)[1]


@partial(jax.jit, static_argnums=0)
def _products(step: Step, params: Any, rows: Any, row: Carry, start: Array) -> tuple[Array, Array]:
    """The columns' norms of the product down to each time [R, T, N], and the logarithms of each step's scale."""
    advance = as_map(step, row)

    def one(given: Any) -> tuple[Array, Array]:
        z, *steps = given
        before, _ = trajectory(advance, params, z, tuple(steps))

        def back(c: Array, at: Any) -> Any:
            z, (x, valid, per_step) = at
            pull = jax.vjp(lambda z: advance(params, z, x, per_step)[0], z)[1]
            c = jnp.where(valid, jax.vmap(lambda v: pull(v)[0])(c), c)
            norm = jnp.linalg.norm(c)
            size = jnp.where(norm > TINY, norm, jnp.ones_like(norm))
            return c / size, (jnp.linalg.norm(c / size, axis=0), jnp.log(size))

        return lax.scan(back, start, (before, tuple(steps)), reverse=True)[1]

    return lax.map(one, rows, batch_size=8)


def of_loss(posed: Posed, loss: Callable[[Array], Array]) -> np.ndarray:
    """Logarithms of | d loss / d z_i |, as `through_time` has them."""
    rows = _rows(posed)
    ys = _outputs(posed.step, posed.params, rows, posed.row)

    def of_rows(ys: Array) -> Array:  # [R, T, P]
        return loss(jnp.moveaxis(ys, 0, 1).reshape(ys.shape[1], *posed.batch, *ys.shape[2:]))

    value = jax.eval_shape(of_rows, ys)
    if getattr(value, "shape", None) != () or not jnp.issubdtype(value.dtype, jnp.floating):
        fail("loss", "a function of outputs [T, *B, P] that returns one number", Said(str(value)))
    found = _pulled(posed.step, posed.params, rows, posed.row, jax.grad(of_rows)(ys))
    T = found.shape[1]
    with np.errstate(divide="ignore"):
        logs = np.log(np.abs(np.asarray(found, np.float64)))
        last = np.full((len(logs), 1, logs.shape[2]), -np.inf)
        logs = np.where(np.arange(T)[None, :, None] < posed.lengths[:, None, None], logs, -np.inf)
    return by_distance(np.concatenate([logs, last], 1), posed.lengths)


@partial(jax.jit, static_argnums=0)
def _outputs(step: Step, params: Any, rows: Any, row: Carry) -> Array:
    advance = as_map(step, row)
    return jax.vmap(lambda given: trajectory(advance, params, given[0], tuple(given[1:]))[1])(rows)


@partial(jax.jit, static_argnums=0)
def _pulled(step: Step, params: Any, rows: Any, row: Carry, slopes: Array) -> Array:
    """The gradient of a loss by the state before every step, [R, T, N], of the slopes by outputs [R, T, P]."""
    advance = as_map(step, row)

    def one(given: Any, slopes: Array) -> Array:
        z, *steps = given
        before, _ = trajectory(advance, params, z, tuple(steps))

        def back(c: Array, at: Any) -> tuple[Array, Array]:
            z, (x, valid, per_step), slope = at
            pull = jax.vjp(lambda z: advance(params, z, x, per_step), z)[1]
            c = jnp.where(valid, pull((c, slope))[0], c)
            return c, c

        return lax.scan(back, jnp.zeros_like(z), (before, tuple(steps), slopes), reverse=True)[1]

    return jax.vmap(one)(rows, slopes)
