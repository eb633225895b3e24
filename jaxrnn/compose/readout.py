"""A linear readout of a layer's outputs in closed form: ridge regression, from sums gathered while a sequence runs.

Moments of states and targets are gathered block by block, each block's around its own mean, and joined exactly (Chan,
Golub & LeVeque, 1979). So no sequence of states is held, data may come in pieces, and float32 loses no digits to a mean
that is far from zero.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.checks import check_least, check_number, check_numbers, check_size
from jaxrnn.base.dtypes import promote
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, ArrayLike, Carry, Params
from jaxrnn.core.closures import is_open, methods, still
from jaxrnn.core.layer import Layer
from jaxrnn.engine.check import Arguments, check_scan
from jaxrnn.engine.masks import valid_steps
from jaxrnn.engine.scan import scan
from jaxrnn.programs.serialized import serialized

PENALTY = "a number, zero or more"


@serialized
class Readout(NamedTuple):
    """A linear map of outputs: `readout(ys)` is ys @ kernel + bias."""

    kernel: Array  # [H, O]
    bias: Array  # [O]

    def __call__(self, ys: Array) -> Array:
        """`[..., O]` of outputs `[..., H]`."""
        return jnp.matmul(ys, self.kernel) + self.bias.reshape((1,) * (ys.ndim - 1) + self.bias.shape)


@serialized
class Moments(NamedTuple):
    """How many steps were seen, and what outputs and targets were in them, side by side."""

    steps: Array  # how many
    mean: Array  # [H + O]
    scatter: Array  # [H + O, H + O], the sum of squares around the mean

    def joined(self, other: Moments) -> Moments:
        """The moments of both."""
        steps = self.steps + other.steps
        share = other.steps / jnp.maximum(steps, 1)
        apart = other.mean - self.mean
        scatter = self.scatter + other.scatter + self.steps * share * jnp.outer(apart, apart)
        return Moments(steps, self.mean + share * apart, scatter)


def fit_readout(
    layer: Layer,
    params: Params,
    xs: ArrayLike,
    targets: ArrayLike,
    carry: Carry | None = None,
    *,
    penalty: float = 1e-6,
    **options: Any,
) -> tuple[Carry, Readout]:
    """Run a layer over sequences, and fit a linear readout of its outputs to targets, by ridge regression.

        kernel = (Y'Y + penalty I)^-1 Y'(targets - their mean),   of outputs Y around their mean

    The bias is not penalised. With a layer that is not trained, such as `jaxrnn.esn`, this is all of the training.

    Args:
        layer: a Cell, or any Layer.
        params: its parameters.
        xs: inputs `[T, *B, D]`, as for `jaxrnn.scan`.
        targets: `[T, *B, O]`.
        carry: the carry before the first step; None for the initial one.
        penalty: of the sum of squared weights, beside the sum of squared errors; zero or more. It is never less than
            the rounding of Y'Y, its largest eigenvalue times the dtype's epsilon.
        **options: of `jaxrnn.readout_moments`: `washout`, `lengths`, `mask`, `per_step`, `block`, `before`.

    Returns:
        `(carry, readout)`: the carry after the last step; a `Readout(kernel [H, O], bias [O])`, to be called.

    Raises:
        ValueError, TypeError: an argument does not fit; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.esn(50)
    >>> params = cell.init(jax.random.key(0), inputs=1)
    >>> xs = jax.random.normal(jax.random.key(1), (300, 2, 1))
    >>> carry, readout = jaxrnn.fit_readout(cell, params, xs, jax.numpy.roll(xs, 1, axis=0), washout=20)
    >>> readout.kernel.shape
    (50, 1)
    """
    carry, moments = readout_moments(layer, params, xs, targets, carry, **options)
    return carry, solve_readout(moments, layer.output_size, penalty)


def readout_moments(
    layer: Layer,
    params: Params,
    xs: ArrayLike,
    targets: ArrayLike,
    carry: Carry | None = None,
    *,
    washout: int = 0,
    lengths: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    per_step: Mapping[str, ArrayLike] | None = None,
    block: int = 128,
    before: Moments | None = None,
) -> tuple[Carry, Moments]:
    """Gather what a readout is fitted from, for data that come in pieces: `solve_readout` makes it of the moments.

    Args:
        layer, params, xs, targets, carry: as for `fit_readout`.
        washout: so many of the first valid steps of each row are run, but not fitted.
        lengths, mask, per_step: as for `jaxrnn.scan`. What targets hold at invalid steps, NaN included, counts nowhere.
        block: steps whose outputs are held at once.
        before: the moments of what came before; None for nothing.

    Returns:
        `(carry, moments)`: the carry after the last step, for the piece that follows; and the moments of all so far.

    Raises:
        ValueError, TypeError: an argument does not fit; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.esn(50)
    >>> params = cell.init(jax.random.key(0), inputs=1)
    >>> xs = jax.random.normal(jax.random.key(1), (300, 2, 1))
    >>> carry, moments = jaxrnn.readout_moments(cell, params, xs[:200], xs[:200] ** 2, washout=20)
    >>> carry, moments = jaxrnn.readout_moments(cell, params, xs[200:], xs[200:] ** 2, carry, before=moments)
    >>> float(moments.steps), jaxrnn.solve_readout(moments, cell.output_size, penalty=0.1).bias.shape
    (560.0, (1,))
    """
    if not isinstance(layer, Layer):
        fail("layer", "a jaxrnn Layer", layer, kind=TypeError)
    check_size(block, "block")
    check_least(washout, "washout")
    if layer.axes:
        fail("layer", "a layer without axes of positions, which would be fitted as rows", layer)
    call = check_scan(layer, params, xs, carry, Arguments(lengths=lengths, mask=mask, per_step=per_step))
    xs, carry, targets = call.sequence.xs, call.carry, check_numbers(targets, "targets")
    axes = xs.shape if jnp.issubdtype(xs.dtype, jnp.integer) else xs.shape[:-1]
    if before is not None:
        _check_moments(before, "before", layer.output_size + targets.shape[-1] if targets.ndim else None)
    if targets.ndim != len(axes) + 1 or targets.shape[:-1] != axes:
        fail("targets", f"an array {(*axes, 'O')}, of as many steps and rows as xs", targets)
    valid = valid_steps(axes[0], call.sequence.lengths, call.sequence.mask)
    valid = jnp.ones(axes, bool) if valid is None else jnp.asarray(valid)
    carry = layer.initial_carry(axes[1:], params) if carry is None else carry
    steps = (xs, jnp.asarray(targets), valid, dict(per_step or {}))
    run = _gather if is_open(layer) else _gather_jitted
    size = min(block, max(axes[0], 1))
    carry, moments = run(still(layer), methods(layer), int(washout), size, call.params, steps, carry)
    return carry, moments if before is None else before.joined(moments)


def solve_readout(moments: Moments, outputs: int, penalty: float = 1e-6) -> Readout:
    """The readout that fits best.

    Args:
        moments: as `readout_moments` gathers them.
        outputs: H, the layer's `output_size`.
        penalty: of the sum of squared weights, beside the sum of squared errors; zero or more.

    Returns:
        A `Readout(kernel [H, O], bias [O])`.

    Raises:
        ValueError, TypeError: an argument does not fit; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.esn(8)
    >>> params = cell.init(jax.random.key(0), inputs=1)
    >>> xs = jax.numpy.sin(0.3 * jax.numpy.arange(50.0))[:, None, None]
    >>> carry, moments = jaxrnn.readout_moments(cell, params, xs[:-1], xs[1:])
    >>> jaxrnn.solve_readout(moments, cell.output_size, penalty=1e-3).kernel.shape
    (8, 1)
    """
    if check_number(penalty, "penalty", PENALTY) < 0:
        fail("penalty", PENALTY, penalty)
    _check_moments(moments, "moments", None)
    size = moments.mean.shape[0]
    if check_size(outputs, "outputs") >= size:
        fail("outputs", f"fewer than {size}, the numbers of outputs and targets together", outputs)
    mean, goal = moments.mean[:outputs], moments.mean[outputs:]
    lengths, directions = jnp.linalg.eigh(moments.scatter[:outputs, :outputs])
    lengths = jnp.maximum(lengths, 0)
    lengths = lengths + jnp.maximum(
        float(penalty), jnp.finfo(lengths.dtype).eps * lengths[-1]
    )  # what is shorter is rounding
    multiply = partial(jnp.matmul, precision=lax.Precision.HIGHEST)
    along = multiply(directions.T, moments.scatter[:outputs, outputs:])
    kernel = multiply(directions, along / jnp.where(lengths > 0, lengths, 1)[:, None])  # zero of outputs all constant
    return Readout(kernel, goal - multiply(mean, kernel))


def _gather(
    layer: Layer, read: Hashable, washout: int, block: int, params: Params, steps: Any, carry: Carry
) -> tuple[Carry, Moments]:
    """Block by block; the rest of the last one is steps that do not count. `read` is what methods of the layer read."""
    _, targets, valid, _ = steps
    T, blocks = valid.shape[0], -(-valid.shape[0] // block)
    seen = jnp.cumsum(valid, axis=0, dtype=jnp.int32)
    steps = (*steps, valid & (seen > washout))
    short = blocks * block - T
    padded = jax.tree.map(lambda a: jnp.pad(a, [(0, short), *((0, 0),) * (a.ndim - 1)]), steps)
    cut = jax.tree.map(lambda a: a.reshape(blocks, block, *a.shape[1:]), padded)
    dtype = promote(jnp.float32, promote(targets.dtype, jax.tree.leaves(params)[0].dtype))
    size = layer.output_size + targets.shape[-1]
    nothing = Moments(jnp.zeros((), dtype), jnp.zeros(size, dtype), jnp.zeros((size, size), dtype))

    def one(state: tuple[Carry, Moments], part: Any) -> tuple[tuple[Carry, Moments], None]:
        carry, moments = state
        xs, targets, valid, per_step, fitted = part
        carry, ys = scan(layer, params, xs, carry, mask=valid, per_step=per_step or None)
        both = jnp.concatenate([ys.astype(dtype), targets.astype(dtype)], -1)
        rows, fitted = both.reshape(-1, size), fitted.reshape(-1, 1)
        count = fitted.sum(dtype=dtype)
        mean = jnp.where(fitted, rows, 0).sum(0) / jnp.maximum(count, 1)
        around = jnp.where(fitted, rows - mean[None], 0)
        scatter = jnp.matmul(around.T, around, precision=lax.Precision.HIGHEST)
        return (carry, moments.joined(Moments(count, mean, scatter))), None

    (carry, moments), _ = lax.scan(one, (carry, nothing), cut)
    return carry, moments


_gather_jitted = jax.jit(_gather, static_argnums=(0, 1, 2, 3))


def _check_moments(value: Any, argument: str, size: int | None) -> None:
    if not isinstance(value, Moments):
        fail(argument, "moments, as `readout_moments` gathers them", value, kind=TypeError)
    if size is not None and value.mean.shape != (size,):
        fail(argument, f"moments of {size} numbers, of outputs and targets together", value.mean)
