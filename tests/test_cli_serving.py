"""`jaxrnn predict` and `jaxrnn export` as a person types them: files, streams that are killed and go on, full disks."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn.cli import main
from tests.promotion import default_promotion
from tests.test_cli import as_users_train
from tests.test_cli_machine import COMMAND, ENV
from tests.waiting import ended, limited, ran, with_files_of

LINES = ["ROMEO:", "", "What light through yonder window breaks?", "It is the east,", "a" * 70, "x", "Nay!"]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return path


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs a command: (exit code, stdout, stderr)."""

    def call(*arguments, typed=b""):
        capsys.readouterr()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed)))
        with as_users_train():
            try:
                code = main([*map(str, arguments)])
            except SystemExit as exit:
                code = exit.code
        return code, *capsys.readouterr()

    return call


def bits_by_hand(lines):
    """What each line costs after a newline, one symbol at a time, each alone."""
    with jax.enable_x64(False), default_promotion():
        run = jaxrnn.load_run("char_lm")
        step = jax.jit(lambda carry, symbol: run.task.layer.step(run.params["rnn"], carry, symbol))
        for line in lines:
            carry, total, before = run.task.layer.initial_carry((), run.params["rnn"]), 0.0, run.task.encode("\n")[0]
            for symbol in run.task.encode(f"{line}\n"):
                carry, y = step(carry, np.int32(before))
                logits = np.asarray(run.task.logits(run.params, y), np.float64)
                total += np.log2(np.exp(logits - logits.max()).sum()) - (logits[symbol] - logits.max()) / np.log(2)
                before = symbol
            yield total


@pytest.mark.parametrize(("typed", "said"), [(b"", "where there is nothing"), (b"a\nb\xff", "0xff in its line 2")])
def test_the_standard_input_is_called_so(run, typed, said):
    code, out, error = run("predict", "char_lm", "-", typed=typed)
    assert (code, out) == (1, "")
    assert error.startswith("jaxrnn: error: `FILE` must be ")
    assert said in error
    assert "the standard input" in error
    assert "tmp" not in error


@pytest.mark.slow
def test_a_file_is_answered_line_by_line_in_both_formats(run, text, tmp_path):
    code, out, _ = run("predict", "char_lm", text)
    answers = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [answer["characters"] for answer in answers] == [len(line) + 1 for line in LINES]
    np.testing.assert_allclose([answer["bits"] for answer in answers], [*bits_by_hand(LINES)], rtol=2e-5)
    target = tmp_path / "bits.csv"
    assert run("predict", "char_lm", text, "--out", target)[1] == f"{len(LINES)} answers in {target}\n"
    with target.open() as file:
        rows = list(csv.DictReader(file))
    assert [{name: json.loads(cell) for name, cell in row.items()} for row in rows] == answers
    typed = text.read_bytes()
    assert run("predict", "char_lm", "-", typed=typed)[1] == out
    with jax.enable_x64(False), default_promotion():
        assert [*jaxrnn.load_run("char_lm").predict(text)] == answers


@pytest.mark.slow
def test_a_stream_is_a_text(run, text, tmp_path):
    """Every line after those before it: bits of all lines are those of the whole text, read at once."""
    code, out, said = run("predict", "char_lm", "-", "--stream", typed=text.read_bytes())
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, said) == (0, "")
    (whole,) = bits_by_hand(["\n".join(LINES)])
    np.testing.assert_allclose(sum(answer["bits"] for answer in answers), whole, rtol=2e-5)


WRONG = "line 2: `line` must be of characters that the model knows, got 'ö'.\n"


def test_a_line_that_cannot_be_read(run):
    typed = "ROMEO:\nö\nNay!\n".encode()
    code, out, said = run("predict", "char_lm", "-", "--stream", typed=typed)
    first, error, last = map(json.loads, out.splitlines())
    assert (code, said, [*error]) == (1, WRONG, ["error"])
    assert [first, last] == [
        json.loads(line) for line in run("predict", "char_lm", "-", "--stream", typed=b"ROMEO:\nNay!\n")[1].splitlines()
    ]
    code, out, said = run("predict", "char_lm", "-", "--stream", "--strict", typed=typed)
    assert (code, len(out.splitlines()), said) == (1, 1, f"jaxrnn: error: {WRONG}")
    code, _, said = run("predict", "char_lm", "-", "--stream", typed=b"\xff\n")
    assert (code, said) == (1, "line 1: `line` must be text in UTF-8, got invalid start byte at byte 0.\n")


