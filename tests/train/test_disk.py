"""Disks that are full and folders that are read-only: one sentence, what was there is as it was, nothing is left."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

import jaxrnn
from jaxrnn.base import files
from tests.waiting import ran, with_files_of

TINY = """
task: char_lm
model: {layers: 1, hidden: 64}
data: {streams: 64, length: 20}
loop: {steps: 4, log_every: 1, validate_every: 9, checkpoint_every: 1, keep: 1}
"""


def train(config, run, *more, limit=None):
    """Exit code, and what is said on the standard error stream; files grow no larger than a limit."""
    command = [sys.executable, "-m", "jaxrnn_command", "train", str(config), "--run", str(run), *more]
    env = os.environ | {"PYTHONPATH": str(Path(jaxrnn.__file__).parents[1])}
    done = ran(with_files_of(limit, command) if limit else command, env=env)
    return done.returncode, done.stderr


def left(folder):
    return sorted(path.name for path in folder.rglob("*") if path.name.startswith((".jaxrnn", "lock.json")))


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.mark.slow
def test_a_full_disk_ends_in_one_sentence_and_with_room_again_the_run_goes_on(config, tmp_path):
    code, said = train(config, tmp_path / "run", limit=20_000)  # the state has 500 kB
    assert code == 1
    assert re.fullmatch(
        r"jaxrnn: error: could not write the checkpoint of step 1 to \S+: File too large. Is the disk full \(.*\)\? "
        r"Earlier checkpoints are untouched: none\n",
        said,
    ), said
    assert left(tmp_path) == []
    assert train(config, tmp_path / "run", "--resume") == (0, "")


@pytest.fixture
def mounted(tmp_path):
    """Mounts a small disk with options; skips where that is not allowed."""
    places = []

    def mount(options):
        place = tmp_path / "disk"
        place.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if places:
            command = ["mount", "-o", f"remount,{options}", str(place)]
        if not hasattr(os, "getuid") or os.getuid() or ran(command).returncode:
            pytest.skip("needs the right to mount")
        places.append(place)
        return place

    yield mount
    for place in places[:1]:
        ran(["umount", str(place)], check=True)


@pytest.mark.slow
def test_a_disk_that_is_really_full_and_one_that_is_read_only(config, mounted):
    disk = mounted("size=900k")
    code, said = train(config, disk / "run")  # there is room for one state, not for two
    assert code == 1
    assert re.search(r"could not write the checkpoint of step 2 .*: No space left on device. Is the disk full", said)
    assert said.count("\n") == 1
    assert left(disk) == []
    assert [path.name for path in (disk / "run" / "checkpoints").iterdir()] == ["000000001"]
    mounted("ro")
    code, said = train(config, disk / "run", "--resume")
    assert (code, said) == (1, f"jaxrnn: error: could not write {disk}/run/lock: Read-only file system\n")
    code, said = train(config, disk / "new")
    assert (code, said) == (1, f"jaxrnn: error: could not make the folder {disk}/new: Read-only file system\n")
    mounted("rw,size=20M")
    assert train(config, disk / "run", "--resume") == (0, "")


def test_a_file_that_cannot_be_written_is_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a"
    files.write_text(path, "before")
    path.chmod(0o640)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("jaxrnn.base.files.flush", full)
        with pytest.raises(files.WriteError, match=r"could not write .*a: No space left on device"):
            files.write_text(path, "after")
    assert (path.read_text(), [*tmp_path.iterdir()]) == ("before", [path])
    files.write_text(path, "after")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("after", 0o640)


def test_links_stay_links_and_devices_are_written_to(tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a", tmp_path / "link"
    target.write_text("before")
    link.symlink_to(target)
    files.write_text(link, "after")
    assert link.is_symlink()
    assert target.read_text() == "after"
    files.write_text(Path("/dev/null"), "x")
    assert Path("/dev/null").is_char_device()


def test_names_as_long_as_the_system_allows(tmp_path):
    path = tmp_path / ("\u65e5" * 83 + ".txt")  # 253 bytes
    files.write_text(path, "x")
    assert path.read_text() == "x"


def test_sweeping_leaves_what_is_not_ours(tmp_path):
    for name in (".jaxrnn-notes", "tmp-1", ".0123456789abcdef.txt", f".jaxrnn-{'0' * 15}.x"):
        (tmp_path / name).write_text("x")
    (tmp_path / f".jaxrnn-{'0' * 16}.folder").mkdir()
    (tmp_path / f".jaxrnn-{'0' * 16}.new\nline").write_text("x")
    files.sweep(tmp_path)
    assert len([*tmp_path.iterdir()]) == 4


def test_a_link_to_itself_gives_way_to_what_is_written(tmp_path):
    """It leads nowhere; `Path.resolve` raised `RuntimeError` for it on Python 3.11 and 3.12, which is no WriteError."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    files.write_bytes(tmp_path / "loop", b"x")
    assert (tmp_path / "loop").read_bytes() == b"x"
