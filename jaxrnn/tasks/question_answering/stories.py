"""Stories with questions: the numbered lines of bAbI's files read as questions, and put into batches.

A line is `number sentence` or `number question<TAB>answer<TAB>numbers of the supporting sentences`; a story starts
where the number is 1 again. A question is about all sentences of its story before it, not about earlier questions.
Weston et al. 2015, "Towards AI-complete question answering" (arXiv:1502.05698).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.alike import plainly
from jaxrnn.tasks.shared.sizes import power
from jaxrnn.train import EMPTY, pad

# Of all alphabets: the marks of Arabic, of Chinese and Japanese (also those as wide as a letter), of Spanish.
MARKS = ".,;:?!\u060c\u061b\u061f\u3002\u3001\uff0c\uff1f\uff01\uff1a\uff1b\u00bf\u00a1\u037e\u1367\u2e2e"
WORD = re.compile(rf"[^\s{MARKS}]+")
SHORTEST = 4  # of what a batch has; lengths go from 2 to hundreds
ASKS = "?\u061f\uff1f\u1367\u2e2e;\u037e"  # a line that ends in one is a question; the Greeks' mark is a semicolon
GREEK = re.compile("[\u0370-\u03ff\u1f00-\u1fff]")
AFTER = " \t\r!\"'\u2019\u201c\u201d\u00bb\u00ab)]\u300d\u300f"  # what may stand behind the mark
UNANSWERED = re.compile(r"[?\u061f\uff1f](\s{2,}\S+|\s\S+(?=\s\d))[\d\s]*$")  # an answer behind blanks, where a tab was
DIGITS = re.compile(r"\d{1,9}")  # also of other alphabets
NUMBERS = re.compile(r"[\d\s,]*")  # of the supporting sentences
Spelt = dict[str, tuple[str, str]]  # answers by what they have in common in all spellings: the first one, and where


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


def asks(line: str) -> bool:
    """Whether a line ends as a question does, in any alphabet: with its mark, which quotes and brackets may follow.

    >>> asks("Where is Mary? "), asks("\u03a0\u03bf\u03cd \u03b5\u03af\u03bd\u03b1\u03b9;"), asks("Mary left;")
    (True, True, False)
    """
    end = line.rstrip(AFTER)[-1:]
    return end != "" and end in ASKS and (end != ";" or GREEK.search(line) is not None)


def tokenize(text: str) -> tuple[str, ...]:
    """Words in lower case, without punctuation; letters with marks are one character, however they were typed.

    >>> tokenize("Where is Mary?")
    ('where', 'is', 'mary')
    """
    return tuple(WORD.findall(unicodedata.normalize("NFC", text.lower())))


class Line(NamedTuple):
    """A line of a file of stories."""

    row: int  # in the file, counted from 1
    new: bool  # whether a story begins with it
    text: str  # a sentence, or a question
    answer: str | None  # of a question


def lines(text: str, name: str = "the stories", *, unanswered: bool = False) -> Iterator[Line]:
    """The lines of a file of some name; `unanswered`: one that ends in a question mark needs no answer.

    Raises:
        ValueError: If a line is none of the two kinds, or its number does not follow; the message quotes it.
    """
    before = marked = 0  # the number of the line before; the row of the first question with a mark
    for row, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        said = Said(f"line {row} of {name}: {line!r}")
        number, _, rest = line.strip().partition(" ")
        first, *behind = rest.split("\t")
        if not DIGITS.fullmatch(number) or not tokenize(first) or (not before and int(number) != 1):
            fail("data.path", "lines such as '1 Mary went out.', from 1 on", said)
        if int(number) not in (1, before + 1):
            fail("data.path", f"lines numbered one by one, {before + 1} or, of a new story, 1", said)
        before = int(number)
        if behind and (not behind[0].strip() or len(behind) > 2 or not NUMBERS.fullmatch("".join(behind[1:]))):
            fail("data.path", "questions with an answer behind a tab, and numbers of lines behind another", said)
        if behind and asks(first):
            marked = marked or row
        elif behind and marked:
            expected = f"questions that all end in a question mark, as in line {marked}, and sentences without a tab"
            fail("data.path", expected, said)
        elif not behind and (UNANSWERED.search(first) or (asks(first) and not unanswered)):
            fail(
                "data.path", "questions with an answer behind a tab", said, "A sentence of the story has no such mark."
            )
        elif not behind and asks(first):
            behind = ["?"]
        yield Line(row, before == 1, first, unicodedata.normalize("NFC", behind[0].strip()) if behind else None)


def parse(text: str, task: int, name: str = "the stories", spelt: Spelt | None = None) -> list[list[Question]]:
    """The questions of each story in a file of some name; `spelt` are the answers of the files before it.

    Raises:
        ValueError: If a line is none of the two kinds, or has an answer in another spelling; the message quotes it.

    >>> parse("1 Mary went out.\\n2 Where is Mary?\\tgarden\\t1\\n", task=1)
    [[Question(task=1, story=(('mary', 'went', 'out'),), question=('where', 'is', 'mary'), answer='garden')]]
    """
    stories: list[list[Question]] = []
    told: list[tuple[str, ...]] = []
    spelt = {} if spelt is None else spelt
    for line in lines(text, name):
        if line.new:
            stories.append([])
            told = []
        if line.answer is None:
            told.append(tokenize(line.text))
            continue
        answer, place = line.answer, f"line {line.row} of {name}"
        alike = plainly(answer)
        other, where = spelt.setdefault(alike, (answer, place))
        if other != answer:  # two classes, of which either would be counted as wrong
            fail("data.path", f"each answer in one spelling, {other!r} as in {where}", Said(f"{place}: {answer!r}"))
        stories[-1].append(Question(task, tuple(told), tokenize(line.text), answer))
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
