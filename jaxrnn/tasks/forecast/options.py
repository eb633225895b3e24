"""The options of a forecast: what is read, how values are scaled, and the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxrnn.tasks.shared.own_splits import OwnData
from jaxrnn.tasks.shared.sequence_cells import CELLS, CellName
from jaxrnn.train.options import check, check_whole

LARGEST = 80.0  # a logarithm whose exponential float32 holds, some thousand times over


@dataclass(frozen=True)
class DataOptions(OwnData):
    """The series.

    Args:
        set: beijing, fine dust by the hour, or parking, car parks of Birmingham; both ship. tourism_monthly or
            tourism_quarterly, of the tourism forecasting competition; or own, as `data.path` beside one that ships is.
        path: Your own: a CSV file with the columns time (or date, datetime, timestamp, ds) and value, and id where
            there are several series; or time and a column a series. Of tourism: the file tourism.csv.xz, or its folder.
        horizon: h, the steps that are forecast.
        history: Steps that a sequence has before its first forecast, while training.
        span: Steps of a sequence in which forecasts begin.
        every: Steps from one forecast of a sequence to the next.
        season: Steps after which a series repeats itself, such as 24 hours or 12 months. MASE goes by it too.
        second_season: Another such number, longer, such as a week's 168 hours. 0: none.
        steps: time, where a row that is absent is a gap; rows, where it is none, as of shops that close at night.
        known: Columns, with commas between, that are known of the time that is forecast, such as holidays; all for
            all. The others are known up to now.
        long: Of your own: whether the columns id, time and value (and others) are the file's; else it has a column for
            each series. auto: by the names of the columns.
        scale: series, by which a series is divided by its mean size; none.
        log: log(1 + value / this) is what the network sees, in the units of `scale`; 0: the values themselves.
        level: What values are told from: series, its mean in the training part, or season, the mean of the last
            `season` steps, for series that grow.
        hidden: The share of days (of horizons, more exactly) that are hidden where each series is read once more while
            training, so that the network knows what gaps are. 0: it is not read once more.
        rows: B, the sequences of a batch.
        seed: Of their order.
    """

    set: Literal["beijing", "parking", "tourism_monthly", "tourism_quarterly", "own"] = "beijing"
    path: str = ""
    horizon: int = 24
    history: int = 168
    span: int = 168
    every: int = 5
    season: int = 24
    second_season: int = 0
    steps: Literal["time", "rows"] = "time"
    known: str = ""
    long: Literal["auto", "yes", "no"] = "auto"
    scale: Literal["series", "none"] = "series"
    log: float = 0.0
    level: Literal["series", "season"] = "series"
    hidden: float = 0.0
    rows: int = 16
    seed: int = 0

    ships = ("beijing", "parking")
    full = ("tourism_monthly", "tourism_quarterly")
    counted = ("horizon", "history", "span", "every", "season", "rows")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self.second_season, "data.second_season", 0)
        check(self.steps in ("time", "rows"), "data.steps", "time or rows", self.steps)
        check(self.long in ("auto", "yes", "no"), "data.long", "auto, yes or no", self.long)
        check(self.scale in ("series", "none"), "data.scale", "series or none", self.scale)
        check(0 <= self.hidden < 1, "data.hidden", "a share in [0, 1)", self.hidden)
        check(0 <= self.log < float("inf"), "data.log", "0 or more", self.log)
        check(self.level in ("series", "season"), "data.level", "series or season", self.level)

    @property
    def seasons(self) -> tuple[int, ...]:
        """The seasons that there are."""
        return (self.season, self.second_season) if self.second_season else (self.season,)

    @property
    def kept(self) -> int:
        """P, the values before a forecast that it looks at one by one: two of the longest season."""
        return 2 * max(self.seasons)


@dataclass(frozen=True)
class ModelOptions:
    """The network.

    Args:
        cell: Of the encoder, which reads the past.
        layers: Of them, on top of each other.
        hidden: Units of each, and of the head.
        decoder: none, where all steps are forecast at once, each by the same head; recurrent, where a network of the
            same cell goes through them one by one.
        output: quantiles, by the pinball loss; or a distribution by its likelihood: normal, or student, Student's t.
        quantiles: How many, an odd number, at equal distances: 9 are 0.1, 0.2, ..., 0.9.
        dropout: Rate while training, on what the encoder puts out, between its layers, and in the head.
    """

    cell: CellName = "gru"
    layers: int = 1
    hidden: int = 64
    decoder: Literal["none", "recurrent"] = "none"
    output: Literal["quantiles", "normal", "student"] = "quantiles"
    quantiles: int = 9
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check(self.cell in CELLS, "model.cell", f"one of {', '.join(CELLS)}", self.cell)
        check(self.layers >= 1, "model.layers", "1 or more", self.layers)
        check(self.hidden >= 1, "model.hidden", "1 or more", self.hidden)
        check(self.decoder in ("none", "recurrent"), "model.decoder", "none or recurrent", self.decoder)
        outputs = ("quantiles", "normal", "student")
        check(self.output in outputs, "model.output", f"one of {', '.join(outputs)}", self.output)
        check(self.quantiles >= 1 and self.quantiles % 2 == 1, "model.quantiles", "an odd number", self.quantiles)
        check(0 <= self.dropout < 1, "model.dropout", "a rate in [0, 1)", self.dropout)
