"""Kernels of every form in float64 NumPy, for the oracles: each becomes the dense kernel that it stands for.

A dense kernel is `[R, G, H]`: what it makes of a vector `v [R]` is one row of `H` a gate. The other forms are turned
into it, analytically, so that a gradient flows to the arrays that are stored. A convolution has its own product.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def times(v: Any, kernel: Any) -> Any:
    """`v [R]` times `kernel [R, G, H]`, or `[R, H]`: all gates at once, `[G, H]`, or `[H]`."""
    return np.tensordot(v, kernel, 1)


def inputs(p: dict[str, Any], x: Any) -> Any:
    """The input's projection, a row a gate. A bias of fewer gates than the kernel's belongs to the first of them."""
    net = times(x, p["kernel"])
    if "bias" not in p:
        return net
    missing = len(net) - len(p["bias"])
    return net + np.concatenate([p["bias"], np.zeros((missing, *p["bias"].shape[1:]))])


def heads(kernel: Any) -> Any:
    """`[N, R/N, G, H/N]`: head k of the state feeds head k of every gate, and no other."""
    N, R, G, H = kernel.shape
    dense = np.zeros((N, R, G, N, H), kernel.dtype)
    for k in range(N):
        dense[k, :, :, k] = kernel[k]
    return dense.reshape(N * R, G, N * H)


def diagonal(kernel: Any) -> Any:
    """`[G, H]`: a unit feeds itself."""
    return np.stack([np.diag(row) for row in kernel], 1)


def low_rank(down: Any, up: Any) -> Any:
    """`[R, r]` and `[r, G, H]`."""
    return np.tensordot(down, up, 1)


def skew(kernel: Any, gamma: float = 0.0) -> Any:
    """`U - U^T - gamma I` of a kernel `[H, H]`."""
    return kernel - kernel.T - gamma * np.eye(len(kernel))


def convolve(image: Any, kernel: Any, stride: Any = 1, dilation: Any = 1) -> Any:
    """`image [*S, C]` with `kernel [*W, C, G, H]` and "same" padding: `[G, *S', H]`, `S' = ceil(S / stride)`.

    The kernel is not flipped. Of an odd number of padded places the one more is behind, as TensorFlow has it.
    """
    window, axes = kernel.shape[:-3], image.ndim - 1
    stride, dilation = (np.broadcast_to(n, axes) for n in (stride, dilation))
    space = np.array(image.shape[:-1])
    size = -(-space // stride)
    reach = (np.array(window) - 1) * dilation
    padded = np.maximum((size - 1) * stride + reach + 1 - space, 0)
    image = np.pad(image, [(n // 2, n - n // 2) for n in padded] + [(0, 0)])
    out = 0
    for place in np.ndindex(*window):
        starts = np.array(place) * dilation
        part = image[tuple(slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, size, stride, strict=True))]
        out = out + np.tensordot(part, kernel[place], 1)
    return np.moveaxis(out, -2, 0)
