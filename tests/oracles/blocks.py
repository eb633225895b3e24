"""Cells that live by heads: Dreamer's block GRU and M2RNN, whose state is a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import sigmoid
from tests.oracles.forms import heads, inputs, times


def block_gru(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Hafner et al., DreamerV3 (Nature 2025, arXiv:2301.04104); the equations are those of the authors' code.

    Gates r, n, u; carry (h). `kernel [D, 3, H]`, `bias [3, H]`, `recurrent_kernel [N, H/N, 3, H/N]`, eight heads by
    default. r scales all of the candidate's net, the input's part and the bias too; u is shifted by -1 and takes the
    new.
    """
    (h,) = carry
    r, n, u = inputs(p, x) + times(h, heads(p["recurrent_kernel"]))
    u = sigmoid(u - 1)
    new = u * np.tanh(sigmoid(r) * n) + (1 - u) * h
    return (new,), new


def m2rnn(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Mishra et al. 2026, arXiv:2603.14360: for each head, h = f h + (1 - f) tanh(h W + k v^T) and y = q h.

    Carry (h) of `[N, K, V]`, output `[N * V]`, head after head. `query_kernel` and `key_kernel [D, N, K]`,
    `value_kernel [D, N, V]`, `forget_kernel [D, N]`, `forget_bias [N]`, `recurrent_kernel [N, V, V]` = W, which starts
    at the identity. f, one number a head, is sigmoid(forget); with `forget_rate [N]`, as the authors' layer has it,
    exp(-exp(rate) softplus(forget)), which at rate 0 is sigmoid(-forget). No bias on q, k, v. The convolution before
    and the skip, gate and norm after are the layer's.
    """
    (h,) = carry
    q, k, v = (times(x, p[f"{name}_kernel"]) for name in ("query", "key", "value"))
    net = times(x, p["forget_kernel"]) + p["forget_bias"]
    f = np.exp(-np.exp(p["forget_rate"]) * np.log(1 + np.exp(net))) if "forget_rate" in p else sigmoid(net)
    f = f[:, None, None]
    new = f * h + (1 - f) * np.tanh(h @ p["recurrent_kernel"] + k[:, :, None] * v[:, None, :])
    return (new,), np.einsum("nk,nkv->nv", q, new).reshape(-1)
