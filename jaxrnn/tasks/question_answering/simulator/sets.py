"""The sets of questions about stories: told by the simulator, of bAbI's files, or of the package reasoning-gym."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.question_answering.simulator.simulator import simulate
from jaxrnn.tasks.question_answering.stories import Question, parse, tokenize
from jaxrnn.tasks.shared.own_splits import OWN
from jaxrnn.train import read_sources
from jaxrnn.train.sources import as_text

TWENTY = (
    "single-supporting-fact",
    "two-supporting-facts",
    "three-supporting-facts",
    "two-arg-relations",
    "three-arg-relations",
    "yes-no-questions",
    "counting",
    "lists-sets",
    "simple-negation",
    "indefinite-knowledge",
    "basic-coreference",
    "conjunction",
    "compound-coreference",
    "time-reasoning",
    "basic-deduction",
    "basic-induction",
    "positional-reasoning",
    "size-reasoning",
    "path-finding",
    "agents-motivations",
)
# The kinds of question in each set, number 1 first.
REASONED = ("kin", "cube", "syllogism", "knights", "blickets")
KINDS = {"simulated": TWENTY, "babi": TWENTY, "reasoning": REASONED, OWN: (OWN,)}
BABI = (
    "bAbI's files, such as en or en-10k, are in tasks_1-20_v1-2.tar.gz of the bAbI project: give the folder of one "
    "language and size."
)
REASONING = (
    "A line of train.tsv, valid.tsv and test.tsv is kind, tab, sentences separated by ' | ', tab, question, tab, "
    "answer; the generators of the package reasoning-gym make such questions."
)
Splits = dict[str, list[Question]]  # "train", "validation" and "test"


def read(which: str, path: str, kinds: Sequence[int], questions: int, seed: int) -> dict[int, Splits]:
    """The questions of each kind in one of the sets of `KINDS`, which is made by questions and seed, or has a path."""
    if which == "simulated":
        return {kind: simulated(kind, questions, seed) for kind in kinds}
    return {"babi": babi, "reasoning": reasoning}[which](path, kinds)


def simulated(kind: int, questions: int, seed: int) -> Splits:
    """What the simulator tells; see `jaxrnn.tasks.question_answering.simulator.simulator`."""
    texts = simulate(kind, questions, seed)
    return {split: [q for story in parse(text, kind) for q in story] for split, text in texts.items()}


def babi(path: str, kinds: Sequence[int]) -> dict[int, Splits]:
    """The questions of bAbI's files for "train" and "test". The last tenth of the former validates.

    All files are read at once, since an archive is unpacked from its beginning for each reading.
    """
    names = {(kind, split): f"qa{kind}_{TWENTY[kind - 1]}_{split}.txt" for kind in kinds for split in ("train", "test")}
    texts = read_sources(path, list(names.values()), BABI)
    found = {}
    for kind in kinds:
        train, test = (_of_file(texts, names[kind, split], kind) for split in ("train", "test"))
        kept, held = hold_out(train)
        found[kind] = {"train": kept, "validation": held, "test": [q for story in test for q in story]}
    return found


def _of_file(texts: Mapping[str, bytes], name: str, kind: int) -> list[list[Question]]:
    return parse(as_text(texts[name], name, BABI), kind, name)


def reasoning(path: str, kinds: Sequence[int]) -> dict[int, Splits]:
    """The questions of train.tsv, valid.tsv and test.tsv, which may be packed as .gz.

    Raises:
        ValueError: If a line is none of theirs; the message quotes it.
    """
    splits = {"train": "train.tsv", "validation": "valid.tsv", "test": "test.tsv"}
    texts = read_sources(path, list(splits.values()), REASONING)
    found: dict[int, Splits] = {kind: {split: [] for split in splits} for kind in kinds}
    numbers = {name: number for number, name in enumerate(KINDS["reasoning"], start=1)}
    for split, name in splits.items():
        for row, line in enumerate(as_text(texts[name], name, REASONING).splitlines(), start=1):
            parts = line.split("\t")
            if len(parts) != 4 or parts[0] not in numbers or not tokenize(parts[2]) or not parts[3].strip():
                fail("data.path", "lines of four parts", Said(f"line {row} of {name}: {line!r}"), REASONING)
            number = numbers[parts[0]]
            if number in found:
                story = tuple(filter(None, map(tokenize, parts[1].split(" | "))))
                found[number][split].append(Question(number, story, tokenize(parts[2]), parts[3].strip()))
    return found


def hold_out(stories: list[list[Question]]) -> tuple[list[Question], list[Question]]:
    """Training and validation questions: the stories that begin within the last tenth of the questions validate."""
    first = np.cumsum([0, *map(len, stories)])  # index of each story's first question
    cut = np.searchsorted(first, first[-1] * 9 / 10)
    return [q for story in stories[:cut] for q in story], [q for story in stories[cut:] for q in story]


def commonest(questions: Mapping[str, Sequence[Question]], kind: int) -> float:
    """Per cent of a kind's test questions that the commonest answer of its training questions is right about."""
    answers = {split: [q.answer for q in questions[split] if q.task == kind] for split in ("train", "test")}
    return 100 * answers["test"].count(Counter(answers["train"]).most_common(1)[0][0]) / len(answers["test"])
