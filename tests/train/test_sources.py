"""Files of a data set in folders and archives, and what is said when they are not there or damaged; vocabularies."""

from __future__ import annotations

import gzip
import io
import lzma
import re
import tarfile
import zipfile

import numpy as np
import pytest

from jaxrnn.train import END, UNKNOWN, Vocabulary, read_arrays, read_source

TEXT = np.random.default_rng(0).bytes(3000)  # nothing that could be compressed away
WHERE = "Get it at example.org."


def as_tar(path, mode, name="set/deep/a.txt"):
    with tarfile.open(path, mode) as tar:
        for member, content in (("set/other.txt", b"no"), (name, TEXT)):
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def as_zip(path, name="set/deep/a.txt"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("set/other.txt", b"no")
        archive.writestr(name, TEXT)


def as_folder(path, content=TEXT, name="a.txt"):
    (path / "deep").mkdir(parents=True)
    (path / "deep" / name).write_bytes(content)


KINDS = {
    "folder": as_folder,
    "folder.gz": lambda path: as_folder(path, gzip.compress(TEXT), "a.txt.gz"),
    "folder.xz": lambda path: as_folder(path, lzma.compress(TEXT), "a.txt.xz"),
    "set.zip": as_zip,
    "set.tar": lambda path: as_tar(path, "w"),
    "set.tar.gz": lambda path: as_tar(path, "w:gz"),
    "set.tar.xz": lambda path: as_tar(path, "w:xz"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_content(tmp_path, kind):
    KINDS[kind](tmp_path / kind)
    assert read_source(tmp_path / kind, "a.txt", WHERE) == TEXT
    with pytest.raises(ValueError, match=r"with the file b\.txt, got .*has no b\.txt\. Get it at"):
        read_source(tmp_path / kind, "b.txt", WHERE)


def test_nothing_there(tmp_path):
    with pytest.raises(ValueError, match=r"'.*gone', which does not exist\. Get it at example\.org\."):
        read_source(tmp_path / "gone", "a.txt", WHERE)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("folder", "set.tar")])
def test_damage_is_one_error(tmp_path, kind):
    path = tmp_path / kind
    KINDS[kind](path)
    file = next(path.rglob("a.txt.*")) if path.is_dir() else path
    content = file.read_bytes()
    for damaged in (content[: len(content) // 2], content[:2000] + b"junk" + content[2004:], b"", b"junk" * 100):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"`data\.path` must be"):
            read_source(path, "a.txt", WHERE)


def test_the_file_itself(tmp_path):
    (tmp_path / "a.txt").write_bytes(TEXT)
    assert read_source(tmp_path / "a.txt", "a.txt", WHERE) == TEXT
    for packed, content in (("b.txt.gz", gzip.compress(TEXT)), ("c.txt.xz", lzma.compress(TEXT))):
        (tmp_path / packed).write_bytes(content)
        assert read_source(tmp_path / packed, packed[:5], WHERE) == TEXT
        assert read_source(tmp_path / packed, packed, WHERE) == content


def test_arrays_of_a_file(tmp_path):
    arrays = {"x": np.arange(6.0).reshape(2, 3), "names": np.array(["a", "bc"])}
    np.savez(tmp_path / "a.npz", **arrays, other=np.zeros(2))
    for path in (tmp_path, tmp_path / "a.npz"):
        found = read_arrays(path, "a.npz", ("names", "x"), WHERE)
        assert list(found) == ["names", "x"]
        for name, array in found.items():
            np.testing.assert_array_equal(array, arrays[name])
    with pytest.raises(
        ValueError, match=r"`data\.path` must be a\.npz with all its arrays, got one without y, z\. Get"
    ):
        read_arrays(tmp_path, "a.npz", ("x", "y", "z"), WHERE)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_any_byte_may_be_wrong(tmp_path, save):
    """Arrays are read as they were written, or there is one error: no other kind of it, whatever the byte is."""
    array, draw, refused = np.arange(24.0), np.random.default_rng(0), 0
    save(tmp_path / "a.npz", x=array)
    content = (tmp_path / "a.npz").read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= int(draw.integers(1, 256))
        (tmp_path / "a.npz").write_bytes(damaged)
        try:
            read_arrays(tmp_path, "a.npz", ("x",), WHERE)
        except ValueError:
            refused += 1
    assert refused > len(content) / 2


WORDS = [["b", "a", "b", "c", "b", "a"], [], ["d", "c"]]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "b a c d"),
        ({"special": (UNKNOWN, END)}, "<unk> </s> b a c d"),
        ({"at_least": 2}, "b a c"),
        ({"special": (UNKNOWN, "c"), "most": 3}, "<unk> c b"),
    ],
)
def test_vocabulary(arguments, expected):
    vocabulary = Vocabulary.of(WORDS, **arguments)
    assert " ".join(vocabulary.tokens) == expected
    assert len(vocabulary) == len(expected.split())
    assert vocabulary.decode(vocabulary.encode(vocabulary.tokens)) == list(vocabulary.tokens)
    assert ("b" in vocabulary, "x" in vocabulary) == (True, False)


def test_unknown_tokens():
    assert Vocabulary(("a", UNKNOWN)).encode(["b", "a"]).tolist() == [1, 0]
    message = "`tokens` must be one of the 2 tokens of the vocabulary, got 'house'. Did you mean 'mouse'?"
    with pytest.raises(ValueError, match=re.escape(message)):
        Vocabulary(("mouse", "cat")).encode(["house"])
