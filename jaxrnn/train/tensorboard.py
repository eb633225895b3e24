"""TensorBoard's event files beside metrics.jsonl, by tensorboardX: `pip install "jaxrnn[log]"`."""

from __future__ import annotations

import time
import weakref
from pathlib import Path
from typing import Any

FOLDER = "tensorboard"  # in a run's


class TensorBoard:
    """A callback of `run` that writes each figure as a scalar.

    Args:
        folder: For the event files; `tensorboard --logdir` reads them there.

    Raises:
        ModuleNotFoundError: If tensorboardX is not installed.

    >>> from pathlib import Path
    >>> from jaxrnn.train import TensorBoard
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> record = TensorBoard(folder)  # train_task(..., callbacks=[record])
    >>> record({"step": 20, "loss": 1.5, "validation_loss": 1.75})
    >>> [file.name.split(".")[0] for file in folder.iterdir()]
    ['events']
    """

    def __init__(self, folder: Path | str) -> None:
        import tensorboardX  # noqa: F401 - at once, if it is not there

        self._folder = Path(folder)
        self._events: Any = None  # from the first line on: it says from where earlier files no longer count

    def __call__(self, line: dict[str, Any]) -> None:
        """Write a line of metrics.jsonl; of a resumed run, what came after its checkpoint no longer counts."""
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.summary import scalar

        step, now = line["step"], time.time()
        if self._events is None:
            self._events = self._begun(step)
            start = SessionLog(status=SessionLog.START)
            self._events.write_event(Event(wall_time=now, step=step, session_log=start))
        for name, value in line.items():
            if name != "step" and value is not None:
                part, _, rest = name.partition("_")
                tag = f"validation/{rest}" if part == "validation" else f"training/{name}"
                self._events.write_event(Event(wall_time=now, step=step, summary=scalar(tag, value)))
        self._events.flush()

    def _begun(self, step: int) -> Any:
        """An event file. A `SummaryWriter` flushes without what its thread has yet to write: a kill loses figures."""
        from tensorboardX.event_file_writer import EventsWriter

        self._folder.mkdir(parents=True, exist_ok=True)
        # A file is named by the second: one that is begun within the same would take the place of the other.
        events = EventsWriter(str(self._folder / "events"), f".{step}")
        weakref.finalize(self, events.close)
        return events
