"""`jaxrnn train --watch` and `jaxrnn look`: the figures are those of `jaxrnn.dynamics`, and a picture is there."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxrnn import dynamics
from jaxrnn.tasks import Adding
from jaxrnn.tasks.memory.adding import DataOptions
from jaxrnn.tasks.shared.network import Network
from jaxrnn.train.watch import look

NAMES = {"gradient_decades_a_step", "memory_steps", "lyapunov", "gates_saturated", "spectral_radius"}


def test_a_look_is_what_the_parts_say() -> None:
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"), jax.enable_x64(False):
        task = Adding(Network("gru", hidden=4), DataOptions(length=12, rows=3))
        params, batch = task.init(jax.random.key(0)), next(task.batches())
        [found] = look(task, params, batch)
        xs = np.moveaxis(batch.inputs, 0, 1)
        exact = dynamics.gradient_norms(task.model.layer, params["rnn"], xs, lengths=batch.lengths)
        np.testing.assert_allclose(found.gradients.norms, exact.norms, rtol=1e-4)  # fewer units than directions
        figures = found.figures()
        rates = [np.log10(n[L] / n[0]) / L for n, L in zip(exact.norms.T, batch.lengths, strict=True)]
        assert figures["gradient_decades_a_step"] == pytest.approx(np.mean(rates), rel=1e-3)
        assert figures["spectral_radius"] == pytest.approx(1, abs=1e-5)
        assert figures.keys() >= NAMES - {"memory_steps"}
