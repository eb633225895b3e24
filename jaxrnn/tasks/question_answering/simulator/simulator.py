"""All stories of a seed, as the text of bAbI's files: kind by kind and split by split.

People of one split are in no other. And no question is asked twice after the same sentences, in whatever order and
whoever they are about: nothing that is asked in the test was read in training under another name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from jaxrnn.tasks.question_answering.simulator import going, holding, reasons, space
from jaxrnn.tasks.question_answering.simulator.draws import Draws
from jaxrnn.tasks.question_answering.simulator.names import numbered, put
from jaxrnn.tasks.question_answering.simulator.teller import Story
from jaxrnn.tasks.question_answering.simulator.words import people

# How a story of each kind is told, and how many questions it asks.
KINDS: dict[int, tuple[Callable[[Draws, Sequence[str]], Story], int]] = {
    1: (going.one_fact, 5),
    2: (holding.two_facts, 5),
    3: (holding.three_facts, 5),
    4: (space.neighbours, 4),
    5: (holding.giving, 5),
    6: (going.yes_or_no, 5),
    7: (holding.counting, 5),
    8: (holding.lists, 5),
    9: (going.negation, 5),
    10: (going.perhaps, 5),
    11: (going.coreference, 5),
    12: (going.conjunction, 5),
    13: (going.compound_coreference, 5),
    14: (going.days, 5),
    15: (reasons.deduction, 4),
    16: (reasons.induction, 2),
    17: (space.positions, 4),
    18: (space.sizes, 5),
    19: (space.paths, 2),
    20: (reasons.motives, 5),
}
EACH = 20  # a number of questions is a multiple of this, so that the stories of every kind come out even
SPLITS = {"test": 1000, "validation": 200}  # questions that are held out: told first, so that they're always the same


def simulate(kind: int, questions: int, seed: int) -> dict[str, str]:
    """The stories of one kind for "train", "validation" and "test".

    Args:
        kind: 1 to 20.
        questions: How many to train on, a multiple of `EACH`. What is held out depends on `kind` and `seed` alone.
        seed: 0 or more.

    >>> print("\\n".join(simulate(1, 20, seed=0)["train"].splitlines()[:3]))
    1 Hugo came to the stable.
    2 Hugo went to the bakery.
    3 Hugo headed for the attic.
    """
    tell, asks = KINDS[kind]
    seen: set[tuple[tuple[str, ...], ...]] = set()
    texts = {}
    for number, (split, count) in enumerate([*SPLITS.items(), ("train", questions)]):
        draws = Draws((seed * 3 + number) * (len(KINDS) + 1) + kind)  # a stream for each seed, split and kind
        stories: list[Story] = []
        while len(stories) * asks < count:
            story = tell(draws, people(split))
            keys = {*_keys(story)}
            if len(keys) == asks and not keys & seen:
                seen |= keys
                stories.append(story)
        texts[split] = "".join(f"{line}\n" for story in stories for line in story.lines)
    return texts


def _keys(story: Story) -> Iterator[tuple[tuple[str, ...], ...]]:
    """Each question with what was told before it: names by number, and sentences in the alphabet's order."""
    told = [_words(sentence) for sentence in story.told]
    numbers = numbered(told)
    sentences = put(numbers, told)
    asked = put(numbers, [_words(question) for _, question in story.asked])
    for (count, _), question in zip(story.asked, asked, strict=True):
        yield (question, *sorted(sentences[:count]))


def _words(sentence: str) -> tuple[str, ...]:
    return tuple(sentence.lower().rstrip(".?").split())
