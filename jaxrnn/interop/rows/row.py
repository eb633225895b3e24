"""What a row of a library's conventions consists of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

NONE = "-"  # in place of a gate: ours has nothing there, so that theirs is to be zero

FORMS = ("input", "recurrent")
ACTIVATIONS = ("activation", "gate_activation")  # an LSTM's output has the candidate's
ALL_ACTIVATIONS = (*ACTIVATIONS, "output_activation")
TANH_RELU = (jax.nn.tanh, jax.nn.relu)
INSIDE = (("residual", (False, "inside")),)  # Flax adds the state inside the activation
RESET_AFTER, RESET_BEFORE = (("reset_after", True),), (("reset_after", False),)

Gates = str | tuple[str, ...]


@dataclass(frozen=True)
class Array:
    """One array of a foreign cell.

    name: theirs. holds: our parameter, or two of them; `=option` for the value of an option of ours. axes: see the
    package. when: the option of ours without which it is absent. gates: those along its axis of gates, in their order,
    where these are not all gates of the row. norm: the array whose columns have these lengths, whatever is stored
    (weight norm).
    """

    name: str
    holds: str | tuple[str, str]
    axes: str
    when: str = ""
    gates: Gates = ()
    norm: str = ""

    @property
    def option(self) -> str:
        """The option of ours whose value it has, if it has one."""
        return self.holds[1:] if isinstance(self.holds, str) and self.holds.startswith("=") else ""


class Windows(NamedTuple):
    """Of a cell whose products are convolutions.

    state: what the state's convolution has of the input's, its "window" alone or its "padding" too (then the input's
    neither strides nor dilates); "" where each has its own. padding: the input's, where the library leaves it unsaid.
    """

    state: str
    padding: str = "same"


@dataclass(frozen=True)
class Row:
    """One cell class of one library.

    kind: our factory. gates: theirs in their order, in our names, of a letter each or in a tuple. arrays: what a cell
    consists of. can: the options of ours that it has (any other must be at its default). fixed: options of ours that it
    always has. negated: gates whose pre-activation has the other sign. added: constants that the library adds to a
    gate's bias at run time. spelled: parts of array names that are spelled otherwise. named_by_layer: arrays end in the
    layer's number and direction, as torch's do; else a cell's arrays share a path. functions: the only activations that
    the library knows; empty where it takes any. values: the only values that it knows of an option. shared_names: other
    cells have arrays of these names and shapes, so that it is read for a layer that is given, or that a module tells.
    settings: of the attributes of its modules, the option of ours that one is, or the only value that ours has.
    windows: of a convolutional cell. within: what the scope of a cell's arrays is called, where their names and shapes
    are other layers' too; another scope's are read where the user says so. numbered, ways: what the parts of names are
    called that tell a layer's number, and both directions.
    """

    library: str
    name: str
    kind: str
    gates: Gates
    arrays: tuple[Array, ...]
    can: tuple[str, ...] = ()
    fixed: tuple[tuple[str, Any], ...] = ()
    negated: str = ""
    added: tuple[tuple[str, float], ...] = ()
    spelled: tuple[tuple[str, str], ...] = ()
    named_by_layer: bool = False
    functions: tuple[Any, ...] = ()
    values: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    shared_names: bool = False
    settings: tuple[tuple[str, Any], ...] = ()
    windows: Windows | None = None
    within: str = ""
    numbered: str = r"layer_(\d{1,4})"
    ways: tuple[str, str] = ("forward", "backward")
