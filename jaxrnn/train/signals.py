"""SIGTERM (a scheduler's notice) and Ctrl-C as a polite request to save and stop; a second Ctrl-C stops at once."""

from __future__ import annotations

import signal
from types import FrameType


class StopRequest:
    """Remembers the stop signal. Make it before anything slow, so that none is missed."""

    def __init__(self) -> None:
        self.signal: int | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    @property
    def requested(self) -> bool:
        """Whether a stop signal has come."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """0 after SIGTERM: all is saved, as it was asked. 130 after Ctrl-C, so that a shell script stops too."""
        return 128 + signal.SIGINT if self.signal == signal.SIGINT else 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        signal.signal(signal.SIGINT, signal.default_int_handler)
