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

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.tasks.question_answering.own_stories import asked_in, check_known, own_questions
from jaxrnn.tasks.question_answering.pictures import FILES, PUBLISHED, accuracy_figure, attention_figure, table
from jaxrnn.tasks.question_answering.readers import AttentiveReader, LSTMReader
from jaxrnn.tasks.question_answering.simulator import names, sets
from jaxrnn.tasks.question_answering.simulator.options import DataOptions
from jaxrnn.tasks.question_answering.stories import Question, Questions, passages, sentences, tokenize
from jaxrnn.tasks.shared.figures import share
from jaxrnn.tasks.shared.own_splits import OWN
from jaxrnn.train import EMPTY, ByLength, Vocabulary, in_order
from jaxrnn.train.group_arrays import fetched
from jaxrnn.train.options import check
from jaxrnn.train.plots import save_figure
from jaxrnn.train.run_files import digest
from jaxrnn.train.task import Batch, Carry, Params, recalled

NO_WORD = ""  # number 0, which fills sentences up
BEST = 5  # answers that `answer` gives


@dataclass(frozen=True)
class ModelOptions:
    """The reader.

    Args:
        reader: lstm, which reads words, or attentive, which weighs sentences.
        hidden: Units of its recurrent networks; of the attentive reader's words and sentences, too.
        hops: Of the attentive reader: how often it reads the story.
        dropout: Rate while training: before the readout; of the attentive reader's sentences and between its hops.
    """

    reader: Literal["lstm", "attentive"] = "attentive"
    hidden: int = 64
    hops: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check(self.reader in ("lstm", "attentive"), "model.reader", "'lstm' or 'attentive'", self.reader)
        check(self.hidden >= 1, "model.hidden", "1 or more", self.hidden)
        check(self.hops >= 1, "model.hops", "1 or more", self.hops)
        check(0 <= self.dropout < 1, "model.dropout", "a rate in [0, 1)", self.dropout)


