"""What is measured, as data: the cases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from jaxrnn.base.errors import fail, nearest
from jaxrnn.forms import diagonal, heads
from jaxrnn.forms.form import Form

SIZES = ("B", "T", "D", "H")
CELLS = ("lstm", "gru", "elman")
APPLICATIONS = ("char_lm", "ptb_small")  # configurations
ALONE = "recurrence"  # no cell: `h[t] = a[t] h[t - 1] + b[t]`, of numbers a and b that are given


class Recurrent(NamedTuple):
    """A form of recurrent kernels."""

    form: Form
    share: float  # of a dense kernel's product that is left of it


FORMS = {
    "heads(4)": Recurrent(heads(4), 1 / 4),
    "heads(8)": Recurrent(heads(8), 1 / 8),
    "diagonal": Recurrent(diagonal, 0),
}


@dataclass(frozen=True)
class Case:
    """One layer, or a stack of equal ones, over one sequence. Everything that a worker needs to build the problem.

    An application, an update of its training run, is a case too: D is the size of its vocabulary.
    """

    cell: str  # of `CELLS`, of the collection, of `APPLICATIONS`, or `ALONE`
    B: int
    T: int
    D: int
    H: int
    layers: int = 1
    bidirectional: bool = False
    ragged: bool = False
    shortest: int = 1  # of ragged rows; the longest has all T steps
    peepholes: bool = False
    dtype: str = "float32"  # "tf32" is float32 whose products may be rounded to TensorFloat-32
    form: str = ""  # of the equations, where a library has another one: "reset before", "no inner bias"
    chunk: str | None = None
    projected: bool = False  # the recurrence alone: the input product is done already
    recurrent: str = ""  # of `FORMS`; dense without
    resets: bool = False  # an agent's layer, `ScannedRNN`: some steps start anew

    def __str__(self) -> str:
        sizes = f"{self.cell} B={self.B} T={self.T} D={self.D} H={self.H}"
        return " ".join([sizes, *self.traits])

    @property
    def traits(self) -> list[str]:
        """What sets the case apart from the plain one of its sizes."""
        words = [f"{self.layers} layers"] if self.layers > 1 else []
        words += [
            word for word in ("bidirectional", "ragged", "peepholes", "projected", "resets") if getattr(self, word)
        ]
        words += [f"{self.shortest} to {self.T} steps"] if self.shortest > 1 else []
        words += [self.recurrent] if self.recurrent else []
        words += [self.dtype] if self.dtype != "float32" else []
        words += [f"chunk={self.chunk}"] if self.chunk else []
        return words + ([self.form] if self.form else [])

    def record(self) -> dict[str, Any]:
        """The case as JSON holds it; `Case(**record)` is the case again."""
        return asdict(self)


def check_names(names: Iterable[str], argument: str, known: Iterable[str]) -> None:
    """Every name is a known one, or an error that says what it may have meant."""
    for name in names:
        if name not in known:
            fail(argument, f"out of {tuple(known)}", name, nearest(name, known))
