r"""JANET: an LSTM with the forget gate alone.

    s = x_f + h_f
    g = tanh(x_g + h_g)                       candidate
    h' = sigmoid(s) * h + (1 - sigmoid(s - beta)) * g

The cell is the output. With beta above zero more is let in than the forget gate gives up.

Papers:
    van der Westhuizen & Lasenby, The unreasonable effectiveness of the forget gate, arXiv:1804.04849, 2018.
    Tallec & Ollivier, Can recurrent neural networks warp time?, ICLR 2018 (chrono initialisation).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Activation, Array
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import CHRONO, Common, build, factory
from jaxrnn.core.options import Conflict, Function, Number, Steps
from jaxrnn.functions.initializers import Chrono, Constant
from jaxrnn.programs.serialized import serialized


@serialized
class JANETCarry(NamedTuple):
    """The one state of a JANET."""

    h: Array  # [*B, H]


@factory(
    Conflict("forget_bias", "left alone with chrono, which sets it", lambda o: o.chrono is not None),
    CHRONO,
)
def janet(
    size: int,
    *,
    beta: Number = 1.0,
    forget_bias: Number = 1.0,
    chrono: Steps | None = None,
    activation: Function = tanh,
    gate_activation: Function = sigmoid,
    **common: Unpack[Common],
) -> Cell:
    """JANET, gates f, g.

    The equations are at the head of this file. Parameters: `kernel [D, 2, H]`, `recurrent_kernel [H, 2, H]`,
    `bias [2, H]`.

    Args:
        size: H, the number of cells.
        beta: how much further the gate is open for what comes in; a constant.
        forget_bias: initial bias of the forget gate.
        chrono: T_max, the longest span to be remembered: the forget gate's bias is drawn as log(u),
            u ~ U(1, T_max - 1), in place of `forget_bias`. The paper's cells have it, at the length of their sequences.
        activation, gate_activation: of the candidate and of the gate.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `JANETCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.janet(4, chrono=100)
    >>> bool((cell.init(jax.random.key(0), inputs=3)["bias"][0] >= 0).all())
    True
    """
    options = (("beta", beta), ("activation", activation), ("gate_activation", gate_activation))
    return build(
        "janet",
        size,
        ("f", "g"),
        JANETCarry,
        Update(_janet, options),
        special_bias={"f": Constant(forget_bias)} if chrono is None else Chrono((1, 0), chrono),
        paper="van der Westhuizen & Lasenby 2018" + ("" if chrono is None else "; Tallec & Ollivier 2018"),
        common=common,
    )


def _janet(
    carry: JANETCarry,
    x: Any,
    recur: Any,
    theta: dict[str, Any],
    *,
    beta: float,
    activation: Activation,
    gate_activation: Activation,
) -> tuple[JANETCarry, Array]:
    h = recur(carry.h)
    s = x.f + h.f
    new = gate_activation(s) * carry.h + (1 - gate_activation(s - beta)) * activation(x.g + h.g)
    return JANETCarry(new), new
