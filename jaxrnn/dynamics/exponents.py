"""Lyapunov exponents: the mean rates at which small differences of states grow along a trajectory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrnn.base.checks import check_key, check_least, check_size
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Array, ArrayLike, Carry, Params, PRNGKeyArray
from jaxrnn.dynamics.systems import Step, as_map, asked_dtype, pose, precision, vectors


class Lyapunov(NamedTuple):
    """Lyapunov exponents, in nats a step, the largest first."""

    exponents: np.ndarray  # [*B, K]
    history: np.ndarray  # [blocks, *B, K]: what they were after each block; NaN while steps are skipped
    steps: np.ndarray  # [blocks]: how many steps had been taken by then

    @property
    def dimension(self) -> np.ndarray:
        """The Kaplan-Yorke dimension [*B] of what trajectories settle on: 0 at a fixed point. K if K are too few."""
        exponents = self.exponents
        sums = np.cumsum(exponents, -1)
        count = np.sum(np.cumprod(sums >= 0, axis=-1), -1)
        K = exponents.shape[-1]
        upto = np.where(count > 0, np.take_along_axis(sums, np.maximum(count - 1, 0)[..., None], -1)[..., 0], 0.0)
        following = np.take_along_axis(exponents, np.minimum(count, K - 1)[..., None], -1)[..., 0]
        part = np.where((count > 0) & (count < K), upto / np.where(following < 0, -following, np.inf), 0.0)
        return count + part


def lyapunov(
    layer: Any,
    params: Params | None,
    xs: ArrayLike,
    carry: Carry | None = None,
    *,
    count: int | None = None,
    every: int = 1,
    skip: int | None = None,
    key: PRNGKeyArray | None = None,
    lengths: ArrayLike | None = None,
    per_step: Mapping[str, ArrayLike] | None = None,
    dtype: Any = None,
) -> Lyapunov:
    """The Lyapunov spectrum along a trajectory, by QR.

        J[t] Q[t-1] = Q[t] R[t],    exponent_k = mean over t of log |R[t]_kk|,    J[t] = d z[t] / d z[t-1]

    Above zero differences grow: chaos, and gradients that explode. Below, they die out. The exponents are those of a
    network driven by `xs`; zeros show what it does by itself. Memory does not grow with T beyond that of xs.

    Args:
        layer, params, xs, carry, lengths, per_step, dtype: as of `gradient_norms`.
        count: K, how many of the largest; None for all N. A step costs K derivatives and a QR of [N, K].
        every: steps from one QR to the next, a block. With more, small exponents drown in rounding.
        skip: first steps that turn the directions and do not count; None for a quarter of T.
        key: draws the first directions; None for fixed ones.

    Returns:
        `Lyapunov(exponents, history, steps)`, NumPy arrays. An exponent is -inf where the map forgets a direction in
        one step, and NaN of a row that ends while steps are skipped.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    Paper: Benettin et al., Lyapunov characteristic exponents for smooth dynamical systems, Meccanica 1980; Engelken,
    Wolf & Abbott, Lyapunov spectra of chaotic recurrent neural networks, 2023; Vogt et al., On Lyapunov exponents for
    RNNs, 2022.

    >>> import jax, numpy as np, jaxrnn
    >>> from jaxrnn import dynamics
    >>> cell = jaxrnn.elman(8)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> wild = params | {"recurrent_kernel": 4 * params["recurrent_kernel"]}
    >>> xs = np.zeros((2000, 3), np.float32)
    >>> start = jaxrnn.ElmanCarry(0.1 + cell.initial_carry((), params).h)
    >>> found = [dynamics.lyapunov(cell, p, xs, start, count=2).exponents[0] for p in (params, wild)]
    >>> bool(found[0] < 0.01)
    True
    """
    every = check_size(every, "every")
    if count is not None:
        count = check_size(count, "count")
    if key is not None:
        check_key(key, "key")
    dtype = asked_dtype(dtype)
    with precision(dtype):
        posed = pose(layer, params, xs, carry, lengths=lengths, per_step=per_step, dtype=dtype)
        T = posed.xs.shape[0]
        first = T // 4 if skip is None else check_least(skip, "skip")
        if first >= T:
            fail("skip", f"less than T = {T}", skip)
        skip = first // every * every  # blocks count as a whole
        z = vectors(posed.carry)
        size = z.shape[1]
        count = size if count is None else count
        if count > size:
            fail("count", f"{size} or less, the numbers in the state of {Said('one row')}", count)
        blocks = -(-T // every)

        def in_blocks(a: Array) -> Array:
            padded = jnp.pad(a, [(0, blocks * every - T), *[(0, 0)] * (a.ndim - 1)])
            return jnp.moveaxis(padded.reshape(blocks, every, *a.shape[1:]), 2, 0)  # [R, blocks, every, ...]

        steps = jax.tree.map(in_blocks, (posed.xs, posed.valid, posed.per_step))
        noise = jax.random.normal(jax.random.key(0) if key is None else key, (size, count), z.dtype)
        logs = np.asarray(_run(posed.step, posed.params, z, steps, posed.row, jnp.linalg.qr(noise)[0]), np.float64)
        taken = np.asarray(steps[1].sum(2))  # [R, blocks]
    counted = np.arange(blocks) * every >= skip
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = np.cumsum(np.where(counted[:, None] & (taken > 0)[..., None], logs, 0.0), axis=1)
        steps_counted = np.cumsum(taken * counted, axis=1)[..., None]
        history = np.where(steps_counted > 0, sums / steps_counted, np.nan)  # [R, blocks, K]
    history = -np.sort(-history, axis=-1)
    ends = np.minimum((np.arange(blocks) + 1) * every, T)
    return Lyapunov(posed.rows(history[:, -1]), posed.rows(np.moveaxis(history, 0, 1), 1), ends)


@partial(jax.jit, static_argnums=0)
def _run(step: Step, params: Any, z: Array, steps: Any, row: Carry, start: Array) -> Array:
    """log |R_kk| of every block, [R, blocks, K]."""
    advance = as_map(step, row)

    def one(z: Array, steps: Any) -> Array:
        def block(state: tuple[Array, Array], at: Any) -> tuple[tuple[Array, Array], Array]:
            z, q = lax.scan(forward, state, at)[0]
            q, r = jnp.linalg.qr(q)
            return (z, q), jnp.log(jnp.abs(jnp.diagonal(r)))

        def forward(state: tuple[Array, Array], at: Any) -> tuple[tuple[Array, Array], None]:
            z, q = state
            x, valid, per_step = at
            new, push = jax.linearize(lambda z: advance(params, z, x, per_step)[0], z)
            turned = jax.vmap(push, 1, 1)(q)
            return (jnp.where(valid, new, z), jnp.where(valid, turned, q)), None

        return lax.scan(block, (z, start), steps)[1]

    return jax.vmap(one)(z, steps)
