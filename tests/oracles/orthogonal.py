"""An RNN whose kernel is the matrix exponential of a skew-symmetric one: Lezcano-Casado & Martínez-Rubio 2019."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg

from tests.oracle import relu
from tests.oracles.forms import skew, times
from tests.oracles.timed import magnitude


def mod_relu(a: Any, bias: Any) -> Any:
    """Arjovsky et al. 2016, for real numbers: the sign of a times relu(abs(a) + b)."""
    return np.sign(np.real(a)) * relu(magnitude(a) + bias)


def exp_rnn(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """arXiv:1901.08428: h = modReLU(x + h exp(U - U^T)).

    One gate; carry (h). `kernel [D, 1, H]` without bias, `recurrent_kernel [H, 1, H]`, the raw U, of which the part
    above the diagonal is read; `threshold [H]`, the bias of modReLU.
    """
    (h,) = carry
    orthogonal = scipy.linalg.expm(skew(np.triu(p["recurrent_kernel"][:, 0], 1)))
    new = mod_relu(times(x, p["kernel"])[0] + h @ orthogonal, p["threshold"])
    return (new,), new
