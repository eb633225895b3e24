"""The Pallas backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jaxrnn.base.platform import INTERPRETED, made_for


@contextmanager
def interpreted() -> Iterator[None]:
    """Inside, kernels for TPUs run in JAX's interpreter on this machine's CPU, slowly: to test them without a TPU."""
    with made_for(INTERPRETED):
        yield
