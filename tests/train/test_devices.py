"""Eight devices train as one does, whatever they share."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn.base.errors import fail
from jaxrnn.tasks import TASKS
from jaxrnn.train import StopRequest, find_config, read_experiment, run
from tests.waiting import ran

SCRIPT = """
import json, jax
from jaxrnn.tasks import CharLM
from jaxrnn.tasks.language.char_lm import DataOptions, ModelOptions
from jaxrnn.train import OptimizerOptions
from jaxrnn.train.optimizer import make_optimizer
from jaxrnn.train.meshes import MeshOptions, lie, make_mesh
from jaxrnn.train.step import init_state, make_step, place, state_shardings

task = CharLM(ModelOptions(layers=1, hidden=16, dropout=0.2), DataOptions(streams=16, length=8))
optimizer = make_optimizer(OptimizerOptions(learning_rate=1e-2, warmup=10), 100)
out = []
for options in (MeshOptions(), *(MeshOptions(*o) for o in OPTIONS)):
    mesh = make_mesh(jax.devices()[: 8 if out else 1], options)
    state = init_state(task, optimizer, 0)
    shardings = state_shardings(state, mesh, options)
    used = lie(state.params, mesh, options, stored=False) if options.fsdp else None
    state, batches = jax.device_put(state, shardings), task.batches()
    step = make_step(task.loss, optimizer, shardings, used)
    losses = []
    for _ in range(100):
        batch = place(next(batches), mesh)
        state, outcome = step(state, batch)
        losses.append(outcome["loss"].item())
    held = lambda tree: [leaf.addressable_shards[0].data.size for leaf in jax.tree.leaves(tree)]
    rows = [leaf.addressable_shards[0].data.shape[0] for leaf in jax.tree.leaves((batch, state.carry))]
    parts = {"params": held(state.params), "moments": held(state.opt_state[1][1:])}
    out.append({"losses": losses, "rows": rows, "compiled": step._cache_size()} | parts)
print(json.dumps(out))
"""
# data, model, fsdp; and into how many parts what lies on one device is then split. Sizes are 16 units and 64 symbols.
SHARED = [
    ((0, 1, False), 8, 1),
    ((8, 1, True), 8, 8),
    ((4, 2, False), 4, 2),
    ((4, 2, True), 4, 8),
    ((1, 8, False), 1, 8),
]


def tiny(tmp_path, *options):
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be\n" * 60)
    given = [f"--data.path={text}", "--model.layers=1", "--loop.steps=1", "--data.length=8", *options]
    return read_experiment(find_config("char_lm"), given, TASKS)


@pytest.mark.slow
def test_rows_are_shared_by_devices_of_data_alone(tmp_path):
    """Four devices share four rows, each beside one that has other units."""
    experiment = tiny(tmp_path, "--data.streams=4", "--model.hidden=8", "--mesh.data=4", "--mesh.model=2")
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        assert run(experiment, tmp_path / "run", False, StopRequest()) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--mesh.data=2", "--mesh.model=4"],
            r"`mesh.model` must be a divisor of a layer's units, or heads, got 4, and kernels \[",
        ),
        (["--mesh.data=3"], r"`mesh.data x mesh.model` must be as many as there are devices, got 3 x 1, and 8 devices"),
        (["--data.streams=4"], r"must be of a multiple of the 8 devices in rows, got 4 rows"),
    ],
)
def test_a_mesh_that_does_not_fit_is_said_before_a_folder_is_made(tmp_path, options, message):
    experiment = tiny(tmp_path, "--data.streams=8", "--model.hidden=6", *options)
    with pytest.raises(ValueError, match=message):
        run(experiment, tmp_path / "run", False, StopRequest())
    assert not (tmp_path / "run").exists()


def test_a_model_is_looked_at_once_before_a_folder_is_made(tmp_path, monkeypatch):
    experiment = tiny(tmp_path, "--data.streams=8", "--model.hidden=8", "--mesh.model=2")
    kind, seen = type(experiment.task), []
    init = kind.init
    monkeypatch.setattr(kind, "init", lambda *given: seen.append(1) or init(*given))
    monkeypatch.setattr(sys.modules[run.__module__], "_make", lambda folder: fail("folder", "not reached", folder))
    with pytest.raises(ValueError, match="not reached"):
        run(experiment, tmp_path / "run", False, StopRequest())
    assert len(seen) == 1


@pytest.mark.slow
def test_losses_of_100_steps_on_8_devices_equal_those_on_one():
    root = str(Path(jaxrnn.__file__).parents[1])
    env = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "PYTHONPATH": root}
    script = SCRIPT.replace("OPTIONS", repr([options for options, *_ in SHARED]))
    done = ran([sys.executable, "-c", script], env=env)
    assert done.returncode == 0, done.stderr
    one, *others = json.loads(done.stdout)
    assert len(one["losses"]) == 100
    assert one["losses"][-1] < one["losses"][0] - 0.5
    assert set(one["rows"]) == {16}
    for (options, rows, parts), trained in zip(SHARED, others, strict=True):
        np.testing.assert_allclose(trained["losses"], one["losses"], rtol=1e-5, err_msg=str(options))
        assert set(trained["rows"]) == {16 // rows}  # of batch and carry, on each device
        assert trained["params"] == [size // parts for size in one["params"]], options
        assert trained["moments"] == [size // parts for size in one["moments"]], options
        assert trained["compiled"] == one["compiled"] == 1
