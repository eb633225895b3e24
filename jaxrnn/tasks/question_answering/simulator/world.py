"""Who is where and holds what, as events change it; each thing known together with the lines that told it."""

from __future__ import annotations

from typing import NamedTuple

from jaxrnn.tasks.question_answering.simulator.draws import Draws
from jaxrnn.tasks.question_answering.simulator.teller import Story
from jaxrnn.tasks.question_answering.simulator.words import DROP, GIVE, GO, PLACES, TAKE


class Known(NamedTuple):
    """A place or a person, and the lines that are enough to know it."""

    what: str
    lines: list[int]


class World:
    """The state of a story's people and things, told as it changes.

    Args:
        story: Where events are told.
        draws: What decides where there's a choice.
        things: The things of this world.
    """

    def __init__(self, story: Story, draws: Draws, things: list[str] | None = None) -> None:
        self.story, self.draws, self.things = story, draws, things or []
        self.place: dict[str, Known] = {}  # of people
        self.been: dict[str, list[str]] = {}  # places of people, the last of them the present one
        self.holder: dict[str, Known] = {}  # of things that someone holds
        self.lying: dict[str, Known] = {}  # of things that were put down: where
        self.lost: dict[str, list[int]] = {}  # of people: lines of how they came by a thing that they no longer have
        self.moves: dict[str, list[tuple[str, str, list[int]]]] = {}  # of things: from where to where, and its lines

    def arrive(self, person: str, place: str, lines: list[int]) -> None:
        """Someone is somewhere else now, with all that they hold."""
        for thing in self.held(person):
            if person in self.place:
                old = self.place[person]
                told = [*old.lines, *self.holder[thing].lines, *lines]
                self.moves.setdefault(thing, []).append((old.what, place, told))
        self.place[person] = Known(place, lines)
        self.been.setdefault(person, []).append(place)

    def elsewhere(self, *people: str) -> str:
        """A place where none of them is."""
        return self.draws.one([place for place in PLACES if all(self.is_at(p) != place for p in people)])

    def is_at(self, person: str) -> str:
        """Where someone is; "" if nobody knows."""
        return self.place[person].what if person in self.place else ""

    def go(self, person: str) -> None:
        """Tell that someone goes somewhere else."""
        place = self.elsewhere(person)
        self.arrive(person, place, [self.story.tell(f"{person} {self.draws.one(GO)} the {place}.")])

    def held(self, person: str) -> list[str]:
        """What someone holds."""
        return [thing for thing, holder in self.holder.items() if holder.what == person]

    def free(self, person: str) -> list[str]:
        """What someone could take: things that lie where they are, and those of which nothing was told."""
        here = self.is_at(person)
        return [t for t in self.things if t not in self.holder and (t not in self.lying or self.lying[t].what == here)]

    def take(self, person: str, thing: str) -> None:
        """Tell that someone takes a thing."""
        self.lying.pop(thing, None)
        self.holder[thing] = Known(person, [self.story.tell(f"{person} {self.draws.one(TAKE)} the {thing}.")])

    def put(self, person: str, thing: str) -> None:
        """Tell that someone puts a thing down, where they are."""
        line = self.story.tell(f"{person} {self.draws.one(DROP)} the {thing}.")
        self.lost[person] = [*self.holder.pop(thing).lines, line]
        if person in self.place:
            self.lying[thing] = Known(self.place[person].what, [*self.place[person].lines, line])

    def give(self, person: str, thing: str, other: str) -> int:
        """Tell that someone gives a thing to another; the line."""
        line = self.story.tell(f"{person} {self.draws.one(GIVE)} the {thing} to {other}.")
        self.lost[person] = [*self.holder[thing].lines, line]
        self.holder[thing] = Known(other, [line])
        return line

    def where(self, thing: str) -> Known | None:
        """Where a thing is, if that is known."""
        if thing in self.lying:
            return self.lying[thing]
        holder = self.holder.get(thing)
        if holder is None or holder.what not in self.place:
            return None
        place = self.place[holder.what]
        return Known(place.what, [*place.lines, *holder.lines])
