"""Which format a file is in: its first bytes tell, or, where they tell nothing, its suffix."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxrnn.base.errors import fail, nearest
from jaxrnn.interop.files import hdf5, npz, onnx_file, orbax, safetensors, tensorflow_file, torch_file, torchscript
from jaxrnn.interop.source import Source

Reader = Callable[[Path], contextlib.AbstractContextManager[Source]]

# Name -> a reader of a path that holds the file open inside `with`.
READERS: dict[str, Reader] = {
    "safetensors": safetensors.reader,
    "npz": npz.reader,
    "hdf5": hdf5.reader,
    "keras": hdf5.keras_reader,
    "torch": torch_file.reader,
    "torchscript": torchscript.reader,
    "onnx": onnx_file.reader,
    "orbax": orbax.reader,
    "tensorflow": tensorflow_file.reader,
}
SUFFIXES = {
    ".safetensors": "safetensors",
    ".npz": "npz",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".keras": "keras",
    ".pt": "torch",
    ".pth": "torch",
    ".ckpt": "torch",
    ".onnx": "onnx",
}
HDF5, ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the number that torch wrote first, before its archives


def check_format(name: Any) -> None:
    """None, or a name out of `READERS`."""
    if name is not None and not isinstance(name, str):
        fail("format", f"None, or one of {tuple(READERS)}", name, kind=TypeError)
    if name is not None and name not in READERS:
        fail("format", f"None, or one of {tuple(READERS)}", name, nearest(name, READERS))


def check_there(path: Path, argument: str) -> None:
    """See to it that there is a file at a path."""
    if not path.is_file():
        fail(argument, "a file that is there", str(path), kind=FileNotFoundError)


def reader_of(path: Path, name: str | None, argument: str = "source") -> Reader:
    """What reads a file or a folder, of a format that is given or found."""
    if not path.exists() and tensorflow_file.stem_of(path) is not None:
        return READERS["tensorflow"]  # whose files' names only begin so
    if path.is_dir():
        return READERS[name or "orbax"]
    check_there(path, argument)
    found = name or _by_content(path) or _by_name(path)
    if found is not None:
        return READERS[found]
    hint = f"Known are {', '.join(SUFFIXES)}, checkpoints of TensorFlow, and the folders of Orbax; or pass `format`."
    fail(argument, "a file whose first bytes or suffix tell its format", str(path), hint)


def _by_name(path: Path) -> str | None:
    if tensorflow_file.stem_of(path) is not None and not path.name.endswith(tuple(SUFFIXES)):
        return "tensorflow"
    return next((name for suffix, name in SUFFIXES.items() if path.name.endswith(suffix)), None)


def _by_content(path: Path) -> str | None:
    """The format that a file begins like; archives tell by what is in them."""
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(HDF5):
        return "hdf5"
    if head.startswith(TORCH):
        return "torch"
    if head.startswith(ZIP):
        return _of_archive(path)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= path.stat().st_size:
        return "safetensors"
    return None


def _of_archive(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None
    if "model.weights.h5" in names:
        return "keras"
    if any(name.endswith("/constants.pkl") for name in names):
        return "torchscript"
    if any(name.endswith("/data.pkl") for name in names):
        return "torch"
    return "npz" if names and all(name.endswith(".npy") for name in names) else None
