"""flax.linen: `RNN` around its cells, time-major. `OptimizedLSTMCell` unless the plain one is asked for."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxrnn.bench.cases import Case
from jaxrnn.bench.contestants.on_jax import ByLayer, storage

LSTM, GRU = "ifgo", "rzn"


class Library(ByLayer):
    """The biases: on the h side for an LSTM, on the i side and in `hn` for a GRU, on the i side for the simple cell."""

    can = frozenset({"bidirectional", "layers", "ragged"})

    def __init__(self, optimized: bool = True) -> None:
        self.optimized = optimized
        self.cells = ("lstm", "gru", "elman") if optimized else ("lstm",)

    def cell(self, case: Case) -> Any:
        from flax import linen

        lstm = linen.OptimizedLSTMCell if self.optimized else linen.LSTMCell
        make = {"lstm": lstm, "gru": linen.GRUCell, "elman": linen.SimpleCell}[case.cell]
        # Flax draws weights to compare shapes with those given; the usual orthogonal ones not in bfloat16.
        zeros = linen.initializers.zeros_init()
        return make(case.H, dtype=storage(case), param_dtype=storage(case), recurrent_kernel_init=zeros)

    def one(self, case: Case, params: dict[str, Any]) -> dict[str, Any]:
        kernel, recurrent, bias = (params[k] for k in ("kernel", "recurrent_kernel", "bias"))
        if case.cell == "elman":
            return {"i": {"kernel": kernel[:, 0], "bias": bias[0]}, "h": {"kernel": recurrent[:, 0]}}
        gates = LSTM if case.cell == "lstm" else GRU
        inputs = {f"i{g}": {"kernel": kernel[:, k]} for k, g in enumerate(gates)}
        states = {f"h{g}": {"kernel": recurrent[:, k]} for k, g in enumerate(gates)}
        for k, g in enumerate(gates):
            (states[f"h{g}"] if case.cell == "lstm" else inputs[f"i{g}"])["bias"] = bias[k]
        if case.cell == "gru":
            states["hn"]["bias"] = params["recurrent_bias"]
        return inputs | states

    def one_back(self, case: Case, gradients: dict[str, Any]) -> dict[str, Any]:
        def stack(names: list[str], leaf: str) -> Any:
            return jnp.stack([gradients[name][leaf] for name in names], axis=-2)

        if case.cell == "elman":
            inputs, states = ["i"], ["h"]
        else:
            inputs, states = ([f"{side}{g}" for g in (LSTM if case.cell == "lstm" else GRU)] for side in "ih")
        ours = {"kernel": stack(inputs, "kernel"), "recurrent_kernel": stack(states, "kernel")}
        ours["bias"] = stack(states if case.cell == "lstm" else inputs, "bias")
        return ours | ({"recurrent_bias": gradients["hn"]["bias"]} if case.cell == "gru" else {})

    def run(self, case: Case, weights: dict[str, Any], xs: Any, lengths: Any, reverse: bool) -> Any:
        from flax import linen

        rnn = linen.RNN(self.cell(case), time_major=True, reverse=reverse, keep_order=True)
        return rnn.apply({"params": {"cell": weights}}, xs, seq_lengths=lengths)

    def step(self, case: Case, weights: dict[str, Any], carry: Any, x: Any) -> tuple[Any, Any]:
        return self.cell(case).apply({"params": weights}, carry, x)
