"""Several processes train as one does: real ones on this machine, beside one; killed, stopped, resumed, disagreeing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import jaxrnn
from jaxrnn.cli import main
from jaxrnn.train import processes
from jaxrnn.train.joining import in_cluster
from jaxrnn.train.launch import launch
from jaxrnn.train.processes import GroupError, agree
from tests.waiting import ended, limited, ran, until

TINY = """
task: char_lm
model: {layers: 1, hidden: 8, dropout: 0.2}
data: {streams: 12, length: 20}
loop: {steps: 30, log_every: 5, validate_every: 30, checkpoint_every: 10}
"""
ENDLESS = ["--loop.steps", "20000", "--loop.validate_every", "20000"]
ROOT = str(Path(jaxrnn.__file__).parents[1])
# One device a process, compiled in a hurry.
ENV = os.environ | {"XLA_FLAGS": "--xla_backend_optimization_level=0", "PYTHONPATH": ROOT, "JAX_PLATFORMS": "cpu"}
MINUTE = 60


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


def start(config, run, *more):
    command = [sys.executable, "-m", "jaxrnn_command", "train", str(config), "--run", str(run), "--resume", *more]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=ENV, stdin=subprocess.DEVNULL)


def train(config, run, *more):
    process = start(config, run, *more)
    out, error = ended(process)
    assert process.returncode == 0, error
    return out


def lines(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def assert_same_lines(one, other, rtol=2e-5):
    """To the rounding of sums over rows."""
    a, b = lines(one), lines(other)
    assert [sorted(line) for line in a] == [sorted(line) for line in b]
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose([x[k] for k in sorted(x)], [y[k] for k in sorted(x)], rtol=rtol, err_msg=str(x))


def workers_of(process):
    """Those that a launching process has started, the first first."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return sorted(map(int, listed))


def after_new_lines(run, process, steps=10):
    """Wait until a run is so many steps further."""
    last = lambda: max((line["step"] for line in lines(run)), default=0) if (run / "metrics.jsonl").exists() else 0  # noqa: E731
    begin = last()
    until(lambda: last() >= begin + steps, process)
    assert process.poll() is None, ended(process)


@pytest.mark.slow
def test_losses_on_two_three_and_four_processes_are_those_of_one(config, tmp_path):
    train(config, tmp_path / "1")
    for number in "234":
        out = train(config, tmp_path / number, "--processes", number)
        assert_same_lines(tmp_path / "1", tmp_path / number)
        assert out.count("step 30: validation loss") == out.count("finished at step 30") == 1
        assert "Gloo" not in out
        a, b = (json.loads((tmp_path / n / "result.json").read_text()) for n in ("1", number))
        assert a["figures"] == pytest.approx(b["figures"], rel=2e-5)
        assert b["device"].startswith(f"{number} x cpu")
        assert b["device"].endswith(f", {number} processes")
        assert (tmp_path / number / "sample.txt").exists()
        assert not (tmp_path / number / "lock.json").exists()


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(config, tmp_path):
    steps = {"steps: 30, log_every: 5": "steps: 150, log_every: 1", "validate_every: 30": "validate_every: 150"}
    text = config.read_text()
    for old, new in steps.items():
        text = text.replace(old, new)
    config.write_text(text)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config, whole)
    for more in (["--processes", "2"], ["--mesh.fsdp", "true", "--processes", "3"], []):
        process = start(config, parts, *more)
        after_new_lines(parts, process, 5)
        process.send_signal(signal.SIGTERM)
        _, error = ended(process, within=MINUTE)
        assert process.returncode == 0, error
    assert "resuming after step" in train(config, parts, "--processes", "4")
    assert_same_lines(whole, parts, 1e-4)


