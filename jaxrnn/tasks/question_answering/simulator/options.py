"""Which questions are asked: the options of the task's data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxrnn.tasks.question_answering.simulator.sets import KINDS
from jaxrnn.tasks.question_answering.simulator.simulator import EACH
from jaxrnn.train.options import check, check_set


@dataclass(frozen=True)
class DataOptions:
    """The questions.

    Args:
        set: simulated, told by the package; babi, the 40 files of one language and size; reasoning, three tables.
        path: Of the latter two: a folder or archive with their files.
        tasks: Numbers of the kinds to train on and to be tested on (empty: all of the set).
        questions: Of the simulated: how many of each kind to train on, a multiple of 20.
        story_seed: Of the simulated: another number, other stories.
        rows: B, the questions of a batch.
        seed: Of their order.
    """

    set: Literal["simulated", "babi", "reasoning"] = "simulated"
    path: str = ""
    tasks: tuple[int, ...] = ()
    questions: int = 1000
    story_seed: int = 0
    rows: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        check_set(self.set, self.path, ships=("simulated",), full=("babi", "reasoning"))
        known = len({*self.tasks}) == len(self.tasks) and {*self.tasks} <= {*range(1, len(self.names) + 1)}
        check(known, "data.tasks", f"different numbers from 1 to {len(self.names)}", self.tasks)
        told = self.questions >= EACH and self.questions % EACH == 0
        check(told, "data.questions", f"a multiple of {EACH}, {EACH} or more", self.questions)
        check(0 <= self.story_seed < 2**32, "data.story_seed", "an integer in [0, 2**32)", self.story_seed)
        check(self.rows >= 1, "data.rows", "1 or more", self.rows)
        check(0 <= self.seed < 2**32, "data.seed", "an integer in [0, 2**32)", self.seed)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all kinds in the set, number 1 first."""
        return KINDS[self.set]

    @property
    def chosen(self) -> tuple[int, ...]:
        """Numbers of the kinds that are read."""
        return self.tasks or tuple(range(1, len(self.names) + 1))
