"""The options of a tagger's network, and of what it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxrnn.tasks.shared.own_splits import OwnData
from jaxrnn.tasks.shared.readers import check_cell
from jaxrnn.train.options import check, check_types, check_whole


@dataclass(frozen=True)
class ModelOptions:
    """The network.

    Args:
        cell: Its kind: any that `jaxrnn cells` lists, but for those to which time is an input.
        hidden: H, units of each direction over the words.
        layers: Bidirectional layers on top of each other.
        words: E, features of a word.
        characters: Features of a character, and units of each direction over the characters of a word. 0: words are
            known by their embedding alone.
        affixes: Features of each of the first and of the last one, two, three and four characters of a word. 0: none.
        crf: Tags are chosen together, by a conditional random field; else each by itself.
        dropout: Rate while training: of what is known of a word, between layers, and before the readout.
        blanks: The share of words that are read as unknown while training, by their characters alone.
    """

    cell: str = "lstm"
    hidden: int = 100
    layers: int = 1
    words: int = 64
    characters: int = 32
    affixes: int = 0
    crf: bool = True
    dropout: float = 0.5
    blanks: float = 0.1

    def __post_init__(self) -> None:
        check_types(self, "model")
        check_cell(self.cell)
        for name in ("hidden", "layers", "words"):
            check_whole(getattr(self, name), f"model.{name}")
        for name in ("characters", "affixes"):
            check_whole(getattr(self, name), f"model.{name}", 0)
        check(0 <= self.dropout < 1, "model.dropout", "a rate in [0, 1)", self.dropout)
        check(0 <= self.blanks < 1, "model.blanks", "a share in [0, 1)", self.blanks)


@dataclass(frozen=True)
class DataOptions(OwnData):
    """The sentences.

    Args:
        set: turkish, parts of speech of the Turkish Web Treebank; addresses of the USA; wnut17, named entities
            (Derczynski et al. 2017); or own, yours, as `data.path` beside the first two is too.
        path: Your own: a file in the format of CoNLL, a word a line with its tag, an empty line behind each sentence;
            or a folder of such. Of wnut17: a folder with wnut17_train.conll,
            wnut17_dev.conll and wnut17_test.conll.
        token: The column that has the words, counted from 0.
        tag: The column that has the tags; -1: the last one.
        at_least: Words that occur less often in what trains have no embedding.
        longest: Words that are read of a sentence, at most: what is longer is cut into pieces.
        rows: B, the sentences of a batch.
        seed: Of their order.
    """

    set: Literal["turkish", "addresses", "wnut17", "own"] = "turkish"
    path: str = ""
    token: int = 0
    tag: int = -1
    at_least: int = 2
    longest: int = 128
    rows: int = 32
    seed: int = 0

    ships = ("turkish", "addresses")
    full = ("wnut17",)
    counted = ("at_least", "longest", "rows")

    def __post_init__(self) -> None:
        check_types(self, "data")
        super().__post_init__()
        check_whole(self.token, "data.token", 0)
        check_whole(self.tag, "data.tag", -1)
        check(self.tag != self.token, "data.tag", "another column than data.token", self.tag)
