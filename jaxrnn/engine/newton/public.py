"""The public entries beside `scan(..., backend="newton")`: what it did, and beforehand whether it can pay."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrnn.base.dtypes import state_dtype
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, ArrayLike, Carry, Params, Shaped
from jaxrnn.core.cell import Cell
from jaxrnn.core.closures import is_open, methods, still
from jaxrnn.engine.check import Arguments, check_scan
from jaxrnn.engine.masks import settle
from jaxrnn.engine.newton import backend as newton
from jaxrnn.engine.newton.backend import NewtonReport
from jaxrnn.engine.newton.model import after
from jaxrnn.engine.newton.solve import before
from jaxrnn.engine.plan import Plan
from jaxrnn.engine.run import chosen, ready
from jaxrnn.engine.sequence import Call, Job

NAME = "newton"


def scan_newton(
    cell: Cell, params: Params, xs: Shaped[ArrayLike, "T ..."], carry: Carry | None = None, **arguments: Any
) -> tuple[tuple[Carry, Any], NewtonReport]:
    """`scan(..., backend="newton")`, with a report of what Newton's method did.

        h <- h + e,    e[t] = J[t] e[t - 1] + (f(h[t - 1], x[t]) - h[t]),    J[t] = df/dh at h[t - 1]

    All steps at once, by linear solves, as many as it takes; a row is accepted when a bound on its error, from one more
    solve with the residual and one with roundings, is below 2**-15 in float32 and 2**-38 in float64, relative to
    1 + abs(h). Else it is solved in blocks of 8 to 128 steps, else the row is the loop's, bit by bit. Gradients are one
    linear solve at the solution. Under `vmap` the loop runs too, whether rows need it or not. On CPUs it is slower than
    the loop: see `newton_forecast`.

    Args:
        cell, params, xs, carry: as for `scan`; `cell` must be a Cell.
        **arguments: the keyword arguments of `scan`, without `backend`. Mesh axes are automatic.

    Returns:
        `(carry, ys), report`: the results of `scan`; of each row iterations, bound, whether it fell back, blocks.

    Raises:
        ValueError, TypeError: as `scan`; or Newton's method declines the cell, with the reason: it is linear in the
            state, its Jacobians hold more than 2**26 numbers, or its derivative is not that of what it computes.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.gru(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> (carry, ys), report = jaxrnn.scan_newton(cell, params, jax.numpy.ones((50, 2, 3)))
    >>> ys.shape, report.fell_back.tolist()
    ((50, 2, 4), [False, False])

    Papers:
        Lim et al., Parallelizing non-linear sequential models over the sequence length, ICLR 2024 (arXiv:2309.12252).
        Gonzalez et al., Towards scalable and stable parallelization of nonlinear RNNs, NeurIPS 2024 (arXiv:2407.19115).
    """
    return _run(newton.solved, cell, params, xs, carry, arguments)


class NewtonForecast(NamedTuple):
    """Whether Newton's method can pay.

    exponent: the largest Lyapunov exponent of each row, nats a step: below zero two states come nearer to each other.
    can_pay: whether it is below zero in every row, and what JAX computes on is no CPU. why: the reasons, as text.
    """

    exponent: Array
    can_pay: bool
    why: str


def newton_forecast(
    cell: Cell, params: Params, xs: Shaped[ArrayLike, "T ..."], carry: Carry | None = None, **arguments: Any
) -> NewtonForecast:
    """Whether `scan(..., backend="newton")` can be faster than a loop, told from parameters and inputs.

        exponent = mean_t log(norm(J[t] v[t - 1]) / norm(v[t - 1])),    v[t] = J[t] v[t - 1],    v[0] drawn at random

    It is the largest Lyapunov exponent along the loop's own states. Where it is above zero, states repel each other: no
    number of iterations leads to the loop's, and rows fall back. Below zero, few iterations are needed at any length.

    Args:
        cell, params, xs, carry: as for `scan`; `cell` must be a Cell. Some rows and steps tell as much as all.
        **arguments: the keyword arguments of `scan`, without `backend`. Steps that are invalid or reset do not count.

    Returns:
        A NewtonForecast: `exponent [*B]`, `can_pay`, and `why` in words.

    Raises:
        ValueError, TypeError: as `scan_newton`, or the arguments are traced.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.gru(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> forecast = jaxrnn.newton_forecast(cell, params, jax.numpy.ones((50, 2, 3)))
    >>> bool((forecast.exponent < 0).all())
    True

    Paper: Engelken, Wolf & Abbott, Lyapunov spectra of chaotic recurrent neural networks, Phys. Rev. Research 5 (2023).
    """
    found = _run(_exponent, cell, params, xs, carry, arguments)
    if isinstance(found, jax.core.Tracer):
        fail("xs", "concrete, as a forecast is made before a program is", xs, kind=TypeError)
    exponents = np.asarray(found)
    repelled = int((exponents >= 0).sum())
    reasons = (
        [f"the largest Lyapunov exponents are {exponents.min():.3g} to {exponents.max():.3g}"] if exponents.size else []
    )
    if repelled:
        reasons.append(f"{repelled} of {exponents.size} rows do not contract and are likely to fall back")
    if jax.default_backend() == "cpu":
        reasons.append("on CPUs the loop is faster")
    can_pay = not repelled and jax.default_backend() != "cpu"
    return NewtonForecast(found, can_pay, "; ".join(reasons))


def _run(what: Any, cell: Cell, params: Params, xs: Any, carry: Any, arguments: dict[str, Any]) -> Any:
    if not isinstance(cell, Cell):
        fail("cell", "a single Cell, whose states are its own", cell, kind=TypeError)
    given = Arguments.of(arguments)
    if not isinstance(given.backend, str) or given.backend not in ("auto", NAME):
        fail("backend", "left out", given.backend)
    call = check_scan(cell, params, xs, carry, given)
    layer, plan = still(cell), Plan(given.reverse, given.chunk, NAME, given.projected)
    return (_settled if is_open(layer) else _jitted)(what, layer, plan, methods(layer), call)


def _settled(what: Any, cell: Cell, plan: Plan, read: Hashable, call: Call) -> Any:
    return what(chosen(ready(cell, call._replace(sequence=settle(call.sequence)), plan))[1])


_jitted = jax.jit(_settled, static_argnums=(0, 1, 2, 3))


def _exponent(job: Job) -> Array:
    """`[*B]`: the largest Lyapunov exponent of each row."""
    batch = jax.tree.leaves(job.carry)[0].shape[:-1]
    if 0 in (job.steps.t.shape[0], *batch):
        return jnp.zeros(batch, state_dtype(job.carry))
    model, known, start = newton.model_of(job)
    _, (_, h) = newton.by_loop(job._replace(plan=job.plan._replace(carries=True)))
    flat = model.pack(jax.tree.map(lambda a: a.reshape(a.shape[0], -1, a.shape[-1]), h))
    at = before(flat[::-1] if job.plan.reverse else flat, start)
    draw = jax.random.normal(jax.random.key(0), start.shape[1:], start.dtype)

    def body(v: Array, step: Any) -> Any:
        state, at = step
        alone = known._replace(steps=jax.tree.map(lambda a: a[None], at))
        moved = jax.jvp(lambda s: after(model, alone, s[None])[0][0], (state,), (v,))[1]
        size = jnp.sqrt((moved**2).sum((-1, -2)))
        counts = size > 0
        if at.valid is not None:
            counts &= at.valid
        if at.reset is not None:
            counts &= ~at.reset
        divided = moved / jnp.where(counts, size, jnp.ones_like(size))[:, None, None]
        v = jnp.where(counts[:, None, None], divided, v)
        return v, (
            jnp.where(counts, jnp.log(jnp.where(counts, size, jnp.ones_like(size))), jnp.zeros_like(size)),
            counts,
        )

    v = jnp.broadcast_to(draw / jnp.sqrt((draw**2).sum()), start.shape)
    _, (growth, counts) = lax.scan(body, v, (at, known.steps))
    return (growth.sum(0) / jnp.maximum(counts.sum(0), 1).astype(growth.dtype)).reshape(batch)
