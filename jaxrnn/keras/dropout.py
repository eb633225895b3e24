"""Keras's dropout inside a recurrent layer: masks that are drawn once a sequence, not once a step.

On the inputs there is one mask a row, or one for each gate (`implementation=1`, and always beside recurrent dropout).
On the recurrent state there is one mask a row for each gate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.typing import Array, Axis, Carry, Params, PRNGKeyArray
from jaxrnn.core.cell import Cell, Noise
from jaxrnn.core.factory import add_noise
from jaxrnn.core.step import gate_tuple, repeat_rows

NAME = "recurrent_dropout"


def gate_dropout(cell: Cell, rate: float) -> Cell:
    """Dropout on the recurrent state with a mask for each gate: h * m_g / (1 - rate) enters the product of gate g.

    Given masks (bool `[T, *B, H]`, true where the state is kept) may be passed as `per_step`, under the names
    `recurrent_dropout_i` and so on.

    Paper: Gal & Ghahramani, A theoretically grounded application of dropout in recurrent neural networks, NIPS 2016.
    """
    noises = tuple(Noise(f"{NAME}_{gate}", 1 - rate, "P", fixed=True) for gate in cell.gates)
    return add_noise(cell, NAME, _gate_dropout, {"gates": cell.gates, "keep": 1 - rate}, noises)


def _gate_dropout(
    carry: Carry,
    x: Any,
    recur: Any,
    theta: dict[str, Any],
    *,
    inner: Callable[..., Any],
    gates: tuple[str, ...],
    keep: float,
    **per_step: Array,
) -> tuple[Carry, Array]:
    given = {gate: per_step.pop(f"{NAME}_{gate}", theta.get(f"{NAME}_{gate}")) for gate in gates}
    masks = {gate: mask for gate, mask in given.items() if mask is not None}
    recur = _Dropped(recur, gates, masks, keep) if masks else recur
    return inner(carry, x, recur, theta, **per_step)


@dataclass
class _Dropped:
    """A recurrent product in which each gate sees the state through a mask of its own."""

    recur: Any
    gates: tuple[str, ...]
    masks: dict[str, Array]
    keep: float

    def __call__(self, h: Array, gates: tuple[str, ...] | None = None) -> Any:
        gates = self.gates if gates is None else gates
        return gate_tuple(gates)(*(self.recur(self._seen(gate, h), gates=(gate,))[0] for gate in gates))

    def _seen(self, gate: str, h: Array) -> Array:
        return jnp.where(self.masks[gate], h / self.keep, jnp.zeros_like(h)) if gate in self.masks else h


def input_masks(key: PRNGKeyArray, rate: float, masks: int, *shape: Axis) -> Array:
    """`[masks, *shape]`, true where an input is kept; the shape is that of one step's inputs."""
    return jax.random.bernoulli(key, 1 - rate, (masks, *shape))


def drop_inputs(xs: Array, kept: Array, rate: float) -> Array:
    """x * m / (1 - rate) for every time and mask: `[T, *B, D]` and `[M, *B, D]` give `[M, T, *B, D]`."""
    return jnp.where(kept[:, None], xs[None] / (1 - rate), jnp.zeros_like(xs[None]))


def project_each(cell: Cell, params: Params, xs: Array) -> Array:
    """The projection of inputs `[G, T, *B, D]` that differ between the gates, bias included: `[T, *B, G, H]`."""
    dtype = cell.compute_dtype(params, xs)
    kernel = cell.input_kernel(params, dtype)
    z = jnp.concatenate([kernel.product(x, (g,)) for g, x in enumerate(xs.astype(dtype))], axis=-2)
    return z + repeat_rows(params["bias"].astype(dtype), z.shape[:-2]) if "bias" in params else z
