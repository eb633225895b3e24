"""Stories of people who go from place to place: kinds 1, 6, 9, 10, 11, 12, 13 and 14."""

from __future__ import annotations

from collections.abc import Sequence

from jaxrnn.tasks.question_answering.simulator.draws import Draws
from jaxrnn.tasks.question_answering.simulator.teller import Story
from jaxrnn.tasks.question_answering.simulator.words import DAYS, GO, HE, PLACES, THEN
from jaxrnn.tasks.question_answering.simulator.world import World

QUESTIONS = 5
HERE = ("{} is in the {}.", "{} went to the {}.", "{} came to the {}.")
NOT_HERE = ("{} is not in the {}.", "{} is somewhere else than in the {}.")
GONE = ("{} is no longer in the {}.", "{} has gone out of the {}.")


def one_fact(draws: Draws, people: Sequence[str]) -> Story:
    """1: where someone is, who went somewhere."""
    story = Story()
    world, cast = World(story, draws), draws.some(people, 2 + draws.below(3))
    for n in range(QUESTIONS):
        for _ in range(2 + (n == 0)):
            world.go(draws.one(cast))
        _where(world, draws)
    return story


def yes_or_no(draws: Draws, people: Sequence[str]) -> Story:
    """6: whether someone is at a place, in half of the cases one of which the story tells."""
    story = Story()
    world, cast = World(story, draws), draws.some(people, 2 + draws.below(3))
    for n in range(QUESTIONS):
        for _ in range(2 + (n == 0)):
            world.go(draws.one(cast))
        person = draws.one([*world.place])
        place, lines = world.place[person]
        if draws.chance(1 / 2):
            story.ask(f"Is {person} in the {place}?", "yes", lines)
        else:
            told = [p for places in world.been.values() for p in places if p != place]
            other = draws.one(told) if told and draws.chance(1 / 2) else world.elsewhere(person)
            story.ask(f"Is {person} in the {other}?", "no", lines)
    return story


def negation(draws: Draws, people: Sequence[str]) -> Story:
    """9: whether someone is at a place; where they are not is told as well."""
    story = Story()
    cast = draws.some(people, 3)
    here: dict[str, tuple[str, int]] = {}
    never: dict[str, dict[str, int]] = {person: {} for person in cast}  # where people are not: lines

    def tell() -> None:
        person = draws.one(cast)
        if draws.chance(0.4):
            told = draws.one(NOT_HERE)
            if person in here:
                place = here.pop(person)[0]
                told = draws.one(GONE)
            else:
                place = draws.one([place for place in PLACES if place not in never[person]])
            never[person][place] = story.tell(told.format(person, place))
        else:
            place = draws.one([place for place in PLACES if place not in (*never[person], *here.get(person, ()))])
            told = draws.one(HERE)
            here[person], never[person] = (place, story.tell(told.format(person, place))), {}

    for n in range(QUESTIONS):
        wanted = "yes" if draws.chance(1 / 2) else "no"
        for _ in range(2 + (n == 0)):
            tell()
        while wanted == "yes" and not here:
            tell()
        person = draws.one([*here]) if wanted == "yes" else draws.one([p for p in cast if p in here or never[p]])
        if wanted == "yes":
            place, line = here[person]
        elif person in here:
            line = here[person][1]
            place = draws.one([place for place in PLACES if place != here[person][0]])
        else:
            place, line = draws.one([*never[person].items()])
        story.ask(f"Is {person} in the {place}?", wanted, [line])
    return story


