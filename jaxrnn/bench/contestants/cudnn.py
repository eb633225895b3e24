"""`jax.experimental.rnn`: cuDNN's LSTM in JAX. float32, on a GPU, batch-major."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.bench.cases import Case
from jaxrnn.bench.contestants.on_jax import OnJax, by_gate, fused


class Library(OnJax):
    """One flat vector of weights, torch's layouts inside, the second bias zero. One layer in one direction here."""

    batch_major = True
    cells = ("lstm",)
    can = frozenset({"ragged"})
    dtypes = ("float32", "tf32")
    lacks = ("step", "step donated")

    def declines(self, case: Case, kind: str) -> str | None:
        if jax.default_backend() != "gpu":
            return "needs a GPU"
        return super().declines(case, kind)

    def theirs(self, case: Case, params: dict[str, Any]) -> Any:
        arrays = [fused(params["kernel"]).T, fused(params["recurrent_kernel"]).T]
        arrays += [fused(params["bias"]), np.zeros_like(fused(params["bias"]))]
        return np.concatenate([np.ravel(a) for a in arrays])

    def ours(self, case: Case, gradients: Any) -> dict[str, Any]:
        from jax.experimental import rnn

        kernel, recurrent, bias, _ = rnn.unpack_lstm_weights(gradients, case.D, case.H, 1, False)
        ours = {"kernel": by_gate(kernel[0].T, 4), "recurrent_kernel": by_gate(recurrent[0].T, 4)}
        return ours | {"bias": by_gate(bias[0], 4)}

    def apply(self, case: Case, weights: Any, xs: Any, lengths: Any) -> Any:
        from jax.experimental import rnn

        zeros = jnp.zeros((1, case.B, case.H))
        steps = jnp.full((case.B,), case.T, jnp.int32) if lengths is None else lengths
        precision = jax.lax.Precision.HIGH if case.dtype == "tf32" else jax.lax.Precision.HIGHEST
        return rnn.lstm(xs, zeros, zeros, weights, steps, case.D, case.H, 1, 0.0, False, precision)[0]

    def step(self, case: Case, weights: Any, carry: Any, x: Any) -> tuple[Any, Any]:
        raise NotImplementedError
