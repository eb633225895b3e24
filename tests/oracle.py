"""The oracle: every cell of the collection in float64 NumPy, one row and one time at a time, written from the papers.

It knows the engine's parameters by name and shape and the laws by their text, and shares no line of code with it.
The equations use analytic functions only, so that they also run on complex numbers. A gradient is then a complex step:
Im f(x + i e) / e, exact to rounding, with nothing subtracted. A stopped gradient is the real part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

EPSILON = 1e-30  # of the complex step; its square vanishes beside 1
NORM_EPSILON = 1e-5


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def relu(a: Any) -> Any:
    return np.where(np.real(a) > 0, a, 0)


def squash_g(a: Any) -> Any:
    """Hochreiter & Schmidhuber 1997, equation (5): the logistic function stretched to [-2, 2]."""
    return 4 / (1 + np.exp(-a)) - 2


def squash_h(a: Any) -> Any:
    """Equation (4): stretched to [-1, 1]."""
    return 2 / (1 + np.exp(-a)) - 1


def clip(a: Any, bound: float) -> Any:
    return np.where(np.abs(np.real(a)) > bound, np.sign(np.real(a)) * bound, a)


def layer_norm(v: Any, gain: Any) -> Any:
    """Ba, Kiros & Hinton 2016, equation (4), over the whole vector."""
    centred = v - v.mean()
    return gain * centred / np.sqrt((centred * centred).mean() + NORM_EPSILON)


def summed(p: dict[str, Any], name: str, v: Any, gate: int) -> Any:
    """`v` times the block of one gate in a kernel `[R, G, H]`."""
    return v @ p[name][:, gate, :]


# ---------------------------------------------------------------- equations: (parameters, carry, x) -> (carry, output)


def elman(
    p: dict[str, Any],
    carry: tuple[Any, ...],
    x: Any,
    *,
    activation: Callable = np.tanh,
    leak: float = 1.0,
    residual: bool = False,
) -> Any:
    (h,) = carry
    a = activation(summed(p, "kernel", x, 0) + bias(p, 0) + summed(p, "recurrent_kernel", h, 0))
    new = h + leak * a if residual else (1 - leak) * h + leak * a
    return (new,), new


def gru(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, reset_after: bool = True) -> Any:
    (h,) = carry
    net = [summed(p, "kernel", x, k) + bias(p, k) for k in range(3)]
    r = sigmoid(net[0] + summed(p, "recurrent_kernel", h, 0))
    z = sigmoid(net[1] + summed(p, "recurrent_kernel", h, 1))
    if reset_after:
        n = np.tanh(net[2] + r * (summed(p, "recurrent_kernel", h, 2) + p.get("recurrent_bias", 0.0)))
    else:
        n = np.tanh(net[2] + summed(p, "recurrent_kernel", r * h, 2))
    new = (1 - z) * n + z * h
    return (new,), new


def lstm(
    p: dict[str, Any],
    carry: tuple[Any, ...],
    x: Any,
    *,
    gates: str = "ifgo",
    peepholes: bool = False,
    cell_clip: float | None = None,
    layer_norms: bool = False,
    truncated: bool = False,
    squash_in: Callable = np.tanh,
    squash_out: Callable = np.tanh,
    coupled: bool = False,
) -> Any:
    c, h = carry
    seen = np.real(h) if truncated else h
    from_x = np.stack([summed(p, "kernel", x, k) for k in range(len(gates))])
    from_h = np.stack([summed(p, "recurrent_kernel", seen, k) for k in range(len(gates))])
    if layer_norms:
        from_x = layer_norm(from_x, p["input_norm"])
        from_h = layer_norm(from_h, p["recurrent_norm"])
    net = {gate: from_x[k] + from_h[k] + bias(p, k) for k, gate in enumerate(gates)}
    peep = (
        dict(zip([g for g in gates if g != "g"], p["peepholes"], strict=True))
        if peepholes
        else dict.fromkeys(gates, 0.0)
    )
    i = sigmoid(net["i"] + peep["i"] * c)
    g = squash_in(net["g"])
    f = sigmoid(net["f"] + peep["f"] * c) if "f" in gates else 1 - i if coupled else 1.0
    c = f * c + i * g
    if cell_clip is not None:
        c = clip(c, cell_clip)
    o = sigmoid(net["o"] + peep["o"] * c)
    shown = layer_norm(c, p["cell_norm"]) + p["cell_norm_bias"] if layer_norms else c
    h = o * squash_out(shown)
    if "projection" in p:
        h = h @ p["projection"]
    return (c, h), h


def bias(p: dict[str, Any], gate: int) -> Any:
    return p["bias"][gate] if "bias" in p else 0.0


# ---------------------------------------------------------------- over time, by the text of law 5


def scan(
    equations: Callable[..., Any],
    params: dict[str, Any],
    xs: Any,
    carry: tuple[Any, ...],
    *,
    lengths: Any = None,
    mask: Any = None,
    resets: Any = None,
    segments: Any = None,
    reset_carry: tuple[Any, ...] | None = None,
    reverse: bool = False,
    per_step: dict[str, Any] | None = None,
) -> tuple[tuple[Any, ...], Any]:
    """`xs [T, B, *x]`, carry arrays `[B, *state]`; returns the final carry and the outputs `[T, B, *y]`.

    Where no step is valid an output has the shape of the last of the carry, or the projection's size.
    """
    T, B = xs.shape[:2]
    everything = (*params.values(), xs, *carry, *(reset_carry or ()), *(per_step or {}).values())
    kind = np.result_type(*everything, np.float64)
    outputs: dict[tuple[int, int], Any] = {}
    final = tuple(np.array(a, kind) for a in carry)
    for b in range(B):
        valid = [t for t in range(T) if (mask is None or mask[t, b]) and (lengths is None or t < lengths[b])]
        state = tuple(a[b] for a in carry)
        before = None
        for t in reversed(valid) if reverse else valid:
            if starts_fresh(t, before, b, resets, segments, reverse):
                state = tuple(a[b] for a in reset_carry)
            given = {name: a[t, b] for name, a in (per_step or {}).items()}
            state, outputs[t, b] = equations(params, state, xs[t, b], **given)
            before = t
        for whole, part in zip(final, state, strict=True):
            whole[b] = part
    shape = params["projection"].shape[1:] if "projection" in params else carry[-1].shape[1:]
    for y in outputs.values():
        shape = y.shape
    ys = np.zeros((T, B, *shape), kind)
    for place, y in outputs.items():
        ys[place] = y
    return final, ys


def starts_fresh(t: int, before: int | None, b: int, resets: Any, segments: Any, reverse: bool) -> bool:
    """Whether a boundary lies between a valid step and the valid step processed before it.

    A flag at t is a boundary between t - 1 and t, and one on an invalid step waits for the next valid one. The first
    valid step, going forward, has its predecessor in the call before: all flags up to it count. Backward it has none.
    """
    if before is None:
        return resets is not None and not reverse and bool(resets[: t + 1, b].any())
    early, late = min(t, before), max(t, before)
    flagged = resets is not None and bool(resets[early + 1 : late + 1, b].any())
    return flagged or (segments is not None and segments[t, b] != segments[before, b])


# ---------------------------------------------------------------- gradients


def complex_step(loss: Callable[[dict[str, Any]], Any], arrays: dict[str, Any]) -> dict[str, Any]:
    """The gradient of a scalar function of named float64 arrays."""
    gradient = {}
    for name, array in arrays.items():
        slopes = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            moved = array.astype(complex)
            moved[index] += 1j * EPSILON
            slopes[index] = np.imag(loss({**arrays, name: moved})) / EPSILON
        gradient[name] = slopes
    return gradient


def truncated_gradient_1997(
    params: dict[str, Any], xs: Any, carry: tuple[Any, Any], cotangent: tuple[Any, Any], ys_cotangent: Any
) -> dict[str, Any]:
    """The learning rule of Hochreiter & Schmidhuber 1997, appendix A.1, by hand; gates i, g, o, all steps valid.

    Each weight into an input gate or a cell keeps its own sensitivity ds/dw, which the cell's self-connection of weight
    one carries forward: ds/dw(t) = ds/dw(t - 1) plus this step's share. The error of an output reaches the cell state
    of its own step, and nothing flows back along a recurrent connection. `cotangent` is that of the final (c, h),
    `ys_cotangent [T, B, H]` that of the outputs.
    """
    T, B, _ = xs.shape
    kernel, recurrent, b = params["kernel"], params["recurrent_kernel"], params["bias"]
    gradient = {name: np.zeros_like(a) for name, a in params.items()} | {
        "xs": np.zeros_like(xs),
        "c": np.zeros_like(carry[0]),
    }
    for row in range(B):
        s, y = carry[0][row].copy(), carry[1][row].copy()
        sensitivity = {name: np.zeros_like(a) for name, a in params.items()}  # ds[h] / dw[..., h]
        to_inputs: list[Any] = []  # ds(now)[h] / dx(t)[d]: constant once made, since the self-connection has weight one
        for t in range(T):
            x = xs[t, row]
            net = np.einsum("d,dgh->gh", x, kernel) + np.einsum("r,rgh->gh", y, recurrent) + b
            y_in, y_out = sigmoid(net[0]), sigmoid(net[2])
            g = squash_g(net[1])
            to_in = y_in * (1 - y_in) * g  # ds / dnet_in
            to_cell = y_in * 4 * sigmoid(net[1]) * (1 - sigmoid(net[1]))  # ds / dnet_c
            for name, source in (("kernel", x), ("recurrent_kernel", y), ("bias", None)):
                for gate, slope in ((0, to_in), (1, to_cell)):
                    term = slope if source is None else np.outer(source, slope)
                    sensitivity[name][..., gate, :] += term
            to_inputs.append(kernel[:, 0] * to_in + kernel[:, 1] * to_cell)
            s = s + y_in * g
            h = squash_h(s)
            error = ys_cotangent[t, row] + (cotangent[1][row] if t == T - 1 else 0)
            e_s = error * y_out * 2 * sigmoid(s) * (1 - sigmoid(s)) + (cotangent[0][row] if t == T - 1 else 0)
            delta_out = error * h * y_out * (1 - y_out)
            for name, source in (("kernel", x), ("recurrent_kernel", y), ("bias", None)):
                gradient[name] += sensitivity[name] * e_s
                gradient[name][..., 2, :] += delta_out if source is None else np.outer(source, delta_out)
            for past, slope in enumerate(to_inputs):
                gradient["xs"][past, row] += slope @ e_s
            gradient["xs"][t, row] += kernel[:, 2] @ delta_out
            gradient["c"][row] += e_s
            y = y_out * h
    return gradient
