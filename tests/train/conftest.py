"""Fixtures of the training tests."""

from __future__ import annotations

import io
import signal

import jax
import pytest
from rich.console import Console

from jaxrnn.train import StopRequest


@pytest.fixture(autouse=True)
def as_users_train():
    """Float32 and JAX's own rules of promotion: Optax, half of a training step, is not written for stricter."""
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture
def stop():
    """A stop request; the signal handlers of before come back afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield StopRequest()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def console():
    """A console that is no terminal; its text is `console.file.getvalue()`."""
    return Console(file=io.StringIO(), markup=False, highlight=False, soft_wrap=True)
