"""The compiled library: found beside this file, or the reason why it is not."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from pathlib import Path

import jax

TARGET = "jaxrnn_run"
NAME = "libjaxrnn.so"


@lru_cache(maxsize=1)
def missing() -> str | None:
    """Why there is no library; None where it is loaded and registered with XLA."""
    path = Path(__file__).with_name(NAME)
    if not path.exists():
        note = path.with_name("not_built.txt")
        return note.read_text().strip() if note.exists() else "not compiled: installing jaxrnn with a C++ compiler does"
    try:
        library = ctypes.CDLL(str(path))
        jax.ffi.register_ffi_target(TARGET, jax.ffi.pycapsule(library.jaxrnn_run), platform="cpu")
    except (OSError, AttributeError, RuntimeError) as error:
        return f"{NAME} does not load: {error}"
    library.jaxrnn_operations.restype = ctypes.c_char_p
    names = library.jaxrnn_operations().decode().split()
    OPERATIONS.update({name: i for i, name in enumerate(names)})
    return None


OPERATIONS: dict[str, int] = {}  # name -> number, as the library has them


@lru_cache(maxsize=1)
def threads() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
