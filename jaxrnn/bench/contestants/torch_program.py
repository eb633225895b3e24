"""An update of a training run as one writes it in torch: the same model, batch and optimizer.

The model has a second bias, which torch.nn's layers always have: it starts at zero and is trained.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from jaxrnn.bench.application import answer, experiment_of
from jaxrnn.bench.cases import Case
from jaxrnn.bench.contestants.base import Running
from jaxrnn.bench.contestants.torch_layout import params_of, weights_of
from jaxrnn.bench.machine import cores
from jaxrnn.bench.problem import Problem


class TorchUpdate(Running):
    """`Embedding` or `one_hot`, `LSTM`, `Linear`; cross entropy, `clip_grad_norm_`, `AdamW` or `SGD`."""

    def __init__(self, case: Case, problem: Problem) -> None:
        import torch

        self.torch: Any = torch
        self.case, self.options = case, experiment_of(case).optimizer
        torch.set_num_threads(len(cores()))
        params = problem.params
        self.layers = params["rnn"] if "kernel" not in params["rnn"] else {"layer_0": params["rnn"]}
        self.single = "kernel" in params["rnn"]
        self.embedding: Any = None
        if "embedding" in params:
            self.embedding = torch.nn.Embedding(*params["embedding"]["kernel"].shape)
        inputs = self.layers["layer_0"]["kernel"].shape[0]
        self.rnn: Any = torch.nn.LSTM(inputs, case.H, len(self.layers))
        self.readout: Any = torch.nn.Linear(*params["readout"]["kernel"].shape)
        self.model = torch.nn.ModuleList(filter(None, [self.embedding, self.rnn, self.readout]))
        with torch.no_grad():
            weights = dict(self.rnn.named_parameters())
            for i in range(len(self.layers)):
                for name, array in weights_of("lstm", self.layers[f"layer_{i}"]).items():
                    weights[f"{name}_l{i}"].copy_(torch.tensor(np.array(array)))
            self.readout.weight.copy_(torch.tensor(params["readout"]["kernel"].T))
            self.readout.bias.copy_(torch.tensor(params["readout"]["bias"]))
            if self.embedding is not None:
                self.embedding.weight.copy_(torch.tensor(params["embedding"]["kernel"]))
        self.inputs, self.targets = (torch.tensor(a.T.astype(np.int64)) for a in (problem.xs, problem.weights))
        # Not torch's loss over words but ours: summed over the words of a row where the task does that.
        self.scale = case.T if self.embedding is not None else 1
        self.carry = self._zeros()

    def answer(self) -> dict[str, Any]:
        loss, _ = self._loss(self._zeros())
        loss.backward()
        gradients = {name: p.grad.numpy() for name, p in self.rnn.named_parameters()}
        layers = {name: params_of("lstm", gradients, f"l{name.removeprefix('layer_')}") for name in self.layers}
        found: dict[str, Any] = {"rnn": layers["layer_0"] if self.single else layers}
        found["readout"] = {"kernel": self.readout.weight.grad.numpy().T, "bias": self.readout.bias.grad.numpy()}
        if self.embedding is not None:
            found["embedding"] = {"kernel": self.embedding.weight.grad.numpy()}
        result = answer(loss.item(), found)
        self.model.zero_grad()
        return result

    def walk(self) -> Any:
        raise NotImplementedError

    def call(self, kind: str) -> Callable[[], Any]:
        return self._update

    @cached_property
    def _update(self) -> Callable[[], Any]:
        """The run goes on from one measurement to the next."""
        torch, options, params = self.torch, self.options, list(self.model.parameters())
        if options.name == "adamw":
            betas = (options.beta1, options.beta2)
            optimizer = torch.optim.AdamW(params, options.learning_rate, betas, weight_decay=options.weight_decay)
        else:
            optimizer = torch.optim.SGD(params, options.learning_rate)

        def update() -> float:
            optimizer.zero_grad()
            loss, carry = self._loss(self.carry)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(params, options.clip_norm)
            optimizer.step()
            self.carry = tuple(a.detach() for a in carry)
            return float(loss.item()) / self.scale

        return update

    def _loss(self, carry: Any) -> tuple[Any, Any]:
        functional = self.torch.nn.functional
        if self.embedding is not None:
            xs = self.embedding(self.inputs)
        else:
            xs = functional.one_hot(self.inputs, self.case.D).float()
        ys, carry = self.rnn(xs, carry)
        logits = self.readout(ys).flatten(0, 1)
        return functional.cross_entropy(logits, self.targets.flatten()) * self.scale, carry

    def _zeros(self) -> Any:
        zeros = self.torch.zeros(len(self.layers), self.case.B, self.case.H)
        return zeros, zeros
