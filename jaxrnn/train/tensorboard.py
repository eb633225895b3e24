"""TensorBoard's event files beside metrics.jsonl, by tensorboardX: `pip install "jaxrnn[log]"`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FOLDER = "tensorboard"  # in a run's


class TensorBoard:
    """A callback of `run` that writes each figure as a scalar.

    Args:
        folder: For the event files; `tensorboard --logdir` reads them there.

    Raises:
        ModuleNotFoundError: If tensorboardX is not installed.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> record = TensorBoard(folder)  # train_task(..., callbacks=[record])
    >>> record({"step": 20, "loss": 1.5, "validation_loss": 1.75})
    >>> [file.name.split(".")[0] for file in folder.iterdir()]
    ['events']
    """

    def __init__(self, folder: Path | str) -> None:
        from tensorboardX import SummaryWriter

        self._open, self._folder = SummaryWriter, Path(folder)
        self._writer: Any = None  # from the first line on: it says from where earlier files no longer count

    def __call__(self, line: dict[str, Any]) -> None:
        """Write a line of metrics.jsonl; of a resumed run, what came after its checkpoint no longer counts."""
        if self._writer is None:
            # A file is named by the second: one that is begun within the same would take the place of the other.
            begins = {"purge_step": line["step"], "filename_suffix": f".{line['step']}"}
            self._writer = self._open(str(self._folder), **begins, flush_secs=10)
        for name, value in line.items():
            if name != "step" and value is not None:
                part, _, rest = name.partition("_")
                tag = f"validation/{rest}" if part == "validation" else f"training/{name}"
                self._writer.add_scalar(tag, value, line["step"])
        self._writer.flush()
