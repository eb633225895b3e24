"""A run is a record: of one process at a time, whole or told to be damaged, and enough without its data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import warnings
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn.cli import main
from jaxrnn.tasks import TASKS, Translation, VideoCaptioning
from jaxrnn.tasks.captioning import captioning
from jaxrnn.tasks.handwriting import handwriting, strokes
from jaxrnn.tasks.handwriting.stroke_files import Lines
from jaxrnn.tasks.language import word_lm
from jaxrnn.tasks.lip_reading import lip_reading
from jaxrnn.tasks.models import load_model
from jaxrnn.tasks.question_answering import babi
from jaxrnn.tasks.question_answering.stories import Question
from jaxrnn.tasks.shared import clips
from jaxrnn.tasks.shared.described import Descriptions, Example
from jaxrnn.tasks.translation import parallel_text, translation
from jaxrnn.tasks.video_captioning import video_captioning
from jaxrnn.train import CheckpointError, NonFiniteError, RunError, ending, read_experiment, run
from jaxrnn.train.lock import LockError, locked
from jaxrnn.train.loop import fit
from jaxrnn.train.manifest import damage
from jaxrnn.train.metrics import MetricsError, read_metrics
from jaxrnn.train.open_run import open_folder
from jaxrnn.train.plots import learning_curve
from jaxrnn.train.run_files import config_overrides, digest
from tests.promotion import default_promotion
from tests.tasks.resuming import StopAfter
from tests.train.toy import Toy, experiment
from tests.waiting import ended, limited, ran

TINY = Path(__file__).parents[2].parent / "shared/data/language_model/tinyshakespeare.txt"
OLD = Path(__file__).parent / "data/run_0_1_0.tar.xz"
TEXTS = {"train": "the cat sat on the mat\n" * 40, "valid": "the mat sat\n" * 20, "test": "a cat sat\n" * 20}


def read(folder, *overrides):
    """A tiny character model of texts in a folder."""
    path = folder / "tiny.yaml"
    path.write_text(
        "task: char_lm\nmodel: {layers: 1, hidden: 3}\n"
        f"data: {{set: ptb, path: {folder / 'texts'}, streams: 8, length: 7}}\n"
        "loop: {steps: 6, log_every: 1, validate_every: 3, checkpoint_every: 2, keep: 2}\n"
    )
    return read_experiment(path, overrides, TASKS)


def write_texts(folder, **texts):
    (folder / "texts").mkdir(exist_ok=True)
    for name, text in (TEXTS | texts).items():
        (folder / "texts" / f"ptb.{name}.txt").write_text(text)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The folder of a run of a tiny character model, stopped after four steps of six, beside its texts."""
    folder = tmp_path_factory.mktemp("stopped")
    write_texts(folder)
    with jax.enable_x64(False), default_promotion():
        assert run(read(folder), folder / "run", False, StopAfter(4)) == 0
    return folder


@pytest.fixture(scope="module")
def finished(stopped, tmp_path_factory):
    """The same, left alone to its end."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    shutil.copytree(stopped / "run", folder)
    with jax.enable_x64(False), default_promotion():
        assert run(read(stopped), folder, True, StopAfter(99)) == 0
    return folder


@pytest.fixture
def begun(stopped, tmp_path):
    """A copy of that run, with texts of its own; and its experiment."""
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    config = tmp_path / "run" / "config.yaml"  # which may say where the data lie now
    config.write_text(config.read_text().replace(str(stopped), str(tmp_path)))
    return tmp_path / "run", read(tmp_path)


def files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "lock"}


def end(folder):
    """What a finished run's numbers are, to the last bit."""
    state = folder / "checkpoints" / "000000006" / "state.npz"
    with np.load(state) as arrays:
        return {name: arrays[name].tobytes() for name in arrays.files}, (folder / "metrics.jsonl").read_bytes()


def test_the_second_process_is_told_and_touches_nothing(begun):
    folder, exp = begun
    before = files(folder)
    with locked(folder):
        about = json.loads((folder / "lock.json").read_text())
        assert about["process"] == os.getpid()
        held = files(folder)
        for resume in (True, False):
            with pytest.raises((LockError, RunError)) as error:
                run(exp, folder, resume, StopAfter(99))
        with pytest.raises(LockError) as error:
            run(exp, folder, True, StopAfter(99))
        since = about["since"][:19].replace("T", " ")
        assert f"in use by process {os.getpid()} on {about['host']}, since {since}" in str(error.value)
        assert files(folder) == held
    assert files(folder) == before


