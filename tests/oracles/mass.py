"""Mass-conserving LSTM: Hoedt et al. 2021, arXiv:2101.05186."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import sigmoid
from tests.oracles.forms import times


def softmax(a: Any) -> Any:
    """Over the last axis: over those who receive."""
    weights = np.exp(a - np.real(a).max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def mass_conserving_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """m = c R + x i; c = (1 - o) m; output o m: mass comes by x, moves by R, goes by o, and none is made.

    The first M of the inputs are mass, the other A are what the gates see, with c / sum(c), which is 0 where the sum
    is. Carry (c); output `[H]`. Gate o: `kernel [A, 1, H]`, `recurrent_kernel [H, 1, H]`, `bias [1, H]` (starts at -3).
    Gate i, a softmax over units for each mass input: `input_kernel [A, M, H]`, `input_recurrent_kernel [H, M, H]`,
    `input_bias [M, H]`. R, a softmax over receiving units: `redistribution_kernel [A, H, H]`,
    `redistribution_recurrent_kernel [H, H, H]`, `redistribution_bias [H, H]` (starts at the identity).
    """
    (c,) = carry
    mass, seen = np.split(x, [len(p["input_bias"])])
    total = c.sum()
    share = c / np.where(np.real(total) == 0, 1, total)

    def gate(prefix: str) -> Any:
        net = times(seen, p[f"{prefix}kernel"]) + times(share, p[f"{prefix}recurrent_kernel"])
        return net + p[f"{prefix}bias"]

    m = c @ softmax(gate("redistribution_")) + mass @ softmax(gate("input_"))
    shown = sigmoid(gate("")[0]) * m
    return (m - shown,), shown