def checkpoints(run):
    return [*(run / "checkpoints").glob("0*")]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_others_with_one_line_and_the_run_goes_on(config, tmp_path, victim):
    run = tmp_path / "run"
    process = start(config, run, "--processes", "2", *ENDLESS)
    after_new_lines(run, process, 20)  # beyond a checkpoint
    both = workers_of(process)
    os.kill(both[victim], signal.SIGKILL)
    _, error = ended(process, within=MINUTE)
    assert process.returncode == 1
    (line,) = error.splitlines()
    assert line.startswith(f"jaxrnn: error: process {victim} was ended by SIGKILL, and the others with it.")
    assert "goes on from its last checkpoint, or begins anew where it has none" in line
    assert not any(Path(f"/proc/{pid}").exists() for pid in both)
    process = start(config, run, "--processes", "2", *ENDLESS)
    after_new_lines(run, process)
    process.send_signal(signal.SIGTERM)
    out, _ = ended(process, within=MINUTE)
    assert process.returncode == 0
    assert "resuming after step" in out


@pytest.mark.slow
def test_a_signal_to_one_saves_and_ends_all(config, tmp_path):
    run = tmp_path / "run"
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        process = start(config, run, "--processes", "3", *ENDLESS)
        after_new_lines(run, process)
        os.kill(workers_of(process)[2], number)
        out, error = ended(process, within=MINUTE)
        assert (process.returncode, error) == (code, "")
        (stopped,) = (line for line in out.splitlines() if line.startswith("stopped at step"))
        assert int(stopped.split()[3].rstrip(",")) == max(int(path.name) for path in checkpoints(run))


@pytest.mark.slow
def test_those_whose_starter_is_killed_save_and_end(config, tmp_path):
    run = tmp_path / "run"
    process = start(config, run, "--processes", "2", *ENDLESS)
    after_new_lines(run, process)
    both = workers_of(process)
    process.kill()
    end = time.monotonic() + MINUTE
    while any(Path(f"/proc/{pid}").exists() for pid in both) and time.monotonic() < end:
        time.sleep(0.1)
    ended(process, within=MINUTE)
    assert not any(Path(f"/proc/{pid}").exists() for pid in both)
    assert checkpoints(run)
    assert not (run / "lock.json").exists()


LAUNCH = """
import signal, sys
from jaxrnn.train import StopRequest
from jaxrnn.train.launch import launch
begins = "import sys, time; time.sleep(1); from jaxrnn.train import StopRequest; "
begins += "assert StopRequest().requested is (sys.argv[-1] == '0')"
sys.exit(launch([sys.executable, "-c", begins], 2, StopRequest([signal.SIGTERM])))
"""


@pytest.mark.slow
def test_a_stop_that_is_asked_for_while_processes_begin_kills_none():
    done = ran([sys.executable, "-c", LAUNCH], env=ENV)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_stop_before_processes_begin_starts_none(stop, monkeypatch, capsys, number, code):
    monkeypatch.setattr(sys.modules[launch.__module__], "launch", lambda *_: pytest.fail("started"))
    assert main(["train", "char_lm", "--processes", "2"], noted=[number]) == code
    assert capsys.readouterr().out == "stopped before the first step; nothing was touched\n"


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def by_hand(configs, run, *more):
    """Each started by itself, as a scheduler does; exit codes and what they say of errors."""
    at = ["--coordinator", f"127.0.0.1:{free_port()}", "--processes", str(len(configs))]
    all_of = [
        start(config, run, *at, "--process", str(number), *options, *more)
        for number, (config, options) in enumerate(configs)
    ]
    said = [ended(process) for process in all_of]
    return [process.returncode for process in all_of], [error for _, error in said]


SHORT = """
import sys
from jaxrnn.train import joining
joining.MEETING, joining.SAID, joining.LOOK, joining.GONE, joining.LAST = 25, 5, 1, 6, 3
from jaxrnn.cli import main
sys.exit(main(sys.argv[1:]))
"""


