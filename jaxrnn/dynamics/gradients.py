"""How far back in time a state is felt: products of Jacobians along a trajectory, from its last step backwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrnn.base.checks import check_function, check_number
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, ArrayLike, Carry, Params, PRNGKeyArray
from jaxrnn.dynamics.backward import of_loss, through_time
from jaxrnn.dynamics.systems import apart, asked_dtype, pose, precision


class GradientNorms(NamedTuple):
    """Norms by distance in time; entry k belongs to the state k steps before a row's last one, NaN before its first."""

    norms: np.ndarray  # [T + 1, *B]
    states: Any  # the same for each array of the carry: a carry of arrays [T + 1, *B]


def gradient_norms(
    layer: Any,
    params: Params | None,
    xs: ArrayLike,
    carry: Carry | None = None,
    *,
    loss: Callable[[Array], Array] | None = None,
    directions: int | None = None,
    key: PRNGKeyArray | None = None,
    lengths: ArrayLike | None = None,
    per_step: Mapping[str, ArrayLike] | None = None,
    dtype: Any = None,
) -> GradientNorms:
    """The norm of the gradient by distance in time.

        norms[k] = || d z[L] / d z[L - k] ||  (Frobenius),    with a loss  || d loss / d z[L - k] ||

    z[t] is all that a row carries after t steps, L its number of steps. norms[0] of a state of N numbers is sqrt(N);
    what falls by a factor a step vanishes, what grows explodes. The Jacobians' product is kept as a matrix of norm one
    and the logarithm of its size, so that neither end is lost in float32.

    Args:
        layer: a Layer, a module of jaxrnn (NNX or linen), or a cell of Flax's.
        params: its parameters; of linen the variables; None for an NNX module.
        xs: inputs [T, *B, D], time first whatever the module's order, or integers [T, *B].
        carry: where to start; None for the initial carry.
        loss: a function of the outputs [T, *B, P] (zero at padded steps) that returns a number. Rows are told apart
            only where the loss is a sum over rows.
        directions: without a loss: estimate from so many random directions (unbiased in norms squared) in place of all
            N; of a state of thousands that is what one can afford.
        key: draws the directions; None for a fixed one.
        lengths: integers [*B]: only the first so many steps of a row count.
        per_step: arrays [T, *B, ...] that the equations ask for by name.
        dtype: float32 or float64 to compute in; None as parameters and inputs are, float32 at least.

    Returns:
        `GradientNorms(norms, states)`, NumPy arrays.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    Paper: Bengio, Simard & Frasconi, Learning long-term dependencies with gradient descent is difficult, 1994; Pascanu,
    Mikolov & Bengio, On the difficulty of training recurrent neural networks, ICML 2013.

    >>> import jax, jaxrnn
    >>> from jaxrnn import dynamics
    >>> cell = jaxrnn.elman(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> found = dynamics.gradient_norms(cell, params, jax.random.normal(jax.random.key(1), (10, 2, 3)))
    >>> found.norms.shape, found.norms[0].tolist(), bool((found.norms[10] < found.norms[1]).all())
    ((11, 2), [2.0, 2.0], True)
    """
    if loss is not None:
        check_function(loss, "loss", "a function of the outputs [T, *B, P]")
        if directions is not None:
            fail("directions", "left out with a loss, which is a direction by itself", directions)
    dtype = asked_dtype(dtype)
    with precision(dtype):
        posed = pose(layer, params, xs, carry, lengths=lengths, per_step=per_step, dtype=dtype)
        found = through_time(posed, directions, key) if loss is None else of_loss(posed, loss)
    by_state = jax.tree.map(lambda a: _norm(a.reshape(*a.shape[:2], -1)), apart(found, posed.row))
    return GradientNorms(posed.rows(_norm(found), 1), jax.tree.map(lambda a: posed.rows(a, 1), by_state))


def _norm(logarithms: np.ndarray) -> np.ndarray:
    """The norm along the last axis of what is given as logarithms of its entries."""
    with np.errstate(over="ignore", invalid="ignore"):  # NaN before a row begins
        return np.exp(np.logaddexp.reduce(2 * logarithms, axis=-1) / 2)


def memory_lengths(
    layer: Any,
    params: Params | None,
    xs: ArrayLike,
    carry: Carry | None = None,
    *,
    level: float = 1 / np.e,
    directions: int | None = None,
    key: PRNGKeyArray | None = None,
    lengths: ArrayLike | None = None,
    per_step: Mapping[str, ArrayLike] | None = None,
    dtype: Any = None,
) -> Any:
    """The memory length of each unit: how many steps ago a nudge of it is still felt.

        s[k, i] = || d z[L] / d z_i[L - k] ||,    length_i = the last k at which s[k, i] is `level` or more

    Between two steps s is taken as exponential, so that a unit which decays as a^t has length log(level) / log(a): with
    the default the time constant -1 / log(a). It is inf where a row is too short to tell.

    Args:
        layer, params, xs, carry, directions, key, lengths, per_step, dtype: as of `gradient_norms`.
        level: what still counts as felt, in (0, 1).

    Returns:
        A carry of NumPy arrays [*B, H], in steps.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    >>> import jax, numpy as np, jaxrnn
    >>> from jaxrnn import dynamics
    >>> cell = jaxrnn.lru(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> dynamics.memory_lengths(cell, params, np.zeros((500, 3), np.float32))[0].shape
    (4,)
    """
    if not 0 < check_number(level, "level", "a number in (0, 1)") < 1:
        fail("level", "a number in (0, 1)", level)
    dtype = asked_dtype(dtype)
    with precision(dtype):
        posed = pose(layer, params, xs, carry, lengths=lengths, per_step=per_step, dtype=dtype)
        found = through_time(posed, directions, key)
    return jax.tree.map(posed.rows, apart(_last_above(found - found[:1], float(np.log(level))), posed.row))


def _last_above(logs: np.ndarray, level: float) -> np.ndarray:
    """[T + 1, R, N] by distance, NaN where there is none, to the last distance at which they are above a level."""
    above = logs >= level - 1e-12
    last = logs.shape[0] - 1 - np.argmax(above[::-1], axis=0)
    after = np.minimum(last + 1, logs.shape[0] - 1)
    a, b = (np.take_along_axis(logs, i[None], 0)[0] for i in (last, after))
    seen = (last + 1 < logs.shape[0]) & ~np.isnan(b)
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(np.isneginf(b), 0.0, (a - level) / np.where(a == b, 1.0, a - b))
    return np.where(seen, last + part, np.inf)
