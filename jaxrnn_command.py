"""Where the command `jaxrnn` begins: what must be there before the imports that take seconds.

A training answers SIGTERM (a scheduler's notice) and Ctrl-C by saving; signals that come before it listens are noted
here. Python alone is needed for that: whatever else is imported first is time in which a signal ends the process.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

noted: list[int] = []  # signals, in the order in which they came


def note(number: int, frame: FrameType | None) -> None:
    """Remember a signal; a second Ctrl-C stops at once."""
    noted.append(number)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def main() -> int:
    """The command; its exit code."""
    try:
        if sys.argv[1:2] == ["train"]:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, note)
        from jaxrnn.cli import main

        return main(noted=noted)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
