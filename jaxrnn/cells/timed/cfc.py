r"""The closed-form continuous-time network: a liquid cell without a solver.

    f = tanh(x_f + h_f)                                       where the state goes in a short time
    g = tanh(x_g + h_g)                                       and in a long one
    s = sigmoid((x_a + h_a) * dt + x_b + h_b)                 the time gate
    h' = f * (1 - s) + g * s                                  mode "default"
    h' = f + g * s                                            mode "no_gate"
    h' = A - A * exp(-dt * (|tau| + |x_f + h_f|)) * (x_f + h_f)    mode "pure": the bare solution, gate f alone

The backbone of the authors' model, dense layers of input and state together, is a layer inside the loop:

    z = phi(x_z + h_z)                                        phi: `backbone_activation`
    z = phi(z @ W + b)                                        in each layer more

after which f, g, a and b are of z, each with a kernel and a bias of its own. dt is the time since the step before.

The authors' TensorFlow program has -a for a and the scaled tanh for the heads; ncps for Keras has -a and no tanh. ncps
for PyTorch agrees with this.

Papers:
    Hasani et al., Closed-form continuous-time neural networks, Nature Machine Intelligence 4, 2022 (arXiv:2106.13898).
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, Unpack

import jax.numpy as jnp
from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Activation, Array
from jaxrnn.cells.timed.times import by_unit
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Conflict, Function, Size, choices
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import glorot_uniform, ones, zeros
from jaxrnn.programs.serialized import serialized


@serialized
class CfCCarry(NamedTuple):
    """The one state of a closed-form continuous-time network."""

    h: Array  # [*B, H]


def scaled_tanh(a: Array) -> Array:
    """1.7159 tanh(0.666 a): about one at one, and minus one at minus one (LeCun et al., Efficient BackProp, 1998)."""
    return 1.7159 * tanh(0.666 * a)


@factory(
    Conflict("backbone_layers", "left alone without a backbone", lambda o: o.backbone is None),
    Conflict("backbone_activation", "left alone without a backbone", lambda o: o.backbone is None),
    Conflict("activation", 'left alone in mode "pure", which has none', lambda o: o.mode == "pure"),
)
def cfc(
    size: int,
    *,
    mode: Annotated[str, choices("default", "no_gate", "pure")] = "default",
    backbone: Size | None = None,
    backbone_layers: Size = 1,
    backbone_activation: Function = scaled_tanh,
    activation: Function = tanh,
    **common: Unpack[Common],
) -> Cell:
    """The closed-form continuous-time network, gates f, g, a, b; f alone in mode "pure"; z with a backbone.

    The equations are at the head of this file. Parameters: `kernel [D, G, H]`, `recurrent_kernel [H, G, H]`,
    `bias [G, H]`; in mode "pure" `tau [H]` and `amplitude [H]`. With a backbone of U units: `kernel [D, 1, U]`,
    `recurrent_kernel [H, 1, U]`, `bias [1, U]`, for each layer more `backbone_2_kernel [U, U]`, `backbone_2_bias [U]`
    and so on, and of each gate `f_kernel [U, H]`, `f_bias [H]`. The per-step input is `dt [T, *B]`, the time since the
    step before; or `[T, *B, H]`, for each unit its own.

    Args:
        size: H, the number of units.
        mode: which of the equations.
        backbone: U, the units of the layers before the gates; None for none. The authors' default has 128.
        backbone_layers: how many layers.
        backbone_activation: of these layers, by default 1.7159 tanh(0.666 a).
        activation: of f and g.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `CfCCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.cfc(4, backbone=16)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> dt = jax.random.uniform(jax.random.key(1), (7, 2))
    >>> carry, ys = jaxrnn.scan(cell, params, jax.numpy.ones((7, 2, 3)), per_step={"dt": dt})
    >>> ys.shape
    (7, 2, 4)
    """
    gates = ("f",) if mode == "pure" else ("f", "g", "a", "b")
    options: dict[str, Any] = dict(mode=mode, activation=activation)
    of_mode = {"tau": Parameter(("P",), zeros), "amplitude": Parameter(("P",), ones)} if mode == "pure" else {}
    if backbone is None:
        update = Update(_cfc, tuple(options.items()))
        return build(
            "cfc", size, gates, CfCCarry, update, units=of_mode, per_step=("dt",), paper="Hasani et al. 2022",
            common=common,
        )  # fmt: skip
    options |= dict(gates=gates, layers=backbone_layers, backbone_activation=backbone_activation)
    layers = {f"backbone_{k}": "H" for k in range(2, backbone_layers + 1)} | dict.fromkeys(gates, "P")
    units = {f"{n}_kernel": Parameter(("H", to), glorot_uniform, "recurrent") for n, to in layers.items()}
    if common.get("use_bias", True):
        units |= {f"{n}_bias": Parameter((to,), zeros) for n, to in layers.items()}
    return build(
        "cfc",
        backbone,
        ("z",),
        CfCCarry,
        Update(_with_backbone, tuple(options.items())),
        carry_sizes=("P",),
        units=units | of_mode,
        projection=size,
        per_step=("dt",),
        paper="Hasani et al. 2022",
        common=common,
    )


def _cfc(
    carry: CfCCarry, x: Any, recur: Any, theta: dict[str, Any], *, dt: Array, mode: str, activation: Activation
) -> tuple[CfCCarry, Array]:
    h = recur(carry.h)
    return _solution(carry, [a + b for a, b in zip(x, h, strict=True)], theta, dt, mode, activation)


def _with_backbone(
    carry: CfCCarry,
    x: Any,
    recur: Any,
    theta: dict[str, Any],
    *,
    dt: Array,
    mode: str,
    gates: tuple[str, ...],
    layers: int,
    activation: Activation,
    backbone_activation: Activation,
) -> tuple[CfCCarry, Array]:
    def dense(z: Array, name: str) -> Array:
        product = recur(z, kernel=f"{name}_kernel")
        return product + theta[f"{name}_bias"] if f"{name}_bias" in theta else product

    z = backbone_activation(x.z + recur(carry.h).z)
    for k in range(2, layers + 1):
        z = backbone_activation(dense(z, f"backbone_{k}"))
    return _solution(carry, [dense(z, gate) for gate in gates], theta, dt, mode, activation)


def _solution(
    carry: CfCCarry, net: list[Array], theta: dict[str, Any], dt: Array, mode: str, activation: Activation
) -> tuple[CfCCarry, Array]:
    dt = by_unit(dt, "dt", carry.h)
    if mode == "pure":
        (f,), amplitude = net, theta["amplitude"]
        new = amplitude - amplitude * jnp.exp(-dt * (jnp.abs(theta["tau"]) + jnp.abs(f))) * f
    else:
        f, g = activation(net[0]), activation(net[1])
        s = sigmoid(net[2] * dt + net[3])
        new = f + g * s if mode == "no_gate" else f * (1 - s) + g * s
    return CfCCarry(new), new
