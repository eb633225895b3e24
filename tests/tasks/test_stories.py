"""The simulated stories: every answer found again in the text by a solver of its own, and what the splits share."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import pytest

from jaxrnn.tasks.stories.simulator import KINDS, simulate
from tests.tasks.story_solvers import solve

SUM = ""


@cache
def told(kind, questions=1000, seed=0):
    return {split: list(questions_of(text)) for split, text in simulate(kind, questions, seed).items()}


def questions_of(text):
    """Question by question: what was told before it, by line; the question, its answer and its supporting lines."""
    for line in text.splitlines():
        number, _, rest = line.partition(" ")
        if number == "1":
            story = {}
        if "\t" in rest:
            question, answer, support = rest.split("\t")
            yield dict(story), question, answer, [int(n) for n in support.split()]
        else:
            story[int(number)] = rest


@pytest.mark.parametrize("kind", KINDS)
def test_a_solver_that_reads_the_text_finds_every_answer(kind):
    for questions in told(kind).values():
        for story, question, answer, _ in questions:
            assert solve(kind, [*story.values()], question) == answer, (story, question)


@pytest.mark.parametrize("kind", KINDS)
def test_supporting_sentences_are_enough_and_none_of_them_is_spare(kind):
    """Alone they give the answer; and without any one of them they give none, or one that is not known to be right."""
    for story, question, answer, support in told(kind)["test"]:
        assert support == sorted({*support})
        assert {*support} <= {*story}
        assert solve(kind, [story[n] for n in support], question) == answer, (story, question)
        for fewer in combinations(support, len(support) - 1):
            assert answer_of(kind, [story[n] for n in fewer], question) != answer, (story, question, fewer)


def answer_of(kind, sentences, question):
    try:
        return solve(kind, sentences, question)
    except (AssertionError, KeyError, IndexError, ValueError, TypeError):
        return None
