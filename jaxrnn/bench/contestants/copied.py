"""The `ScannedRNN` that agents' code copies from one repository to the next: a Flax GRU under `linen.scan`."""

from __future__ import annotations

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen

from jaxrnn.bench.cases import Case
from jaxrnn.bench.contestants.linen import Library as Linen


class Copied(linen.Module):
    """A GRU of as many units as its carry, which is zero where a reset comes before the step."""

    @functools.partial(linen.scan, variable_broadcast="params", in_axes=0, out_axes=0, split_rngs={"params": False})
    @linen.compact
    def __call__(self, carry: Any, x: tuple[Any, Any]) -> tuple[Any, Any]:
        ins, resets = x
        carry = jnp.where(resets[:, None], jnp.zeros_like(carry), carry)
        zeros = linen.initializers.zeros_init()  # what Flax draws to compare shapes need not be orthogonal
        cell = linen.GRUCell(carry.shape[-1], recurrent_kernel_init=zeros)
        return cell(carry, ins)


class Library(Linen):
    """Its parameters are those of the linen peer."""

    can = frozenset({"resets"})
    dtypes = ("float32", "tf32")

    def __init__(self) -> None:
        super().__init__()
        self.cells = ("gru",)

    def declines(self, case: Case, kind: str) -> str | None:
        return super().declines(case, kind) or (None if case.resets else "is for agents, with resets")

    def apply(self, case: Case, weights: Any, xs: Any, lengths: Any, **per_step: Any) -> Any:
        ((own,),) = weights
        return self._scanned(own, self.carry(case), xs, per_step["resets"])[1]

    def step(self, case: Case, weights: Any, carry: Any, x: Any) -> tuple[Any, Any]:
        x, resets = x
        carry, ys = self._scanned(weights, carry, x[None], resets[None])
        return carry, ys[0]

    def _scanned(self, weights: Any, carry: Any, xs: Any, resets: Any) -> tuple[Any, Any]:
        return Copied().apply({"params": {"GRUCell_0": weights}}, carry, (xs, resets))
