"""Archives of data sets: each file once, no larger than is stated, and links that lead somewhere."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxrnn.train import read_arrays, read_source, read_text

WHERE = "Get it anywhere."


def refused(match: str, path: Path, name: str = "a.txt") -> None:
    with pytest.raises(ValueError, match=rf"(?s)`data\.path` must be .*{match}.*Get it anywhere\."):
        read_source(path, name, WHERE)


def tar(path: Path, *members: tuple[str, Any]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            file.addfile(info, None if isinstance(content, str) else io.BytesIO(content))
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice(tmp_path: Path) -> None:
    for names in (("a.txt", "a.txt"), ("en/a.txt", "de/a.txt"), ("a.txt", "a.txt.gz")):
        contents = [b"one", gzip.compress(b"two") if names[1].endswith(".gz") else b"two"]
        path = tmp_path / "set.zip"
        with zipfile.ZipFile(path, "w") as file:
            for name, content in zip(names, contents, strict=True):
                file.writestr(name, content)
        refused("a.txt is there 2 times: ", path)
        refused("a.txt is there 2 times: ", tar(tmp_path / "set.tar.gz", *zip(names, contents, strict=True)))


def test_a_folder_may_hold_a_file_packed_and_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one")
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"one"))
    assert read_source(tmp_path, "a.txt", WHERE) == b"one"
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"two"))
    refused("a.txt is there 2 times: a.txt, a.txt.gz", tmp_path)


def test_links_in_a_tar(tmp_path: Path) -> None:
    assert read_source(tar(tmp_path / "1.tar", ("b", b"one"), ("a.txt", "b")), "a.txt", WHERE) == b"one"
    refused("a.txt is a link to b, which is not in it", tar(tmp_path / "2.tar", ("a.txt", "b")))
    refused("a.txt is a link to a.txt", tar(tmp_path / "3.tar", ("a.txt", "a.txt")))
    assert read_source(tar(tmp_path / "4.tar", ("other", "b"), ("a.txt", b"one")), "a.txt", WHERE) == b"one"


def test_more_than_is_read(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("jaxrnn.train.sources.MOST", 1000)
    bomb, said = bytes(100_000), "more than 1,000 are not read"
    with zipfile.ZipFile(tmp_path / "1.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.txt", bomb)
    refused(said, tmp_path / "1.zip")
    refused(said, tar(tmp_path / "2.tar.gz", ("a.txt", bomb)))
    refused(said, tar(tmp_path / "3.tar.gz", ("a.txt.gz", gzip.compress(bomb))))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_bytes(bomb)
    refused(said, folder)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(100_000, np.uint8))
    with pytest.raises(ValueError, match=said):
        read_arrays(tmp_path / "a.npz", "a.npz", ("x",), WHERE)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_is_there_twice(tmp_path: Path) -> None:
    one = io.BytesIO()
    np.save(one, np.zeros(3))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("x.npy", one.getvalue())
        file.writestr("x.npy", one.getvalue())
    with pytest.raises(ValueError, match=r"a\.npz is there 2 times: its array x\.npy, its array x\.npy"):
        read_arrays(tmp_path / "a.npz", "a.npz", ("x",), WHERE)


def test_a_text_that_is_no_utf_8(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("naïve\n".encode() + b"\nna\xefve")
    with pytest.raises(ValueError, match=r"a\.txt in UTF-8, got the byte 0xef in its line 3\."):
        read_text(tmp_path, "a.txt", WHERE)
