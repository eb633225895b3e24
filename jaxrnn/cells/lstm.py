r"""Long short-term memory.

    i = sigmoid(x_i + h_i + p_i * c)          input gate
    f = sigmoid(x_f + h_f + p_f * c)          forget gate (Gers 2000); 1 - i when coupled
    g = tanh(x_g + h_g)                       candidate
    c' = f * c + i * g
    o = sigmoid(x_o + h_o + p_o * c')         output gate; its peephole sees the new cell
    h' = o * tanh(c')                         times the projection [H, P], where there is one

with x = x @ kernel + bias and h = h @ recurrent_kernel, one column block a gate, and p the peepholes (zero without).

Papers:
    Hochreiter & Schmidhuber, Long short-term memory, Neural Computation 9(8), 1997.
    Gers, Schmidhuber & Cummins, Learning to forget, Neural Computation 12(10), 2000.
    Gers, Schraudolph & Schmidhuber, Learning precise timing with LSTM recurrent networks, JMLR 3, 2003 (peepholes).
    Greff et al., LSTM: a search space odyssey, IEEE TNNLS 28(10), 2017 (coupled gates).
    Sak, Senior & Beaufays, Long short-term memory recurrent neural network architectures, Interspeech 2014
    (projection). Ba, Kiros & Hinton, Layer normalization, arXiv:1607.06450, equations 20 to 22.
    Shi et al., Convolutional LSTM network, NIPS 2015 (peepholes at each position).
    Tallec & Ollivier, Can recurrent neural networks warp time?, ICLR 2018 (chrono initialisation).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Unpack

import jax.numpy as jnp
from jax import lax
from jax.nn import sigmoid, tanh

from jaxrnn.base.dtypes import promote
from jaxrnn.base.typing import Activation, Array, Initializer
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import CHRONO, Common, build, factory
from jaxrnn.core.options import Conflict, Flag, Function, Grid, Number, Positive, Size, Steps
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.initializers import Chrono, Constant, glorot_uniform, ones, zeros
from jaxrnn.programs.serialized import serialized

NORM_EPSILON = 1e-5


@serialized
class LSTMCarry(NamedTuple):
    """The cell state and the output, in Flax's order."""

    c: Array  # [*B, H]
    h: Array  # [*B, H], or [*B, P] when projected


@factory(
    Conflict(
        "forget_bias",
        "left alone without a forget gate, or with chrono, which sets it",
        lambda o: not o.forget_gate or o.chrono is not None,
    ),
    Conflict("coupled", "False without a forget gate (it couples f to i)", lambda o: not o.forget_gate),
    Conflict("chrono", "None without a forget gate, whose bias it sets", lambda o: not o.forget_gate),
    CHRONO,
    Conflict("spatial", "None without peepholes, which it is for", lambda o: not o.peepholes),
    Conflict(
        "spatial",
        "a size for each axis of the convolutions",
        lambda o: len(o.spatial) != max(o.input.axes, o.recurrent.axes),
    ),
)
def lstm(
    size: int,
    *,
    forget_gate: Flag = True,
    forget_bias: Number = 1.0,
    peepholes: Flag = False,
    spatial: Grid | None = None,
    coupled: Flag = False,
    projection: Size | None = None,
    cell_clip: Positive | None = None,
    layer_norm: Flag = False,
    chrono: Steps | None = None,
    truncated_gradient: Flag = False,
    activation: Function = tanh,
    gate_activation: Function = sigmoid,
    output_activation: Function = tanh,
    **common: Unpack[Common],
) -> Cell:
    """Long short-term memory, gates i, f, g, o.

    The equations are at the head of this file. Parameters: `kernel [D, G, H]`, `recurrent_kernel [R, G, H]` (R = P when
    projected, else H), `bias [G, H]`; with peepholes `peepholes [3, H]` in the order i, f, o ([2, H], i and o, without
    a forget gate of its own; `[3, *S, H]` with `spatial`); with projection `projection [H, P]`.

    Args:
        size: H, the number of cells.
        forget_gate: False leaves the cell state undamped: c' = c + i * g.
        forget_bias: initial bias of the forget gate (with `coupled`, minus this for the input gate). Only an initial
            value: nothing is added at run time.
        peepholes: gates see the cell state: i and f the old one, o the new one.
        spatial: *S, the positions of states on a grid, each of which then has peepholes of its own, as in Shi 2015;
            None for peepholes that all share.
        coupled: f = 1 - i, no forget gate of its own.
        projection: P, the size of the projected output and recurrent state.
        cell_clip: keep c' within [-cell_clip, cell_clip].
        layer_norm: normalise, over all gates of all units together, the input product and the recurrent product apart,
            each with gains (`input_norm`, `recurrent_norm` [G, H]), then add the bias; and normalise c' on its way to
            the output (`cell_norm`, `cell_norm_bias` [H]). Ba 2016's placement, epsilon 1e-5.
        chrono: T_max of the chrono initialisation, in place of `forget_bias`.
        truncated_gradient: no error flows back through any gate's recurrent input, only through the cell (1997).
        activation, gate_activation, output_activation: of the candidate, the gates, and the cell on its way out.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `LSTMCarry(c, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.lstm(4, peepholes=True)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> carry, ys = jaxrnn.scan(cell, params, jax.numpy.ones((7, 2, 3)))
    >>> ys.shape, carry.c.shape
    ((7, 2, 4), (2, 4))
    """
    gates = ("i", "f", "g", "o") if forget_gate and not coupled else ("i", "g", "o")
    special: Initializer | dict[str, Initializer] = {}
    if chrono is not None:
        special = Chrono(tuple({"i": -1, "f": 1}.get(g, 0) for g in gates), chrono)
    elif "f" in gates:
        special = {"f": Constant(forget_bias)}
    elif coupled:
        special = {"i": Constant(-forget_bias)}

    units: dict[str, Parameter] = {}
    if peepholes:
        units["peepholes"] = Parameter((3 if "f" in gates else 2, *(spatial or ()), "H"), zeros)
    if projection is not None:
        units["projection"] = Parameter(("H", "P"), glorot_uniform, "recurrent")
    if layer_norm:
        units |= {"input_norm": Parameter(("G", "H"), ones), "recurrent_norm": Parameter(("G", "H"), ones)}
        units |= {"cell_norm": Parameter(("H",), ones), "cell_norm_bias": Parameter(("H",), zeros)}
    papers = {
        "Hochreiter & Schmidhuber 1997": True,
        "Gers et al. 2000": forget_gate,
        "Gers et al. 2003": peepholes,
        "Greff et al. 2017": coupled,
        "Sak et al. 2014": projection is not None,
        "Shi et al. 2015": spatial is not None,
        "Ba et al. 2016": layer_norm,
        "Tallec & Ollivier 2018": chrono is not None,
    }
    options = dict(
        forget=forget_gate and not coupled,
        coupled=coupled,
        projected=projection is not None,
        cell_clip=cell_clip,
        truncated=truncated_gradient,
        activation=activation,
        gate_activation=gate_activation,
        output_activation=output_activation,
    )
    return build(
        "lstm",
        size,
        gates,
        LSTMCarry,
        Update(_lstm, tuple(options.items())),
        carry_sizes=("H", "P"),
        units=units,
        bias_role="unit" if layer_norm else "input",  # after the normalisation, not before
        special_bias=special,
        projection=projection,
        paper="; ".join(name for name, used in papers.items() if used),
        common=common,
    )


