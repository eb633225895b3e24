"""A run's folder belongs to one process at a time: a lock of the operating system's, which dies with its process."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from jaxrnn.base.files import WriteError, write_text

LOCK = "lock"
HOLDER = "lock.json"
HELD = (errno.EWOULDBLOCK, errno.EACCES)


class LockError(OSError):
    """Another process works in a run's folder; the message says which. Nothing was touched."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder; `lock.json` says who does, since when and on which host.

    The lock is the system's on the file `lock`, not the file: it ends with the process, however that ends.

    Raises:
        LockError: Another process holds it.
        WriteError: Nothing can be written there.
    """
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise WriteError(f"could not write {folder / LOCK}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in HELD:
                raise LockError(
                    f"{folder} is in use by {_holder(folder)}: wait for its end, stop it, or choose another folder by "
                    "--run. Nothing was touched"
                ) from None
            warnings.warn(
                f"{folder} cannot be locked ({error.strerror}): see to it that no other process trains there",
                stacklevel=3,
            )
        about = {"process": os.getpid(), "host": socket.gethostname(), "since": datetime.now().astimezone().isoformat()}
        write_text(folder / HOLDER, json.dumps(about) + "\n")
        try:
            yield
        finally:
            (folder / HOLDER).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _holder(folder: Path) -> str:
    """Who holds a folder, as far as it is known: between the lock and the file that tells there is a moment."""
    try:
        about = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        return f"process {about['process']} on {about['host']}, since {about['since'][:19].replace('T', ' ')}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
