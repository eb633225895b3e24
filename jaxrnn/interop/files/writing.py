"""Writing named arrays to a file, in the format of its suffix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.files import write_bytes
from jaxrnn.interop.files import hdf5_write, npz, safetensors, torch_file

# Suffix -> what makes a file's bytes of flat named arrays.
WRITERS: dict[str, Callable[[Mapping[str, Any]], bytes]] = {
    ".safetensors": safetensors.content,
    ".npz": npz.content,
    ".weights.h5": hdf5_write.content,
    ".h5": hdf5_write.content,
    ".pt": torch_file.content,
    ".pth": torch_file.content,
}
WITHOUT_BFLOAT16 = (".npz",)  # NumPy writes it as opaque bytes


def check_target(path: Path, given: Any) -> None:
    """A suffix that has a writer; the error shows what was given for the path."""
    if _suffix(path) is None:
        known = ", ".join(WRITERS)
        fail("target", f"a path that ends in one of {known}", given, "Models of ONNX end in .onnx.")


def _suffix(path: Path) -> str | None:
    return next((s for s in WRITERS if path.name.endswith(s)), None)


def write(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write named arrays; the file appears whole or not at all."""
    check_target(path, str(path))
    suffix = _suffix(path) or ""
    for name, array in arrays.items():
        if suffix in WITHOUT_BFLOAT16 and array.dtype.isbuiltin != 1:
            hint = "Cast to float32, or write .safetensors, .pt or .weights.h5."
            fail(name, f"of a dtype that {suffix} can hold", Said(str(array.dtype)), hint, kind=TypeError)
    write_bytes(path, WRITERS[suffix](arrays))
