"""Answers of our own to the twenty kinds of question: each read off the sentences by patterns, without the simulator.

`solve(kind, sentences, question)` knows the text alone: sentences in the order they were told, with full stops.
"""

from __future__ import annotations

import re
from collections import deque

GO = r"(?:went to|walked to|ran to|hurried to|came to|headed for) the (\w+)\."
TAKE = r"(\w+) (?:took|fetched|collected|picked up) the (\w+)\."
DROP = r"(\w+) (?:put down|laid down|set down|let go of) the (\w+)\."
GIVE = r"(\w+) (?:gave|handed|passed|lent) the (\w+) to (\w+)\."
PRONOUN = r"(?:Then|After that|A little later|Soon afterwards) (?:he|she|they) "


def read(pattern, text):
    """The groups of a pattern that the whole text is, or None."""
    match = re.fullmatch(pattern, text)
    return match and match.groups()


def places(sentences):
    """Where everybody is in the end."""
    at, before = {}, ()
    for sentence in sentences:
        if found := read(PRONOUN + GO, sentence):
            who, place = before, found[0]
        else:
            people, place = read(r"(\w+(?: and \w+)?) " + GO, sentence)
            who = before = people.split(" and ")
        at |= dict.fromkeys(who, place)
    return at


def where_is(sentences, question):
    (who,) = read(r"Where is (\w+)\?", question)
    return places(sentences)[who]


def is_there(sentences, question):
    who, place = read(r"Is (\w+) in the (\w+)\?", question)
    return "yes" if places(sentences)[who] == place else "no"


def ways(sentences):
    """Each thing's places, one after another; and each holder's things, with the order in which they came."""
    at, held, way = {}, {}, {}
    for sentence in sentences:
        if found := read(r"(\w+) " + GO, sentence):
            who, place = found
            at[who] = place
        elif found := read(TAKE, sentence):
            who, thing = found
            held[thing] = who
        elif found := read(DROP, sentence):
            who, thing = found
            held.pop(thing, None)
            way.setdefault(thing, []).append(at.get(who))
        else:
            who, thing, other = read(GIVE, sentence)
            held[thing] = other
        for thing, holder in held.items():
            way.setdefault(thing, []).append(at.get(holder))
    return {thing: [p for n, p in enumerate(w) if p and (not n or w[n - 1] != p)] for thing, w in way.items()}, held


def where_thing(sentences, question):
    (thing,) = read(r"Where is the (\w+)\?", question)
    return ways(sentences)[0][thing][-1]


def where_before(sentences, question):
    thing, place = read(r"Where was the (\w+) before the (\w+)\?", question)
    way = ways(sentences)[0][thing]
    assert way.count(place) == 1, "or nobody knows which time is meant"
    return way[way.index(place) - 1]


def neighbour(sentences, question):
    facts = [read(r"The (\w+) lies just (\w+) of the (\w+)\.", sentence) for sentence in sentences]
    if found := read(r"What lies just (\w+) of the (\w+)\?", question):
        (answer,) = [one for one, side, other in facts if (side, other) == found]
    else:
        found = read(r"What does the (\w+) lie just (\w+) of\?", question)
        (answer,) = [other for one, side, other in facts if (one, side) == found]
    return answer


def gift(sentences, question):
    gifts = [found for sentence in sentences if (found := read(GIVE, sentence))]
    for pattern, known, asked in (
        (r"What did (\w+) last give to (\w+)\?", (0, 2), 1),
        (r"Who last gave the (\w+) to (\w+)\?", (1, 2), 0),
        (r"Who last gave the (\w+) away\?", (1,), 0),
        (r"Who last received the (\w+)\?", (1,), 2),
        (r"To whom did (\w+) last give the (\w+)\?", (0, 1), 2),
    ):
        if found := read(pattern, question):
            return [g[asked] for g in gifts if tuple(g[n] for n in known) == found][-1]
    raise AssertionError(question)


def how_many(sentences, question):
    (who,) = read(r"How many things does (\w+) carry\?", question)
    return ("none", "one", "two", "three")[[*ways(sentences)[1].values()].count(who)]


def what_all(sentences, question):
    (who,) = read(r"What does (\w+) carry\?", question)
    return ",".join(sorted(t for t, holder in ways(sentences)[1].items() if holder == who)) or "nothing"


def could_be(sentences):
    """Of everybody, the places where they may be, and those where they are not."""
    may, never = {}, {}
    for sentence in sentences:
        if found := read(r"(\w+) is either in the (\w+) or in the (\w+)\.", sentence):
            may[found[0]], never[found[0]] = {*found[1:]}, set()
        elif found := (
            read(r"(\w+) (?:is not|is somewhere else than|is no longer) in the (\w+)\.", sentence)
            or read(r"(\w+) has gone out of the (\w+)\.", sentence)
        ):
            who, place = found
            if may.get(who) == {place}:
                del may[who]
            assert who not in may, "where somebody is not need not be told of one whose place is known"
            never.setdefault(who, set()).add(place)
        else:
            who, place = read(r"(\w+) (?:is in|went to|came to) the (\w+)\.", sentence)
            may[who], never[who] = {place}, set()
    return may, never


def perhaps(sentences, question):
    who, place = read(r"Is (\w+) in the (\w+)\?", question)
    may, never = could_be(sentences)
    if who not in may:
        assert place in never[who], "or nobody knows"
        return "no"
    return "no" if place not in may[who] else "yes" if len(may[who]) == 1 else "maybe"