@dataclass(frozen=True)
class Babi:
    """The task: the answer's class, cross entropy in nats a question; accuracies in per cent, their mean over tasks."""

    model: ModelOptions  # what it is made of
    data: DataOptions  # what it learns from, in which batches
    learned: str = ""  # what a run keeps of its data, as `DataTask.learn` gives it; "": they are read
    unit = "questions"
    headline = "test accuracy"
    splits = ("validation", "test")

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
        every = (self._as_read(question) for split in self.questions.values() for question in split)
        return Vocabulary.of((words for q in every for words in (*q.story, q.question)), special=(NO_WORD,))

    @cached_property
    def answers(self) -> Vocabulary:
        """The classes: every answer of the data, held out or not (one list of qa8 occurs in the test alone)."""
        known = recalled(self.learned, "answers")
        if known is not None:
            return Vocabulary(tuple(known))
        every = (self._as_read(question) for split in self.questions.values() for question in split)
        return Vocabulary.of([question.answer] for question in every)

    @cached_property
    def reader(self) -> LSTMReader | AttentiveReader:
        """The network."""
        words, answers, model = len(self.vocabulary), len(self.answers), self.model
        if model.reader == "lstm":
            return LSTMReader(words, answers, model.hidden, model.dropout)
        return AttentiveReader(words, answers, model.hidden, model.hops, model.dropout)

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters of the reader."""
        return self.reader.init(key)

    def initial_carry(self, params: Params) -> Carry:
        """Nothing is handed from batch to batch."""
        return ()

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

    @partial(jax.jit, static_argnums=0)
    def _log_probabilities(self, params: Params, text: Batch) -> jax.Array:
        """Of every class, [B, A]."""
        return jax.nn.log_softmax(self.reader.logits(params, text, None))

    def answer(self, params: Params, story: Sequence[str], question: str) -> dict[str, float]:
        """The likeliest answers to a question about sentences, with their probabilities, the best first.

        Raises:
            ValueError: If the question is empty, or a word is not in the vocabulary.
        """
        return self._likeliest(params, [self._told(story, question)])[0]

    def _likeliest(self, params: Params, asked: Sequence[Question]) -> list[dict[str, float]]:
        """The likeliest answers to each of some questions; stories of similar length are read together."""
        lengths, text = self._encode([*map(self._as_read, asked)])
        chances: dict[int, np.ndarray] = {}
        for rows in in_order(lengths, min(self.data.rows, len(asked))):
            found = np.exp(np.asarray(self._log_probabilities(params, text(rows))))
            chances |= {row: found[i] for i, row in enumerate(rows.tolist()) if row != EMPTY}
        return [self._named(one, chances[row]) for row, one in enumerate(asked)]

    def _named(self, asked: Question, chances: np.ndarray) -> dict[str, float]:
        """The likeliest answers to a question, people by their names."""
        people = {number: name.capitalize() for name, number in self._numbers(asked).items()}
        found = [(answer, float(chances[n])) for n, answer in enumerate(self.answers.tokens)]
        known = [(people.get(a, a), p) for a, p in found if a in people or not names.NUMBER.fullmatch(a)]
        return dict(sorted(known, key=lambda one: -one[1])[:BEST])

    def inputs(self, path: Path) -> list[Question]:
        """The questions of a file of stories, as bAbI has them; answers may be left out."""
        found = []
        for place, story, question in asked_in(str(path)):
            try:
                found.append(self._told([line.text for line in story], question.text))
            except ValueError as error:
                wrong = next((line for line in story if self._unknown(tokenize(line.text))), question)
                raise ValueError(f"line {wrong.row} of {place}: {error}") from error
        return found

    def predict(self, params: Params, inputs: Sequence[Question]) -> Iterator[dict[str, Any]]:
        """The likeliest answer to each question that `inputs` gave, and how likely it is."""
        for one, found in zip(inputs, self._likeliest(params, inputs) if inputs else (), strict=True):
            answer, probability = next(iter(found.items()))
            yield {"question": " ".join(one.question), "answer": answer, "probability": probability}

    def attention(self, params: Params, story: Sequence[str], question: str) -> np.ndarray:
        """How far each sentence opened the gates of the attentive reader, by its `passes`: [passes, S], 0 to 1.

        Raises:
            ValueError: As `answer` does, and if the reader is another one.
        """
        if not isinstance(self.reader, AttentiveReader):
            fail("model.reader", "'attentive'", self.model.reader)
        text = self._text(self._told(story, question))
        return np.asarray(self.reader.read(params, text, None)[1])[:, 0, : text.sentences[0]]

    def _told(self, story: Sequence[str], question: str) -> Question:
        """What a person wrote, if it can be read."""
        told, asked = tuple(filter(None, map(tokenize, story))), tokenize(question)
        check(bool(asked), "question", "words", question)
        written = Question(0, told, asked, "")
        numbers = self._numbers(written)
        most = sum(map(bool, map(names.NUMBER.fullmatch, self.vocabulary.tokens)))
        check(len(numbers) <= most, "story and question", f"{most} people or fewer", Said(", ".join(numbers)))
        if word := self._unknown(word for words in (*told, asked) for word in words):
            hint = nearest(word, (*self.vocabulary.tokens, *(names.EVERYONE if numbers else ())))
            fail("story and question", f"words out of the {len(self.vocabulary) - 1} of the stories", word, hint)
        return written

    def _unknown(self, words: Iterable[str]) -> str:
        """The first of some words that the model cannot read."""
        known = names.KNOWN if self._numbered else frozenset()
        return next((word for word in words if word not in self.vocabulary and word not in known), "")

    def _text(self, question: Question) -> Batch:
        """A question as a batch of one row."""
        return self._encode([self._as_read(question)])[1](np.array([0]))

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


_read = cache(sets.read)  # once a process
