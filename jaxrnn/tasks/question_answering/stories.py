"""Stories with questions: the numbered lines of bAbI's files read as questions, and put into batches.

A line is `number sentence` or `number question<TAB>answer<TAB>numbers of the supporting sentences`; a story starts
where the number is 1 again. A question is about all sentences of its story before it, not about earlier questions.
Weston et al. 2015, "Towards AI-complete question answering" (arXiv:1502.05698).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.sizes import power
from jaxrnn.train import EMPTY, pad

# Of all alphabets: the marks of Arabic, of Chinese and Japanese (also those as wide as a letter), of Spanish.
MARKS = ".,;:?!\u060c\u061b\u061f\u3002\u3001\uff0c\uff1f\uff01\uff1a\uff1b\u00bf\u00a1\u037e"
WORD = re.compile(rf"[^\s{MARKS}]+")
SHORTEST = 4  # of what a batch has; lengths go from 2 to hundreds
ASKS = "?\u061f\uff1f;\u037e"  # a line that ends in one is a question; the Greeks' mark is a semicolon


class Question(NamedTuple):
    """A question, what was told before it, and its answer."""

    task: int  # 1 to 20
    story: tuple[tuple[str, ...], ...]  # sentences, each a tuple of words
    question: tuple[str, ...]
    answer: str  # lists are one answer: "football,apple"


class Sentences(NamedTuple):
    """Stories by sentence, for a reader that looks back; the question is a sentence of its own."""

    story: np.ndarray  # int32 [B, S, W]
    words: np.ndarray  # int32 [B, S], length of each sentence
    sentences: np.ndarray  # int32 [B], length of each story
    question: np.ndarray  # int32 [B, W]
    question_words: np.ndarray  # int32 [B]


class Passage(NamedTuple):
    """Stories word by word and then the question, for a reader that reads once."""

    words: np.ndarray  # int32 [B, T]
    lengths: np.ndarray  # int32 [B]


class Questions(NamedTuple):
    """A batch."""

    text: Any  # Sentences or Passage, as the reader wants it
    answer: np.ndarray  # int32 [B], class of the right answer
    task: np.ndarray  # int32 [B], 1 to 20; EMPTY where the row has no question


def tokenize(text: str) -> tuple[str, ...]:
    """Words in lower case, without punctuation.

    >>> tokenize("Where is Mary?")
    ('where', 'is', 'mary')
    """
    return tuple(WORD.findall(text.lower()))


def parse(text: str, task: int, name: str = "the stories") -> list[list[Question]]:
    """The questions of each story in a file of some name.

    Raises:
        ValueError: If a line is none of the two kinds; the message quotes it.

    >>> parse("1 Mary went out.\\n2 Where is Mary?\\tgarden\\t1\\n", task=1)
    [[Question(task=1, story=(('mary', 'went', 'out'),), question=('where', 'is', 'mary'), answer='garden')]]
    """
    stories: list[list[Question]] = []
    told: list[tuple[str, ...]] = []
    for row, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        number, _, rest = line.strip().partition(" ")
        first, *answer = rest.split("\t")
        if not number.isdecimal() or not tokenize(first) or (not stories and number != "1"):
            fail("data.path", "lines such as '1 Mary went out.', from 1 on", Said(f"line {row} of {name}: {line!r}"))
        if number == "1":
            stories.append([])
            told = []
        if answer and not answer[0].strip():
            fail("data.path", "questions with an answer behind a tab", Said(f"line {row} of {name}: {line!r}"))
        if answer:
            stories[-1].append(Question(task, tuple(told), tokenize(first), answer[0].strip()))
        else:
            told.append(tokenize(first))
    return stories


def sentences(stories: Sequence[np.ndarray], questions: Sequence[np.ndarray], rows: np.ndarray) -> Sentences:
    """The stories [S, W] and questions [W] with the indices `rows`; a 0 in them is no word."""
    story, lengths = pad(stories, rows, power(stories, rows, SHORTEST))
    question = np.stack([questions[row] * (row != EMPTY) for row in rows])
    return Sentences(story, _count(story), lengths, question, _count(question))


def passages(texts: Sequence[np.ndarray], rows: np.ndarray) -> Passage:
    """The texts with the indices `rows`."""
    return Passage(*pad(texts, rows, power(texts, rows, SHORTEST)))


def _count(words: np.ndarray) -> np.ndarray:
    return (words != 0).sum(-1, dtype=np.int32)