def which_day(sentences, question):
    who, way, place = read(r"Where was (\w+) (before|after) the (\w+)\?", question)
    days = {}
    for sentence in sentences:
        if found := read(r"On (\w+) (\w+) was in the (\w+)\.", sentence):
            day, person, there = found
        else:
            person, there, day = read(r"(\w+) was in the (\w+) on (\w+)\.", sentence)
        if person == who:
            days[("Monday", "Tuesday", "Wednesday", "Thursday", "Friday").index(day)] = there
    order = [days[day] for day in sorted(days)]
    assert order.count(place) == 1
    return order[order.index(place) + (1 if way == "after" else -1)]


def pet(sentences, question):
    (who,) = read(r"Which pet does (\w+) keep\?", question)
    rules = dict(found for s in sentences if (found := read(r"Every (\w+) keeps a pet (\w+)\.", s)))
    return rules[dict(found for s in sentences if (found := read(r"(\w+) is a (\w+)\.", s)))[who]]


def colour(sentences, question):
    (who,) = read(r"Which colour does (\w+) wear\?", question)
    does = dict(found for s in sentences if (found := read(r"(\w+) is a (\w+)\.", s)))
    wears = dict(found for s in sentences if (found := read(r"(\w+) wears (\w+)\.", s)))
    (found,) = {c for other, c in wears.items() if does.get(other) == does[who]}
    return found


STEP = {"above": (0, 1), "below": (0, -1), "right": (1, 0), "left": (-1, 0)}
STEP |= {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}


def links(sentences, pattern):
    """Where each neighbour of each name lies: {one: {other: (x, y) from one to the other}}."""
    found = {}
    for sentence in sentences:
        one, side, other = read(pattern, sentence)
        x, y = STEP[side]
        found.setdefault(other, {})[one] = (x, y)
        found.setdefault(one, {})[other] = (-x, -y)
    return found


def above(sentences, question):
    one, side, other = read(r"Is the (\w+) (?:to the )?(\w+)(?: of)? the (\w+)\?", question)
    near = links(sentences, r"The (\w+) stands directly (\w+)(?: of)? the (\w+)\.")
    spots, edge = {other: (0, 0)}, [other]
    while edge:
        here = edge.pop()
        for there, (x, y) in near[here].items():
            spot = spots[here][0] + x, spots[here][1] + y
            assert spots.setdefault(there, spot) == spot, "a plan that contradicts itself"
            edge += [there] if there in near and there not in edge and near[there].pop(here, None) else []
    assert len({*spots.values()}) == len(spots)
    axis = 0 if side in ("left", "right") else 1
    return "yes" if spots[one][axis] * STEP[side][axis] > 0 else "no"


def fits(sentences, question):
    bigger = {}
    for sentence in sentences:
        found = read(r"The (\w+) fits inside the (\w+)\.", sentence)
        small, big = found or read(r"The (\w+) is bigger than the (\w+)\.", sentence)[::-1]
        bigger.setdefault(small, set()).add(big)
    found = read(r"Does the (\w+) fit inside the (\w+)\?", question)
    small, big = found or read(r"Is the (\w+) bigger than the (\w+)\?", question)[::-1]

    def reaches(start, end):
        return any(next_one == end or reaches(next_one, end) for next_one in bigger.get(start, ()))

    assert reaches(small, big) != reaches(big, small), "or nobody knows"
    return "yes" if reaches(small, big) else "no"


def route(sentences, question):
    start, end = read(r"How do you get from the (\w+) to the (\w+)\?", question)
    near = links(sentences, r"The (\w+) lies just (\w+) of the (\w+)\.")
    names = {step: side for side, step in STEP.items() if side in ("north", "south", "east", "west")}
    found, edge = [], deque([(start, ())])
    while edge:  # all ways of two steps
        here, steps = edge.popleft()
        if len(steps) == 2:
            found += [steps] if here == end else []
        else:
            edge += [(there, (*steps, names[step])) for there, step in near[here].items()]
    (only,) = found
    assert end not in near[start]
    return ",".join(only)


def reason(sentences, question):
    felt = dict(found for s in sentences if (found := read(r"(\w+) is (\w+)\.", s)))
    does = {
        **dict.fromkeys(("hungry", "thirsty"), "kitchen"),
        **dict.fromkeys(("tired", "cold"), "bedroom"),
        **dict.fromkeys(("curious", "lost"), "library"),
        **dict.fromkeys(("bored", "hot"), "garden"),
    }
    wants = {"hungry": "bread", "thirsty": "water", "tired": "pillow", "cold": "blanket"}
    wants |= {"curious": "book", "lost": "atlas", "bored": "ball", "hot": "hat"}
    if found := read(r"Where will (\w+) go\?", question):
        return does[felt[found[0]]]
    if found := read(r"What will (\w+) look for\?", question):
        return wants[felt[found[0]]]
    who, what = read(r"Why did (\w+) (?:go to|take) the (\w+)\?", question)
    assert what in (does[felt[who]], wants[felt[who]])
    return felt[who]


SOLVERS = {
    **{1: where_is, 2: where_thing, 3: where_before, 4: neighbour, 5: gift, 6: is_there, 7: how_many, 8: what_all},
    **{9: perhaps, 10: perhaps, 11: where_is, 12: where_is, 13: where_is, 14: which_day, 15: pet, 16: colour},
    **{17: above, 18: fits, 19: route, 20: reason},
}


def solve(kind, sentences, question):
    """The answer to a question about sentences."""
    return SOLVERS[kind](sentences, question)
