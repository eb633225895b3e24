"""Keras 3 on its JAX backend, batch-major, as its layers are by nature."""

from __future__ import annotations

import os
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrnn.bench.cases import Case
from jaxrnn.bench.contestants.on_jax import ByLayer, by_gate, fused, storage

Z_R_N = np.array([1, 0, 2])  # its gates are z, r, h; its own inverse


class Library(ByLayer):
    """Columns i, f, c, o and z, r, h; the GRU has two biases, of which the inner one stays inside the reset."""

    batch_major = True
    can = frozenset({"bidirectional", "layers", "ragged"})

    def layer(self, case: Case, inputs: int, reverse: bool = False) -> Any:
        os.environ["KERAS_BACKEND"] = "jax"
        import keras

        make = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "elman": keras.layers.SimpleRNN}[case.cell]
        layer = make(case.H, return_sequences=True, go_backwards=reverse, dtype=storage(case).name)
        layer.build((case.B, case.T, inputs))
        return layer

    def one(self, case: Case, params: dict[str, Any]) -> list[Any]:
        kernel, recurrent, bias = (params[k] for k in ("kernel", "recurrent_kernel", "bias"))
        if case.cell != "gru":
            return [fused(kernel), fused(recurrent), fused(bias)]
        inner = np.zeros_like(bias)
        inner[2] = params["recurrent_bias"]
        biases = np.stack([fused(bias[Z_R_N]), fused(inner)])
        return [fused(kernel[:, Z_R_N]), fused(recurrent[:, Z_R_N]), biases]

    def one_back(self, case: Case, gradients: list[Any]) -> dict[str, Any]:
        kernel, recurrent, bias = (by_gate(g, {"lstm": 4, "gru": 3, "elman": 1}[case.cell]) for g in gradients)
        if case.cell != "gru":
            return {"kernel": kernel, "recurrent_kernel": recurrent, "bias": bias}
        ours = {"kernel": kernel[:, Z_R_N], "recurrent_kernel": recurrent[:, Z_R_N]}
        return ours | {"bias": bias[0][Z_R_N], "recurrent_bias": bias[1, 2]}

    def run(self, case: Case, weights: list[Any], xs: Any, lengths: Any, reverse: bool) -> Any:
        layer = self.layer(case, xs.shape[-1], reverse)
        mask = None if lengths is None else jnp.arange(case.T) < lengths[:, None]
        ys, _ = layer.stateless_call(weights, self._rest(layer), xs, mask=mask, training=False)
        return jnp.flip(ys, axis=1) if reverse else ys

    def carry(self, case: Case) -> Any:
        zeros = jnp.zeros((case.B, case.H), storage(case))
        return [zeros, jnp.zeros_like(zeros)] if case.cell == "lstm" else [zeros]  # h, c

    def step(self, case: Case, weights: list[Any], carry: Any, x: Any) -> tuple[Any, Any]:
        layer = self.layer(case, x.shape[-1])
        (y, carry), _ = layer.cell.stateless_call(weights, self._rest(layer), x, carry, training=False)
        return carry, y

    def _rest(self, layer: Any) -> list[Any]:
        return [variable.value for variable in layer.non_trainable_variables]  # the seed of its dropout
