"""Signals that ask a training to save and stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

ASKING = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def held_back() -> Iterator[None]:
    """Processes that are started inside get no signal that asks for a stop until they have a `StopRequest`."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows has no signals to hold back
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_through() -> None:
    """What was held back comes now."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)


class StopRequest:
    """Remembers the stop signal: SIGTERM, a scheduler's notice, or Ctrl-C. A second Ctrl-C stops at once.

    Args:
        noted: signals that came before, from whoever listened then.

    >>> from jaxrnn.train import StopRequest
    >>> import signal
    >>> before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    >>> stop = StopRequest()
    >>> signal.raise_signal(signal.SIGTERM)
    >>> stop.requested, stop.exit_code
    (True, 0)
    >>> for number, handler in zip((signal.SIGTERM, signal.SIGINT), before):
    ...     _ = signal.signal(number, handler)
    """

    def __init__(self, noted: Sequence[int] = ()) -> None:
        self.signal: int | None = None
        for number in ASKING:
            signal.signal(number, self._note)
        let_through()
        for before in noted:
            self._note(before)

    @property
    def requested(self) -> bool:
        """Whether a stop signal has come."""
        return self.signal is not None

    @property
    def asked(self) -> int:
        """The signal that has come; 0 where none has."""
        return (self.signal or signal.SIGTERM) if self.requested else 0

    @property
    def exit_code(self) -> int:
        """0 after SIGTERM: all is saved, as it was asked. 130 after Ctrl-C, so that a shell script stops too."""
        return 128 + signal.SIGINT if self.signal == signal.SIGINT else 0

    def _note(self, number: int, frame: FrameType | None = None) -> None:
        self.signal = number
        signal.signal(signal.SIGINT, signal.default_int_handler)
