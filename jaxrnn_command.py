"""Where the command `jaxrnn` begins: what must be there before the imports that take seconds.

SIGTERM (a scheduler's notice) and Ctrl-C are a polite request to save and stop; a second Ctrl-C stops at once. Python
alone is needed here: whatever else is imported first is time in which a signal ends the process.
"""

from __future__ import annotations

import signal
import sys
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


def main() -> int:
    """The command; its exit code. A training answers signals from here on."""
    try:
        stop = StopRequest() if sys.argv[1:2] == ["train"] else None
        from jaxrnn.cli import main

        return main(stop=stop)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    import jaxrnn_command  # under its own name too, so that there is one class of stop requests

    sys.exit(jaxrnn_command.main())
