r"""Gated recurrent unit.

    r = sigmoid(x_r + h_r)                    reset gate
    z = sigmoid(x_z + h_z)                    update gate: how much of the old state is kept
    n = tanh(x_n + r * (h_n + b_n))           candidate, reset after the product (cuDNN's form), or
    n = tanh(x_n + (r * h) @ recurrent_n)     candidate, reset before the product (Cho 2014)
    h' = (1 - z) * n + z * h

Papers:
    Cho et al., Learning phrase representations using RNN encoder-decoder, EMNLP 2014.
    Tallec & Ollivier, Can recurrent neural networks warp time?, ICLR 2018 (chrono initialisation).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Activation, Array
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import CHRONO, Common, build, factory
from jaxrnn.core.options import Flag, Function, Steps
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import Chrono, zeros
from jaxrnn.programs.serialized import serialized


@serialized
class GRUCarry(NamedTuple):
    """The one state of a GRU."""

    h: Array  # [*B, H]


@factory(CHRONO)
def gru(
    size: int,
    *,
    reset_after: Flag = True,
    chrono: Steps | None = None,
    activation: Function = tanh,
    gate_activation: Function = sigmoid,
    **common: Unpack[Common],
) -> Cell:
    """Gated recurrent unit, gates r, z, n.

    The equations are at the head of this file. Parameters: `kernel [D, 3, H]`, `recurrent_kernel [H, 3, H]`,
    `bias [3, H]`, and with `reset_after` and a bias `recurrent_bias [H]`, the b_n inside the reset.

    Args:
        size: H, the number of units.
        reset_after: apply the reset gate after the recurrent product (cuDNN, torch, Keras 3) or before it (Cho 2014).
        chrono: T_max of the chrono initialisation of the update gate's bias.
        activation, gate_activation: of the candidate and of the gates.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.gru(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> carry, ys = jaxrnn.scan(cell, params, jax.numpy.ones((7, 2, 3)), lengths=jax.numpy.array([7, 4]))
    >>> bool((ys[4:, 1] == 0).all())
    True
    """
    inner_bias = reset_after and common.get("use_bias", True)
    return build(
        "gru",
        size,
        ("r", "z", "n"),
        GRUCarry,
        Update(
            _reset_after if reset_after else _reset_before,
            (("activation", activation), ("gate_activation", gate_activation)),
        ),
        units={"recurrent_bias": Parameter(("H",), zeros)} if inner_bias else None,
        special_bias=None if chrono is None else Chrono((0, 1, 0), chrono),
        paper="Cho et al. 2014, cuDNN's form" if reset_after else "Cho et al. 2014",
        common=common,
    )


def _reset_after(
    carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any], *, activation: Activation, gate_activation: Activation
) -> tuple[GRUCarry, Array]:
    h = recur(carry.h)
    r = gate_activation(x.r + h.r)
    z = gate_activation(x.z + h.z)
    inner = h.n + theta["recurrent_bias"] if "recurrent_bias" in theta else h.n
    n = activation(x.n + r * inner)
    return _blend(carry, z, n)


def _reset_before(
    carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any], *, activation: Activation, gate_activation: Activation
) -> tuple[GRUCarry, Array]:
    h = recur(carry.h, gates=("r", "z"))
    r = gate_activation(x.r + h.r)
    z = gate_activation(x.z + h.z)
    n = activation(x.n + recur(r * carry.h, gates=("n",)).n)
    return _blend(carry, z, n)


def _blend(carry: GRUCarry, z: Array, n: Array) -> tuple[GRUCarry, Array]:
    h = (1 - z) * n + z * carry.h
    return GRUCarry(h), h
