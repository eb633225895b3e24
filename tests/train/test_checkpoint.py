"""Damage of every kind is found and named, and the good checkpoint before it is used."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.train import CheckpointError, Checkpoints
from tests.waiting import ran


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
    assert len(files(whole)) == 3
    for path in files(whole):
        if path.stat().st_size == 0 and damage is not DAMAGES[2]:
            continue  # nothing to flip or to cut
        damage(path)
        with pytest.warns(UserWarning, match="000000003 is damaged") as record:
            assert_is(checkpoints.newest(like()), 2)
        assert any(path.name in str(warning.message) for warning in record)
        shutil.rmtree(whole)
        shutil.copytree(tmp_path / "copy", whole)


def test_every_bit_of_a_manifest_counts(checkpoints):
    """Whatever is flipped in it is blamed on it, not on the files whose checksums it holds."""
    path = checkpoints.path(3) / "manifest.json"
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            same = json.loads(path.read_bytes()) == json.loads(whole)  # white space
        except ValueError:
            same = False
        if not same:
            with pytest.warns(UserWarning, match=r"damaged \(manifest.json"):
                assert_is(checkpoints.newest(like()), 2)


def test_a_stray_file_is_nobodys_business(checkpoints):
    for step in (1, 2, 3):
        (checkpoints.path(step) / ".DS_Store").write_text("x")
        (checkpoints.path(step) / "progress.json~").write_text("{")
    parent = checkpoints.path(3).parent
    (parent / "000000004").write_text("a file, not a folder")
    for name in ("5", "00000000005", "000000003 copy", "\u0661" * 9, "tmp-notes"):
        (parent / name).mkdir()
    assert_is(checkpoints.newest(like(), set_aside=True), 3)
    (parent / "000000004").unlink()
    checkpoints.save(4, state(4.0), progress(best=1), best=1)
    assert_is(checkpoints.newest(like()), 4)
    assert (parent / "tmp-notes").is_dir()


def test_foreign_manifest(checkpoints):
    (checkpoints.path(3) / "manifest.json").write_text("[]")
    with pytest.warns(UserWarning, match="manifest.json is not a table"):
        assert_is(checkpoints.newest(like()), 2)


def test_a_manifest_reaches_no_file_elsewhere(checkpoints, tmp_path):
    (tmp_path / "secret").write_text("x")
    first = {"../../secret": "0" * 64, "/etc/hostname": "0" * 64}  # as version 0.1.0 wrote it, unsealed
    (checkpoints.path(3) / "manifest.json").write_text(json.dumps(first))
    with pytest.warns(UserWarning, match="files are missing: ../../secret, /etc/hostname"):
        assert_is(checkpoints.newest(like()), 2)


def test_a_copy_under_another_steps_name_is_told(checkpoints):
    shutil.copytree(checkpoints.path(2), checkpoints.path(9))
    with pytest.warns(UserWarning, match="000000009 is damaged .it is a copy of step 2's"):
        assert_is(checkpoints.newest(like()), 3)


def test_a_later_version_is_named_and_not_passed_over(checkpoints):
    path = checkpoints.path(3) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 3, "jaxrnn": "7.1"}))
    with pytest.raises(CheckpointError, match=r"was written by jaxrnn 7.1, whose checkpoints have format 3"):
        checkpoints.newest(like())


def test_what_is_read_back_must_be_what_there_was(checkpoints, monkeypatch):
    """A disk that keeps other bits than it is given."""
    write = jaxrnn.train.checkpoint.write_state
    monkeypatch.setattr("jaxrnn.train.checkpoint.write_state", lambda path, _: write(path, state(5.0)))
    with pytest.raises(CheckpointError, match="what was read back is not what was written"):
        checkpoints.save(4, state(4.0), progress(best=1), best=1)
    assert checkpoints.steps() == [1, 2, 3]


@pytest.mark.parametrize("name", ["runs[1]", "a\\b", "[red]", "*?", "s p \u00e4 \u65e5\u672c", "-x", "new\nline"])
def test_any_legal_path_works(tmp_path, name):
    checkpoints = Checkpoints(tmp_path / name / "checkpoints", keep=2)
    for step in (1, 2):
        checkpoints.save(step, state(float(step)), progress(best=1), best=1)
    assert_is(checkpoints.newest(like()), 2)


def test_states_of_every_type_come_back_to_the_last_bit(tmp_path):
    arrays = [np.array([np.nan, -0.0, np.inf, 1e-45]), np.zeros((0, 3)), np.array([True, False]), np.arange(3)]
    floats = [jnp.linspace(0, 1, 5, dtype=dtype) for dtype in (jnp.bfloat16, jnp.float16, jnp.float8_e4m3fn)]
    whole = {"file": [jnp.asarray(array) for array in arrays], "x": floats, "": (jnp.uint32(7), jnp.int4(3))}
    Checkpoints(tmp_path / "c", keep=1).save(1, whole, progress(best=1), best=1)
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), whole)
    _, found, _ = Checkpoints(str(tmp_path / "c"), keep=1).newest(shapes)
    for one, other in zip(jax.tree.leaves(whole), jax.tree.leaves(found), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


@pytest.mark.parametrize(
    ("folder", "keep", "message"),
    [(3, 2, "`folder` must be a path, got 3"), ("x", "2", "`keep` must be a positive integer, got '2'")],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_arguments(folder, keep, message):
    with pytest.raises(TypeError, match=message):
        Checkpoints(folder, keep)


def test_damaged_best_falls_back_to_newest(checkpoints):
    truncate(checkpoints.path(1) / "progress.json")
    with pytest.warns(UserWarning, match="progress.json"):
        assert_is(checkpoints.best(like()), 3)


def test_set_aside_ones_no_longer_count(checkpoints):
    for step in (2, 3):
        (checkpoints.path(step) / "manifest.json").unlink()
    with pytest.warns(UserWarning, match="damaged"):
        assert_is(checkpoints.newest(like(), set_aside=True), 1)
    assert checkpoints.steps() == [1]
    checkpoints.save(2, state(2.0), progress(best=1), best=2)
    assert_is(checkpoints.newest(like()), 2)


def test_starting_over_needs_the_users_word(checkpoints):
    """Where no checkpoint is good, nothing is touched, and what to do is said."""
    for step in (1, 2, 3):
        (checkpoints.path(step) / "progress.json").write_text("{}")
    before = {path: path.read_bytes() for path in files(checkpoints.path(3).parent)}
    with pytest.raises(CheckpointError) as error:
        checkpoints.newest(like(), set_aside=True)
    for part in ("none of its 3 checkpoints is whole", "000000002: changed since it was written: progress.json"):
        assert part in str(error.value)
    assert "to start over, delete that folder or choose another by --run" in str(error.value)
    assert before == {path: path.read_bytes() for path in files(checkpoints.path(3).parent)}
    assert Checkpoints(checkpoints.path(3).parent.with_name("none"), 2).newest(like()) is None


class Killed(BaseException):
    """Stands for the end of the process: no handler may tidy up after it."""


def test_a_checkpoint_is_never_overwritten(checkpoints):
    checkpoints.save(3, state(9.0), progress(best=1), best=1)
    assert_is(checkpoints.newest(like()), 3)


@pytest.mark.parametrize("moment", ["write_state", "write_manifest", "damage", "flush", "Path.rename", "shutil.rmtree"])
def test_a_save_cut_off_at_any_stage_leaves_the_others_whole(checkpoints, monkeypatch, moment):
    def die(*_, **__):
        raise Killed

    owner = {
        "Path.rename": "pathlib.Path.rename",
        "flush": "jaxrnn.base.files.flush",
        "shutil.rmtree": "jaxrnn.base.files.shutil.rmtree",
    }
    with monkeypatch.context() as patch:
        patch.setattr(owner.get(moment, f"jaxrnn.train.checkpoint.{moment}"), die)
        with pytest.raises(Killed):
            checkpoints.save(4, state(4.0), progress(best=1), best=1)
    assert_is(checkpoints.newest(like()), 4 if moment == "shutil.rmtree" else 3)  # there, only the pruning was cut off
    checkpoints.save(5, state(5.0), progress(best=1), best=1)  # what the killed one left does not block
    assert_is(checkpoints.newest(like()), 5)
    assert not [path for path in checkpoints.path(5).parent.iterdir() if path.name.startswith(".")]


def run_in_a_process(script, checkpoints):
    env = os.environ | {"PYTHONPATH": str(Path(jaxrnn.__file__).parents[1])}
    command = [sys.executable, "-c", script, str(checkpoints.path(3).parent)]
    done = ran(command, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_full_disk_and_another_model_are_clear_errors(checkpoints):
    """A limit on file sizes stands for the full disk: the write fails in the operating system. One sentence says so."""
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
    assert re.search(r"File too large. Is the disk full \(.* MiB are free\)\? Earlier checkpoints are unt", full), full
    assert "000000003" in full
    assert steps == "[1, 2, 3]"
    expected = "000000003 does not fit this model: params/kernel is float32[64, 64], wanted is float32[8, 8]"
    assert other.endswith(expected)
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


def test_what_the_devices_say_is_not_taken_for_damage(checkpoints, monkeypatch):
    def full(*_, **__):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    monkeypatch.setattr("jaxrnn.train.state_file.jax.device_put", full)
    with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        checkpoints.newest(like())
