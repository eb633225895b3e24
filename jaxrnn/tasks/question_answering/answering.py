"""Answers to questions that a person asks: the likeliest, how likely they are, and which sentences they came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.tasks.question_answering.encoding import Encoding
from jaxrnn.tasks.question_answering.own_stories import asked_in
from jaxrnn.tasks.question_answering.readers import AttentiveReader
from jaxrnn.tasks.question_answering.simulator import names
from jaxrnn.tasks.question_answering.stories import Question, tokenize
from jaxrnn.train import EMPTY, in_order
from jaxrnn.train.options import check
from jaxrnn.train.task import Batch, Params

BEST = 5  # answers that `answer` gives


@dataclass(frozen=True)
class Answering(Encoding):
    """A reader that is asked."""

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

    def _text(self, question: Question) -> Batch:
        """A question as a batch of one row."""
        return self._encode([self._as_read(question)])[1](np.array([0]))
