"""A wrong call's error: our own, in our form. The frame that raises belongs to jaxrnn, not to JAX, NumPy or Flax."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest


def assert_refused(named: str, call: Callable[[], Any]) -> None:
    """`named` is the argument, or, with "argument" in it, how the message starts."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert "/jaxrnn/" in frame.filename, f"raised by {frame.filename}: {caught.value}"
    message = str(caught.value)
    if " argument " in named:
        assert message.startswith(named)
    else:
        assert message.startswith(f"`{named}` must be "), message
        assert ", got " in message
