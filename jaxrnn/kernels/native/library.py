"""The compiled library: found beside this file, or the reason why it is not."""

from __future__ import annotations

import ctypes
import os
import re
from functools import lru_cache
from pathlib import Path

import jax
import jaxlib

from jaxrnn.kernels.native.build import LIBRARY, NOTE

TARGET = "jaxrnn_run"
RECURRENCE = "jaxrnn_recurrence"


@lru_cache(maxsize=1)
def missing() -> str | None:
    """Why there is no library; None where it is loaded and registered with XLA."""
    if not LIBRARY.exists():
        return (
            NOTE.read_text().strip() if NOTE.exists() else "not compiled; `python -m jaxrnn.kernels.native.build` does"
        )
    try:
        library = ctypes.CDLL(str(LIBRARY))
        if library.jaxrnn_interface() > _interface():  # XLA would refuse it, and with it every CPU program
            again = "`python -m jaxrnn.kernels.native.build` compiles it again"
            return f"was compiled for a newer jaxlib than the {jaxlib.__version__} that is installed; {again}"
        jax.ffi.register_ffi_target(TARGET, jax.ffi.pycapsule(library.jaxrnn_run), platform="cpu")
        jax.ffi.register_ffi_target(RECURRENCE, jax.ffi.pycapsule(library.jaxrnn_recurrence), platform="cpu")
    except (OSError, AttributeError, RuntimeError) as error:
        return f"{LIBRARY.name} does not load: {error}"
    library.jaxrnn_operations.restype = ctypes.c_char_p
    names = library.jaxrnn_operations().decode().split()
    OPERATIONS.update({name: i for i, name in enumerate(names)})
    return None


def _interface() -> int:
    """The version of XLA's interface to libraries, as the installed headers have it."""
    header = Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api" / "c_api.h"
    major, minor = (re.search(rf"#define XLA_FFI_API_{n} (\d+)", header.read_text()) for n in ("MAJOR", "MINOR"))
    return 1000 * int(major[1]) + int(minor[1]) if major and minor else 0


OPERATIONS: dict[str, int] = {}  # name -> number, as the library has them


@lru_cache(maxsize=1)
def threads() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