def waiting(config, run, *numbers):
    """Some of three processes, each of which has said that it waits for others; and how far it has come."""
    pipe = subprocess.PIPE
    at = ["--run", str(run), "--coordinator", f"127.0.0.1:{free_port()}", "--processes", "3", "--process"]
    command = [sys.executable, "-u", "-c", SHORT, "train", str(config), *at]
    all_of = [subprocess.Popen([*command, n], stdout=pipe, stderr=pipe, text=True, env=ENV) for n in numbers]
    said = []
    for process in all_of:
        with limited(process):
            said.append(process.stderr.readline())
    return all_of, said


@pytest.mark.slow
def test_who_waits_for_others_says_for_whom_and_ends_with_one_line(config, tmp_path):
    run = tmp_path / "run"
    (process,), (said,) = waiting(config, run, "1")
    assert re.fullmatch(r"warning: \d+ s of 25 that this process waits for others: process 0 does not answer\n", said)
    out, error = ended(process, within=MINUTE)
    *_, line = error.splitlines()
    assert (process.returncode, out) == (1, "")
    assert "jaxrnn: error: process 1 of 3 could not join the others at 127.0.0.1:" in line
    assert "(process 0 does not answer after 25 s). Say where they are by --coordinator" in line
    assert all(before.startswith("warning: ") for before in error.splitlines()[:-1])

    (first, other), said = waiting(config, run, "0", "2")
    assert "not all have come" in said[0]
    assert any(f"process 0 {so}" in said[1] for so in ("is there, and not all others have come", "does not answer"))
    time.sleep(3)
    first.kill()
    ended(first)
    _, error = ended(other, within=MINUTE)
    assert other.returncode == 1
    assert "(process 0 was there, and does not answer after" in error.splitlines()[-1]
    assert not run.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_who_waits_for_others_hears_a_stop(config, tmp_path, number, code):
    (process,), _ = waiting(config, tmp_path / "run", "0")
    process.send_signal(number)
    out, error = ended(process, within=20)
    assert (process.returncode, out) == (code, "stopped before all processes were there; nothing was touched\n"), error
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_processes_that_disagree_say_so_before_anything_is_written(config, tmp_path):
    run = tmp_path / "run"
    texts = [tmp_path / name for name in ("a.txt", "b.txt")]
    for text, letters in zip(texts, ("to be or not ", "that is the "), strict=True):
        text.write_text(letters * 300)
    other = config.with_name("missing.yaml")
    cases = [
        ([(config, []), (config, ["--model.hidden", "16"])], "process 1: model.hidden is 16 there and 8 on process 0"),
        ([(config, ["--data.path", str(text)]) for text in texts], "process 1: data.training is"),
        ([(config, []), (other, [])], "no configuration"),
        ([(config, ["--data.path", str(texts[0])]), (config, ["--data.path", "/nowhere"])], "/nowhere"),
        ([(config, [])] * 5, "a multiple of the 5 devices in rows, got 12 rows"),
    ]
    for configs, expected in cases:
        codes, errors = by_hand(configs, run)
        assert codes == [1] * len(configs), errors
        for error in errors:
            (line,) = [line for line in error.splitlines() if line.startswith("jaxrnn: error: ")]
            assert expected in line
        assert not run.exists()


@pytest.mark.slow
def test_the_folder_is_held_for_the_group(config, tmp_path):
    run = tmp_path / "run"
    process = start(config, run, "--processes", "2", *ENDLESS)
    after_new_lines(run, process)
    second = start(config, run, "--processes", "2", *ENDLESS)
    _, error = ended(second, within=200)
    assert second.returncode == 1
    (line,) = error.splitlines()
    assert f"{run} is in use by process {workers_of(process)[0]} on" in line
    process.send_signal(signal.SIGTERM)
    assert ended(process, within=MINUTE) is not None
    assert process.returncode == 0