@factory()
def lstm_1997(size: int, *, truncated_gradient: Flag = False, **common: Unpack[Common]) -> Cell:
    """The LSTM of 1997: input and output gates only, and the paper's squashing functions.

        c' = c + sigmoid(i) * g(net_g),   h' = sigmoid(o) * h(c'),   g(a) = 4 sigmoid(a) - 2,   h(a) = 2 sigmoid(a) - 1

    Args:
        size: H, the number of cells, each a memory block of its own.
        truncated_gradient: the paper's learning rule: no error flows back through the gates' recurrent inputs.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell with gates i, g, o whose carry is `LSTMCarry(c, h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    Paper: Hochreiter & Schmidhuber, Long short-term memory, Neural Computation 9(8), 1997, equations 3 to 5 and A.1.

    >>> import jaxrnn
    >>> jaxrnn.lstm_1997(16).gates
    ('i', 'g', 'o')
    """
    return lstm(
        size,
        forget_gate=False,
        truncated_gradient=truncated_gradient,
        activation=squash_g,
        output_activation=squash_h,
        **common,
    )


def squash_g(a: Array) -> Array:
    """The 1997 paper's g, into [-2, 2]."""
    return 4 * sigmoid(a) - 2


def squash_h(a: Array) -> Array:
    """The 1997 paper's h, into [-1, 1]."""
    return 2 * sigmoid(a) - 1


def _lstm(
    carry: LSTMCarry,
    x: Any,
    recur: Any,
    theta: dict[str, Any],
    *,
    forget: bool,
    coupled: bool,
    projected: bool,
    cell_clip: float | None,
    truncated: bool,
    activation: Activation,
    gate_activation: Activation,
    output_activation: Activation,
) -> tuple[LSTMCarry, Array]:
    c = carry.c
    h = recur(lax.stop_gradient(carry.h) if truncated else carry.h)
    if "input_norm" in theta:
        x = _normalise(x, theta["input_norm"])
        h = _normalise(h, theta["recurrent_norm"])
    names = ("i", "f", "g", "o") if forget else ("i", "g", "o")
    net = {gate: a + b for gate, a, b in zip(names, x, h, strict=True)}
    if "bias" in theta:
        net = {gate: a + b for (gate, a), b in zip(net.items(), theta["bias"], strict=True)}
    peep = dict(zip(("i", "f", "o") if forget else ("i", "o"), theta.get("peepholes", ()), strict=False))

    def gate(name: str, c: Array) -> Array:
        return gate_activation(net[name] + peep[name] * c if peep else net[name])

    i = gate("i", c)
    g = activation(net["g"])
    if forget:
        c = gate("f", c) * c + i * g
    elif coupled:
        c = (1 - i) * c + i * g
    else:
        c = c + i * g
    if cell_clip is not None:
        c = jnp.clip(c, -cell_clip, cell_clip)
    o = gate("o", c)
    shown = c
    if "cell_norm" in theta:
        shown = _normalise((c,), (theta["cell_norm"],))[0] + theta["cell_norm_bias"]
    out = o * output_activation(shown)
    if projected:
        out = recur(out, kernel="projection")
    return LSTMCarry(c, out), out


def _normalise(gates: Any, gains: Any) -> Any:
    """Layer normalisation over all units of all gates together, gains apart.

    Statistics are in float32 at least: their derivative leaves float16 where units hardly differ.
    """
    dtype = gates[0].dtype
    gates = [a.astype(promote(dtype, jnp.float32)) for a in gates]
    together = jnp.concatenate(gates, axis=-1)
    mean = together.mean(-1, keepdims=True)
    variance = jnp.square(together - mean).mean(-1, keepdims=True)
    # Without the barrier XLA fuses this into every gate, and takes minutes to compile second derivatives.
    mean, scale = lax.optimization_barrier((mean, lax.rsqrt(variance + NORM_EPSILON)))
    return [((a - mean) * scale).astype(dtype) * gain for a, gain in zip(gates, gains, strict=True)]
