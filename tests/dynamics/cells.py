"""Cells whose dynamics is known."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxrnn


class State(NamedTuple):
    h: jax.Array


@jaxrnn.gate_cell(gates=("x",), carry=State)
def logistic_map(carry: Any, x: Any, h: Any, *, r: float = 4.0) -> Any:
    """h' = r h (1 - h) + x: the map that Lyapunov exponents are explained by."""
    new = r * carry.h * (1 - carry.h) + x.x
    return State(new), new


class Plane(NamedTuple):
    h: jax.Array
    v: jax.Array


@jaxrnn.gate_cell(gates=("x",), carry=Plane)
def henon_map(carry: Any, x: Any, h: Any, *, a: float = 1.4, b: float = 0.3) -> Any:
    """u' = 1 - a u^2 + v + x, v' = b u (Hénon 1976)."""
    u = 1 - a * carry.h**2 + carry.v + x.x
    return Plane(u, b * carry.h), u


@jaxrnn.gate_cell(gates=("f", "g"), carry=State)
def minimal(carry: Any, x: Any, h: Any, *, activation: Any = jnp.tanh) -> Any:
    """The README's cell of one's own."""
    f = jax.nn.sigmoid(x.f + h.f)
    h = f * carry.h + (1 - f) * activation(x.g + h.g)
    return State(h), h


def rotation(angle: float, size: float) -> np.ndarray:
    return size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def elman_of(matrix: np.ndarray, activation: Any = None, bias: Any = 0.0) -> tuple[Any, Any]:
    """`h' = activation(x + h W + b)` with inputs as many as units."""
    n = len(matrix)
    cell = jaxrnn.elman(n, activation=activation or (lambda a: a))
    params = {
        "kernel": np.eye(n)[:, None],
        "recurrent_kernel": np.asarray(matrix, np.float64)[:, None],
        "bias": np.broadcast_to(np.asarray(bias, np.float64), (1, n)).copy(),
    }
    return cell, {name: jnp.asarray(a) for name, a in params.items()}


def drawn(cell: Any, inputs: int, *shape: int, seed: int = 0) -> tuple[Any, Any]:
    """Parameters that are all at work, and inputs."""
    params = cell.init(jax.random.key(seed), inputs=inputs)
    leaves, tree = jax.tree.flatten(params)
    rng = np.random.default_rng(seed)
    params = jax.tree.unflatten(tree, [a + 0.1 * rng.normal(size=a.shape).astype(a.dtype) for a in leaves])
    return params, jnp.asarray(rng.normal(size=(*shape, inputs)))
