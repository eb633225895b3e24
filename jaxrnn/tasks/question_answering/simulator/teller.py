"""A story while it is told: numbered lines, some of which ask about the ones before them."""

from __future__ import annotations

from collections.abc import Iterable


class Story:
    """Sentences and questions in bAbI's format, numbered from 1 on.

    >>> story = Story()
    >>> story.ask("Where is Anna?", "attic", [story.tell("Anna ran to the attic.")])
    >>> story.lines
    ['1 Anna ran to the attic.', '2 Where is Anna?\\tattic\\t1']
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.told: list[str] = []  # sentences without their numbers
        self.asked: list[tuple[int, str]] = []  # questions, and how many sentences were told before each

    def tell(self, sentence: str) -> int:
        """Tell something; the number of its line."""
        self.told.append(sentence)
        return self._add(sentence)

    def ask(self, question: str, answer: str, support: Iterable[int]) -> None:
        """Ask something that these lines alone answer."""
        self.asked.append((len(self.told), question))
        self._add(f"{question}\t{answer}\t{' '.join(map(str, sorted(set(support))))}")

    def _add(self, line: str) -> int:
        self.lines.append(f"{len(self.lines) + 1} {line}")
        return len(self.lines)
