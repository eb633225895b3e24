"""dm-haiku: `dynamic_unroll` of its cores, time-major."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrnn.bench.cases import Case
from jaxrnn.bench.contestants.on_jax import ByLayer, by_gate, fused, storage

I_G_F_O, Z_R_N = np.array([0, 2, 1, 3]), np.array([1, 0, 2])  # each its own inverse
ADDED = np.array([[0], [1], [0], [0]])  # at run time, in our order
INVERTED = np.array([[1], [-1], [1]])  # in our order: sigmoid(-v) = 1 - sigmoid(v)


class Library(ByLayer):
    """LSTM: one Linear of [x; h], gates i, g, f, o; 1 is added to f at run time. GRU: z, r, a, reset before, 1 - z.

    Haiku's simple cell is a rectifier, which is not ours.
    """

    cells = ("lstm", "gru")

    def form(self, case: Case) -> Case:
        return replace(case, form="reset before") if case.cell == "gru" else case

    def one(self, case: Case, params: dict[str, Any]) -> dict[str, Any]:
        kernel, recurrent, bias = (params[k] for k in ("kernel", "recurrent_kernel", "bias"))
        if case.cell == "lstm":
            bias = (bias - ADDED.astype(bias.dtype))[I_G_F_O]
            return {"lstm/linear": {"w": fused(jnp.concatenate([kernel, recurrent])[:, I_G_F_O]), "b": fused(bias)}}
        w_i, w_h, b = (fused((a * INVERTED.astype(a.dtype))[..., Z_R_N, :]) for a in (kernel, recurrent, bias))
        return {"gru": {"w_i": w_i, "w_h": w_h, "b": b}}

    def one_back(self, case: Case, gradients: dict[str, Any]) -> dict[str, Any]:
        if case.cell == "lstm":
            w, b = gradients["lstm/linear"]["w"], gradients["lstm/linear"]["b"]
            w = by_gate(w, 4)[:, I_G_F_O]
            return {"kernel": w[: -case.H], "recurrent_kernel": w[-case.H :], "bias": by_gate(b, 4)[I_G_F_O]}
        tree = {k: by_gate(a, 3)[..., Z_R_N, :] * INVERTED.astype(a.dtype) for k, a in gradients["gru"].items()}
        return {"kernel": tree["w_i"], "recurrent_kernel": tree["w_h"], "bias": tree["b"]}

    def run(self, case: Case, weights: dict[str, Any], xs: Any, lengths: Any, reverse: bool) -> Any:
        import haiku

        def unroll(core: Any) -> Any:
            return haiku.dynamic_unroll(core, xs, self.carry(case), reverse=reverse)[0]

        return self._apply(case, weights, unroll)

    def carry(self, case: Case) -> Any:
        import haiku

        zeros = jnp.zeros((case.B, case.H), storage(case))
        return haiku.LSTMState(zeros, jnp.zeros_like(zeros)) if case.cell == "lstm" else zeros

    def step(self, case: Case, weights: dict[str, Any], carry: Any, x: Any) -> tuple[Any, Any]:
        y, carry = self._apply(case, weights, lambda core: core(x, carry))
        return carry, y

    def _apply(self, case: Case, weights: dict[str, Any], use: Any) -> Any:
        import haiku

        make = haiku.LSTM if case.cell == "lstm" else haiku.GRU
        return haiku.transform(lambda: use(make(case.H))).apply(weights, None)
