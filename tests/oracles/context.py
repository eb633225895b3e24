"""Structurally constrained recurrent network: Mikolov et al. 2014, arXiv:1412.7753."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import sigmoid
from tests.oracles.forms import inputs, times


def scrn(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, alpha: float = 0.95) -> Any:
    """s = (1 - alpha) x B + alpha s; h = sigmoid(s P + x + h R). The readout sees both, so the output is h and s.

    One gate; carry (s, h): context `[S]` of a size of its own, state `[H]`; output `[H + S]`. `kernel [D, 1, H]`, `bias
    [1, H]` (the paper has none), `recurrent_kernel [H, 1, H]`, `context_kernel [D, S]`, `context_to_hidden_kernel [S,
    H]`. alpha is fixed.
    """
    s, h = carry
    s = (1 - alpha) * times(x, p["context_kernel"]) + alpha * s
    h = sigmoid(times(s, p["context_to_hidden_kernel"]) + inputs(p, x)[0] + times(h, p["recurrent_kernel"])[0])
    return (s, h), np.concatenate([h, s])
