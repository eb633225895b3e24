"""Recurrent highway network: Zilly et al. 2017, arXiv:1607.03474."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import sigmoid
from tests.oracles.forms import times


def rhn(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """L micro-steps s = n t + s c in a row; the first of them sees the input.

    Gates n (the paper's h, tanh), t, and c unless it is coupled, c = 1 - t, as in the paper's experiments. Carry (h).
    `kernel [D, G, H]`, `recurrent_kernel [L, H, G, H]`, `bias [L, G, H]`; b_t starts at -2 or lower.
    """
    (s,) = carry
    for layer, (kernel, bias) in enumerate(zip(p["recurrent_kernel"], p["bias"], strict=True)):
        net = times(s, kernel) + bias
        if layer == 0:
            net = net + times(x, p["kernel"])
        t = sigmoid(net[1])
        s = np.tanh(net[0]) * t + s * (sigmoid(net[2]) if len(net) == 3 else 1 - t)
    return (s,), s


def rhn_by_name(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """The same of `recurrent_kernel`, `recurrent_kernel_2` and so on, `bias`, `bias_2` and so on."""
    names = ["", *(f"_{k}" for k in range(2, sum("recurrent" in name for name in p) + 1))]
    stacked = {name: np.stack([p[name + k] for k in names]) for name in ("recurrent_kernel", "bias")}
    return rhn({"kernel": p["kernel"], **stacked}, carry, x)
