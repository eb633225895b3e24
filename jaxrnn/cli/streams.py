"""Streams that are closed or full, and machines that lack something: a line for each."""

from __future__ import annotations

import os
import sys


def open_streams(command: str) -> None:
    """Streams that can be written to, whatever a terminal can show; without one nothing is computed for nobody."""
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stdout is None:
        if command not in ("train", "write", "draw", "convert", "bench", "export"):  # these leave files
            raise ValueError(f"`jaxrnn {command}` has nowhere to write: the standard output is closed")
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def mute() -> None:
    """Nothing more reaches the standard output, so that Python does not fail to flush it at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def of_the_machine(error: RuntimeError | MemoryError) -> str:
    """What to say of a device that is not there, and of memory that does not suffice; other errors go on."""
    first = str(error).partition("\n")[0]
    if "Unable to initialize backend" in first:
        known = os.environ.get("JAX_PLATFORMS", "")
        return f"{first.partition(' (set ')[0]}; JAX_PLATFORMS is {known!r}: unset it, or name a device that is here"
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in first:
        return f"this needs more memory than there is ({first or 'MemoryError'})"
    raise error
