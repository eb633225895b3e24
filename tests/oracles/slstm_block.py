"""xLSTM's sLSTM layer and block: Beck et al. 2024, arXiv:2405.04517, figure 10. One row, one step, flat parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import erf

from tests.oracles.slstm import slstm


def layer(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, forget: str = "sigmoid") -> Any:
    """Carry (c, n, m, h, window): window is `[(W-1) * H]`, the last inputs, the oldest first.

    `conv_kernel [W, H]`, `conv_bias [H]`, absent without a convolution; `kernel [N, H/N, 4, H/N]` of gates i, f, g, o.
    """
    *state, window = carry
    v = x
    if "conv_kernel" in p:
        seen = np.concatenate([window.reshape(-1, len(x)), x[None]])
        v = p["conv_bias"] + sum(w * a for w, a in zip(p["conv_kernel"], seen, strict=True))
        v, window = v / (1 + np.exp(-v)), seen[1:].reshape(-1)
    N = len(p["kernel"])
    parts = [s.reshape(N, -1) for s in (v, v, x, x)]
    net = np.stack([np.einsum("nr,nru->nu", s, p["kernel"][:, :, g]).reshape(-1) for g, s in enumerate(parts)])
    cell = {"kernel": np.eye(net.size).reshape(net.size, 4, -1), "bias": p["bias"]}
    state, h = slstm(cell | {"recurrent_kernel": p["recurrent_kernel"]}, tuple(state), net.reshape(-1), forget=forget)
    return (*state, window), p["norm"] * norm(h, N)


def block(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """The same with `before [H]`, and with `after [H]`, `up [H, 2, F]`, `down [F, H]` where it has them."""
    carry, y = layer(p, carry, p["before"] * norm(x))
    y = x + y
    if "up" in p:
        opened, value = np.einsum("d,dgf->gf", p["after"] * norm(y), p["up"])
        y = y + (opened * 0.5 * (1 + erf(opened / np.sqrt(2))) * value) @ p["down"]
    return carry, y


def norm(x: Any, groups: int = 1) -> Any:
    parts = x.reshape(groups, -1)
    parts = parts - parts.mean(1, keepdims=True)
    return (parts / np.sqrt((parts**2).mean(1, keepdims=True) + 1e-5)).reshape(-1)