def test_a_lock_dies_with_its_process(tmp_path):
    """Killed, a process leaves its name behind, but no lock."""
    script = (
        "import sys, time; from pathlib import Path\nfrom jaxrnn.train.lock import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    env = os.environ | {"PYTHONPATH": str(Path(jaxrnn.__file__).parents[1])}
    process = subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, env=env, text=True)
    with limited(process):
        assert process.stdout.readline() == "held\n"
    with pytest.raises(LockError, match=f"process {process.pid} on "), locked(tmp_path):
        pass
    process.kill()
    ended(process)
    assert json.loads((tmp_path / "lock.json").read_text())["process"] == process.pid
    with locked(tmp_path):
        assert json.loads((tmp_path / "lock.json").read_text())["process"] == os.getpid()
    assert not (tmp_path / "lock.json").exists()


@pytest.mark.parametrize("damaged", ["flipped", "cut", "emptied", "deleted"])
@pytest.mark.parametrize("name", ["metrics.jsonl", "config.yaml", "data.json"])
def test_damage_of_what_a_resumed_run_trusts_is_named(begun, name, damaged):
    folder, exp = begun
    path = folder / name
    content = path.read_bytes()
    place = content.index({"metrics.jsonl": b"loss", "config.yaml": b"hidden: 3", "data.json": b'": "'}[name]) + 8
    path.write_bytes(
        {"flipped": content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :], "cut": content[:20]}.get(
            damaged, b""
        )
    )
    if damaged == "deleted":
        path.unlink()
    before = files(folder)
    if name == "data.json" and damaged == "deleted":  # it is made again of the same data, and is the same
        assert run(exp, folder, True, StopAfter(1)) == 0
        return
    with pytest.raises((RunError, CheckpointError, ValueError), match=name):
        run(exp, folder, True, StopAfter(99))
    assert files(folder) == before
    if name != "metrics.jsonl":  # what a trained model is made by; its history is another matter
        with pytest.raises((RunError, CheckpointError, ValueError), match="run"):
            load_model(str(folder))


def test_a_damaged_line_of_metrics_is_named(begun):
    folder, exp = begun
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:1], "garbage\n", *lines[2:]]))
    with pytest.raises(CheckpointError, match=r"metrics.jsonl: line 2 of 5 is damaged"):
        run(exp, folder, True, StopAfter(99))
    with pytest.raises(MetricsError, match=r"metrics.jsonl: line 2 is not a line of metrics"):
        read_metrics(path)
    path.write_text("".join(lines[:-3]))
    with pytest.raises(CheckpointError, match=r"000000004: .*metrics.jsonl has 2 lines of 5"):
        run(exp, folder, True, StopAfter(99))
    assert load_model(str(folder)).params  # the model is whole


def test_damage_after_an_older_checkpoint_leaves_that_one(begun, finished):
    folder, exp = begun
    path = folder / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-40])  # lines of steps 3 and 4
    with pytest.warns(UserWarning, match=r"000000004 is damaged \(.*metrics.jsonl has . lines of 5"):
        assert run(exp, folder, True, StopAfter(99)) == 0
    assert end(folder) == end(finished)


def test_stray_files_and_what_kills_left_change_nothing(begun, finished):
    folder, exp = begun
    left = folder / f".jaxrnn-{'0' * 16}.metrics.jsonl"
    left.write_text("half")
    for place in (folder, folder / "checkpoints", folder / "checkpoints" / "000000004"):
        for name in (".DS_Store", "config.yaml~", ".metrics.jsonl.swp", "notes.txt"):
            (place / name).write_text("x")
    (folder / "lock.json").write_text("garbage")
    moved = folder.with_name("renamed [1]")
    folder.rename(moved)
    assert run(exp, moved, True, StopAfter(99)) == 0
    assert end(moved) == end(finished)
    assert (moved / "notes.txt").exists()
    assert not (moved / left.name).exists()


def test_a_folder_with_nothing_but_stray_files_is_empty(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".DS_Store").write_text("x")
    open_folder(tmp_path / "run", experiment(), False)
    (tmp_path / "run" / "thesis.tex").write_text("x")
    with pytest.raises(RunError, match="is not empty"):
        open_folder(tmp_path / "run", experiment(), False)
    with pytest.raises(RunError, match=r"thesis.tex is a file"):
        open_folder(tmp_path / "run" / "thesis.tex", experiment(), False)


