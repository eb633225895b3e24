"""Writing named arrays to a file, in the format of its suffix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxrnn.errors import Said, fail
from jaxrnn.interop.files import hdf5_write, npz, safetensors


def _torch(path: Path, arrays: Mapping[str, Any]) -> None:
    import torch

    torch.save({name: torch.tensor(a) for name, a in arrays.items()}, path)


# Suffix -> a writer of flat named arrays.
WRITERS: dict[str, Callable[[Path, Mapping[str, Any]], None]] = {
    ".safetensors": safetensors.write,
    ".npz": npz.write,
    ".weights.h5": hdf5_write.write,
    ".h5": hdf5_write.write,
    ".pt": _torch,
    ".pth": _torch,
}


def writer_of(path: Path) -> Callable[[Path, Mapping[str, Any]], None]:
    """The writer for a file's suffix."""
    suffix = next((s for s in WRITERS if path.name.endswith(s)), None)
    if suffix is None:
        fail("target", f"a path that ends in one of {', '.join((*WRITERS, '.onnx'))}", Said(str(path)))
    return WRITERS[suffix]


def write(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write named arrays; the file appears whole or not at all."""
    writer = writer_of(path)
    part = path.with_name(f".part.{path.name}")
    try:
        writer(part, arrays)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
