"""For which platform programs are made: that of JAX's default backend, or one that is only described."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import jax

# Whose kernels run on this machine's CPU, in JAX's interpreters.
INTERPRETED = "interpreted TPU"
INTERPRETED_GPU = "interpreted GPU"

_DESCRIBED: ContextVar[str | None] = ContextVar("described platform", default=None)


def platform() -> str:
    """ "cpu", "gpu", "tpu", or one that is interpreted."""
    return _DESCRIBED.get() or jax.default_backend()


def only_on_cpus() -> str | None:
    """Why what runs on CPUs alone does not run; None where programs are made for these."""
    return None if platform() == "cpu" else f"runs on CPUs, and JAX's default backend is {platform()!r}"


@contextmanager
def made_for(described: str) -> Iterator[None]:
    """Inside, programs are made for that platform, whatever this machine has."""
    token = _DESCRIBED.set(described)
    try:
        yield
    finally:
        _DESCRIBED.reset(token)
