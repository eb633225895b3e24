"""Stories of people who take things, carry them and give them away: kinds 2, 3, 5, 7 and 8."""

from __future__ import annotations

from collections.abc import Sequence

from jaxrnn.tasks.question_answering.simulator.draws import Draws
from jaxrnn.tasks.question_answering.simulator.teller import Story
from jaxrnn.tasks.question_answering.simulator.words import NUMBERS, THINGS
from jaxrnn.tasks.question_answering.simulator.world import Known, World

QUESTIONS = 5
FEW = 4  # things of the stories whose answers are lists


def two_facts(draws: Draws, people: Sequence[str]) -> Story:
    """2: where a thing is, which someone took somewhere."""
    world, cast = _start(draws, people, 2 + draws.below(2), draws.some(THINGS, 3))
    for _ in range(QUESTIONS):
        known: dict[str, Known] = {}
        told = 0
        while told < 3 or not known:
            _carry(world, draws, cast)
            told += 1
            known = {t: place for t in world.things if (place := world.where(t)) is not None}
        thing = draws.one([*known])
        world.story.ask(f"Where is the {thing}?", *known[thing])
    return world.story


def three_facts(draws: Draws, people: Sequence[str]) -> Story:
    """3: where a thing was before a place that it came to once."""
    world, cast = _start(draws, people, 2, draws.some(THINGS, 2))
    for _ in range(QUESTIONS):
        could: list[tuple[str, tuple[str, str, list[int]]]] = []
        told = 0
        while told < 3 or not could:
            _carry(world, draws, cast)
            told += 1
            could = [
                (thing, move)
                for thing, moves in world.moves.items()
                for move in moves
                if move[1] != moves[0][0] and [to for _, to, _ in moves].count(move[1]) == 1
            ]
        thing, (before, after, lines) = draws.one(could)
        world.story.ask(f"Where was the {thing} before the {after}?", before, lines)
    return world.story


def giving(draws: Draws, people: Sequence[str]) -> Story:
    """5: who gave what to whom, the last time."""
    world, cast = _start(draws, people, 3, draws.some(THINGS, 3))
    gifts: list[tuple[str, str, str, int]] = []
    for _ in range(QUESTIONS):
        before = len(gifts)
        while len(gifts) == before or draws.chance(1 / 2):
            held = [(thing, holder.what) for thing, holder in world.holder.items()]
            if not held or draws.chance(0.15):
                if free := [thing for thing in world.things if thing not in world.holder]:
                    world.take(draws.one(cast), draws.one(free))
            elif draws.chance(0.2):
                world.go(draws.one(cast))
            else:
                thing, giver = draws.one(held)
                other = draws.one([person for person in cast if person != giver])
                gifts.append((giver, thing, other, world.give(giver, thing, other)))
        asks: dict[str, tuple[str, int]] = {}  # what a question means is the last gift that it fits
        for giver, thing, other, line in gifts:
            asks[f"What did {giver} last give to {other}?"] = thing, line
            asks[f"Who last gave the {thing} to {other}?"] = giver, line
            asks[f"Who last gave the {thing} away?"] = giver, line
            asks[f"Who last received the {thing}?"] = other, line
            asks[f"To whom did {giver} last give the {thing}?"] = other, line
        question = draws.one([*asks])
        answer, line = asks[question]
        world.story.ask(question, answer, [line])
    return world.story


def counting(draws: Draws, people: Sequence[str]) -> Story:
    """7: how many things someone carries."""
    world, cast = _start(draws, people, 2, draws.some(THINGS, 6))
    for n in range(QUESTIONS):
        person, held, lines = _hands(world, draws, cast, 4 if n == 0 else 3)
        world.story.ask(f"How many things does {person} carry?", NUMBERS[len(held)], lines)
    return world.story


def lists(draws: Draws, people: Sequence[str]) -> Story:
    """8: what someone carries, in the order of the alphabet."""
    world, cast = _start(draws, people, 2, [*THINGS[:FEW]])
    for n in range(QUESTIONS):
        person, held, lines = _hands(world, draws, cast, 4 if n == 0 else 3)
        world.story.ask(f"What does {person} carry?", ",".join(sorted(held)) or "nothing", lines)
    return world.story


def _start(draws: Draws, people: Sequence[str], size: int, things: list[str]) -> tuple[World, list[str]]:
    return World(Story(), draws, things), draws.some(people, size)


def _carry(world: World, draws: Draws, cast: Sequence[str]) -> None:
    """Tell one event: someone goes, takes a thing or puts it down. Nobody takes one before their place is known."""
    person = draws.one(cast)
    free, held = world.free(person), world.held(person)
    if person in world.place and free and draws.chance(0.35):
        world.take(person, draws.one(free))
    elif held and draws.chance(0.25):
        world.put(person, draws.one(held))
    else:
        world.go(person)


def _hands(world: World, draws: Draws, cast: Sequence[str], events: int) -> tuple[str, list[str], list[int]]:
    """Tell some events, and find someone of whom one may ask what they hold: who, what, and the lines that say so.

    Each number of things is as likely as the others that there are.
    """
    known: dict[int, list[tuple[str, list[str], list[int]]]] = {}
    told = 0
    while told < events or not known:
        _deal(world, draws, cast)
        told += 1
        known = {}
        for person in cast:
            held = world.held(person)
            lines = [line for thing in held for line in world.holder[thing].lines] or world.lost.get(person, [])
            if lines:
                known.setdefault(len(held), []).append((person, held, lines))
    return draws.one(known[draws.one(sorted(known))])


def _deal(world: World, draws: Draws, cast: Sequence[str]) -> None:
    """Tell one event: someone takes, gives or puts down a thing, or goes."""
    person = draws.one(cast)
    free, held = world.free(person), world.held(person)
    others = [other for other in cast if other != person and len(world.held(other)) < len(NUMBERS) - 1]
    if free and len(held) < len(NUMBERS) - 1 and draws.chance(0.55):
        world.take(person, draws.one(free))
    elif held and draws.chance(0.5):
        world.put(person, draws.one(held))
    elif held and others and draws.chance(0.5):
        world.give(person, draws.one(held), draws.one(others))
    else:
        world.go(person)
