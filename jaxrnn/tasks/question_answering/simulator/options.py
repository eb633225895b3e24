"""Which questions are asked: the options of the task's data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxrnn.tasks.question_answering.simulator.sets import KINDS
from jaxrnn.tasks.question_answering.simulator.simulator import EACH
from jaxrnn.tasks.shared.own_splits import OwnData
from jaxrnn.train.options import check


@dataclass(frozen=True)
class DataOptions(OwnData):
    """The questions.

    Args:
        set: simulated, told by the package; babi, the 40 files of one language and size; reasoning, three tables; or
            own, your stories, as `data.path` beside simulated is too.
        path: Your own: a file of stories as bAbI has them, or a folder of such; their questions are of one kind. Of
            babi and reasoning: a folder or archive with their files.
        tasks: Numbers of the kinds to train on and to be tested on (empty: all of the set).
        questions: Of the simulated: how many of each kind to train on, a multiple of 20.
        story_seed: Of the simulated: another number, other stories.
        rows: B, the questions of a batch.
        seed: Of their order.
    """

    set: Literal["simulated", "babi", "reasoning", "own"] = "simulated"
    path: str = ""
    tasks: tuple[int, ...] = ()
    questions: int = 1000
    story_seed: int = 0
    rows: int = 64
    seed: int = 0

    ships = ("simulated",)
    full = ("babi", "reasoning")
    counted = ("rows",)

    def __post_init__(self) -> None:
        super().__post_init__()
        known = len({*self.tasks}) == len(self.tasks) and {*self.tasks} <= {*range(1, len(self.names) + 1)}
        check(known, "data.tasks", f"different numbers from 1 to {len(self.names)}", self.tasks)
        told = self.questions >= EACH and self.questions % EACH == 0
        check(told, "data.questions", f"a multiple of {EACH}, {EACH} or more", self.questions)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all kinds in the set, number 1 first."""
        return KINDS[self.set]

    @property
    def chosen(self) -> tuple[int, ...]:
        """Numbers of the kinds that are read."""
        return self.tasks or tuple(range(1, len(self.names) + 1))
