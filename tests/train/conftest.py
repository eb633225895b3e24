"""Fixtures of the training tests."""

from __future__ import annotations

import io
import signal

import pytest
from rich.console import Console

from jaxrnn.train import StopRequest


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
