r"""Ordered-neurons LSTM: master gates order the units, so that what is kept long comes last.

    i = sigmoid(x_i + h_i)                    input gate
    f = sigmoid(x_f + h_f)                    forget gate
    g = tanh(x_g + h_g)                       candidate
    o = sigmoid(x_o + h_o)                    output gate
    F = cumax(x_F + h_F)                      master forget gate, 0 to 1 along the units
    I = 1 - cumax(x_I + h_I)                  master input gate, 1 to 0
    w = F * I                                 where both are open, the gates of each unit decide
    c' = (f * w + F - w) * c + (i * w + I - w) * g
    h' = o * tanh(c')

with cumax = cumsum(softmax). A master gate has one number for each chunk of units.

Papers:
    Shen, Tan, Sordoni & Courville, Ordered neurons: integrating tree structures into recurrent neural networks, ICLR
    2019 (arXiv:1810.09536), equations 6 to 13.
"""

from __future__ import annotations

from typing import Any, Unpack

import jax.numpy as jnp
from jax.nn import sigmoid, softmax, tanh

from jaxrnn.base.checks import check_size
from jaxrnn.base.typing import Array
from jaxrnn.cells.lstm import LSTMCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory, within
from jaxrnn.core.options import Conflict, Size
from jaxrnn.core.parameter import Parameter
from jaxrnn.forms.narrow import Narrow
from jaxrnn.functions.initializers import orthogonal, zeros

UNITS = ("i", "f", "g", "o")
MASTERS = ("master_f", "master_i")


@factory(Conflict("chunk", "a divisor of the number of units", lambda o: o.size % o.chunk != 0))
def on_lstm(size: int, *, chunk: Size = 1, **common: Unpack[Common]) -> Cell:
    """Ordered-neurons LSTM, gates i, f, g, o and the master gates.

    The equations are at the head of this file. Parameters: `kernel [D, 4, H]`, `recurrent_kernel [H, 4, H]`,
    `bias [4, H]`; of the master gates F and I, with M = H / chunk: `kernel_master [D, 2, M]`,
    `master_recurrent_kernel [H, 2 M]` and `master_bias [2, M]`. The option `input` is the form of both kernels of the
    input.

    A sum along the units runs through each step, so that the native backend declines.

    Args:
        size: H, the number of cells.
        chunk: how many neighbouring units share a number of a master gate; divides H. The paper has 10.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LSTMCarry(c, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.on_lstm(4, chunk=2).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items() if "master" in name}
    {'kernel_master': (3, 2, 2), 'master_bias': (2, 2), 'master_recurrent_kernel': (4, 4)}
    """
    size = check_size(size, "size")
    masters = size // chunk
    units = {"master_recurrent_kernel": Parameter(("H", 2 * masters), orthogonal, "recurrent")}
    if common.get("use_bias", True):
        units["master_bias"] = Parameter((2, masters), zeros)
    return build(
        "on_lstm",
        size,
        (*UNITS, *MASTERS),
        LSTMCarry,
        Update(_on_lstm, (("chunk", chunk),)),
        recurrent_gates=UNITS,
        bias_gates=UNITS,
        units=units,
        paper="Shen et al. 2019",
        common=within(common, "input", lambda form: Narrow(form, MASTERS, masters, "_master")),
    )


def _on_lstm(carry: LSTMCarry, x: Any, recur: Any, theta: dict[str, Any], *, chunk: int) -> tuple[LSTMCarry, Array]:
    h = recur(carry.h, gates=UNITS)
    masters = x.i.shape[-1] // chunk
    product = recur(carry.h, kernel="master_recurrent_kernel")
    products = product[..., :masters], product[..., masters:]
    biases = theta.get("master_bias", (0.0, 0.0))
    parts = zip((x.master_f, x.master_i), products, biases, strict=True)
    forget, enter = (jnp.cumsum(softmax(a[..., :masters] + b + bias, -1), -1) for a, b, bias in parts)
    forget, enter = jnp.repeat(forget, chunk, -1), 1 - jnp.repeat(enter, chunk, -1)
    both = forget * enter
    kept = sigmoid(x.f + h.f) * both + forget - both
    taken = sigmoid(x.i + h.i) * both + enter - both
    c = kept * carry.c + taken * tanh(x.g + h.g)
    out = sigmoid(x.o + h.o) * tanh(c)
    return LSTMCarry(c, out), out