def test_other_data_are_refused_by_name_and_the_same_elsewhere_are_not(begun, tmp_path, capsys):
    folder, _ = begun
    before = files(folder)
    write_texts(tmp_path, valid=TEXTS["valid"].replace("mat", "tam"))  # as many characters, of the same alphabet
    with pytest.raises(RunError, match=r"began with other data: what lies in .*texts now differs in validation"):
        run(read(tmp_path), folder, True, StopAfter(99))
    assert files(folder) == before
    evaluate(folder)
    assert f"the validation data are not those that {folder} was trained beside" in capsys.readouterr().err
    write_texts(tmp_path)
    (tmp_path / "texts").rename(tmp_path / "moved")
    assert run(read(tmp_path, "--data.path", str(tmp_path / "moved")), folder, True, StopAfter(99)) == 0


def evaluate(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        return main(["evaluate", str(folder), "--split", "validation"])


def test_a_vocabulary_is_the_runs_own(begun, tmp_path, capsys):
    """The same characters in another order of first sight, or none at all, change nothing of what is written."""
    folder, exp = begun
    assert run(exp, folder, True, StopAfter(99)) == 0
    model = load_model(str(folder))
    expected = "".join(model.experiment.task.sample(model.params, "the ", 40, 0.8, 1))
    (tmp_path / "texts" / "ptb.train.txt").unlink()
    assert evaluate(folder) == 0  # held-out text is enough
    (tmp_path / "texts" / "ptb.valid.txt").write_text("zebra\n" * 40)
    assert evaluate(folder) == 1
    assert "a text in the characters that the model knows, got 'z' in its line 1" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "texts")
    model = load_model(str(folder))
    assert "".join(model.experiment.task.sample(model.params, "the ", 40, 0.8, 1)) == expected
    assert run(exp, folder, True, StopAfter(99)) == 0  # finished: it needs its data no more
    assert "There is nothing to resume" in capsys.readouterr().out


def small_word_lm(**more):
    options = word_lm.ModelOptions(), word_lm.RegularizationOptions(), word_lm.DataOptions()
    return word_lm.WordLM(*options, **more), "_kept"


def small_translation(merges=0, **more):
    task = Translation(translation.ModelOptions(), parallel_text.DataOptions(at_least=1, merges=merges), **more)
    if not more:
        task.text.__dict__["_kept"] = dict.fromkeys(("training", "test"), ([["a", "cat"]], [["eine", "Katze"]]))
    return task, "text"


def small_babi(**more):
    question = Question(1, (("mary", "went", "out"),), ("where",), "out")
    task = babi.Babi(babi.ModelOptions(), babi.DataOptions(), **more)
    if not more:
        task.__dict__["questions"] = {split: [question] for split in ("train", "validation", "test")}
    return task, "questions"


def small_describer(module, view, **more):
    task = {captioning: captioning.Captioning, video_captioning: VideoCaptioning}[module](
        module.ModelOptions(), module.DataOptions(), **more
    )
    if not more:
        examples = {split: [Example(view, (("a", "cat"),))] for split in ("training", "validation", "test")}
        task.__dict__["descriptions"] = Descriptions(examples, 1, 20)
    return task, "descriptions"


def small_lips(**more):
    task = lip_reading.LipReading(lip_reading.ModelOptions(), clips.DataOptions(), **more)
    if not more:
        some = clips.Clips(["x"], np.zeros((1, 2, 32, 48), np.uint8), [("bin", "blue")])
        task.clips.__dict__["splits"] = dict.fromkeys(("training", "validation", "test"), some)
    return task, "clips"


def small_handwriting(**more):
    options = handwriting.ModelOptions(text=True), strokes.DataOptions(set="iam", path="x")
    task = handwriting.Handwriting(*options, **more)
    if not more:
        points = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
        task.drawings.__dict__["_raw"] = dict.fromkeys(("training", "validation"), Lines([points], ["abc"]))
    return task, "_raw"


@pytest.mark.parametrize(
    "small",
    [
        small_word_lm,
        small_translation,
        partial(small_translation, merges=2),
        small_babi,
        partial(small_describer, captioning, np.zeros((64, 64, 3), np.uint8)),
        partial(small_describer, video_captioning, np.zeros((4, 6), np.float32)),
        small_lips,
        small_handwriting,
    ],
)
def test_what_a_task_learned_of_its_data_is_enough_without_them(small):
    """Made anew by the record, and with no data to look at, it has a model of the same shapes and learns the same."""
    task, _ = small()
    learned = json.dumps(task.learn())
    assert digest(task.contents("training")) == digest(task.contents("training"))
    again, data = small(learned=learned)
    assert again != task  # another vocabulary, another task: compiled functions are kept by it
    shapes = [jax.eval_shape(t.init, jax.random.key(0)) for t in (task, again)]
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), shapes[0]) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), shapes[1]
    )
    inner = {"clips": "clips", "text": "text", "_raw": "drawings"}.get(data)
    unread = getattr(again, inner).__dict__ if inner else again.__dict__
    assert not {"questions", "descriptions", "splits", "_raw", "lines"} & {*unread}
    assert not unread.get("_kept")


