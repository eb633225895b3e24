"""equinox: its cells, which take one row, under `vmap` in a `lax.scan`, as its documentation has it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.bench.cases import Case
from jaxrnn.bench.contestants.on_jax import ByLayer, by_gate, fused, storage


class Library(ByLayer):
    """Rows i, f, g, o and r, z, n; the bias inside the reset is `bias_n`. No simple cell."""

    cells = ("lstm", "gru")

    def one(self, case: Case, params: dict[str, Any]) -> Any:
        import equinox

        make = equinox.nn.LSTMCell if case.cell == "lstm" else equinox.nn.GRUCell
        cell = make(params["kernel"].shape[0], case.H, dtype=storage(case), key=jax.random.key(0))
        arrays = [fused(params["kernel"]).T, fused(params["recurrent_kernel"]).T, fused(params["bias"])]
        arrays += [params["recurrent_bias"]] if case.cell == "gru" else []
        return equinox.tree_at(lambda tree: self._leaves(case, tree), cell, [jnp.asarray(a) for a in arrays])

    def one_back(self, case: Case, gradients: Any) -> dict[str, Any]:
        kernel, recurrent, bias, *inner = self._leaves(case, gradients)
        gates = 4 if case.cell == "lstm" else 3
        ours = {"kernel": by_gate(kernel.T, gates), "recurrent_kernel": by_gate(recurrent.T, gates)}
        return ours | {"bias": by_gate(bias, gates)} | ({"recurrent_bias": inner[0]} if inner else {})

    def run(self, case: Case, weights: Any, xs: Any, lengths: Any, reverse: bool) -> Any:
        def body(carry: Any, x: Any) -> tuple[Any, Any]:
            return self.step(case, weights, carry, x)

        return jax.lax.scan(body, self.carry(case), xs, reverse=reverse)[1]

    def carry(self, case: Case) -> Any:
        zeros = jnp.zeros((case.B, case.H), storage(case))
        return (zeros, jnp.zeros_like(zeros)) if case.cell == "lstm" else zeros  # (h, c)

    def step(self, case: Case, weights: Any, carry: Any, x: Any) -> tuple[Any, Any]:
        carry = jax.vmap(weights)(x, carry)
        return carry, carry[0] if case.cell == "lstm" else carry

    def _leaves(self, case: Case, tree: Any) -> list[Any]:
        return [tree.weight_ih, tree.weight_hh, tree.bias] + ([tree.bias_n] if case.cell == "gru" else [])
