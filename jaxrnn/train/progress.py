"""What a person sees while training: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from jaxrnn.train.machine import memory_in_use


def clock(seconds: int) -> str:
    """Minutes and seconds; with hours, where there are some."""
    minutes, seconds = divmod(seconds, 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours}:{rest:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Display:
    """Progress of a run, as a context manager.

    Args:
        steps: All steps of the run.
        step: Steps done before (a resumed run).
        unit: What the speed counts, for example "characters".
        console: Where to write.
    """

    def __init__(self, steps: int, step: int, unit: str, console: Console) -> None:
        self._steps, self._unit, self._console = steps, unit, console
        self._first, self._start, self._units, self._figures = step, time.monotonic(), 0, ""
        self._bar = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[figures]}"),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=steps, completed=step, figures="compiling")

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, units: int) -> None:
        """One more step, of so many units, is done."""
        self._units += units
        self._bar.update(self._task, advance=1, figures=self._text())

    def figures(self, step: int, loss: float | None, best: str) -> None:
        """Show a new loss and the best validation, as text; where there is no terminal, as a line."""
        self._figures = f"loss {'-' if loss is None else format(loss, '.4f')}  "
        if best:
            self._figures += f"best {best}  "
        if not self._console.is_terminal:
            left = round(self._seconds() / max(step - self._first, 1) * (self._steps - step))
            self.line(f"step {step}/{self._steps}  {self._text()}  left {clock(left)}")

    def _seconds(self) -> float:
        return max(time.monotonic() - self._start, 1e-9)

    def _text(self) -> str:
        rate = f"{self._units / self._seconds():,.0f} {self._unit}/s"
        return f"{self._figures}{rate}  {memory_in_use() / 2**30:.1f} GiB"

    def line(self, text: str) -> None:
        """Print a line (above the bar, where there is one)."""
        self._console.print(text)
