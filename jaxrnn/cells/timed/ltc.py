r"""Liquid time-constant network: neurons whose time constants are functions of the input.

    s_jk = w_jk * sigmoid(sigma_jk * (v_j - mu_jk))     how much the synapse from j to k conducts
    v_k' = (C_k * v_k + d * (g_k * e_k + sum_j s_jk * r_jk)) / (C_k + d * (g_k + sum_j s_jk + 1e-8))

`unfolds` times a step, with d = dt / unfolds: the fused solver, of which a step is implicit in what is linear. The
senders j are the inputs, which keep their value, and the neurons. C, g and e are a neuron's capacitance, its leak and
the potential that the leak pulls to; r is the potential that a synapse pulls to.

Papers:
    Hasani, Lechner, Amini, Rus & Grosu, Liquid time-constant networks, AAAI 2021 (arXiv:2006.04439), algorithm 1.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Unpack, cast

import jax
import jax.numpy as jnp
from jax.nn import sigmoid

from jaxrnn.base.typing import Array, Initializer
from jaxrnn.cells.elman import ElmanCarry
from jaxrnn.cells.given import of_shape
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.kernels import KERNEL, RECURRENT
from jaxrnn.core.options import Conflict, Size
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import Between

EPSILON = 1e-8  # of conductance, so that nothing is divided by zero
POSITIVE = Between(0.001, 1.0)
NO_PRODUCTS = tuple(
    Conflict(option, "left out, since a synapse is no linear product", lambda o: True)
    for option in ("input", "recurrent", "multiplicative", "use_bias", "bias_init")
)


def signs(key: Array, shape: tuple[int, ...], dtype: Any = float) -> Array:
    """1 or -1: a synapse excites or inhibits."""
    return jax.random.rademacher(key, shape, dtype)


SYNAPSES: dict[str, Initializer] = {"mu": Between(0.3, 0.8), "sigma": Between(3.0, 8.0), "reversal": signs}
NEURONS: dict[str, Initializer] = {
    "capacitance": Between(0.4, 0.6),
    "leak": POSITIVE,
    "leak_reversal": Between(-0.2, 0.2),
}


@factory(*NO_PRODUCTS, kernel_init=POSITIVE, recurrent_kernel_init=POSITIVE)
def ltc(size: int, *, unfolds: Size = 6, **common: Unpack[Common]) -> Cell:
    """Liquid time-constant network by the fused solver, one gate v.

    The equations are at the head of this file. The per-step input `dt [T, *B]` is the time since the step before.
    Parameters of the synapses between neurons: `recurrent_kernel [H, 1, H]`, the weights w, and `mu`, `sigma`,
    `reversal` of the same shape; of those from inputs: `kernel [D, 1, H]`, `input_mu`, `input_sigma`,
    `input_reversal`. Of the neurons: `capacitance`, `leak`, `leak_reversal`, `[H]`.

    The authors keep weights, leaks and capacitances from going below zero after each step of training
    (`jaxrnn.functions.constraints`). Each step sums over pairs of neurons, which the native backend declines. The LTC
    of ncps for Keras does not take the time.

    Args:
        size: H, the number of neurons.
        unfolds: the steps of the solver in one of the sequence.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ElmanCarry(h)`, the potentials v.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.ltc(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> carry, ys = jaxrnn.scan(cell, params, jax.numpy.ones((7, 2, 3)), per_step={"dt": jax.numpy.ones((7, 2))})
    >>> ys.shape
    (7, 2, 4)
    """
    units = {name: Parameter(("H", "G", "H"), init) for name, init in SYNAPSES.items()}
    units |= {f"input_{name}": Parameter(("D", "G", "H"), init) for name, init in SYNAPSES.items()}
    units |= {name: Parameter(("H",), init) for name, init in NEURONS.items()}
    cell = build(
        "ltc",
        size,
        ("v",),
        ElmanCarry,
        Update(_ltc, (("unfolds", unfolds),)),
        units=units,
        per_step=("dt",),
        reads="D",
        paper="Hasani et al. 2021",
        common=cast(Common, {**common, "use_bias": False}),
    )
    # Nothing is multiplied by the weights: equations read them as they are.
    read = {n: replace(p, role="unit") if n in (KERNEL, RECURRENT) else p for n, p in cell.parameters}
    return replace(cell, parameters=tuple(read.items()))


def _ltc(
    carry: ElmanCarry, x: Any, recur: Any, theta: dict[str, Any], *, dt: Array, unfolds: int
) -> tuple[ElmanCarry, Array]:
    v = carry.h
    d = of_shape(dt, "dt", v.shape[:-1]).astype(v.dtype)[..., None] / unfolds

    def currents(sender: Array, weight: str, prefix: str) -> tuple[Array, Array]:
        """Of all synapses that lead to a neuron: what pulls, and what conducts."""
        w, mu, sigma, reversal = (
            theta[name][..., 0, :] for name in (weight, f"{prefix}mu", f"{prefix}sigma", f"{prefix}reversal")
        )
        opened = w * sigmoid(sigma * (sender[..., None] - mu))
        return jnp.sum(opened * reversal, -2), jnp.sum(opened, -2)

    driven, conducted = currents(x.v, KERNEL, "input_")
    for _ in range(unfolds):
        pull, total = currents(v, RECURRENT, "")
        above = theta["capacitance"] * v + d * (theta["leak"] * theta["leak_reversal"] + pull + driven)
        v = above / (theta["capacitance"] + d * (theta["leak"] + total + conducted + EPSILON))
    return ElmanCarry(v), v
