r"""A causal convolution over time, a filter a feature.

    y_t = bias + sum_k kernel_k * x_(t - W + 1 + k)     k from 0, the oldest input in the window, to W - 1, the newest

Steps that do not count are not there: the window holds the last W inputs that do. It does not look across a reset,
behind which is what the reset leads to.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax

from jaxrnn.base.typing import Array


def convolve(
    kernel: Array,
    bias: Array,
    xs: Array,
    window: Array,
    valid: Array | None = None,
    reset: Array | None = None,
    fresh: Array | None = None,
    reverse: bool = False,
) -> tuple[Array, Array]:
    """The convolution of a whole sequence, in its direction.

    Args:
        kernel: `[W, D]`. bias: `[D]`.
        xs: `[T, *B, D]`, zero at steps that do not count.
        window: `[*B, (W-1) * D]`, the inputs before the first step, the oldest first.
        valid: bool `[T, *B]`, or None where all steps count.
        reset: bool `[T, *B]`, true where a valid step starts fresh, or None.
        fresh: what resets lead to, as `window`.
        reverse: from the last step to the first.

    Returns:
        `(ys, window)`: `[T, *B, D]`, and the inputs before the step that follows.
    """
    inputs, window, back = _looked_back(xs, window, valid, reset, fresh, reverse)
    return back(_weighted(kernel, bias, inputs)), window


def look_back(
    xs: Array,
    window: Array,
    valid: Array | None = None,
    reset: Array | None = None,
    fresh: Array | None = None,
    reverse: bool = False,
) -> tuple[Array, Array]:
    """What the convolution sees at each step, `[T, *B, W * D]`, the oldest first; arguments as of `convolve`."""
    inputs, window, back = _looked_back(xs, window, valid, reset, fresh, reverse)
    return back(jnp.concatenate(inputs, -1)), window


def _looked_back(
    xs: Array, window: Array, valid: Array | None, reset: Array | None, fresh: Array | None, reverse: bool
) -> tuple[list[Array], Array, Callable[[Array], Array]]:
    """The last W inputs of each step in the order of processing; the window behind; and what puts steps back."""
    before = _apart(window, xs)
    if not before.shape[0]:
        return [xs], window, lambda ys: ys
    if reverse:
        xs, valid, reset = (None if a is None else jnp.flip(a, 0) for a in (xs, valid, reset))  # type: ignore[assignment]
    order = None if valid is None else jnp.argsort(~valid, axis=0, stable=True)  # the steps that count come first
    if order is not None:
        xs, reset = (None if a is None else _at(a, order) for a in (xs, reset))  # type: ignore[assignment]
    past = _past(xs, before, reset, None if fresh is None else _apart(fresh, xs))
    last = [a[-1] if valid is None else _at(a, valid.sum(0, keepdims=True, dtype=jnp.int32))[0] for a in past]

    def back(ys: Array) -> Array:
        ys = ys if order is None else _at(ys, jnp.argsort(order, axis=0))
        return jnp.flip(ys, 0) if reverse else ys

    return [*(a[:-1] for a in past), xs], jnp.concatenate(last, -1).astype(window.dtype), back


def convolve_step(kernel: Array, bias: Array, x: Array, window: Array) -> tuple[Array, Array]:
    """One step: `x` `[*B, D]`, and the rest as for `convolve`."""
    inputs, window = look_back_step(x, window)
    return _weighted(kernel, bias, inputs), window


def look_back_step(x: Array, window: Array) -> tuple[list[Array], Array]:
    """The last W inputs at one step, the oldest first, and the window behind it."""
    inputs = [*_apart(window, x[None]), x]
    return inputs, jnp.concatenate(inputs[1:], -1).astype(window.dtype) if len(inputs) > 1 else window


def _past(xs: Array, before: Array, reset: Array | None, fresh: Array | None) -> list[Array]:
    """The inputs W-1 to 1 steps before each step, `[T + 1, *B, D]`: the last one is the step that follows."""
    W, T = before.shape[0] + 1, xs.shape[0]
    whole = jnp.concatenate([before, xs])
    shifted = [lax.slice_in_dim(whole, k, k + T + 1) for k in range(W - 1)]
    if reset is None:
        return shifted
    fresh = jnp.zeros_like(before) if fresh is None else fresh
    starts = jnp.concatenate([reset, jnp.zeros((1, *reset.shape[1:]), bool)])
    t = lax.broadcasted_iota(jnp.int32, starts.shape, 0)
    since = t - lax.cummax(jnp.where(starts, t, -W), axis=0)  # steps since the reset, W or more where there was none
    past = []
    for k, a in enumerate(shifted):
        inside = (since >= W - 1 - k)[..., None]
        past.append(jnp.where(inside, a, _at(fresh, jnp.clip(k + since, 0, W - 2))))
    return past


def _apart(window: Array, xs: Array) -> Array:
    """`[W-1, *B, D]` in the dtype of xs, the oldest first."""
    D = xs.shape[-1]
    parts = window.astype(xs.dtype).reshape(*window.shape[:-1], window.shape[-1] // D, D)
    return jnp.moveaxis(parts, -2, 0)


def _weighted(kernel: Array, bias: Array, inputs: list[Array]) -> Array:
    each = (1,) * (inputs[0].ndim - 1)
    weights = [a.reshape(*each, -1) for a in kernel]
    return sum((w * x for w, x in zip(weights, inputs, strict=True)), start=bias.reshape(*each, -1))


def _at(array: Array, index: Array) -> Array:
    """Each row's steps at `index` `[N, *B]`."""
    return jnp.take_along_axis(array, index.reshape(*index.shape, *(1,) * (array.ndim - index.ndim)), axis=0)
