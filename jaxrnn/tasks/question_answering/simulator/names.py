"""Names by number: the first person that a text names is person1, whoever it is.

So names may differ between training and test, and a reader that knows words by heart reads them all (the anonymous
entities of Hermann et al. 2015, arXiv:1506.03340).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from jaxrnn.tasks.question_answering.simulator.words import EVERYONE

KNOWN = frozenset(EVERYONE)
NUMBER = re.compile(r"person[1-9]\d*")


def numbered(sentences: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """The names in sentences of words in lower case, in the order of the text, each with the word that stands for it.

    >>> numbered([("mary", "and", "tom", "left"), ("mary", "returned")])
    {'mary': 'person1', 'tom': 'person2'}
    """
    names = dict.fromkeys(word for sentence in sentences for word in sentence if word in KNOWN)
    return {name: f"person{n}" for n, name in enumerate(names, start=1)}


def put(numbers: Mapping[str, str], sentences: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Sentences with their names by number.

    >>> put({"tom": "person2"}, [("tom", "left"), ("why",)])
    (('person2', 'left'), ('why',))
    """
    return tuple(tuple([numbers.get(word, word) for word in sentence]) for sentence in sentences)
