"""Questions as a reader sees them: the words and answers it knows, people by number, batches of similar length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.question_answering.options import ModelOptions
from jaxrnn.tasks.question_answering.own_stories import check_known, own_questions
from jaxrnn.tasks.question_answering.readers import AttentiveReader, LSTMReader
from jaxrnn.tasks.question_answering.simulator import names, sets
from jaxrnn.tasks.question_answering.simulator.options import DataOptions
from jaxrnn.tasks.question_answering.stories import Question, Questions, passages, sentences
from jaxrnn.tasks.shared.own_splits import OWN
from jaxrnn.train import EMPTY, ByLength, Vocabulary
from jaxrnn.train.task import Batch, recalled

NO_WORD = ""  # number 0, which fills sentences up


@dataclass(frozen=True)
class Encoding:
    """What a task of questions reads, and how its reader gets it."""

    model: ModelOptions  # what it is made of
    data: DataOptions  # what it learns from, in which batches
    learned: str = ""  # what a run keeps of its data, as `DataTask.learn` gives it; "": they are read

    @cached_property
    def questions(self) -> dict[str, list[Question]]:
        """The questions of each split, task by task."""
        data = self.data
        found: dict[str, list[Question]] = {"train": [], "validation": [], "test": []}
        if data.set == OWN:
            read = own_questions(data, data.path)
            if self.learned:
                people = [name.capitalize() for name in names.EVERYONE] if self._numbered else []
                check_known(data.path, self._unknown, {*self.answers.tokens, *people, *map(str.lower, people)})
        else:
            read = _read(data.set, data.path, data.chosen, data.questions, data.story_seed)
        for task, parts in read.items():
            for split, questions in parts.items():
                if not questions:
                    fail(
                        "data.path",
                        "files with stories enough for every split",
                        Said(f"qa{task}, whose {split} is empty"),
                    )
                found[split] += questions
        return found

    def _numbers(self, question: Question) -> dict[str, str]:
        """People of simulated stories and the words that the reader sees for them."""
        return names.numbered((*question.story, question.question)) if self._numbered else {}

    @cached_property
    def _numbered(self) -> bool:
        """Whether people are read by number: in simulated stories, and by a model that learned from such."""
        known = recalled(self.learned, "vocabulary") or ()
        return self.data.set == "simulated" or any(map(names.NUMBER.fullmatch, known))

    def _as_read(self, question: Question) -> Question:
        """A question as the reader sees it."""
        if not (numbers := self._numbers(question)):
            return question
        *story, asked = names.put(numbers, (*question.story, question.question))
        return Question(question.task, (*story,), asked, numbers.get(question.answer.lower(), question.answer))

    def _all_as_read(self) -> Iterator[Question]:
        """The questions of all parts."""
        return (self._as_read(question) for split in self.questions.values() for question in split)

    def contents(self, split: str) -> Any:
        """The questions of a part."""
        return self.questions["train" if split == "training" else split]

    def learn(self) -> dict[str, Any]:
        """The vocabulary and the answers."""
        return {"vocabulary": self.vocabulary.tokens, "answers": self.answers.tokens}

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The words of all stories and questions: number 0 is no word."""
        known = recalled(self.learned, "vocabulary")
        if known is not None:
            return Vocabulary(tuple(known))
        every = (words for q in self._all_as_read() for words in (*q.story, q.question))
        return Vocabulary.of(every, special=(NO_WORD,))

    @cached_property
    def answers(self) -> Vocabulary:
        """The classes: every answer of the data, held out or not (one list of qa8 occurs in the test alone)."""
        known = recalled(self.learned, "answers")
        if known is not None:
            return Vocabulary(tuple(known))
        return Vocabulary.of([question.answer] for question in self._all_as_read())

    @cached_property
    def reader(self) -> LSTMReader | AttentiveReader:
        """The network."""
        words, answers, model = len(self.vocabulary), len(self.answers), self.model
        if model.reader == "lstm":
            return LSTMReader(words, answers, model.hidden, model.dropout)
        return AttentiveReader(words, answers, model.hidden, model.hops, model.dropout)

    def _unknown(self, words: Iterable[str]) -> str:
        """The first of some words that the model cannot read."""
        known = names.KNOWN if self._numbered else frozenset()
        return next((word for word in words if word not in self.vocabulary and word not in known), "")

    def _encode(self, questions: Sequence[Question]) -> tuple[np.ndarray, Callable[[np.ndarray], Batch]]:
        """Lengths of the questions' stories, and the text of the batch with given indices, as the reader wants it."""
        number = cache(self.vocabulary.number)
        if self.model.reader == "lstm":
            texts = [np.array([number(w) for s in (*q.story, q.question) for w in s], np.int32) for q in questions]
            return np.array([len(text) for text in texts]), partial(passages, texts)
        width = max(len(words) for q in questions for words in (*q.story, q.question))

        @cache  # most sentences occur many times
        def encode(words: tuple[str, ...]) -> np.ndarray:
            return np.array([*map(number, words), *[0] * (width - len(words))], np.int32)

        stories = [np.array([encode(words) for words in q.story], np.int32).reshape(-1, width) for q in questions]
        asked = [encode(q.question) for q in questions]
        return np.array([len(story) for story in stories]), partial(sentences, stories, asked)

    def _collate(self, split: str) -> tuple[np.ndarray, Callable[[np.ndarray], Questions]]:
        """Lengths of a split's stories, and the batch with given indices."""
        questions = [self._as_read(question) for question in self.questions[split]]
        lengths, text = self._encode(questions)
        # One more of each, at the index EMPTY = -1.
        answer = np.array([*(self.answers.number(q.answer) for q in questions), 0], np.int32)
        task = np.array([*(q.task for q in questions), EMPTY], np.int32)
        return lengths, lambda rows: Questions(text(rows), answer[rows], task[rows])

    def batches(self) -> ByLength:
        """The training questions, those of similar length together."""
        lengths, collate = self._collate("train")
        return ByLength(lengths, self.data.rows, self.data.seed, collate)

    def count(self, batch: Questions) -> int:
        """Questions in a batch."""
        return int((batch.task != EMPTY).sum())


_read = cache(sets.read)  # once a process