def test_a_stream_in_pieces_is_the_stream(run, text, tmp_path):
    whole = run("predict", "char_lm", "-", "--stream", typed=text.read_bytes())[1]
    state, pieces = tmp_path / "state.safetensors", ""
    for part in (LINES[:3], LINES[3:4], [], LINES[4:]):
        typed = "".join(f"{line}\n" for line in part).encode()
        code, out, said = run("predict", "char_lm", "-", "--stream", "--state", state, typed=typed)
        assert code == 0
        assert said == (f"{state} goes on after line {pieces.count(chr(10))}\n" if pieces else "")
        pieces += out
    assert pieces == whole


@pytest.mark.slow
def test_a_state_of_another_model_or_a_damaged_one_is_refused_before_anything(run, tmp_path, monkeypatch):
    state = tmp_path / "state.safetensors"
    run("predict", "char_lm", "-", "--stream", "--state", state, typed=b"ROMEO:\n")
    content = state.read_bytes()
    for place in range(len(content) // 2, len(content), len(content) // 7):
        broken = bytearray(content)
        broken[place] ^= 1
        state.write_bytes(broken)
        code, out, said = run("predict", "char_lm", "-", "--stream", "--state", state, typed=b"ROMEO:\n")
        assert (code, out) == (1, "")
        assert "is no state of a stream, or damaged" in said
        assert state.read_bytes() == broken
    (tmp_path / "tiny.yaml").write_text(
        "task: char_lm\nmodel: {layers: 1, hidden: 8}\nloop: {steps: 1, log_every: 1, validate_every: 1}\n"
    )
    monkeypatch.chdir(tmp_path)
    run("train", "tiny.yaml")
    state.write_bytes(content)
    code, out, said = run("predict", "runs/tiny", "-", "--stream", "--state", state, typed=b"ROMEO:\n")
    assert (code, out) == (1, "")
    assert said == f"jaxrnn: error: {state} is the state of another model: give each model a file of its own\n"
    assert state.read_bytes() == content


def stream(state, *more, limit=None):
    command = [*COMMAND, "predict", "char_lm", "-", "--stream", "--state", str(state), *more]
    command = with_files_of(limit, command) if limit else command
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, env=ENV, **pipes)


def ask(process, line):
    process.stdin.write(f"{line}\n".encode())
    process.stdin.flush()
    return process.stdout.readline().decode()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_stream_that_is_killed_goes_on(run, text, tmp_path, number):
    """After SIGTERM where it was; after SIGKILL where it was last saved, and it says where that is."""
    whole = run("predict", "char_lm", "-", "--stream", typed=text.read_bytes())[1].splitlines(keepends=True)
    state = tmp_path / "state.safetensors"
    with stream(state, "--every", "2") as process, limited(process):
        assert [ask(process, line) for line in LINES[:3]] == whole[:3]
        process.send_signal(number)  # while it waits for the next line
        process.wait(60)
    saved = 2 if number == signal.SIGKILL else 3
    assert process.returncode == {signal.SIGTERM: 0, signal.SIGINT: 130, signal.SIGKILL: -9}[number]
    assert [path.name for path in tmp_path.iterdir() if "jaxrnn" in path.name] == []
    typed = "".join(f"{line}\n" for line in LINES[saved:]).encode()
    code, out, said = run("predict", "char_lm", "-", "--stream", "--state", state, typed=typed)
    assert (code, said) == (0, f"{state} goes on after line {saved}\n")
    assert out.splitlines(keepends=True) == whole[saved:]


@pytest.mark.slow
def test_a_full_disk_leaves_what_was_there(run, text, tmp_path):
    state = tmp_path / "state.safetensors"
    run("predict", "char_lm", "-", "--stream", "--state", state, typed=b"ROMEO:\n")
    before = state.read_bytes()
    with stream(state, "--every", "1", limit=1000) as process:
        said = ended(process, b"Nay!\nx\n")
    assert process.returncode == 1
    assert said[0].count(b"\n") == 1  # the line is answered, and then it cannot be saved
    assert f"jaxrnn: error: could not write {state}: File too large".encode() in said[1]
    assert state.read_bytes() == before
    target = tmp_path / "out.csv"
    target.write_text("what was there\n")
    many = tmp_path / "many.txt"
    many.write_text("x\n" * 500)
    command = [*COMMAND, "predict", "char_lm", str(many), "--out", str(target)]
    done = ran(with_files_of(1000, command), env=ENV)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"jaxrnn: error: could not write {target}: File too large")
    assert target.read_text() == "what was there\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lines.txt", "many.txt", "out.csv", "state.safetensors"]


