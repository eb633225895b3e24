"""Cells that a search over architectures found: MUT1 to MUT3 and NAS."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import relu, sigmoid
from tests.oracles.forms import inputs, times


def mutant(h: Any, z: Any, candidate: Any) -> Any:
    """All three let z take the new."""
    new = sigmoid(z) * np.tanh(candidate) + (1 - sigmoid(z)) * h
    return (new,), new


def mut1(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Jozefowicz et al. 2015, MUT1: z sees the input only, the candidate a squashed input.

    Gates r, z, n; carry (h). `kernel [D, 3, H]`, `recurrent_kernel [H, 2, H]` of r and n, `bias [3, H]`. The paper has
    the bare input in the candidate, tanh(x), which asks for D = H; then the kernel is `[D, 2, H]`, of r and z.
    """
    (h,) = carry
    net, u = times(x, p["kernel"]), p["recurrent_kernel"]
    b_r, b_z, b_n = p["bias"]
    seen = net[2] if len(net) == 3 else x
    r = sigmoid(net[0] + b_r + times(h, u[:, 0]))
    return mutant(h, net[1] + b_z, times(r * h, u[:, 1]) + np.tanh(seen) + b_n)


def mut2(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """MUT2: r sees the bare input, which asks for D = H; a kernel with a third gate projects it.

    Gates z, n, r; carry (h). `kernel [D, 2, H]` of z and n, or `[D, 3, H]`, `recurrent_kernel [H, 3, H]`, `bias [3,
    H]`.
    """
    (h,) = carry
    net, u = times(x, p["kernel"]), p["recurrent_kernel"]
    b_z, b_n, b_r = p["bias"]
    seen = net[2] if len(net) == 3 else x
    r = sigmoid(seen + b_r + times(h, u[:, 2]))
    return mutant(h, net[0] + b_z + times(h, u[:, 0]), net[1] + b_n + times(r * h, u[:, 1]))


def mut3(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """MUT3: z sees tanh(h).

    Gates r, z, n; carry (h). `kernel [D, 3, H]`, `recurrent_kernel [H, 3, H]`, `bias [3, H]`.
    """
    (h,) = carry
    net, u = inputs(p, x), p["recurrent_kernel"]
    r = sigmoid(net[0] + times(h, u[:, 0]))
    return mutant(h, net[1] + times(np.tanh(h), u[:, 1]), net[2] + times(r * h, u[:, 2]))


def nas(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Zoph & Le 2017, arXiv:1611.01578, in the reading of TensorFlow's NASCell: branch 3 multiplies.

    Eight branches, 0 to 7; carry (c, h). `kernel [D, 8, H]`, `recurrent_kernel [H, 8, H]`, `bias [8, H]` on the side of
    h, which matters in branch 3 alone.
    """
    c, h = carry
    x, h = times(x, p["kernel"]), times(h, p["recurrent_kernel"]) + p["bias"]
    a = x + h
    left = np.tanh(sigmoid(a[0]) * relu(a[1]))
    scale = np.tanh(sigmoid(a[2]) + relu(x[3] * h[3]))
    right = np.tanh(np.tanh(a[4]) * sigmoid(a[5]))
    shift = sigmoid(np.tanh(a[6]) + sigmoid(a[7]))
    c = np.tanh(left + c) * scale
    h = np.tanh(c * np.tanh(right + shift))
    return (c, h), h
