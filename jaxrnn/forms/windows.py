"""A convolution whose gradient is fast in loops too.

XLA on CPUs brings convolutions into the form that its fast code takes, but those of a program's outermost part alone
(`ConvCanonicalization`, jax 0.10 to 0.12). A gradient with respect to a kernel is one of another form, and takes fifty
times as long in a loop as outside. Here it is a product of matrices: of what is within each window, and the cotangent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from jaxrnn.base.typing import Array

LETTERS = "XYZ"
Pads = tuple[tuple[int, int], ...]  # zeros before and after each axis


class Windows(NamedTuple):
    """How windows lie on a grid."""

    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str | Pads


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def convolve(windows: Windows, h: Array, kernel: Array) -> Array:
    """`[*B, *S, R]` by `[*W, R, C]`: `[*B, *S', C]`."""
    n = len(windows.strides)
    batch, grid, letters = h.shape[: h.ndim - n - 1], h.shape[h.ndim - n - 1 :], LETTERS[:n]
    result = lax.conv_general_dilated(
        h.reshape(math.prod(batch), *grid),
        kernel,
        windows.strides,
        windows.padding,
        rhs_dilation=windows.dilation,
        dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
    )
    return result.reshape(*batch, *result.shape[1:])


def _convolve_jvp(windows: Windows, primals: Any, tangents: Any) -> tuple[Array, Array]:
    (h, kernel), (dh, dkernel) = primals, tangents
    y = convolve(windows, h, kernel)
    parts = [] if isinstance(dh, SymbolicZero) else [convolve(windows, dh, kernel)]
    if not isinstance(dkernel, SymbolicZero):
        moved = partial(_by_windows, windows, kernel=dkernel)
        # Step by step where there is time: what is within all windows is as large as a window times the inputs.
        parts.append(lax.map(moved, h) if h.ndim > len(windows.strides) + 2 else moved(h))
    return y, sum(parts[1:], parts[0]) if parts else jnp.zeros_like(y)


convolve.defjvp(_convolve_jvp, symbolic_zeros=True)


def _by_windows(windows: Windows, h: Array, kernel: Array) -> Array:
    """The same, as one product of matrices."""
    inside = _inside(windows, h, kernel.shape[: len(windows.strides)])
    return jnp.tensordot(inside, kernel.reshape(-1, kernel.shape[-1]), 1)


def _inside(windows: Windows, h: Array, window: Sequence[int]) -> Array:
    """What is within each window: `[*B, *S', prod(W) R]`."""
    n = len(window)
    first, grid = h.ndim - n - 1, h.shape[-n - 1 : -1]
    reach = [dilation * (w - 1) + 1 for dilation, w in zip(windows.dilation, window, strict=True)]
    padding = windows.padding
    pads = lax.padtype_to_pads(grid, reach, windows.strides, padding) if isinstance(padding, str) else padding
    padded = lax.pad(h, jnp.zeros((), h.dtype), [(0, 0, 0)] * first + [(*pad, 0) for pad in pads] + [(0, 0, 0)])
    parts = []
    for place in product(*map(range, window)):
        starts = [dilation * p for dilation, p in zip(windows.dilation, place, strict=True)]
        ends = [size + sum(pad) - r + start + 1 for size, pad, r, start in zip(grid, pads, reach, starts, strict=True)]
        whole = (*(slice(None) for _ in range(first)), *map(slice, starts, ends, windows.strides))
        parts.append(padded[whole])
    return jnp.concatenate(parts, -1)