def test_metrics_without_a_checkpoint_are_not_started_over(tmp_path, console, stop):
    exp = experiment({"steps": 30, "checkpoint_every": 5, "log_every": 4})
    fit(exp, tmp_path, console, stop)
    shutil.rmtree(tmp_path / "checkpoints")
    before = files(tmp_path)
    with pytest.raises(CheckpointError, match=r"has no checkpoint, but metrics.jsonl tells of 30 steps.*start over"):
        fit(exp, tmp_path, console, stop)
    assert files(tmp_path) == before
    (tmp_path / "metrics.jsonl").write_text('{"step": 4}\n')  # killed before the first checkpoint
    assert fit(exp, tmp_path, console, stop)[0] == 30


def test_a_run_of_version_0_1_0_loads_and_writes_without_its_text(tmp_path):
    """Its text no longer ships; another one does by the name that it has in the run."""
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "run_0_1_0"
    model = load_model(str(folder))
    assert model.data is None
    assert (model.experiment.task.data.set, len(model.experiment.task.vocabulary)) == ("tinyshakespeare", 65)
    text = "".join(model.experiment.task.sample(model.params, "", 30, 0.8, 0))
    assert len(text) == 30
    with pytest.raises(ValueError, match=r"tinyshakespeare\.txt, got none"):
        run(model.experiment, folder, True, StopAfter(99))


@pytest.mark.skipif(not TINY.exists(), reason="tinyshakespeare does not ship")
def test_a_run_of_version_0_1_0_resumes_with_its_text(tmp_path):
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "run_0_1_0"
    with pytest.raises(RunError, match=r"data\.set was 'tinyshakespeare', now 'shakespeare'"):
        run(read_experiment(folder / "config.yaml", [], TASKS), folder, True, StopAfter(99))
    overrides = [*config_overrides(folder), f"--data.path={TINY}"]
    experiment = read_experiment(folder / "config.yaml", overrides, TASKS)
    model = load_model(str(folder))
    # What that version's `jaxrnn evaluate` said of it.
    assert experiment.task.evaluate(model.params, jax.device_put)["loss"] == pytest.approx(4.1646, abs=2e-4)
    assert run(experiment, folder, True, StopAfter(99)) == 0
    lines = read_metrics(folder / "metrics.jsonl")
    assert [line["step"] for line in lines] == [5, 10, 15, 20, 25, 30, 30]
    assert lines[-1]["validation_loss"] == pytest.approx(4.1454, abs=2e-3)
    assert load_model(str(folder)).data.learned["vocabulary"] == model.experiment.task.vocabulary


def test_a_flipped_bit_in_any_file_of_version_0_1_0_is_found(tmp_path):
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "run_0_1_0" / "checkpoints" / "000000020"
    assert damage(folder, 20) is None
    assert len(files(folder)) > 10
    for path, content in files(folder).items():
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 64]))
        assert path.name in damage(folder, 20)
        path.write_bytes(content)


def test_a_copied_checkpoint_of_version_0_1_0_is_told(tmp_path):
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path, filter="data")
    checkpoints = tmp_path / "run_0_1_0" / "checkpoints"
    shutil.copytree(checkpoints / "000000020", checkpoints / "000000025")
    (checkpoints / "000000020" / "arrays" / "array_metadatas" / "process_0~").write_text("{")
    with pytest.warns(UserWarning, match="000000025 is damaged .it is a copy of step 20's"):
        load_model(str(tmp_path / "run_0_1_0"))


def test_figures_beside_a_loss_that_is_no_number_do_not_count(tmp_path, console, stop, monkeypatch):
    exp = experiment({"steps": 20, "validate_every": 10})
    monkeypatch.setattr(type(exp.task), "evaluate", lambda *_: {"loss": float("nan"), "strings": 1.0})
    fit(exp, tmp_path, console, stop)
    line = next(line for line in read_metrics(tmp_path / "metrics.jsonl") if "validation_loss" in line)
    assert line == {"step": 10, "validation_loss": None, "validation_strings": None}
    assert "step 10: that loss is no number, so none of these figures counts" in console.file.getvalue()
    learning_curve(read_metrics(tmp_path / "metrics.jsonl"), "all NaN", tmp_path / "curve.png", None)
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    exp = experiment({"steps": 20, "validate_every": 10, "nonfinite": "raise"})
    with pytest.raises(
        NonFiniteError, match=r"step 10: validation loss nan  strings 1.0000; loop.nonfinite is 'raise'"
    ):
        fit(exp, tmp_path / "raise", console, stop)


