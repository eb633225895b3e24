"""Stories of what lies where and what is how big: kinds 4, 17, 18 and 19."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise, permutations

from jaxrnn.tasks.question_answering.simulator.draws import Draws
from jaxrnn.tasks.question_answering.simulator.teller import Story
from jaxrnn.tasks.question_answering.simulator.words import BESIDE, BOXES, PLACES, SIDES, VESSELS

Spot = tuple[int, int]
Sides = Mapping[str, Spot]


def neighbours(draws: Draws, _people: Sequence[str]) -> Story:
    """4: which of two is north of the other."""
    story = Story()
    plan = _map(draws, PLACES, 3 + draws.below(2), SIDES)
    lines = _tell_map(story, draws, plan, SIDES, "The {} lies just {} of the {}.")
    asks = []
    for (one, other), (line, side) in lines.items():
        asks += [
            (f"What lies just {side} of the {other}?", one, line),
            (f"What does the {one} lie just {side} of?", other, line),
        ]
    for question, answer, line in draws.some(asks, 4):
        story.ask(question, answer, [line])
    return story


def positions(draws: Draws, _people: Sequence[str]) -> Story:
    """17: whether one of two is above the other, or left of it, as seen from a third."""
    story = Story()
    plan = _map(draws, VESSELS, 3 + draws.below(2), BESIDE)
    lines = _tell_map(story, draws, plan, BESIDE, "The {} stands directly {} the {}.")
    told: dict[str, list[tuple[str, str, list[int]]]] = {"yes": [], "no": []}
    for one, other in permutations(plan, 2):
        way = _ways(lines, one).get(other, [])
        for side, (x, y) in BESIDE.items():
            apart = plan[one][0] - plan[other][0], plan[one][1] - plan[other][1]
            right = apart[0] * x + apart[1] * y > 0
            if len(way) >= 2:
                question = f"Is the {one} {'to the ' if 'of' in side else ''}{side} the {other}?"
                told["yes" if right else "no"].append((side, question, way))
    for _ in range(4):
        answer = draws.one([answer for answer, some in told.items() if some])
        chosen = draws.one(told[answer])
        told[answer].remove(chosen)
        story.ask(chosen[1], answer, chosen[2])
    return story


def sizes(draws: Draws, _people: Sequence[str]) -> Story:
    """18: whether one fits inside another, by the sizes of those between them."""
    story = Story()
    boxes = draws.some(BOXES, 5)  # from small to big
    pairs = [*pairwise(boxes)]
    if draws.chance(1 / 2):
        first = draws.below(3)
        pairs.append((boxes[first], boxes[first + 2]))
    lines: dict[tuple[str, str], tuple[int, str]] = {}
    for small, big in draws.mixed(pairs):
        told = draws.one((f"The {small} fits inside the {big}.", f"The {big} is bigger than the {small}."))
        lines[small, big] = story.tell(told), ""
    unsaid = [pair for pair in combinations(boxes, 2) if pair not in lines]
    asks = {
        answer: [
            (question, _ways(lines, small)[big])
            for small, big in unsaid
            for one, other in [(small, big) if answer == "yes" else (big, small)]
            for question in (f"Does the {one} fit inside the {other}?", f"Is the {other} bigger than the {one}?")
        ]
        for answer in ("yes", "no")
    }
    for _ in range(5):
        answer = draws.one(("yes", "no"))
        chosen = draws.one(asks[answer])
        asks[answer].remove(chosen)
        story.ask(chosen[0], answer, chosen[1])
    return story


def paths(draws: Draws, _people: Sequence[str]) -> Story:
    """19: the two steps from one place to another."""
    story = Story()
    plan = _map(draws, PLACES, 5, SIDES)
    lines = _tell_map(story, draws, plan, SIDES, "The {} lies just {} of the {}.")
    asks = []
    for start, end in permutations(plan, 2):
        way = _route(lines, start).get(end, [])
        if len(way) == 3:
            steps = [_side(plan, SIDES, two, one) for one, two in pairwise(way)]
            asks.append((f"How do you get from the {start} to the {end}?", ",".join(steps), _ways(lines, start)[end]))
    for question, answer, support in draws.some(asks, 2):
        story.ask(question, answer, support)
    return story


def _map(draws: Draws, names: Sequence[str], size: int, sides: Sides) -> dict[str, Spot]:
    """Names on a grid, each beside an earlier one and beside no other, so that there's one way between any two."""
    first, *others = draws.some(names, size)
    plan = {first: (0, 0)}
    for name in others:
        free = []
        for x, y in plan.values():
            for right, up in sides.values():
                spot = x + right, y + up
                if sum((spot[0] + r, spot[1] + u) in plan.values() for r, u in sides.values()) == 1:
                    free.append(spot)
        plan[name] = draws.one([spot for spot in free if spot not in plan.values()])
    return plan


def _side(plan: Mapping[str, Spot], sides: Sides, one: str, other: str) -> str:
    """On which side of the other one lies; "" if they aren't neighbours."""
    apart = plan[one][0] - plan[other][0], plan[one][1] - plan[other][1]
    return next((side for side, step in sides.items() if step == apart), "")


def _tell_map(
    story: Story, draws: Draws, plan: Mapping[str, Spot], sides: Sides, sentence: str
) -> dict[tuple[str, str], tuple[int, str]]:
    """Tell of all neighbours, in any order, on which side one is of the other: pairs with their lines and sides."""
    lines = {}
    for pair in draws.mixed([pair for pair in combinations(plan, 2) if _side(plan, sides, *pair)]):
        one, other = draws.mixed(pair)
        side = _side(plan, sides, one, other)
        lines[one, other] = story.tell(sentence.format(one, side, other)), side
    return lines


def _route(lines: Mapping[tuple[str, str], tuple[int, str]], start: str) -> dict[str, list[str]]:
    """The shortest ways from `start` by what was told: names from the start to each end."""
    found, edge = {start: [start]}, [start]
    while edge:
        here = edge.pop(0)
        for one, other in lines:
            for a, b in ((one, other), (other, one)):
                if a == here and b not in found:
                    found[b] = [*found[a], b]
                    edge.append(b)
    return found


def _ways(lines: Mapping[tuple[str, str], tuple[int, str]], start: str) -> dict[str, list[int]]:
    """The lines of those ways."""
    number = {frozenset(pair): line for pair, (line, _) in lines.items()}
    return {end: [number[frozenset(step)] for step in pairwise(way)] for end, way in _route(lines, start).items()}
