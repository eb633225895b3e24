"""What Keras's cells were when nobody said otherwise, by the version that wrote a file."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from jaxrnn.functions.activations import get_activation
from jaxrnn.interop.rows.row import Row
from jaxrnn.interop.untold import ask

DEFAULTS = (  # from this version on: alone and in TensorFlow, the gates' function and `reset_after`; None: not told
    ((3,), "sigmoid", True, "sigmoid", True),
    ((2, 4), "sigmoid", True, "sigmoid", True),  # from here on both are TensorFlow 2's
    ((2, 3), "sigmoid", False, "sigmoid", True),
    ((2, 2, 4), "hard_sigmoid", False, None, None),  # TensorFlow 1.13 to 2.1 wrote it
    ((0,), "hard_sigmoid", False, "hard_sigmoid", False),
)


class Version(NamedTuple):
    """A version of Keras; of TensorFlow's where it ends in -tf."""

    text: str

    @property
    def number(self) -> tuple[int, ...]:
        """Its digits."""
        return tuple(int(part) for part in re.findall(r"\d{1,6}", self.text.partition("-")[0])[:3])

    @property
    def gates(self) -> str | None:
        """The gates' function when nobody chose one; None where TensorFlow 1 and 2 both wrote this version."""
        return self._row()[3 if self.text.endswith("-tf") else 1]

    @property
    def reset_after(self) -> bool | None:
        """A GRU's option when nobody chose it."""
        return self._row()[4 if self.text.endswith("-tf") else 2]

    def _row(self) -> tuple[Any, ...]:
        return next(row for row in DEFAULTS if self.number >= row[0])

    def function(self, name: Any, argument: str) -> Any:
        """An activation by the name that it has in this version."""
        if name == "hard_sigmoid" and self.number < (3,):
            name = "keras2_hard_sigmoid"
        return get_activation(name, argument)

    def told(self, argument: str, value: Any) -> Any:
        """A default, or the error that it is not to be told."""
        if value is None:
            ask(f"{argument} where the file says Keras {self.text!r} alone, which TensorFlow 1 and 2 both wrote")
        return value

    def defaults(self, row: Row, has_bias: bool) -> dict[str, Any]:
        """The options of a cell whose configuration is not there."""
        if row.library != "keras" or row.kind == "elman" or row.windows is not None:
            return {}
        if not self.text:
            ask("the functions of a layer where the file tells neither them nor the version of Keras that wrote it")
        gates = self.function(self.told("the gates' function", self.gates), "recurrent_activation")
        if row.kind == "gru" and not has_bias:  # with one, its shape tells
            return {"gate_activation": gates, "reset_after": self.told("reset_after", self.reset_after)}
        return {"gate_activation": gates}


KERAS_3 = Version("3")
