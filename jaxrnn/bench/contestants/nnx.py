"""flax.nnx: `RNN` around its cells, time-major, with `OptimizedLSTMCell`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax

from jaxrnn.bench.cases import Case
from jaxrnn.bench.contestants.on_jax import ByLayer, by_gate, fused, storage


class Library(ByLayer):
    """Fused kernels, gates in our order; the LSTM's bias on the h side, the others' on the i side."""

    can = frozenset({"bidirectional", "layers", "ragged"})

    def form(self, case: Case) -> Case:
        return replace(case, form="no inner bias") if case.cell == "gru" else case

    def one(self, case: Case, params: dict[str, Any]) -> dict[str, Any]:
        tree = {
            "dense_i": {"kernel": fused(params["kernel"])},
            "dense_h": {"kernel": fused(params["recurrent_kernel"])},
        }
        tree[self._biased(case)]["bias"] = fused(params["bias"])
        return tree

    def one_back(self, case: Case, gradients: dict[str, Any]) -> dict[str, Any]:
        gates = {"lstm": 4, "gru": 3, "elman": 1}[case.cell]
        names = {"kernel": ("dense_i", "kernel"), "recurrent_kernel": ("dense_h", "kernel")}
        names["bias"] = (self._biased(case), "bias")
        return {ours: by_gate(gradients[layer][leaf], gates) for ours, (layer, leaf) in names.items()}

    def run(self, case: Case, weights: dict[str, Any], xs: Any, lengths: Any, reverse: bool) -> Any:
        from flax import nnx

        rnn = nnx.RNN(self._cell(case, weights), time_major=True, reverse=reverse, keep_order=True)
        return rnn(xs, seq_lengths=lengths)

    def step(self, case: Case, weights: dict[str, Any], carry: Any, x: Any) -> tuple[Any, Any]:
        return self._cell(case, weights)(carry, x)

    def _cell(self, case: Case, weights: dict[str, Any]) -> Any:
        """A cell of the current trace that holds `weights`."""
        from flax import nnx

        make = {"lstm": nnx.OptimizedLSTMCell, "gru": nnx.GRUCell, "elman": nnx.SimpleCell}[case.cell]
        # The weights are replaced below; the usual orthogonal ones cannot be drawn in bfloat16.
        options = dict(
            dtype=storage(case), param_dtype=storage(case), recurrent_kernel_init=nnx.initializers.zeros_init()
        )
        inputs = weights["dense_i"]["kernel"].shape[0]
        graph, state = nnx.split(nnx.eval_shape(lambda: make(inputs, case.H, rngs=nnx.Rngs(0), **options)))
        nnx.replace_by_pure_dict(state, jax.tree.map(lambda a: a, weights))
        return nnx.merge(graph, state)

    def _biased(self, case: Case) -> str:
        return "dense_h" if case.cell == "lstm" else "dense_i"