@pytest.mark.slow
def test_a_reader_that_leaves_costs_no_line(run, text, tmp_path):
    """A line whose answer nobody could read is not counted."""
    state = tmp_path / "state.safetensors"
    with stream(state) as process, limited(process):
        ask(process, LINES[0])
        process.stdout.close()
        process.stdin.write("".join(f"{line}\n" for line in LINES[1:]).encode())
        process.stdin.close()
        assert process.wait(60) == 128 + signal.SIGPIPE
        assert process.stderr.read() == b""
    assert f"{state} goes on after line 1\n" == run("predict", "char_lm", "-", "--stream", "--state", state)[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "handwriting_none", "x"], "no run 'handwriting_none'"),
        (["predict", "babi", "x", "--stream"], "`--stream` must be beside -, the standard input"),
        (
            ["predict", "babi", "-", "--stream"],
            "babi: a model of the task babi answers no streams; those that do: char_lm",
        ),
        (["predict", "char_lm", "x", "--state", "s"], "`--state` must be beside --stream, got it alone"),
        (["predict", "char_lm", "nowhere.txt"], "'nowhere.txt', which does not exist"),
        (["predict", "char_lm", "x", "--out", "x.txt"], "`--out` must be a file .csv or .jsonl"),
        (["predict", "char_lm", "-", "--stream", "--every", "0"], "`--every` must be 1 or more lines, got 0."),
        (
            ["export", "babi", "x.onnx"],
            "babi: a model of the task babi has no program to export; those that do: char_lm",
        ),
        (["export", "char_lm", "x.pb"], "`target` must be a file .stablehlo or .onnx"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, arguments, message):
    code, out, said = run(*arguments)
    assert (code, out, said.count("\n")) == (1, "", 1)
    assert message in said


PROGRAM = """
import sys
sys.modules["jaxrnn"] = None  # an import of it fails
import json, jax, numpy as np
model = jax.export.deserialize(open("m.stablehlo", "rb").read())
about = json.load(open("m.stablehlo.json"))
given = np.load("given.npz")
np.save("chances.npy", model.call(*(given[name] for name in about["arguments"]))[0])
"""


@pytest.mark.slow
def test_a_program_runs_without_jaxrnn(run, tmp_path, monkeypatch):
    """In both formats the probabilities are those of the model, and of each line the bits that `predict` says."""
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    assert run("export", "char_lm", "m.stablehlo")[:2] == (0, "wrote m.stablehlo and m.stablehlo.json\n")
    assert run("export", "char_lm", "m.onnx")[:2] == (0, "wrote m.onnx\n")
    about = json.loads(Path("m.stablehlo.json").read_text())
    vocabulary = about["learned"].get("vocabulary") or jaxrnn.load_run("char_lm").task.vocabulary
    symbols = [[vocabulary.index(c) for c in f"\n{line}\n"] for line in LINES]
    lengths = np.array([len(line) - 1 for line in symbols], np.int32)
    padded = np.zeros((len(LINES), lengths.max()), np.int32)
    for row, line in zip(padded, symbols, strict=True):
        row[: len(line) - 1] = line[:-1]
    np.savez("given.npz", symbols=padded, lengths=lengths)
    ran([sys.executable, "-c", PROGRAM], check=True, env=os.environ)
    session = onnxruntime.InferenceSession("m.onnx")
    there = json.loads(session.get_modelmeta().custom_metadata_map["jaxrnn"])
    assert there == {name: value for name, value in about.items() if name != "platforms"}
    (by_onnx,) = session.run(None, {"symbols": padded, "lengths": lengths})
    wanted = [*bits_by_hand(LINES)]
    for chances in (np.load("chances.npy"), by_onnx):
        bits = [
            -np.log2([chances[b, t, line[t + 1]] for t in range(len(line) - 1)]).sum() for b, line in enumerate(symbols)
        ]
        np.testing.assert_allclose(bits, wanted, rtol=2e-5)


@pytest.mark.slow
def test_a_model_in_python(tmp_path):
    with jax.enable_x64(False), default_promotion():
        model = jaxrnn.load_run("char_lm")
        assert model.export(tmp_path / "a", format="stablehlo") == [tmp_path / "a", tmp_path / "a.json"]
    with pytest.raises(ValueError, match=r"`run` must be of a task that has a program: char_lm, .*, got 'babi'"):
        jaxrnn.load_run("babi").export("x.onnx")
    with pytest.raises(ValueError, match="`format` must be None, or one of"):
        model.export("x", format="pb")
