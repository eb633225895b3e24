"""How far a run is, and which of its validations is the best: by the loss, or by a figure that its task chooses by."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from jaxrnn.base.errors import fail
from jaxrnn.train.config import Experiment
from jaxrnn.train.machine import Machine
from jaxrnn.train.protocols import Chooser

LOSS = "loss"


@dataclass
class Progress:
    """What the host knows at a step; the arrays are in TrainState."""

    data: Any  # position of the next batch
    best_loss: float | None = None  # of the best validation
    best_step: int | None = None
    waited: int = 0  # validations since the best
    window: list[dict[str, float]] = field(default_factory=list)  # figures of the steps since the last line
    seconds: float = 0.0  # of training, over all lives of the run
    cpu_seconds: float = 0.0  # of all cores
    finished: str | None = None  # why the run ended
    machine: Machine | None = None  # where the last steps were computed; version 0.1.0 did not say
    best_figure: float | None = None  # what the best validation was chosen by, where that is not the loss

    def judge(self, step: int, figures: dict[str, float], by: str) -> bool:
        """Note the figures of a validation; whether it is the best so far: of equals, the one of the lower loss.

        Raises:
            ValueError: If what it is chosen by is none of them.
        """
        if by not in figures:
            fail("task.chosen_by", f"one of the figures {', '.join(figures)}", by)
        loss, figure = figures[LOSS], None if by == LOSS else figures[by]
        improved = math.isfinite(loss) and (figure is None or math.isfinite(figure))
        if improved and self.best_loss is not None:
            higher = (figure or 0.0, -loss)
            improved = higher > (self.best_figure or 0.0, -self.best_loss)
        if improved:
            self.best_loss, self.best_figure, self.best_step, self.waited = loss, figure, step, 0
        else:
            self.waited += 1
        return improved


def chosen_by(experiment: Experiment) -> str:
    """The name of the figure that the best validation has the highest of; "loss": it has the lowest."""
    task = experiment.task
    return task.chosen_by if experiment.loop.best == "task" and isinstance(task, Chooser) else LOSS


def told_best(progress: Progress, by: str) -> str:
    """The best validation so far, for a line; nothing where there is none."""
    found = progress.best_loss if by == LOSS else progress.best_figure
    return "" if found is None else f"validation {by} {found:.4f}"
