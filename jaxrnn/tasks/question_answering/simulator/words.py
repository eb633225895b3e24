"""The words of the simulated stories: who, where and what. Names of people differ from split to split.

A name is told from other words by these lists alone, so no name may be a word of the stories as well.
"""

from __future__ import annotations

WOMEN = {
    "train": "Anna Bella Clara Dora Ella Freya Greta Hanna Ida Julia "
    "Klara Lena Maria Nora Olga Paula Rita Sofia Tina Vera",
    "validation": "Agnes Bianca Celia Dina Edith Frida Gina Helga",
    "test": "Alice Berta Carla Diana Emma Fiona Gloria Hilda Irene Judith Laura Mary",
}
MEN = {
    "train": "Adam Ben Carl David Emil Felix George Hugo Ivan Jacob "
    "Kurt Leo Max Nils Oscar Peter Ralph Simon Tom Viktor",
    "validation": "Albert Boris Conrad Dirk Eric Frank Gustav Henry",
    "test": "Andrew Bruno Cesar Daniel Edgar Fred Gregor Harald Igor John Lars Martin",
}
HE = frozenset(name for names in MEN.values() for name in names.split())


def people(split: str) -> tuple[str, ...]:
    """The names of a split, "train", "validation" or "test"."""
    return (*WOMEN[split].split(), *MEN[split].split())


EVERYONE = tuple(name.lower() for split in WOMEN for name in people(split))  # as words of a text

PLACES = ("kitchen", "garden", "cellar", "attic", "bakery", "library", "stable", "harbour", "market", "tower")
THINGS = ("lamp", "map", "kettle", "violin", "hammer", "basket", "letter", "coin")
VESSELS = ("cup", "jar", "bowl", "vase", "bottle", "bucket", "teapot", "plate")
BOXES = ("crate", "barrel", "trunk", "drawer", "sack", "tin", "pouch", "cabinet")
TRADES = ("baker", "sailor", "weaver", "farmer", "potter", "miner")
ANIMALS = ("owl", "goat", "cat", "pony", "goose", "hare")
COLOURS = ("red", "blue", "green", "yellow", "white", "black")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
NUMBERS = ("none", "one", "two", "three")
SIDES = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}  # steps on a map
BESIDE = {"above": (0, 1), "below": (0, -1), "right of": (1, 0), "left of": (-1, 0)}  # steps on a wall of shelves
# What one may be: where one goes then, and what for. Each place serves two, so that a place doesn't tell the reason.
MOTIVES = {
    "hungry": ("kitchen", "bread"),
    "thirsty": ("kitchen", "water"),
    "tired": ("bedroom", "pillow"),
    "cold": ("bedroom", "blanket"),
    "curious": ("library", "book"),
    "lost": ("library", "atlas"),
    "bored": ("garden", "ball"),
    "hot": ("garden", "hat"),
}

GO = ("went to", "walked to", "ran to", "hurried to", "came to", "headed for")
TAKE = ("took", "fetched", "collected", "picked up")
DROP = ("put down", "laid down", "set down", "let go of")
GIVE = ("gave", "handed", "passed", "lent")
THEN = ("Then", "After that", "A little later", "Soon afterwards")
