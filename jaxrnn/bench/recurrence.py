"""A linear recurrence alone, `h[t] = a[t] h[t - 1] + b[t]`: its problem, its truth, and what its arrays cost."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.bench.cases import Case
from jaxrnn.bench.rates import fastest
from jaxrnn.engine.recurrence.algorithms import Solve

Arrays = tuple[Any, ...]


def make_arrays(case: Case) -> tuple[Arrays, Any]:
    """a within (0, 1), b, and the cotangent of all states, `[T, B, H]` each."""
    rng, shape = np.random.default_rng(0), (case.T, case.B, case.H)
    a, b, cotangent = rng.random(shape, np.float32), *(rng.standard_normal(shape, np.float32) for _ in range(2))
    return (a.astype(case.dtype), b.astype(case.dtype)), cotangent.astype(case.dtype)


def make_states(xs: Arrays, cotangent: Any) -> dict[str, Any]:
    """States, and gradients of a and b, by a loop in NumPy's float64."""
    a, b, ct = (np.asarray(x, np.float64) for x in (*xs, cotangent))
    states, grads = np.zeros_like(a), np.zeros((2, *a.shape))
    h = back = np.zeros(a.shape[1:])
    for t in range(len(a)):
        states[t] = h = a[t] * h + b[t]
    for t in reversed(range(len(a))):
        back = back + ct[t]
        grads[:, t] = back * (states[t - 1] if t else 0), back
        back = a[t] * back
    return {"ys": np.asarray(states, np.float32), "xs": np.asarray(grads, np.float32)}


def solve(algorithm: Solve, xs: Arrays) -> Any:
    """The state after every step, from zeros."""
    a, b = xs
    return algorithm((a,), (b,), (jnp.zeros_like(b[0]),), False)[0]


def loop(a: Arrays, b: Arrays, start: Arrays, reverse: bool) -> Arrays:
    """A plain `jax.lax.scan`, as an algorithm."""

    def body(h: Any, at: Arrays) -> tuple[Any, Any]:
        h = at[0] * h + at[1]
        return h, h

    return (jax.lax.scan(body, start[0], (a[0], b[0]), reverse=reverse)[1],)


def measure_traffic(case: Case) -> float:
    """Seconds of one operation of XLA that reads five arrays and writes three, as both passes together must."""
    arrays = jax.device_put([np.full((case.T, case.B, case.H), 0.5, case.dtype) for _ in range(5)])
    together = jax.jit(lambda a, b, c, d, e: (a * b + c, c * d + e, e * a + b))
    return fastest(lambda: jax.block_until_ready(together(*arrays)))
