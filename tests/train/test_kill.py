"""Real processes, really killed: `kill -9` at random moments and SIGTERM, then --resume, against a run left alone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn.tasks import TASKS
from jaxrnn.train import Checkpoints, read_experiment
from jaxrnn.train.loop import abstract_state
from jaxrnn.train.meshes import make_mesh
from tests.waiting import ended, until

TINY = """
task: char_lm
model: {layers: 1, hidden: 8, dropout: 0.2}
data: {streams: 64, length: 20}
loop: {steps: 200, log_every: 7, validate_every: 90, checkpoint_every: 20}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def start(config, run):
    command = [sys.executable, "-m", "jaxrnn_command", "train", str(config), "--run", str(run), "--resume"]
    flags = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}  # one device, compiled in a hurry
    env = os.environ | flags | {"PYTHONPATH": str(Path(jaxrnn.__file__).parents[1])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)


def finish(process):
    output, _ = ended(process)
    assert process.returncode == 0, output
    return output


def final_state(config, run):
    experiment = read_experiment(config, [], TASKS)
    return jax.device_get(Checkpoints(run / "checkpoints", 9).newest(abstract_state(experiment, make_mesh()))[:2])


def assert_same_end(config, one, other):
    assert (one / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()
    jax.tree.map(np.testing.assert_array_equal, final_state(config, one), final_state(config, other))
    assert (one / "sample.txt").read_text() == (other / "sample.txt").read_text()


def one_is_over(processes):
    return any(process.poll() is not None for process in processes)


def wait_for_checkpoints(run, count, process):
    until(lambda: len(list((run / "checkpoints").glob("0*"))) >= count or process.poll() is not None, process)


@pytest.mark.slow
def test_killed_terminated_and_resumed_equals_left_alone(config, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    finish(start(config, whole))
    seed = random.randrange(10**6)
    moments = random.Random(seed)
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = start(config, parts)
        before = len(list((parts / "checkpoints").glob("0*")))
        wait_for_checkpoints(parts, min(before + 1, 3), process)
        time.sleep(moments.uniform(0, 0.3))
        assert process.poll() is None, f"over before the signal (seed {seed}): {ended(process)[0]}"
        process.send_signal(number)
        output, _ = ended(process)
        assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0), output
    assert "stopped at step" in output
    output = finish(start(config, parts))
    assert "resuming after step" in output
    assert_same_end(config, whole, parts)


@pytest.mark.slow
def test_of_two_processes_on_one_folder_one_trains_and_the_other_is_told(config, tmp_path):
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    finish(start(config, whole))
    for _ in range(2):  # on a new folder; and, after a kill, on one that there is
        both = [start(config, shared) for _ in range(2)]
        wait_for_checkpoints(shared, 1, both[0])
        until(partial(one_is_over, both), both[0])
        (other,) = (process for process in both if process.poll() is not None)
        (first,) = (process for process in both if process is not other)
        output, _ = ended(other)
        assert other.returncode == 1
        assert f"{shared} is in use by process {first.pid} on " in output
        first.kill()
        ended(first)
    finish(start(config, shared))
    assert_same_end(config, whole, shared)


@pytest.mark.slow
def test_killed_at_ten_random_moments(config, tmp_path):
    """With a checkpoint at every step, most kills hit one that is being written; early ones hit a run not yet begun."""
    config.write_text(TINY.replace("steps: 200", "steps: 150").replace("checkpoint_every: 20", "checkpoint_every: 1"))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    begin = time.monotonic()
    finish(start(config, whole))
    length = time.monotonic() - begin
    seed = random.randrange(10**6)
    moments = random.Random(seed)
    for _ in range(10):
        process = start(config, parts)
        try:
            process.communicate(timeout=moments.uniform(0.2, 0.9) * length)
        except subprocess.TimeoutExpired:
            process.kill()
            ended(process)
    finish(start(config, parts))
    assert_same_end(config, whole, parts)
