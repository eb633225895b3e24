"""Fixed points: states that a network stays in while its input stays the same."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrnn.base.checks import check_array, check_key, check_number, check_real, check_size
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, ArrayLike, Carry, Params, PRNGKeyArray
from jaxrnn.dynamics.systems import Posed, Step, apart, as_map, asked_dtype, pose, precision, settled, vectors


class FixedPoints(NamedTuple):
    """Fixed points, the slowest first: F points of a state of N numbers."""

    points: Any  # a carry of arrays [F, H]
    residuals: np.ndarray  # [F]: root mean square of F(z) - z
    eigenvalues: np.ndarray  # [F, N] complex, of dF/dz there, the largest first
    hits: np.ndarray  # [F]: how many starts led to each
    lost: int  # starts that led to none

    @property
    def stable(self) -> np.ndarray:
        """[F] bool: whether states near by come nearer."""
        return np.abs(self.eigenvalues[:, 0]) < 1


def fixed_points(
    layer: Any,
    params: Params | None,
    x: ArrayLike,
    starts: Carry | int = 64,
    *,
    steps: int = 300,
    tolerance: float | None = None,
    distance: float = 1e-2,
    key: PRNGKeyArray | None = None,
    per_step: Mapping[str, ArrayLike] | None = None,
    dtype: Any = None,
) -> FixedPoints:
    """Fixed points under a constant input, with the eigenvalues of the map there.

        q(z) = 1/2 |F(z, x) - z|^2,    minimised from every start by damped Gauss-Newton (Levenberg-Marquardt)

    Where q is zero the state stays; eigenvalues inside the unit circle draw near-by states in, outside push them away,
    close to it is what a network remembers by. Points that several starts lead to are returned once. None that the
    starts do not lead to is found: give those of a trajectory, and many.

    A gate that is shut to the last digit holds any state, as does a GRU's where z is 1: what rounds to a fixed point
    counts as one, at whatever state it is. It has eigenvalues of 1; true fixed points of a GRU lie within [-1, 1].

    Args:
        layer, params, dtype: as of `gradient_norms`. In float64 residuals of 1e-10 are the rule.
        x: the input that stays: [D], or one integer.
        starts: states to start from, a carry of arrays [K, H] (as `jaxrnn.scan_carries` collects them); or how many to
            draw from a standard normal distribution.
        steps: the most that the minimisation takes.
        tolerance: the largest residual (root mean square of F(z) - z) of what counts as fixed; None for 1e-4 in
            float32, 1e-9 in float64. With inf, slow points count too.
        distance: points nearer to each other than this (root mean square) are one.
        key: draws starts; None for a fixed one.
        per_step: arrays [...] that the equations ask for by name, constant too.

    Returns:
        `FixedPoints(points, residuals, eigenvalues, hits, lost)`, NumPy arrays, by size of residual.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    Paper: Sussillo & Barak, Opening the black box: low-dimensional dynamics in high-dimensional recurrent neural
    networks, Neural Computation 2013.

    >>> import jax, numpy as np, jaxrnn
    >>> from jaxrnn import dynamics
    >>> cell = jaxrnn.gru(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> found = dynamics.fixed_points(cell, params, np.zeros(3, np.float32), dtype="float64")
    >>> bool(np.abs(found.points.h).max() < 1e-6), found.stable.tolist()
    (True, [True])
    """
    steps = check_size(steps, "steps")
    dtype = asked_dtype(dtype)
    distance = _positive(distance, "distance", False)
    if tolerance is not None:
        tolerance = _positive(tolerance, "tolerance", True)
    if key is not None:
        check_key(key, "key")
    with precision(dtype):
        posed = _from_starts(layer, params, x, starts, key, per_step, dtype)
        z = vectors(posed.carry)
        tolerance = tolerance or (1e-9 if z.dtype == np.float64 else 1e-4)
        at = jax.tree.map(lambda a: a[0, 0], (posed.xs, posed.per_step))
        found = np.asarray(_minimised(posed.step, posed.params, z, at, posed.row, steps, tolerance / 10), np.float64)
        residual, _ = _at(posed.step, posed.params, jnp.asarray(found, z.dtype), at, posed.row)
        chosen, hits, lost = _distinct(found, np.asarray(residual, np.float64), tolerance, distance)
        jacobians = _jacobians(posed.step, posed.params, jnp.asarray(found[chosen], z.dtype), at, posed.row)
        matrices = np.asarray(jacobians, np.float64)
    values = np.linalg.eigvals(matrices) if len(chosen) else np.zeros((0, z.shape[1]), complex)
    order = np.argsort(-np.abs(values), axis=-1)
    values = np.take_along_axis(values.astype(complex), order, -1)
    return FixedPoints(apart(found[chosen], posed.row), np.asarray(residual)[chosen], values, hits, lost)


def _positive(value: Any, argument: str, infinite: bool) -> float:
    if infinite and isinstance(value, float) and value == np.inf:
        return value
    number = check_number(value, argument, "a positive number")
    if number <= 0:
        fail(argument, "a positive number", value)
    return number


def _from_starts(layer: Any, params: Any, x: Any, starts: Any, key: Any, per_step: Any, dtype: Any) -> Posed:
    """Every start as a row of one step."""
    array = np.asarray(x if isinstance(x, int) and not isinstance(x, bool) else check_real(x, "x"))
    draws = isinstance(starts, (int, np.integer))
    count = check_size(starts, "starts") if draws else None
    if count is None:
        leaves = jax.tree.leaves(starts)
        if not leaves or not all(getattr(a, "ndim", 0) >= 1 for a in leaves):
            fail("starts", "a carry of arrays [K, H], or a number of starts", starts, kind=TypeError)
        count = leaves[0].shape[0]
        if count < 1:
            fail("starts", "one at least", starts)
    found = settled(layer, params)
    axes = 0 if found is None else found[0].axes
    expected = axes + (0 if array.dtype.kind in "iu" else 1)
    if array.ndim != expected:
        fail("x", "one input that stays: [D], or one integer", x)
    if not isinstance(per_step, Mapping | None):
        fail("per_step", "a dict of arrays by name", per_step, kind=TypeError)
    for name, given in (per_step or {}).items():
        check_array(given, f"per_step[{name!r}]")
    named = None if per_step is None else {n: np.broadcast_to(a, (1, count, *np.shape(a))) for n, a in per_step.items()}
    xs = jnp.broadcast_to(jnp.asarray(x), (1, count, *array.shape))
    posed = pose(layer, params, xs, None if draws else starts, per_step=named, dtype=dtype)
    if not draws:
        return posed
    leaves, tree = jax.tree.flatten(posed.carry)
    keys = jax.random.split(jax.random.key(0) if key is None else key, len(leaves))
    drawn = [jax.random.normal(k, a.shape, a.dtype) for k, a in zip(keys, leaves, strict=True)]
    return posed._replace(carry=jax.tree.unflatten(tree, drawn))


def _speed(step: Step, params: Any, at: Any, row: Carry) -> Any:
    advance = as_map(step, row)
    return lambda z: advance(params, z, *at)[0] - z


@partial(jax.jit, static_argnums=(0, 5))
def _minimised(step: Step, params: Any, z: Array, at: Any, row: Carry, steps: int, enough: Any) -> Array:
    """Where each start [K, N] ends."""
    speed = _speed(step, params, at, row)

    def one(z: Array) -> Array:
        def going(state: Any) -> Array:
            _, r, damping, n = state
            return (n < steps) & (jnp.sqrt(jnp.mean(r * r)) > enough * 1e-2) & (damping < 1e12)

        def down(state: Any) -> Any:
            z, r, damping, n = state
            jacobian = jax.jacfwd(speed)(z)
            normal = jacobian.T @ jacobian
            damped = normal + damping * jnp.eye(z.size, dtype=z.dtype)
            trial = z - jnp.linalg.solve(damped, jacobian.T @ r)
            new = speed(trial)
            better = jnp.sum(new * new) < jnp.sum(r * r)
            damping = jnp.where(better, jnp.maximum(damping / 5, 1e-12), damping * 4)
            return jnp.where(better, trial, z), jnp.where(better, new, r), damping, n + 1

        return lax.while_loop(going, down, (z, speed(z), jnp.asarray(1e-2, z.dtype), 0))[0]

    return lax.map(one, z, batch_size=16)


@partial(jax.jit, static_argnums=0)
def _at(step: Step, params: Any, z: Array, at: Any, row: Carry) -> tuple[Array, Array]:
    speed = _speed(step, params, at, row)
    r = jax.vmap(speed)(z)
    return jnp.sqrt(jnp.mean(r * r, -1)), r


@partial(jax.jit, static_argnums=0)
def _jacobians(step: Step, params: Any, z: Array, at: Any, row: Carry) -> Array:
    advance = as_map(step, row)
    return lax.map(jax.jacfwd(lambda z: advance(params, z, *at)[0]), z)


def _distinct(
    found: np.ndarray, residual: np.ndarray, most: float, distance: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Indices of points that are apart, the one with the smallest residual of each; how many starts led there."""
    chosen: list[int] = []
    hits: list[int] = []
    lost = 0
    for i in np.argsort(residual):
        if not residual[i] <= most:
            lost += 1
            continue
        gaps = np.sqrt(np.mean((found[chosen] - found[i]) ** 2, -1)) if chosen else np.array([np.inf])
        if gaps.min() > distance:
            chosen.append(int(i))
            hits.append(1)
        else:
            hits[int(gaps.argmin())] += 1
    return np.array(chosen, np.int64), np.array(hits, np.int64), lost
