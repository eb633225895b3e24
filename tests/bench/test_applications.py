"""The torch program is the same model with the same optimizer: loss, gradients, and the losses of updates."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxrnn.bench.cases import Case
from jaxrnn.bench.choice import make_cases
from jaxrnn.bench.contestants import load
from jaxrnn.bench.gate import compare
from jaxrnn.bench.problem import make_problem, make_truth

CASES = {case.cell: case for case in make_cases("applications", quick=True)}


@pytest.mark.usefixtures("as_in_a_worker")
@pytest.mark.parametrize("name", CASES)
def test_both_programs_train_alike(name: str) -> None:
    pytest.importorskip("torch")
    case: Case = CASES[name]
    with jax.enable_x64(True):
        truth = make_truth(case)
    losses = []
    for contestant in ("auto", "torch"):
        running = load(contestant).build(case, make_problem(case))
        agreement = compare(running.answer(), truth, "float32")
        assert agreement.holds, f"{contestant}: {agreement}"
        if contestant == "torch":  # its second bias would double the steps of the first: held at zero, all is the same
            for name, second in running.rnn.named_parameters():
                if name.startswith("bias_hh"):
                    assert not second.any()
                    second.requires_grad_(False)
        update = running.call("update")
        losses.append([update() for _ in range(5)])
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