def perhaps(draws: Draws, people: Sequence[str]) -> Story:
    """10: whether someone is at a place, where of some only two places are known."""
    story = Story()
    cast = draws.some(people, 3)
    places: dict[str, tuple[list[str], int]] = {}
    for n in range(QUESTIONS):
        for _ in range(2 + (n == 0)):
            person = draws.one(cast)
            either = draws.some([p for p in PLACES if p not in places.get(person, ([], 0))[0]], 2)
            if draws.chance(1 / 2):
                told = f"{person} is either in the {either[0]} or in the {either[1]}."
            else:
                either = either[:1]
                told = draws.one(HERE).format(person, *either)
            places[person] = either, story.tell(told)
        asked: dict[str, list[tuple[str, str]]] = {"yes": [], "no": [], "maybe": []}
        for person, (known, _) in places.items():
            asked["maybe" if len(known) == 2 else "yes"] += [(person, place) for place in known]
            asked["no"] += [(person, place) for place in PLACES if place not in known]
        answer = draws.one([answer for answer, some in asked.items() if some])
        person, place = draws.one(asked[answer])
        story.ask(f"Is {person} in the {place}?", answer, [places[person][1]])
    return story


def coreference(draws: Draws, people: Sequence[str]) -> Story:
    """11: where someone is, who may have been called he or she."""
    return _spoken_of_again(draws, people, 1)


def conjunction(draws: Draws, people: Sequence[str]) -> Story:
    """12: where someone is, who went with another."""
    story = Story()
    world, cast = World(story, draws), draws.some(people, 4)
    for _ in range(QUESTIONS):
        for _ in range(2):
            _together(world, draws, draws.some(cast, 2))
        _where(world, draws)
    return story


def compound_coreference(draws: Draws, people: Sequence[str]) -> Story:
    """13: where someone is, who went with another, and both may have been called they."""
    return _spoken_of_again(draws, people, 2)


def days(draws: Draws, people: Sequence[str]) -> Story:
    """14: where someone was before or after, where days are told in any order."""
    story = Story()
    cast = draws.some(people, 3)
    visits: dict[str, dict[int, tuple[str, int]]] = {person: {} for person in cast}
    for n in range(QUESTIONS):
        for _ in range(2 if n else 4):
            person = draws.one([person for person in cast if len(visits[person]) < len(DAYS)])
            day = draws.one([day for day in range(len(DAYS)) if day not in visits[person]])
            place = draws.one([p for p in PLACES if p not in [been for been, _ in visits[person].values()]])
            told = draws.one(("{} was in the {} on {}.", "On {2} {0} was in the {1}."))
            visits[person][day] = place, story.tell(told.format(person, place, DAYS[day]))
        person = draws.one([person for person in cast if len(visits[person]) >= 2])
        order = [visit for _, visit in sorted(visits[person].items())]
        first = draws.below(len(order) - 1)
        (before, one), (after, two) = order[first : first + 2]
        if draws.chance(1 / 2):
            story.ask(f"Where was {person} before the {after}?", before, [one, two])
        else:
            story.ask(f"Where was {person} after the {before}?", after, [one, two])
    return story


def _where(world: World, draws: Draws) -> None:
    """Ask where someone is."""
    person = draws.one([*world.place])
    world.story.ask(f"Where is {person}?", *world.place[person])


def _together(world: World, draws: Draws, group: Sequence[str]) -> list[int]:
    """Tell that people go somewhere; the line."""
    place = world.elsewhere(*group)
    lines = [world.story.tell(f"{' and '.join(group)} {draws.one(GO)} the {place}.")]
    for person in group:
        world.arrive(person, place, lines)
    return lines


def _spoken_of_again(draws: Draws, people: Sequence[str], size: int) -> Story:
    """Groups of people go somewhere, and most of them on from there: he, she or they."""
    story = Story()
    world, cast = World(story, draws), draws.some(people, 4)
    for _ in range(QUESTIONS):
        for _ in range(1 + draws.below(2)):
            group = draws.some(cast, size)
            lines = _together(world, draws, group)
            if draws.chance(3 / 4):
                who = "they" if size > 1 else "he" if group[0] in HE else "she"
                place = world.elsewhere(*group)
                lines = [*lines, story.tell(f"{draws.one(THEN)} {who} {draws.one(GO)} the {place}.")]
                for person in group:
                    world.arrive(person, place, lines)
        _where(world, draws)
    return story
