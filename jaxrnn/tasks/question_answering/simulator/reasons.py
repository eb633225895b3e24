"""Stories of what people are, and what follows from it: kinds 15, 16 and 20."""

from __future__ import annotations

from collections.abc import Sequence

from jaxrnn.tasks.question_answering.simulator.draws import Draws
from jaxrnn.tasks.question_answering.simulator.teller import Story
from jaxrnn.tasks.question_answering.simulator.words import ANIMALS, COLOURS, GO, MOTIVES, TAKE, TRADES


def deduction(draws: Draws, people: Sequence[str]) -> Story:
    """15: what holds for someone, as it holds for all of the trade."""
    story = Story()
    trades, cast = draws.some(TRADES, 4), draws.some(people, 4)
    keeps = dict(zip(trades, draws.some(ANIMALS, 4), strict=True))
    does = {person: draws.one(trades) for person in cast}
    rules = {trade: f"Every {trade} keeps a pet {animal}." for trade, animal in keeps.items()}
    lines = _tell(story, draws, rules | {person: f"{person} is a {trade}." for person, trade in does.items()})
    for person in draws.mixed(cast):
        trade = does[person]
        story.ask(f"Which pet does {person} keep?", keeps[trade], [lines[person], lines[trade]])
    return story


def induction(draws: Draws, people: Sequence[str]) -> Story:
    """16: what probably holds for someone, as for another of the trade: in a story no trade has two colours."""
    story = Story()
    trades, cast = draws.some(TRADES, 3), draws.some(people, 5)
    wears = dict(zip(trades, draws.some(COLOURS, 3), strict=True))
    models, asked = dict(zip(trades, cast, strict=False)), cast[len(trades) :]
    does = {person: trade for trade, person in models.items()} | {person: draws.one(trades) for person in asked}
    facts = {person: f"{person} is a {trade}." for person, trade in does.items()}
    facts |= {trade: f"{person} wears {wears[trade]}." for trade, person in models.items()}
    lines = _tell(story, draws, facts)
    for person in asked:
        trade = does[person]
        known = [lines[person], lines[models[trade]], lines[trade]]
        story.ask(f"Which colour does {person} wear?", wears[trade], known)
    return story


def motives(draws: Draws, people: Sequence[str]) -> Story:
    """20: what someone will do, who feels something; and why someone did it."""
    story = Story()
    cast = draws.some(people, 3)
    feels = {person: draws.one([*MOTIVES]) for person in cast}
    line: dict[str, int] = {}
    stage = dict.fromkeys(cast, 0)
    asked = {*draws.some(range(9), 5)}  # of the nine events, those that are asked about
    for event in range(9):
        person = draws.one([person for person in cast if stage[person] < 3])
        feeling = feels[person]
        place, thing = MOTIVES[feeling]
        stage[person] += 1
        if stage[person] == 1:
            line[person] = story.tell(f"{person} is {feeling}.")
            asks = draws.one(((f"Where will {person} go?", place), (f"What will {person} look for?", thing)))
        elif stage[person] == 2:
            story.tell(f"{person} {draws.one(GO)} the {place}.")
            asks = f"Why did {person} go to the {place}?", feeling
        else:
            story.tell(f"{person} {draws.one(TAKE)} the {thing}.")
            asks = f"Why did {person} take the {thing}?", feeling
        if event in asked:
            story.ask(*asks, [line[person]])
    return story


def _tell(story: Story, draws: Draws, facts: dict[str, str]) -> dict[str, int]:
    """Tell sentences in any order; their lines by the same names."""
    return {name: story.tell(facts[name]) for name in draws.mixed([*facts])}
