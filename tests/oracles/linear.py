"""Cells that are linear in the state, from their papers. Complex numbers are pairs of real ones: `Pair`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tests.oracle import sigmoid
from tests.oracles.forms import inputs


def g(a: Any) -> Any:
    """Feng et al. 2024, appendix B: what takes the place of the candidate in the form for logarithms."""
    return np.where(np.real(a) >= 0, a + 0.5, sigmoid(a))


def min_gru(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Feng et al. 2024, arXiv:2410.01201, section 3.1: z takes the new. Gates z, n; carry (h)."""
    (h,) = carry
    z, n = inputs(p, x)
    new = (1 - sigmoid(z)) * h + sigmoid(z) * n
    return (new,), new


def min_gru_positive(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    (h,) = carry
    z, n = inputs(p, x)
    new = (1 - sigmoid(z)) * h + sigmoid(z) * g(n)
    return (new,), new


def min_lstm(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Section 3.2, with f and i that add up to one. Gates i, f, g; carry (h)."""
    (h,) = carry
    i, f, n = inputs(p, x)
    i, f = sigmoid(i), sigmoid(f)
    new = f / (f + i) * h + i / (f + i) * n
    return (new,), new


def lru(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Orvieto et al. 2023, arXiv:2303.06349, equations (5) and (6): no 2 before the real part.

    Gates re, im (B's two parts), skip (D); carry (re, im). `ring [3, H]`: nu, theta (a logarithm), gamma (likewise).
    """
    re, im = carry
    nu, theta, gamma = p["ring"]
    u = np.einsum("d,dgh->gh", x, p["kernel"]) + p.get("bias", 0)
    size, phase = np.exp(-np.exp(nu)), np.exp(theta)
    cos, sin = size * np.cos(phase), size * np.sin(phase)
    re, im = cos * re - sin * im + np.exp(gamma) * u[0], cos * im + sin * re + np.exp(gamma) * u[1]
    return (re, im), re @ p["output_re"] + im @ p["output_im"] + u[2]


class Pair(NamedTuple):
    """A complex number of parts on which a complex step may be taken."""

    re: Any
    im: Any

    def __mul__(self, o: Any) -> Pair:
        return Pair(self.re * o.re - self.im * o.im, self.re * o.im + self.im * o.re)

    def __add__(self, o: Any) -> Pair:
        return Pair(self.re + o.re, self.im + o.im)

    def over(self, o: Pair) -> Pair:
        size = o.re * o.re + o.im * o.im
        return self * Pair(o.re / size, -o.im / size)


def exponential(p: Pair) -> Pair:
    return Pair(np.exp(p.re) * np.cos(p.im), np.exp(p.re) * np.sin(p.im))


def system(pole: Pair, dt: Any, bilinear: bool) -> tuple[Pair, Pair]:
    """A and the factor of B u: Smith et al. 2023, equation (6); bilinear: Gu et al. 2022, section 3."""
    step = Pair(dt * pole.re, dt * pole.im)
    one = Pair(1.0 + 0 * step.re, 0 * step.re)
    if bilinear:
        half = Pair(step.re / 2, step.im / 2)
        below = Pair(1 - half.re, -half.im)
        return (one + half).over(below), Pair(dt, 0 * dt).over(below)
    a = exponential(step)
    return a, Pair(a.re - 1, a.im).over(pole)


def s5(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, bilinear: bool = False) -> Any:
    """Smith et al. 2023, arXiv:2208.04933: y = 2 Re(C h) + D u. Gates re, im (B), skip (D); `pole [2, H]`, `step`."""
    u = np.einsum("d,dgh->gh", x, p["kernel"]) + p.get("bias", 0)
    a, b = system(Pair(-np.exp(p["pole"][0]), p["pole"][1]), np.exp(p["step"]), bilinear)
    h = a * Pair(*carry) + b * Pair(u[0], u[1])
    return tuple(h), 2 * (h.re @ p["output_re"] + h.im @ p["output_im"]) + u[2]


def s4d(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Gu et al. 2022, arXiv:2206.11893, one channel after the other. `kernel [1, H]` is B, `pole [2 N, H]`."""
    states, size = p["output_re"].shape
    decay, frequency = p["pole"][:states], p["pole"][states:]
    before = [c.reshape(states, size) for c in carry]
    new = [np.zeros((states, size), np.result_type(*before, x, *p.values())) for _ in carry]
    y = []
    for k in range(size):
        u = x[k] * p["kernel"][0, k] + (p["bias"][0, k] if "bias" in p else 0)
        total = 0
        for n in range(states):
            a, b = system(Pair(-np.exp(decay[n, k]), frequency[n, k]), np.exp(p["step"][k]), False)
            h = a * Pair(before[0][n, k], before[1][n, k]) + Pair(b.re * u, b.im * u)
            new[0][n, k], new[1][n, k] = h
            total = total + 2 * (h.re * p["output_re"][n, k] + h.im * p["output_im"][n, k])
        y.append(total + p["skip"][k] * u)
    return tuple(a.reshape(-1) for a in new), np.array(y)


def s6(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Gu & Dao 2023, arXiv:2312.00752, as the authors' `selective_scan_ref`: B by Euler, so dt B x."""
    states, size = p["decay"].shape
    dt = np.log(1 + np.exp(x @ p["kernel"][:, 0] + p["bias"][0]))
    b, c = x @ p["input_kernel"], x @ p["output_kernel"]
    h = carry[0].reshape(states, size)
    new = np.stack([np.exp(-dt * np.exp(p["decay"][n])) * h[n] + dt * b[n] * x for n in range(states)])
    return (new.reshape(-1),), sum(c[n] * new[n] for n in range(states)) + p["skip"] * x


def rg_lru(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """De et al. 2024, arXiv:2402.19427, equations (1) to (4), a by its logarithm as in appendix A; c = 8."""
    (h,) = carry
    r, i = (sigmoid(x @ p["kernel"][:, k] + p["bias"][k]) for k in range(2))
    a = np.exp(-8 * np.log(1 + np.exp(p["decay"])) * r)
    new = a * h + np.sqrt(1 - a * a) * i * x
    return (new,), new


def silu(a: Any) -> Any:
    return a * sigmoid(a)


def hgrn(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, bound: float) -> Any:
    """Qin et al. 2023, arXiv:2311.04823, section 3.2, without the rotation. Gates f, c, g."""
    (h,) = carry
    f, c, g = inputs(p, x)
    f = bound + (1 - bound) * sigmoid(f)
    new = f * h + (1 - f) * silu(c)
    return (new,), new * sigmoid(g)


def hgrn_rotating(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, bound: float) -> Any:
    """With it: lambda e^(i theta), theta free of the input."""
    f, c, g, im = inputs(p, x)
    f = bound + (1 - bound) * sigmoid(f)
    h = Pair(f * np.cos(p["angle"]), f * np.sin(p["angle"])) * Pair(*carry)
    h = h + Pair((1 - f) * silu(c), (1 - f) * silu(im))
    return tuple(h), h.re * sigmoid(g)


def lin_oss(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, implicit: bool = True) -> Any:
    """Rusch & Rus 2025, arXiv:2410.03943, equations (3) and (5): the implicit system is solved here as it stands."""
    z, y = carry
    u = np.einsum("d,dgh->gh", x, p["kernel"]) + p.get("bias", 0)
    a, dt = np.where(np.real(p["stiffness"]) > 0, p["stiffness"], 0), sigmoid(p["step"])
    if implicit:  # z' + dt a y' = z + dt u, y' - dt z' = y
        system = 1 + dt * dt * a
        z, y = (z + dt * u[0] - dt * a * y) / system, (y + dt * (z + dt * u[0])) / system
    else:
        z = z + dt * (u[0] - a * y)
        y = y + dt * z
    return (z, y), y @ p["output_kernel"] + u[1]


def sru(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Lei et al. 2018, arXiv:1709.02755v1's equations (3) to (7): the gates see the input alone. Gates z, f, r."""
    (c,) = carry
    z, f, r = (x @ p["kernel"][:, k] for k in range(3))
    f, r = sigmoid(f + p["bias"][0]), sigmoid(r + p["bias"][1])
    c = f * c + (1 - f) * z
    return (c,), r * np.tanh(c) + (1 - r) * x


def qrnn(p: dict[str, Any], carry: tuple[Any, ...], x: Any, *, pooling: str = "fo") -> Any:
    """Bradbury et al. 2017, arXiv:1611.01576, equations (3) to (5), of a window of one. Gates z, f, o, i."""
    (c,) = carry
    z, *gates = inputs(p, x)
    f, *others = map(sigmoid, gates)
    c = f * c + (others[1] if pooling == "ifo" else 1 - f) * np.tanh(z)
    return (c,), c if pooling == "f" else others[0] * c
