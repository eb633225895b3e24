"""PyTorch: `torch.nn.LSTM`, `GRU`, `RNN`, time-major; on a GPU these are cuDNN's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jaxrnn.bench.cases import APPLICATIONS, CELLS, Case
from jaxrnn.bench.contestants.base import INSPECTED, Base, Running
from jaxrnn.bench.contestants.torch_layout import params_of, weights_of
from jaxrnn.bench.machine import cores
from jaxrnn.bench.problem import Problem, name_answer

MODULES = {"lstm": "LSTM", "gru": "GRU", "elman": "RNN"}


class Library(Base):
    """Rows i, f, g, o and r, z, n; two biases, of which the GRU's second one for n stays inside the reset."""

    can = frozenset({"bidirectional", "layers", "ragged"})
    cells = (*CELLS, *APPLICATIONS)
    lacks = ("step donated", *INSPECTED)

    def build(self, case: Case, problem: Problem) -> Running:
        if case.cell in APPLICATIONS:
            from jaxrnn.bench.contestants.torch_program import TorchUpdate

            return TorchUpdate(case, problem)
        return OnTorch(case, problem)


class OnTorch(Running):
    """A module of torch.nn with the problem's weights."""

    def __init__(self, case: Case, problem: Problem) -> None:
        import torch

        self.torch, self.case = torch, case
        torch.set_num_threads(len(cores()))
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = case.dtype == "tf32"
        self.dtype = getattr(torch, "float32" if case.dtype == "tf32" else case.dtype)
        make = getattr(torch.nn, MODULES[case.cell])
        self.model = make(case.D, case.H, case.layers, bidirectional=case.bidirectional).to(self.device, self.dtype)
        weights = dict(self.model.named_parameters())
        with torch.no_grad():
            for suffix, params in self._directions(problem.params):
                for name, array in weights_of(case.cell, params).items():
                    weights[f"{name}_{suffix}"].copy_(self._tensor(array))
        self.xs = self._tensor(problem.xs).requires_grad_()
        self.cotangent = self._tensor(problem.weights)
        self.lengths = None if problem.lengths is None else torch.tensor(problem.lengths, dtype=torch.int64)
        if self.device == "cuda":
            self.model.flatten_parameters()

    def answer(self) -> dict[str, Any]:
        ys = self._numpy(self._forward())
        self._train()
        gradients = {name: self._numpy(p.grad) for name, p in self.model.named_parameters()}
        found = [params_of(self.case.cell, gradients, suffix) for suffix, _ in self._directions(None)]
        both = [found[i : i + 2] for i in range(0, len(found), 2)] if self.case.bidirectional else [[f] for f in found]
        layers = [dict(zip(("forward", "backward"), d, strict=True)) if len(d) == 2 else d[0] for d in both]
        params = layers[0] if len(layers) == 1 else {f"layer_{i}": layer for i, layer in enumerate(layers)}
        return name_answer(ys, params, self._numpy(self.xs.grad))

    def walk(self) -> Any:
        step, ys = self._step(), []
        for x in self.xs.detach():
            ys.append(self._numpy(step(x)))
        return np.stack(ys)

    def call(self, kind: str) -> Callable[[], Any]:
        if kind == "step":
            step, x = self._step(), self.xs.detach()[0]
            return lambda: self._done(step(x))
        run = {"forward": self._forward, "train": self._train}[kind]
        return lambda: self._done(run())

    def _forward(self) -> Any:
        with self.torch.no_grad():
            return self._run()

    def _train(self) -> None:
        self.model.zero_grad(set_to_none=True)
        self.xs.grad = None
        (self._run() * self.cotangent).sum().backward()

    def _run(self) -> Any:
        if self.lengths is None:
            return self.model(self.xs)[0]
        rnn = self.torch.nn.utils.rnn
        packed = rnn.pack_padded_sequence(self.xs, self.lengths, enforce_sorted=False)
        return rnn.pad_packed_sequence(self.model(packed)[0], total_length=self.case.T)[0]

    def _step(self) -> Callable[[Any], Any]:
        """The single cell with the first layer's weights, and a carry that goes on."""
        torch, case = self.torch, self.case
        cell = getattr(torch.nn, f"{MODULES[case.cell]}Cell")(case.D, case.H).to(self.device, self.dtype)
        cell.load_state_dict({name.removesuffix("_l0"): p for name, p in self.model.named_parameters()})
        zeros = torch.zeros(case.B, case.H, device=self.device, dtype=self.dtype)
        state = [(zeros, zeros) if case.cell == "lstm" else zeros]

        def step(x: Any) -> Any:
            with torch.inference_mode():
                state[0] = cell(x, state[0])
            return state[0][0] if case.cell == "lstm" else state[0]

        return step

    def _directions(self, params: Any) -> Iterator[tuple[str, Any]]:
        """The suffixes of torch's names, each with our parameters of that layer and direction."""
        for i in range(self.case.layers):
            layer = params[f"layer_{i}"] if params and self.case.layers > 1 else params
            for word, suffix in (("forward", ""), ("backward", "_reverse"))[: 1 + self.case.bidirectional]:
                yield f"l{i}{suffix}", layer[word] if layer and self.case.bidirectional else layer

    def _tensor(self, array: Any) -> Any:
        wide = self.torch.from_numpy(np.asarray(array, np.float32))  # torch reads no bfloat16 of NumPy's
        return wide.to(self.device, self.dtype)

    def _numpy(self, tensor: Any) -> Any:
        return tensor.detach().float().cpu().numpy()

    def _done(self, result: Any) -> None:
        if self.device == "cuda":
            self.torch.cuda.synchronize()