OWN = """
import json, sys
import jax
import numpy as np
number, port, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
jax.config.update("jax_enable_preemption_service", False)
if port != "0":
    jax.distributed.initialize(f"127.0.0.1:{port}", 3, number)
import jax.numpy as jnp
from jaxrnn.train import ByLength, LoopOptions, Streams, of_functions, train_task
from jaxrnn.train.meshes import make_mesh
from jaxrnn.train.step import place

mesh = make_mesh()
lengths = np.arange(1, 31)
sources = {"by length": ByLength(lengths, 6, 0, lambda rows: rows), "streams": Streams(np.arange(61), 6, 5)}
batches = {"by length": 5, "streams": sources["streams"].chunks}
try:
    import grain
    sources["grain"] = iter(grain.MapDataset.source(np.arange(30)).shuffle(seed=0).repeat().to_iter_dataset().batch(6))
    batches["grain"] = 5
except ImportError:
    pass
seen = {}
for name, source in sources.items():
    seen[name] = []
    for _ in range(batches[name]):
        batch = next(source)
        if name == "streams":
            batch = np.where(np.arange(5) < batch.lengths[:, None], batch.inputs, -1)
        for shard in place(np.asarray(batch), mesh).addressable_shards:
            seen[name] += np.asarray(shard.data).reshape(-1).tolist()

x = np.linspace(-1, 1, 64, dtype=np.float32)
rows = lambda index: {"x": x[index], "y": 2 * x[index]}
task = of_functions(
    lambda key: {"w": jnp.zeros((), jnp.float32)},
    lambda params, batch, key: jnp.mean((params["w"] * batch["x"] - batch["y"]) ** 2),
    lambda: ByLength(np.ones(64), 12, 0, lambda r: rows(np.maximum(r, 0))),
    [rows(np.arange(12))],
)
trained = train_task(task, folder, loop=LoopOptions(steps=20, validate_every=10))
print("ANSWER", json.dumps([seen, float(trained.params["w"]), trained.figures]), flush=True)
if port != "0":
    jax.distributed.shutdown()
"""


@pytest.mark.slow
def test_each_row_is_read_once_an_epoch_and_own_tasks_train_as_on_one(tmp_path):
    def answers(numbers, port, folder):
        commands = [[sys.executable, "-c", OWN, str(n), str(port), str(tmp_path / folder)] for n in numbers]
        pipe = subprocess.PIPE
        all_of = [subprocess.Popen(c, stdout=pipe, stderr=pipe, text=True, env=ENV) for c in commands]
        said = [ended(process) for process in all_of]
        assert all(process.returncode == 0 for process in all_of), said
        return [json.loads(out.partition("ANSWER ")[2].partition("\n")[0]) for out, _ in said]

    port = free_port()
    (alone,), group = answers([0], 0, "alone"), answers(range(3), port, "group")
    for name, wanted in (("by length", range(30)), ("streams", range(60)), ("grain", range(30))):
        if name not in alone[0]:
            continue
        assert sorted(value for seen, *_ in group for value in seen[name] if value >= 0) == [*wanted]
        assert len({len(seen[name]) for seen, *_ in group}) == 1
    for _, w, figures in group:
        assert w == pytest.approx(alone[1], rel=1e-5)
        assert figures == pytest.approx(alone[2], rel=1e-4)


