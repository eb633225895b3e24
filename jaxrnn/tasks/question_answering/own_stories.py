"""A user's own stories with questions, in files as bAbI has them, in any language."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import NamedTuple

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.question_answering.stories import Line, Question, Spelt, lines, parse, tokenize
from jaxrnn.tasks.shared.own_files import files_of, kept, located, text_of, wrong
from jaxrnn.tasks.shared.own_splits import OwnData, named_split, parted

WHERE = "A line is '1 Mary went out.', or '2 Where is Mary?', a tab, and 'garden'; a story begins where 1 is again."
EXPECTED = "stories with questions"


def own_questions(data: OwnData, path: str) -> dict[int, dict[str, list[Question]]]:
    """The questions of each part, all of kind 1; those about one story are in one part.

    Raises:
        ValueError: If a line is none of a story, or there are too few; the message names file and line.
    """
    parts = parted(_read(path), lambda one: one[1], data, repr(path), EXPECTED)
    names = {"training": "train"}
    return {1: {names.get(split, split): [q for story, _ in some for q in story] for split, some in parts.items()}}


def check_known(path: str, unknown: Callable[[tuple[str, ...]], str], answers: Container[str]) -> None:
    """See to it that a trained model knows the words and answers of stories that it is scored on.

    Raises:
        ValueError: If it does not; the message names file and line.
    """
    for file in files_of(path, [".txt"], EXPECTED, WHERE):
        for line in lines(text_of(file), repr(str(file))):
            if word := unknown(tokenize(line.text)):
                wrong(file, line.row, "stories in words that the model has learned", repr(word))
            if line.answer is not None and line.answer not in answers:
                wrong(file, line.row, "answers that the model has learned", repr(line.answer))


class Asked(NamedTuple):
    """A question of a file, and the lines before it that it is about; all as they are written."""

    place: str  # for a message
    story: list[Line]
    question: Line


def asked_in(path: str) -> list[Asked]:
    """The questions of a file, without their answers: those of a line that ends in a question mark need none.

    Raises:
        ValueError: If a line is none of a story, or nothing is asked; the message names the file.
    """
    found = []
    for file in files_of(path, [".txt"], EXPECTED, WHERE):
        told: list[Line] = []
        for line in lines(text_of(file), repr(str(file)), unanswered=True):
            told = [] if line.new else told
            if line.answer is None:
                told.append(line)
            else:
                found.append(Asked(repr(str(file)), [*told], line))
    if not found:
        fail("data.path", EXPECTED, Said(f"{path!r}, where nothing is asked"), WHERE)
    return found


@kept
def _read(path: str) -> list[tuple[list[Question], str | None]]:
    """Stories that are asked about, each with the part that its file says it is for."""
    place, found = located(path, EXPECTED, WHERE), []
    spelt: Spelt = {}
    for file in files_of(path, [".txt"], EXPECTED, WHERE):
        split = named_split(file.relative_to(place)) if place.is_dir() else None
        found += [(story, split) for story in parse(text_of(file), 1, repr(str(file)), spelt) if story]
    if not found:
        fail("data.path", EXPECTED, Said(f"{path!r}, where nothing is asked"), WHERE)
    return found
