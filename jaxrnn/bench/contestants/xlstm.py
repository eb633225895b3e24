"""xlstm's sLSTM cell on its vanilla backend, its inputs projected by one product of all steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from jaxrnn.bench.cases import Case
from jaxrnn.bench.contestants.base import INSPECTED, Base, Running
from jaxrnn.bench.contestants.torch_cells import OnLeaves
from jaxrnn.bench.machine import cores
from jaxrnn.bench.problem import Problem, name_answer


class Library(Base):
    """Gates i, f, g, o; the recurrent kernel by heads."""

    cells = ("slstm",)
    can = frozenset()
    dtypes = ("float32",)
    lacks = ("step", "step donated", *INSPECTED)

    def build(self, case: Case, problem: Problem) -> Running:
        return OnXLSTM(case, problem)


class OnXLSTM(OnLeaves):
    """One cell, which loops over time itself."""

    def __init__(self, case: Case, problem: Problem) -> None:
        import torch
        from xlstm.blocks.slstm import cell

        torch.set_num_threads(len(cores()))
        self.torch: Any = torch
        self.case, self.heads = case, len(problem.params["recurrent_kernel"])
        config = cell.sLSTMCellConfig(
            hidden_size=case.H, num_heads=self.heads, backend="vanilla", dtype="float32", batch_size=case.B
        )
        self.cell: Any = cell.sLSTMCell(config)
        self.kernel: Any = torch.tensor(problem.params["kernel"].reshape(case.D, -1)).requires_grad_()
        recurrent = np.transpose(problem.params["recurrent_kernel"], (0, 2, 3, 1))
        with torch.no_grad():
            self.cell._recurrent_kernel_.copy_(torch.tensor(recurrent.reshape(self.heads, -1, recurrent.shape[-1])))
            self.cell._bias_.copy_(torch.tensor(problem.params["bias"].reshape(self.cell._bias_.shape)))
        self.xs: Any = torch.tensor(problem.xs).requires_grad_()
        self.cotangent = torch.tensor(problem.weights)

    def answer(self) -> dict[str, Any]:
        with self.torch.no_grad():
            ys = self._run().numpy()
        self._train()
        case, width = self.case, self.case.H // self.heads
        recurrent = self.cell._recurrent_kernel_.grad.numpy().reshape(self.heads, 4, width, width)
        gradients = {
            "kernel": self.kernel.grad.numpy().reshape(case.D, 4, case.H),
            "recurrent_kernel": np.transpose(recurrent, (0, 3, 1, 2)),
            "bias": self.cell._bias_.grad.numpy().reshape(4, case.H),
        }
        return name_answer(ys, gradients, self.xs.grad.numpy())

    def _leaves(self) -> Iterable[Any]:
        return self.kernel, self.xs, *self.cell.parameters()

    def _run(self) -> Any:
        """Of `[B, T, 4 H]`, a row a gate; its answer is `[B, heads, T, H / heads]`."""
        ys, _ = self.cell((self.xs @ self.kernel).swapaxes(0, 1))
        return ys.permute(2, 0, 1, 3).flatten(2)
