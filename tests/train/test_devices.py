"""Eight devices train as one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import jaxrnn

SCRIPT = """
import json, jax
from jaxrnn.tasks import CharLM
from jaxrnn.tasks.language.char_lm import DataOptions, ModelOptions
from jaxrnn.train import OptimizerOptions
from jaxrnn.train.optimizer import make_optimizer
from jaxrnn.train.step import init_state, make_mesh, make_step, place, state_shardings

task = CharLM(ModelOptions(layers=1, hidden=16, dropout=0.2), DataOptions(streams=16, length=8))
optimizer = make_optimizer(OptimizerOptions(learning_rate=1e-2, warmup=10), 100)
out = {}
for count in (1, 8):
    mesh = make_mesh(jax.devices()[:count])
    state = init_state(task, optimizer, 0)
    shardings = state_shardings(state, mesh)
    state, step, batches = jax.device_put(state, shardings), make_step(task, optimizer, shardings), task.batches()
    losses = []
    for _ in range(100):
        batch = place(next(batches), mesh)
        state, outcome = step(state, batch)
        losses.append(outcome["loss"].item())
    rows = [leaf.addressable_shards[0].data.shape[0] for leaf in jax.tree.leaves((batch, state.carry))]
    whole = [len(leaf.sharding.device_set) for leaf in jax.tree.leaves(state.params) if leaf.is_fully_replicated]
    out[count] = {"losses": losses, "rows": rows, "whole": whole, "compiled": step._cache_size()}
print(json.dumps(out))
"""


@pytest.mark.slow
def test_losses_of_100_steps_on_8_devices_equal_those_on_one():
    root = str(Path(jaxrnn.__file__).parents[1])
    env = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    one, eight = (json.loads(done.stdout)[key] for key in ("1", "8"))
    np.testing.assert_allclose(eight["losses"], one["losses"], rtol=1e-5)
    assert len(one["losses"]) == 100
    assert one["losses"][-1] < one["losses"][0] - 0.5
    assert set(one["rows"]) == {16}
    assert set(eight["rows"]) == {2}  # of batch and carry, on each device
    assert eight["whole"] == [8] * 5  # parameters: a whole copy on each
    assert (one["compiled"], eight["compiled"]) == (1, 1)
