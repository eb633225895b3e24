"""Question answering: twenty kinds of question, answered by recurrent networks that were told a story.

The kinds are those of the bAbI tasks (Weston et al. 2015, arXiv:1502.05698). The stories are told by a simulator
(`jaxrnn.tasks.question_answering.simulator`), or read from bAbI's files or others (`data.set`).

Two readers (`readers`): `lstm`, the baseline of Weston et al., reads story
and question word by word; `attentive`, a query-reduction network (Seo et al. 2017, arXiv:1606.04582), reads sentence by
sentence, the question in mind, and several times. Either is one model for all kinds. Stories are read whole, whatever
their length. An answer is a class; a list such as "football,apple" is one class. In simulated stories, people are read
by number (`jaxrnn.tasks.question_answering.simulator.names`): nobody of the test stories is in those for training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrnn.tasks.question_answering.answering import BEST as BEST
from jaxrnn.tasks.question_answering.answering import Answering
from jaxrnn.tasks.question_answering.encoding import NO_WORD as NO_WORD
from jaxrnn.tasks.question_answering.options import ModelOptions as ModelOptions
from jaxrnn.tasks.question_answering.pictures import FILES, PUBLISHED, accuracy_figure, attention_figure, table
from jaxrnn.tasks.question_answering.readers import AttentiveReader
from jaxrnn.tasks.question_answering.simulator import sets
from jaxrnn.tasks.question_answering.simulator.options import DataOptions as DataOptions
from jaxrnn.tasks.question_answering.stories import Question, Questions
from jaxrnn.tasks.shared.figures import share
from jaxrnn.train import EMPTY, in_order
from jaxrnn.train.group_arrays import fetched
from jaxrnn.train.plots import save_figure
from jaxrnn.train.run_files import digest
from jaxrnn.train.task import Batch, Carry, Params


@dataclass(frozen=True)
class Babi(Answering):
    """The task: the answer's class, cross entropy in nats a question; accuracies in per cent, their mean over tasks."""

    unit = "questions"
    headline = "test accuracy"
    splits = ("validation", "test")

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters of the reader."""
        return self.reader.init(key)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

    def loss(
        self, params: Params, carry: Carry, batch: Questions, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """Mean cross entropy of a batch in nats a question; and its accuracy."""
        logits = self.reader.logits(params, batch.text, rng)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.answer)
        valid = batch.task != EMPTY
        right = (logits.argmax(-1).astype(batch.answer.dtype) == batch.answer).astype(losses.dtype)
        accuracy = 100 * jnp.mean(right, where=valid)
        judged = jnp.where(valid[:, None], logits, 0)
        return jnp.mean(losses, where=valid), (carry, {"accuracy": share(accuracy[None], judged)})

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Mean loss; accuracy of each kind, "qa1" and so on, and their mean, in per cent."""
        lengths, collate = self._collate(split)
        loss, right, count = 0.0, np.zeros(21), np.zeros(21)
        for batch in map(collate, in_order(lengths, self.data.rows)):
            logs = fetched(self._log_probabilities(params, place(batch.text)))
            valid = batch.task != EMPTY
            loss -= logs[valid, batch.answer[valid]].sum(dtype=float)
            guessed = np.where(np.isnan(logs).any(-1), np.nan, logs.argmax(-1) == batch.answer)
            np.add.at(right, batch.task[valid], guessed[valid])
            np.add.at(count, batch.task[valid], 1)
        by_task = {f"qa{task}": float(100 * right[task] / count[task]) for task in self.data.chosen}
        return {"loss": float(loss / count.sum()), "accuracy": sum(by_task.values()) / len(by_task)} | by_task

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """The test accuracies beside others', also as accuracy.png; a look at a story, attention.png."""
        figures, others = self.evaluate(params, jax.device_put, "test"), self.others
        save_figure(accuracy_figure(figures, self.data.names, others), folder / "accuracy.png")
        if isinstance(self.reader, AttentiveReader):
            example = max(self.questions["test"], key=lambda q: (len(q.story) <= 10, len(q.story), -q.task))
            story, question = [" ".join(words) for words in example.story], " ".join(example.question)
            weights, answers = self.attention(params, story, question), self.answer(params, story, question)
            save_figure(
                attention_figure(weights, self.reader.passes, story, f"{question}? {next(iter(answers))}"),
                folder / "attention.png",
            )
        return table(figures, self.data.names, others)

    @property
    def _published(self) -> bool:
        """Whether the questions are those that others report on."""
        if self.data.set != "babi":
            return False
        read: dict[int, dict[str, list[Question]]] = {
            kind: {split: [] for split in self.questions} for kind in self.data.chosen
        }
        for split, questions in self.questions.items():
            for question in questions:
                read[question.task][split].append(question)
        return all(digest(found)[:8] == FILES[kind - 1] for kind, found in read.items())

    @property
    def others(self) -> dict[str, dict[int, float]]:
        """Accuracies to compare with, by kind: what others published, or that of the commonest answer."""
        if self._published:
            return {name: dict(enumerate(values, start=1)) for name, values in PUBLISHED.items()}
        read = {split: [*map(self._as_read, questions)] for split, questions in self.questions.items()}
        return {"commonest answer": {kind: sets.commonest(read, kind) for kind in self.data.chosen}}