def test_a_metric_that_is_no_number_is_a_bad_step(tmp_path, console, stop, monkeypatch):
    exp, loss = experiment({"steps": 4, "log_every": 1}), type(experiment().task).loss

    def spoiled(task, params, carry, batch, rng):
        value, (carry, figures) = loss(task, params, carry, batch, rng)
        return value, (carry, figures | {"share": jax.numpy.where(batch["steep"][0], jax.numpy.nan, 1.0)})

    exp = experiment({"steps": 4, "log_every": 1})
    monkeypatch.setattr(type(exp.task), "loss", spoiled)
    batch = type(exp.task.batches()).__next__
    monkeypatch.setattr(
        type(exp.task.batches()), "__next__", lambda self: batch(self) | {"steep": np.full(8, self.n == 2)}
    )
    _, progress = fit(exp, tmp_path, console, stop)
    assert progress.finished == "all steps done"
    assert "gradient norm" in console.file.getvalue()
    assert "share nan: skipped (1 so far)" in console.file.getvalue()


def test_another_number_of_cores_is_told(begun, monkeypatch):
    folder, exp = begun
    monkeypatch.setattr("jaxrnn.train.machine.cores", lambda: 1000)
    with pytest.warns(UserWarning, match=r"before, this run had CPU cores \d+, now 1000; its last bits may differ"):
        assert run(exp, folder, True, StopAfter(99)) == 0


def test_unreadable_data_leave_no_folder(tmp_path):
    write_texts(tmp_path)
    (tmp_path / "texts" / "ptb.test.txt").unlink()  # looked at when the run has ended
    with pytest.raises(ValueError, match=r"ptb.test.txt"):
        run(read(tmp_path), tmp_path / "run", False, StopAfter(99))
    assert not (tmp_path / "run").exists()


def test_a_digest_tells_contents_apart():
    contents = [
        "ab", ["ab"], ["a", "b"], [["a"], "b"], {"a": "b"}, 1, "1", None, np.arange(2), np.arange(2.0),
        np.arange(2).reshape(2, 1), [np.arange(2)], [np.zeros(0), "x"], [np.zeros((0, 1)), "x"], [np.float32(1)],
    ]  # fmt: skip
    assert len({digest(content) for content in contents}) == len(contents)
    assert digest(("a", (1, 2.5))) == digest(["a", [1, 2.5]])
    assert digest(np.asfortranarray(np.eye(3)[:, ::-1])) == digest(np.ascontiguousarray(np.eye(3)[:, ::-1]))


HOOK = """
import os, signal, sys
class First:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, First())
"""


@pytest.mark.parametrize(("number", "code"), [(15, 0), (2, 130)])
def test_a_signal_during_the_imports_ends_politely(tmp_path, number, code):
    """When JAX is about to be imported, seconds before the first step."""
    (tmp_path / "sitecustomize.py").write_text(HOOK.format(module="jax", number=number))
    env = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(jaxrnn.__file__).parents[1]}"}
    command = [sys.executable, "-m", "jaxrnn_command", "train", "char_lm", "--run", "x"]
    done = ran(command, env=env, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout == "stopped before the first step; nothing was touched\n"
    assert not (tmp_path / "x").exists()


def test_the_installed_command_begins_with_the_signals():
    project = (Path(jaxrnn.__file__).parents[1] / "pyproject.toml").read_text()
    assert 'jaxrnn = "jaxrnn_command:main"' in project


@pytest.mark.parametrize("failing", ["learning_curve", "show"])
def test_a_picture_that_cannot_be_drawn_costs_no_record(tmp_path, monkeypatch, capsys, stop, failing):
    """The figures of hours are written down, and the line says what is missing."""

    def fails(*_, **__):
        raise RuntimeError("no fonts here")

    if failing == "show":
        monkeypatch.setattr(Toy, "show", fails)
    else:
        monkeypatch.setattr(ending, "learning_curve", fails)
    folder = tmp_path / "run"
    assert run(experiment(), folder, False, stop) == 0
    assert "test loss" in json.loads((folder / "result.json").read_text())["figures"]
    assert ("no learning curve" if failing != "show" else "no samples") + ": no fonts here" in capsys.readouterr().out
