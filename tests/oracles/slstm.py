"""sLSTM: Beck et al. 2024, arXiv:2405.04517, with the stabiliser."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.oracle import sigmoid
from tests.oracles.forms import heads, inputs, times


def slstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, forget: str = "sigmoid") -> Any:
    """Gates i, f, g (the paper's z), o; carry (c, n, m, h): cell, normaliser, stabiliser, output.

    `kernel [D, 4, H]`, `bias [4, H]`, `recurrent_kernel [N, H/N, 4, H/N]` in heads, four by default. `forget` is
    "sigmoid" or "exp", both in the paper. Where n = 0 nothing has been seen: m = i, and nothing is kept. The state
    starts at zero; the authors' code starts the recurrent kernel at zero, b_f of unit k of a head of E units at `5 - 12
    (k / (E - 1)) ** (0.3 + 1.3 depth)`, depth from 0 to 1 over the blocks, and the other biases at zero.
    """
    c, n, m, h = carry
    i, f, g, o = inputs(p, x) + times(h, heads(p["recurrent_kernel"]))
    kept = m + (f if forget == "exp" else -np.log(1 + np.exp(-f)))
    new_m = np.where((np.real(n) == 0) | (np.real(i) > np.real(kept)), i, kept)
    opened, held = np.exp(i - new_m), np.exp(kept - new_m)
    held = np.where(np.real(n) == 0, 0, held)
    c = held * c + opened * np.tanh(g)
    n = held * n + opened
    h = sigmoid(o) * c / n
    return (c, n, new_m, h), h
