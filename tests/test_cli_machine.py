"""The command line where the world is not as it should be: streams, devices, files, numbers. One line each."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn.cli import main
from tests.test_cli import TINY, as_users_train
from tests.waiting import limited, ran

ENV = os.environ | {"PYTHONPATH": str(Path(jaxrnn.__file__).parents[1]), "JAX_PLATFORMS": "cpu"}
COMMAND = [sys.executable, "-m", "jaxrnn.cli"]


def said(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    with as_users_train():
        code = main(list(arguments))
    return code, *capsys.readouterr()


def one_line(found: tuple[int, str, str]) -> str:
    code, out, error = found
    assert (code, out, error.count("\n")) == (1, "", 1), error
    assert error.startswith("jaxrnn: error: ")
    return error


def shell(redirection: str, *arguments: str, **env: str) -> Any:
    line = f'"$@" {redirection}'
    return ran(["sh", "-c", line, "sh", *COMMAND, *arguments], env=ENV | env)


# ---------------------------------------------------------------- streams


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = [*COMMAND, "sample", "char_lm", "--length", "1000000"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENV) as process,
        limited(process),
    ):
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 128 + signal.SIGPIPE


def test_a_full_disk_behind_the_standard_output() -> None:
    done = shell("> /dev/full", "cells")
    assert (done.returncode, done.stderr) == (1, "jaxrnn: error: [Errno 28] No space left on device\n")


def test_closed_streams() -> None:
    done = shell(">&-", "cells")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "the standard output is closed" in done.stderr
    done = shell("2>&-", "sample", "nothing")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


def test_a_closed_standard_input(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert "the standard input is closed" in one_line(said(capsys, "ask", "babi"))


def test_a_standard_input_that_is_no_text(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"where is \xff ?"), "utf-8"))
    assert "the standard input is no utf-8" in one_line(said(capsys, "ask", "babi"))


def test_a_terminal_that_cannot_show_a_character() -> None:
    done = shell("", "sample", "char_lm", "--prompt", "é", PYTHONIOENCODING="ascii")
    assert done.returncode == 1
    assert r"the character '\xe9' is not in the vocabulary" in done.stderr
    assert done.stderr.count("\n") == 1


# ---------------------------------------------------------------- devices, numbers


def test_a_device_that_is_not_there() -> None:
    done = shell("", "cells", JAX_PLATFORMS="nope")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "JAX_PLATFORMS is 'nope'" in done.stderr


def test_memory_that_does_not_suffice(capsys: Any, monkeypatch: Any) -> None:
    def exhausted(*_: Any) -> None:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.\nand more")

    monkeypatch.setattr("jaxrnn.cli.cells", exhausted)
    assert "more memory than there is" in one_line(said(capsys, "cells"))


def test_an_error_of_ours_is_not_hidden(capsys: Any, monkeypatch: Any) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("jaxrnn.cli.cells", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        said(capsys, "cells")


MANY = "9" * 20


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["sample", "char_lm", "--length", MANY], "`length`"),
        (["sample", "char_lm", "--seed", MANY], "`seed`"),
        (["bench", "--shapes", f"{MANY},1,1,1"], "`shapes`"),
        (["bench", "--shapes", "1,1,1,99999"], "`shapes`"),
        (["bench", "--shapes", "9999,9999,9999,1"], "`shapes`"),
        (["bench", "--shapes", "9" * 5000 + ",1,1,1"], "`shapes`"),
        (["bench", "--rounds", MANY], "`rounds`"),
        (["train", "char_lm", "--model.hidden", MANY], "at most 2,147,483,647"),
    ],
)
def test_counts_have_an_upper_end(
    capsys: Any, arguments: list[str], named: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert named in one_line(said(capsys, *arguments))
    assert [*tmp_path.iterdir()] == []  # no run that is in the way next time


@pytest.mark.parametrize("make", [jaxrnn.lstm, jaxrnn.gru, jaxrnn.elman])
def test_sizes_have_an_upper_end(unchecked: None, make: Any) -> None:
    with pytest.raises(ValueError, match=r"`size` must be a positive integer of at most 2,147,483,647, got \d{22}\."):
        make(2**70)
    with pytest.raises(ValueError, match="`inputs` must be"):
        make(3).init(jax.random.key(0), inputs=2**31)
    with pytest.raises(
        ValueError, match=r"`params\['recurrent_kernel'\]` must be of 1,099,511,627,776 numbers or fewer"
    ):
        make(2**31 - 1).init(jax.random.key(0), inputs=3)


# ---------------------------------------------------------------- files


def test_yaml_nested_beyond_all_bounds(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text(f"task: char_lm\nmodel: {'[' * 3000}{']' * 3000}\n")
    assert f"{path}: cannot be read as YAML" in one_line(said(capsys, "train", str(path)))


def test_a_text_that_is_no_utf_8(capsys: Any, tmp_path: Path) -> None:
    for name in ("train", "valid", "test"):
        (tmp_path / f"ptb.{name}.txt").write_bytes(b"a line\nna\xefve\n")
    error = one_line(said(capsys, "train", "ptb_chars", "--data.path", str(tmp_path), "--run", str(tmp_path / "run")))
    assert "ptb.train.txt in UTF-8, got the byte 0xef in its line 2" in error


def test_help_shows_no_option_that_is_refused(capsys: Any) -> None:
    code, out, _ = said(capsys, "train", "char_lm", "--help")
    assert code == 0
    assert "--model.hidden" in out
    assert "--model CONFIG" not in out
    assert "Path to a configuration file" not in out


# ---------------------------------------------------------------- a run by its folder, and another alphabet


def test_samples_that_fail_cost_no_run_its_record(capsys: Any, tmp_path: Path, monkeypatch: Any) -> None:
    def failing(*_: Any) -> str:
        raise ValueError("`text` must be another")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jaxrnn.tasks.CharLM.show", failing)
    (tmp_path / "tiny.yaml").write_text(TINY.replace("steps: 6", "steps: 1"))
    code, out, error = said(capsys, "train", "tiny.yaml")
    assert (code, error) == (0, "")
    assert "no samples: `text` must be another" in out
    assert (tmp_path / "runs/tiny/result.json").exists()


def test_a_run_goes_on_by_its_folder_or_its_own_configuration(capsys: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY.replace("steps: 6", "steps: 3"))
    text = "".join(np.random.default_rng(0).permutation(list("абв ") * 2000).tolist())
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("train", "valid", "test"):
        (folder / f"ptb.{name}.txt").write_text(text + "\n" + text)
    mine = ["--data.set", "ptb", "--data.path", str(folder), "--data.streams", "8"]
    code, _, error = said(capsys, "train", "tiny.yaml", *mine, "--run", "runs/c")
    assert (code, error) == (0, "")
    sample = (tmp_path / "runs/c/sample.txt").read_text()
    assert len(sample) == 501  # no letter of "the " is known: it begins where a line does
    assert set(sample) <= set("абв \n")
    for name in ("runs/c", "runs/c/config.yaml"):
        code, out, error = said(capsys, "train", name, "--resume")
        assert (code, error) == (0, "")
        assert "runs/c is finished" in out
        assert "--resume" in one_line(said(capsys, "train", name))
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["c"]
