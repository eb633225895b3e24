"""Damage of every kind is found and named, and the good checkpoint before it is used."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.train import Checkpoints


def state(value):
    params = {"kernel": jnp.full((64, 64), value), "bias": jnp.arange(5.0) + value}
    return {"params": params, "carry": (jnp.ones((2, 3)),)}


def like():
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), state(0.0))


def progress(best):
    return {"best_step": best, "window": [{"loss": 0.1 + 0.2}]}


@pytest.fixture
def checkpoints(tmp_path):
    """Good checkpoints of the steps 1, 2 and 3; 1 is the best."""
    checkpoints = Checkpoints(tmp_path / "checkpoints", keep=2)
    for step in (1, 2, 3):
        checkpoints.save(step, state(float(step)), progress(best=1), best=1)
    return checkpoints


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def assert_is(found, step):
    number, arrays, stored = found
    assert (number, stored) == (step, progress(best=1))
    jax.tree.map(np.testing.assert_array_equal, arrays, state(float(step)))


def test_newest_best_and_pruning(checkpoints):
    assert_is(checkpoints.newest(like()), 3)
    assert_is(checkpoints.best(like()), 1)
    checkpoints.save(4, state(4.0), progress(best=1), best=1)
    assert checkpoints.steps() == [1, 3, 4]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


DAMAGES = [flip, truncate, lambda path: path.unlink(), lambda path: path.write_bytes(b"")]


@pytest.mark.parametrize("damage", DAMAGES, ids=["bit flipped", "truncated", "deleted", "emptied"])
def test_damage_of_any_file_is_found_and_named(checkpoints, damage, tmp_path):
    whole = checkpoints.path(3)
    shutil.copytree(whole, tmp_path / "copy")
    assert len(files(whole)) > 8
    for path in files(whole):
        if path.stat().st_size == 0 and damage is not DAMAGES[2]:
            continue  # nothing to flip or to cut
        damage(path)
        with pytest.warns(UserWarning, match="000000003 is damaged") as record:
            assert_is(checkpoints.newest(like()), 2)
        if path.name != "manifest.json":  # there, the fault may look like another file's
            assert any(path.name in str(warning.message) for warning in record)
        shutil.rmtree(whole)
        shutil.copytree(tmp_path / "copy", whole)


def test_added_file_and_foreign_manifest(checkpoints):
    (checkpoints.path(3) / "arrays" / "stranger").write_text("x")
    (checkpoints.path(2) / "manifest.json").write_text("[]")
    with pytest.warns(UserWarning, match="is damaged") as record:
        assert_is(checkpoints.newest(like()), 1)
    assert "stranger" in str(record[0].message)
    assert "manifest.json is not a table" in str(record[1].message)


def test_damaged_best_falls_back_to_newest(checkpoints):
    truncate(checkpoints.path(1) / "progress.json")
    with pytest.warns(UserWarning, match="progress.json"):
        assert_is(checkpoints.best(like()), 3)


def test_all_damaged_gives_none_and_set_aside_ones_no_longer_count(checkpoints):
    for step in (1, 2, 3):
        (checkpoints.path(step) / "manifest.json").unlink()
    with pytest.warns(UserWarning, match="damaged"):
        assert checkpoints.newest(like(), set_aside=True) is None
    assert checkpoints.steps() == []
    checkpoints.save(2, state(2.0), progress(best=1), best=2)
    assert_is(checkpoints.newest(like()), 2)


class Killed(BaseException):
    """Stands for the end of the process: no handler may tidy up after it."""


def test_a_checkpoint_is_never_overwritten(checkpoints):
    checkpoints.save(3, state(9.0), progress(best=1), best=1)
    assert_is(checkpoints.newest(like()), 3)


@pytest.mark.parametrize("moment", ["Checkpointer.save", "_hashes", "_flush", "Path.rename", "shutil.rmtree"])
def test_a_save_cut_off_at_any_stage_leaves_the_others_whole(checkpoints, monkeypatch, moment):
    def die(*_, **__):
        raise Killed

    owner = {"Checkpointer.save": "orbax.checkpoint.Checkpointer.save", "Path.rename": "pathlib.Path.rename"}
    with monkeypatch.context() as patch:
        patch.setattr(owner.get(moment, f"jaxrnn.train.checkpoint.{moment}"), die)
        with pytest.raises(Killed):
            checkpoints.save(4, state(4.0), progress(best=1), best=1)
    assert_is(checkpoints.newest(like()), 4 if moment == "shutil.rmtree" else 3)  # there, only the pruning was cut off
    checkpoints.save(5, state(5.0), progress(best=1), best=1)  # what the killed one left does not block
    assert_is(checkpoints.newest(like()), 5)
    assert not list(checkpoints.path(5).parent.glob("tmp-*"))


def run_in_a_process(script, checkpoints):
    env = os.environ | {"PYTHONPATH": str(Path(jaxrnn.__file__).parents[1])}
    command = [sys.executable, "-c", script, str(checkpoints.path(3).parent)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_full_disk_and_another_model_are_clear_errors(checkpoints):
    """A limit on file sizes stands for the full disk: the write fails in the operating system, in whatever thread.

    In a process of its own: Orbax leaves the reads and writes that it gave up to the garbage collector.
    """
    script = """
