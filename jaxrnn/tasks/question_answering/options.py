"""Which reader answers the questions, and how large it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxrnn.train.options import check


@dataclass(frozen=True)
class ModelOptions:
    """The reader.

    Args:
        reader: lstm, which reads words, or attentive, which weighs sentences.
        hidden: Units of its recurrent networks; of the attentive reader's words and sentences, too.
        hops: Of the attentive reader: how often it reads the story.
        dropout: Rate while training: before the readout; of the attentive reader's sentences and between its hops.
    """

    reader: Literal["lstm", "attentive"] = "attentive"
    hidden: int = 64
    hops: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check(self.reader in ("lstm", "attentive"), "model.reader", "'lstm' or 'attentive'", self.reader)
        check(self.hidden >= 1, "model.hidden", "1 or more", self.hidden)
        check(self.hops >= 1, "model.hops", "1 or more", self.hops)
        check(0 <= self.dropout < 1, "model.dropout", "a rate in [0, 1)", self.dropout)
