r"""Mogrifier LSTM: input and state gate each other in rounds before the LSTM sees them.

    x = 2 sigmoid(h @ Q_i) * x    in the rounds 1, 3, 5, ...
    h = 2 sigmoid(x @ R_i) * h    in the rounds 2, 4, ...
    c', h' as of an LSTM, from the x and h that come out of that

Papers:
    Melis, Kocisky & Blunsom, Mogrifier LSTM, ICLR 2020 (arXiv:1909.01792), equations 5 and 6.
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.lstm import LSTMCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Count, Number
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import Constant, glorot_uniform


@factory()
def mogrifier_lstm(size: int, *, rounds: Count = 5, forget_bias: Number = 1.0, **common: Unpack[Common]) -> Cell:
    """Mogrifier LSTM, gates i, f, g, o.

    The equations are at the head of this file. Parameters: `kernel [D, 4, H]`, `recurrent_kernel [H, 4, H]`,
    `bias [4, H]`, and for each round `mogrifier_1 [H, D]`, `mogrifier_2 [D, H]`, `mogrifier_3 [H, D]` and so on. Inputs
    change with the state, so that they are not projected before the loop.

    Args:
        size: H, the number of cells.
        rounds: how often input and state gate each other; 0 is an LSTM.
        forget_bias: initial bias of the forget gate.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LSTMCarry(c, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.mogrifier_lstm(4, rounds=2)
    >>> {name: p.shape for name, p in cell.init(jax.random.key(0), inputs=3).items() if "mogrifier" in name}
    {'mogrifier_1': (4, 3), 'mogrifier_2': (3, 4)}
    """
    shapes = (("H", "D"), ("D", "H"))
    kernels = {f"mogrifier_{k + 1}": Parameter(shapes[k % 2], glorot_uniform, "recurrent") for k in range(rounds)}
    return build(
        "mogrifier_lstm",
        size,
        ("i", "f", "g", "o"),
        LSTMCarry,
        Update(_mogrifier, (("rounds", rounds),)),
        units=kernels,
        special_bias={"f": Constant(forget_bias)},
        reads="D",
        paper="Melis et al. 2020",
        common=common,
    )


def _mogrifier(carry: LSTMCarry, x: Any, recur: Any, theta: dict[str, Any], *, rounds: int) -> tuple[LSTMCarry, Array]:
    seen, h = x.i, carry.h
    for k in range(rounds):
        if k % 2 == 0:
            seen = 2 * sigmoid(recur(h, kernel=f"mogrifier_{k + 1}")) * seen
        else:
            h = 2 * sigmoid(recur(seen, kernel=f"mogrifier_{k + 1}")) * h
    parts = zip(recur(seen, kernel="kernel"), recur(h), theta.get("bias", (0.0,) * 4), strict=True)
    i, f, g, o = (a + b + bias for a, b, bias in parts)
    c = sigmoid(f) * carry.c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return LSTMCarry(c, h), h