import resource, sys
from pathlib import Path
import jax, jax.numpy as jnp
import jaxrnn
from jaxrnn.train import CheckpointError, Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]), keep=9)
one = jax.sharding.SingleDeviceSharding(jax.devices()[0])
spec = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32, sharding=one)
kernel = jax.random.normal(jax.random.key(0), (64, 64))
noise = {"params": {"kernel": kernel, "bias": jnp.ones(5)}, "carry": (jnp.ones((2, 3)),)}
progress = {"best_step": 1, "window": [{"loss": 0.1 + 0.2}]}
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
try:
    checkpoints.save(4, noise, progress, best=1)
except CheckpointError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
print(checkpoints.steps())
try:
    checkpoints.newest({"params": {"kernel": spec(8, 8), "bias": spec(5)}, "carry": (spec(2, 3),)})
except CheckpointError as error:
    print(error)
"""
    full, steps, other = run_in_a_process(script, checkpoints).splitlines()
    assert "could not write the checkpoint of step 4" in full
    assert "Is the disk full? Earlier checkpoints are untouched: " in full
    assert "000000003" in full
    assert steps == "[1, 2, 3]"
    assert "000000003 does not fit this model" in other
    assert_is(checkpoints.newest(like()), 3)
    checkpoints.save(4, state(4.0), progress(best=1), best=1)  # there is room again, whatever was left behind
    assert_is(checkpoints.newest(like()), 4)


def test_restoring_needs_no_pickle(checkpoints):
    """Loading a checkpoint with the unpickler taken away."""
    script = """
import sys, pickle
def refuse(*_, **__): raise SystemExit("unpickled")
pickle.load = pickle.loads = pickle.Unpickler = refuse
import jax, jax.numpy as jnp
from pathlib import Path
from jaxrnn.train import Checkpoints
one = jax.sharding.SingleDeviceSharding(jax.devices()[0])
spec = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32, sharding=one)
like = {"params": {"kernel": spec(64, 64), "bias": spec(5)}, "carry": (spec(2, 3),)}
step, state, _ = Checkpoints(Path(sys.argv[1]), 2).newest(like)
print(step, float(state["params"]["kernel"].sum()))
"""
    assert run_in_a_process(script, checkpoints).split() == ["3", str(3.0 * 64 * 64)]
    for path in files(checkpoints.path(3)):
        assert not path.read_bytes().startswith(b"\x80"), path  # a pickle's first byte
    assert json.loads((checkpoints.path(3) / "progress.json").read_text()) == progress(best=1)