NAN = """
import json, sys
import jax
import numpy as np
number, port, policy, where, folder = int(sys.argv[1]), *sys.argv[2:]
jax.config.update("jax_enable_preemption_service", False)
if port != "0":
    jax.distributed.initialize(f"127.0.0.1:{port}", 2, number)
import jax.numpy as jnp
from jaxrnn.train import ByLength, LoopOptions, of_functions, train_task

x = np.linspace(-1, 1, 64, dtype=np.float32)
y, held_out = 2 * x, 2 * x[:12]
if where == "one row":  # of the second process
    y[5] = np.nan
elif where == "held out":
    held_out[11] = np.nan
task = of_functions(
    lambda key: {"w": jnp.zeros((), jnp.float32)},
    lambda params, batch, key: jnp.mean((params["w"] * batch["x"] - batch["y"]) ** 2),
    lambda: ByLength(np.ones(64), 12, 0, lambda r: {"x": x[np.maximum(r, 0)], "y": y[np.maximum(r, 0)]}),
    [{"x": x[:12], "y": held_out}],
)
loop = LoopOptions(steps=20, validate_every=10, checkpoint_every=2, nonfinite=policy)
try:
    trained = train_task(task, folder + f"/{number}", loop=loop)
    said = [float(trained.params["w"]), trained.figures]
except FloatingPointError as error:
    said = str(error)
print("ANSWER", json.dumps(said), flush=True)
if port != "0":
    jax.distributed.shutdown()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("policy", "where"), [("skip", "one row"), ("skip", "held out"), ("raise", "held out")])
def test_what_is_no_number_is_met_by_all_processes_alike(tmp_path, where, policy):
    """A loss on one of them, or a figure; each has a folder of its own, and knows of the checkpoints of the first."""

    def answers(numbers, port, folder):
        given = [str(port), policy, where, str(tmp_path / folder)]
        commands = [[sys.executable, "-c", NAN, str(n), *given] for n in numbers]
        pipe = subprocess.PIPE
        all_of = [subprocess.Popen(c, stdout=pipe, stderr=pipe, text=True, env=ENV) for c in commands]
        said = [ended(process) for process in all_of]
        return [json.loads(out.partition("ANSWER ")[2].partition("\n")[0]) for out, _ in said]

    (alone,), (first, second) = answers([0], 0, "alone"), answers([0, 1], free_port(), "group")
    if policy == "raise":
        assert "loop.nonfinite is 'raise'. Last good checkpoint: " in alone
        assert first.replace("/group/", "/alone/") == alone
        assert second.replace("/group/1/", "/group/0/") == first
    else:
        assert first == second
        assert first[0] == pytest.approx(alone[0], rel=1e-5)
        assert first[1] == (alone[1] if where == "held out" else pytest.approx(alone[1], rel=1e-4))
        assert (alone[1]["validation loss"] is None) is (where == "held out")


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({}, False),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2"}, False),  # sbatch without srun
        (dict(SLURM_JOB_ID="7", SLURM_STEP_NODELIST="a", SLURM_PROCID="0", SLURM_LOCALID="0", SLURM_NTASKS="2"), True),
        (dict(SLURM_JOB_ID="7", SLURM_STEP_NODELIST="a", SLURM_PROCID="0", SLURM_LOCALID="0", SLURM_NTASKS="1"), False),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, True),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, False),
    ],
)
def test_a_scheduler_is_known_by_what_it_sets(env, found):
    assert in_cluster(env | {"JAX_PLATFORMS": "cpu"}) is found


def test_all_differences_are_named_once_with_their_processes(monkeypatch):
    said = [{"options": {"hidden": 8, "seed": 0}}, {"options": {"hidden": 16, "seed": 0}}]
    monkeypatch.setattr(processes, "gather", lambda ours: [ours, *map(processes._flat, (said[1], said[1], said[0]))])
    with pytest.raises(GroupError, match=r"\(processes 1, 2: options.hidden is 16 there and 8 on process 0\)"):
        agree(**said[0])


def test_an_error_on_one_is_told_on_the_others(monkeypatch):
    monkeypatch.setattr(processes, "alone", lambda: False)
    monkeypatch.setattr(processes, "gather", lambda ours: [None, "no data here", "no data here"])
    with pytest.raises(GroupError, match=r"^processes 1, 2: no data here$"):
        processes.together(lambda: 3)
    monkeypatch.setattr(processes, "first", lambda: False)
    monkeypatch.setattr(processes, "tell", lambda ours: "the disk is full")
    with pytest.raises(GroupError, match=r"^process 0: the disk is full$"):
        processes.on_first(lambda: 3)
