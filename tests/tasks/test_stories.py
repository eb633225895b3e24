"""The simulated stories: every answer found again in the text by a solver of its own, and what the splits share."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from functools import cache
from itertools import combinations, permutations

import pytest

from jaxrnn.tasks.question_answering.simulator import words
from jaxrnn.tasks.question_answering.simulator.draws import Draws
from jaxrnn.tasks.question_answering.simulator.simulator import EACH, KINDS, simulate
from tests.tasks.story_solvers import solve

pytestmark = pytest.mark.usefixtures("unchecked")  # a million choices, each a call


@cache
def texts(kind):
    return simulate(kind, 1000, seed=0)


@cache
def told(kind):
    return {split: list(questions_of(text)) for split, text in texts(kind).items()}


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
        check_answers(kind, questions)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_and_does_so_in_thousands_of_stories(kind):
    stories = 0
    for seed in range(1, 6):
        for text in simulate(kind, 4000, seed).values():
            check_answers(kind, questions_of(text))
            stories += len(re.findall(r"^1 ", text, re.MULTILINE))
    assert stories > 5000


def check_answers(kind, questions):
    for story, question, answer, _ in questions:
        assert solve(kind, [*story.values()], question) == answer, (story, question)


@pytest.mark.parametrize("kind", KINDS)
def test_supporting_sentences_are_enough_and_none_of_them_is_spare(kind):
    """Alone they give the answer; and without any one of them they give another, or none."""
    for story, question, answer, support in told(kind)["test"]:
        assert support == sorted({*support})
        assert {*support} <= {*story}
        assert solve(kind, [story[n] for n in support], question) == answer, (story, question)
        if answer not in ("none", "nothing"):  # no sentences at all say as much
            for fewer in combinations(support, len(support) - 1):
                assert answer_of(kind, [story[n] for n in fewer], question) != answer, (story, question, fewer)


def answer_of(kind, sentences, question):
    try:
        return solve(kind, sentences, question)
    except (AssertionError, KeyError, IndexError, ValueError):
        return None


def test_a_wrong_answer_would_be_found():
    """The solvers answer by the sentences: told the other way round, a story has other answers."""
    changed = 0
    for kind in KINDS:
        for story, question, answer, _ in told(kind)["validation"]:
            other = [re.sub("garden|cellar|no longer|either", lambda m: OTHER[m[0]], line) for line in story.values()]
            changed += answer_of(kind, other, question) not in (answer, None)
    assert changed > 100


OTHER = {"garden": "cellar", "cellar": "garden", "no longer": "not", "either": "either"}

# The most that always giving one answer may be worth, in per cent: about 50 where two answers are equally likely.
CHANCE = {6: 54, 7: 38, 8: 26, 9: 54, 10: 43, 17: 55, 18: 54} | {5: 12, 15: 20, 16: 20}


@pytest.mark.parametrize("kind", KINDS)
def test_no_answer_is_a_good_guess(kind):
    for split in ("train", "test"):
        answers = Counter(answer for _, _, answer, _ in told(kind)[split])
        assert sum(answers.values()) == 1000
        assert max(answers.values()) / 10 <= CHANCE.get(kind, 14), answers


NO_NAMES = {*re.findall(r"\w+", "The On Then After A Soon Every Is Where What Which Who Why How Does To"), *words.DAYS}


def test_nobody_is_in_two_splits():
    whole = {split: "".join(texts(kind)[split] for kind in KINDS) for split in ("train", "validation", "test")}
    found = {split: {*re.findall(r"\b[A-Z][a-z]*\b", text)} - NO_NAMES for split, text in whole.items()}
    assert all(not found[a] & found[b] for a, b in combinations(found, 2))
    assert {split: sorted(names) for split, names in found.items()} == {s: sorted(words.people(s)) for s in found}
    assert len(words.EVERYONE) == len({*words.EVERYONE})
    spoken = {word for text in whole.values() for word in re.findall(r"\b[a-z]+\b", text)}
    assert not spoken & {*words.EVERYONE}  # a name in lower case is no other word


@pytest.mark.parametrize("kind", KINDS)
def test_no_question_is_asked_twice_of_the_same_sentences(kind):
    """In no order of the sentences, and under no other names, as far as these stand in the order of the text."""
    seen = Counter()
    for questions in told(kind).values():
        for story, question, _, _ in questions:
            text = "|".join([*story.values(), question])
            names = [name for name in dict.fromkeys(re.findall(r"\b[A-Z][a-z]*\b", text)) if name not in NO_NAMES]
            for n, name in enumerate(names):
                text = re.sub(rf"\b{name}\b", f"<{n}>", text)
            *sentences, asked = text.split("|")
            seen[(*sorted(sentences), asked)] += 1
    assert set(seen.values()) == {1}


@pytest.mark.parametrize("kind", [4, 7, 16])
def test_what_is_held_out_stays_the_same_however_many_there_are_to_train_on(kind):
    few, more = simulate(kind, EACH, 0), texts(kind)
    assert few["train"] == more["train"][: len(few["train"])]
    assert [text.count("\t") // 2 for text in few.values()] == [1000, 200, EACH]
    assert all(few[split] == more[split] != simulate(kind, EACH, 1)[split] for split in ("validation", "test"))


def test_a_seed_gives_the_same_stories_on_every_machine():
    """Only the promised parts of Python's generator are used: this sum holds for every version of it."""
    found = hashlib.sha256()
    for kind in KINDS:
        for text in texts(kind).values():
            found.update(text.encode())
    assert found.hexdigest() == "83d3ce6c82fcfd1a2a051d39eb08cff0eef848671c98c43ddeb56998919e7ab4"


def test_choices_are_fair():
    """Each of n! orders as often as the others, within five standard deviations."""
    draws, count = Draws(3), 24_000
    orders = Counter(tuple(draws.mixed("abcd")) for _ in range(count))
    assert {*orders} == {*permutations("abcd")}
    assert all(abs(found - count / 24) < 5 * (count / 24) ** 0.5 for found in orders.values())
    assert len({*draws.some(range(9), 4)}) == 4
