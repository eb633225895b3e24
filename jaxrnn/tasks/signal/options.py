"""The options of signals: what is read, what is found in it, and the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxrnn.tasks.shared.own_splits import OwnData
from jaxrnn.tasks.shared.sequence_cells import CELLS, CellName
from jaxrnn.train.options import check, check_whole


@dataclass(frozen=True)
class DataOptions(OwnData):
    """The recordings.

    Args:
        set: power, a house's power minute by minute and what three meters in it counted, which ships; ecg, twelve
            half-hours of electrocardiograms with marked beats; or own, as `data.path` beside power is too.
        path: Your own: a CSV or .npz file with columns (or arrays) for inputs and targets, or a folder of some. Of
            ecg: the folder with its two files.
        inputs: Of your own: names of the columns that are read, with commas between.
        targets: Of your own: names of the columns that are to be found.
        events: Of your own: targets are events, 1 where there is one, not values.
        log: Inputs are seen as logarithms, log(1 + x), too.
        calendar: Day and week are seen, of the column time.
        seconds: Of your own: what a step lasts, to say how late answers come. 0: unknown.
        frame: Steps that the network reads and answers at once.
        length: The steps of a chunk.
        rows: B, the chunks of a batch: so many streams are read side by side, and states go from chunk to chunk.
        margin: Of a bidirectional network, which cannot: steps on both sides of a chunk that are read and not counted.
        width: Steps on both sides of an event where the network learns to say so.
        tolerance: Steps that an event may be found away from where it is.
        refractory: Steps in which there is one event at most.
        seed: Of the order of the chunks of a bidirectional network.
    """

    set: Literal["power", "ecg", "own"] = "power"
    path: str = ""
    inputs: str = ""
    targets: str = ""
    events: bool = False
    log: bool = False
    calendar: bool = False
    seconds: float = 0.0
    frame: int = 1
    length: int = 512
    rows: int = 32
    margin: int = 128
    width: int = 4
    tolerance: int = 27
    refractory: int = 36
    seed: int = 0

    ships = ("power",)
    full = ("ecg",)
    counted = ("frame", "length", "rows", "refractory")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("margin", "width", "tolerance"):
            check_whole(getattr(self, name), f"data.{name}", 0)
        check(0 <= self.seconds < float("inf"), "data.seconds", "0 or more", self.seconds)
        for name in ("inputs", "targets"):
            value = getattr(self, name)
            check(self.set != "own" or bool(value.strip(" ,")), f"data.{name}", "names of columns", value)

    @property
    def marks(self) -> bool:
        """Whether targets are events."""
        return self.set == "ecg" or (self.set == "own" and self.events)

    @property
    def frames(self) -> tuple[int, int]:
        """Of a chunk, and of the margin on each side of it."""
        return max(self.length // self.frame, 1), -(-self.margin // self.frame)

    @property
    def step_seconds(self) -> float:
        """What a step lasts; 0: unknown."""
        return {"power": 60.0, "ecg": 1 / 180}.get(self.set, self.seconds)


@dataclass(frozen=True)
class ModelOptions:
    """The network.

    Args:
        cell: Its kind.
        layers: Of them, on top of each other.
        hidden: Units of each (of a bidirectional network, of each direction).
        direction: causal, which answers as steps come in; or bidirectional, which has to see the end first.
        latency: Of a causal network: it answers for the frame so many frames ago, having seen those since.
        recall: Of a network that answers late: beside each frame it is shown that which it answers for once more, which
            it need not keep in mind then.
        dropout: Rate while training, between layers and before the readout.
    """

    cell: CellName = "gru"
    layers: int = 1
    hidden: int = 64
    direction: Literal["causal", "bidirectional"] = "causal"
    latency: int = 0
    recall: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check(self.cell in CELLS, "model.cell", f"one of {', '.join(CELLS)}", self.cell)
        check(self.layers >= 1, "model.layers", "1 or more", self.layers)
        check(self.hidden >= 1, "model.hidden", "1 or more", self.hidden)
        kinds = ("causal", "bidirectional")
        check(self.direction in kinds, "model.direction", "causal or bidirectional", self.direction)
        check_whole(self.latency, "model.latency", 0, what=" frames")
        causal = self.direction == "causal"
        check(causal or not self.latency, "model.latency", "0 for a bidirectional network", self.latency)
        check(not self.recall or self.latency > 0, "model.recall", "false where answers are not late", self.recall)
        check(0 <= self.dropout < 1, "model.dropout", "a rate in [0, 1)", self.dropout)
