"""Libraries of single cells on PyTorch, torchrecurrent and ncps: a loop over time of a module with our weights in it.

`jaxrnn.interop` says which of their arrays holds which numbers of ours; gradients take the same way back.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from jaxrnn.bench.cases import Case
from jaxrnn.bench.contestants.base import INSPECTED, Base, Running
from jaxrnn.bench.machine import cores
from jaxrnn.bench.problem import Problem, make_layer, name_answer
from jaxrnn.cells import COLLECTION
from jaxrnn.interop import save

MODES = {"cfc": "default", "cfc, no gate": "no_gate"}  # of ncps, which learns no time constant of the pure one


class Library(Base):
    """Without a backbone those of ncps; of torchrecurrent all that compute what the paper's cell does."""

    cells = tuple(COLLECTION)
    can = frozenset()
    dtypes = ("float32",)
    lacks = ("step", "step donated", *INSPECTED)

    def __init__(self, library: str) -> None:
        self.library = library

    def declines(self, case: Case, kind: str) -> str | None:
        reason = super().declines(case, kind)
        if reason is None and self.library == "ncps" and case.cell not in MODES:
            return f"has no {case.cell} of these equations"
        if reason is None:
            try:
                make_module(self.library, case)
            except ValueError:
                return f"has no {case.cell} of these equations"
        return reason

    def build(self, case: Case, problem: Problem) -> Running:
        return OnCells(self.library, case, problem)


def make_module(library: str, case: Case) -> Any:
    """Their module with defaults of its own."""
    if library == "ncps":
        from ncps.torch import CfCCell

        return CfCCell(case.D, case.H, MODES[case.cell], backbone_layers=0)
    import torchrecurrent

    from jaxrnn.interop.theirs import row_of

    layer: Any = make_layer(case)
    return getattr(torchrecurrent, row_of(layer, library, None, single=True).name)(case.D, case.H)


class OnLeaves(Running):
    """Sequences on PyTorch: `_run` gives the outputs, `_leaves` what is differentiated. No single steps."""

    torch: Any
    cotangent: Any

    def walk(self) -> Any:
        raise NotImplementedError

    def call(self, kind: str) -> Callable[[], Any]:
        return {"forward": self._forward, "train": self._train}[kind]

    def _forward(self) -> None:
        with self.torch.no_grad():
            self._run()

    def _train(self) -> None:
        for leaf in self._leaves():
            leaf.grad = None
        (self._run() * self.cotangent).sum().backward()

    @abc.abstractmethod
    def _run(self) -> Any:
        """Outputs `[T, B, H]`."""

    @abc.abstractmethod
    def _leaves(self) -> Iterable[Any]:
        """Inputs and parameters."""


class OnCells(OnLeaves):
    """One module, called once a step."""

    def __init__(self, library: str, case: Case, problem: Problem) -> None:
        import torch

        torch.set_num_threads(len(cores()))
        self.torch: Any = torch
        self.library, self.case, self.layer, self.params = library, case, make_layer(case), problem.params
        self.module = make_module(library, case)
        given = {name: torch.tensor(np.array(a)) for name, a in save(self.layer, self.params, library).items()}
        self.module.load_state_dict(self.module.state_dict() | given)
        self.xs: Any = torch.tensor(problem.xs).requires_grad_()
        self.cotangent = torch.tensor(problem.weights)
        self.times = None if library != "ncps" else torch.tensor(problem.per_step["dt"])[..., None]

    def answer(self) -> dict[str, Any]:
        with self.torch.no_grad():
            ys = self._run().numpy()
        self._train()
        gradients = {name: p.grad.numpy() for name, p in self.module.named_parameters() if p.grad is not None}
        return name_answer(ys, self._ours(gradients), self.xs.grad.numpy())

    def _leaves(self) -> Iterable[Any]:
        return self.xs, *self.module.parameters()

    def _run(self) -> Any:
        ys = []
        if self.times is not None:
            state = self.torch.zeros(self.case.B, self.case.H)
            for x, dt in zip(self.xs, self.times, strict=True):
                y, state = self.module(x, state, dt)
                ys.append(y)
        else:
            state = None
            for x in self.xs:
                state = self.module(x, state)
                ys.append(state[0] if isinstance(state, tuple) else state)
        return self.torch.stack(ys)

    def _ours(self, gradients: dict[str, Any]) -> Any:
        """Their gradients as ours: parameters that are numbered show in whose place in their arrays each is."""
        leaves, tree = jax.tree.flatten(self.params)
        ends = np.cumsum([leaf.size for leaf in leaves])
        numbers = [
            1.0 + np.arange(end - leaf.size, end).reshape(leaf.shape) for leaf, end in zip(leaves, ends, strict=True)
        ]
        total = np.zeros(ends[-1] + 1)
        for name, places in save(self.layer, jax.tree.unflatten(tree, numbers), self.library).items():
            if name in gradients:
                places = np.asarray(places)
                np.add.at(total, np.abs(places).astype(int), np.sign(places) * gradients[name])
        parts = np.split(total[1:], ends[:-1])
        return jax.tree.unflatten(tree, [part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)])
