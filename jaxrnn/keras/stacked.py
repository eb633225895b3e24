"""Cells on top of each other, and what a sequence module may be given for a cell."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from flax import nnx

from jaxrnn.base.dtypes import state_dtype
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Carry
from jaxrnn.core.carries import plain
from jaxrnn.core.cell import Cell
from jaxrnn.engine.scan import scan
from jaxrnn.flax_common.lifted import held_inputs
from jaxrnn.keras.cell import KerasCell
from jaxrnn.keras.states import carry_dtype, from_states, to_states
from jaxrnn.keras.weights import Weights
from jaxrnn.nnx.cells import CellModule
from jaxrnn.nnx.lifted import run_lifted
from jaxrnn.nnx.parameters import Rngs

CELLS = "a cell of jaxrnn.keras, a cell module of jaxrnn.nnx without noise, or a list of them"


def check_cell(cell: Any, argument: str) -> None:
    """One cell, not a stack."""
    ours = isinstance(cell, CellModule) and isinstance(cell.functional, Cell) and not cell.functional.noisy
    if not ours and not isinstance(cell, KerasCell):
        fail(argument, CELLS, cell, kind=TypeError)


class StackedRNNCells(Weights):
    """Cells on top of each other: the output of one is the input of the next.

    Args:
        cells: a list of cells of jaxrnn.keras, or cell modules of jaxrnn.nnx.

    Raises:
        TypeError, ValueError: `cells` is no such list, or a cell does not take what the one before it puts out.

    >>> from flax import nnx
    >>> from jaxrnn.keras import GRUCell, LSTMCell, StackedRNNCells
    >>> rngs = nnx.Rngs(0)
    >>> stack = StackedRNNCells([LSTMCell(4, in_features=3, rngs=rngs), GRUCell(5, in_features=4, rngs=rngs)])
    >>> len(stack.get_weights())
    6
    """

    def __init__(self, cells: Any):
        if not isinstance(cells, (list, tuple)) or not cells:
            fail("cells", "a list of cells, one at least", cells, kind=TypeError)
        for i, cell in enumerate(cells):
            check_cell(cell, f"cells[{i}]")
        for i, (below, above) in enumerate(pairwise(cells), 1):
            size = below.functional.output_size
            if above.in_features != size:
                fail(f"cells[{i}]", f"a cell with in_features={size}, the output of the one below", above.in_features)
        self.cells = nnx.List(cells)

    @property
    def variables(self) -> list[nnx.Variable]:
        return [variable for cell in self.cells for variable in variables_of(cell)]

    def __call__(self, inputs: Array, states: Any, training: bool = False) -> tuple[Array, list[list[Array]]]:
        """One step through all cells.

        Args:
            inputs: `[B, D]`.
            states: a list with one list of arrays a cell, see `LSTMCell`.
            training: as the cells take it.

        Returns:
            `(y, states)`: the last cell's output, and all states after the step.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it.
        """
        if not isinstance(states, (list, tuple)) or len(states) != len(self.cells):
            fail("states", f"a list of {len(self.cells)} lists of states, one a cell", states, kind=TypeError)
        after = []
        for cell, state in zip(self.cells, states, strict=True):
            if isinstance(cell, KerasCell):
                inputs, new = cell(inputs, state, training)
            else:
                functional, params = cell.functional, cell.params
                carry = from_states(
                    functional, state, inputs.shape[:-1], carry_dtype(functional, params, inputs), "states"
                )
                carry, inputs = cell(carry, inputs)
                new = to_states(carry)
            after.append(new)
        return inputs, after


def cells_of(cell: Any) -> list[Any]:
    """The cells of a stack; the cell itself where it is one."""
    return list(cell.cells) if isinstance(cell, StackedRNNCells) else [cell]


def variables_of(cell: Any) -> list[nnx.Variable]:
    """The weights of a cell in Keras's order; of a cell module of jaxrnn.nnx in the order of its declaration."""
    if isinstance(cell, Weights):
        return cell.variables
    return [getattr(cell, name) for name in cell.functional.declare(cell.in_features)]


def redraw(cell: Any, rngs: Rngs) -> None:
    """Draw the weights of a cell, or of all cells of a stack, afresh."""
    for one in cells_of(cell):
        if isinstance(one, KerasCell):
            one.reinitialize(rngs)
            continue
        drawn = one.functional.init(rngs.params() if isinstance(rngs, nnx.Rngs) else rngs(), one.in_features)
        for name, value in drawn.items():
            getattr(one, name).set_value(value)


def run_cell(
    cell: Any, xs: Array, carry: Carry, valid: Array | None, *, reverse: bool, training: bool
) -> tuple[Carry, Array]:
    """One cell over a checked sequence `[T, B, D]`."""
    if not cell._own:
        if isinstance(cell, KerasCell):
            return cell._run(xs, carry, valid, reverse=reverse, training=training)
        return scan(cell.functional, cell.params, xs, carry, mask=valid, reverse=reverse)
    functional = cell.functional

    def step(cell: Any, given: Any, x: Any) -> Any:
        if not isinstance(cell, KerasCell):
            return cell(given, x)
        y, states = cell(x, to_states(functional.pack(given)), training)
        return plain(from_states(functional, states, x.shape[:-1], state_dtype(carry), "states")), y

    after, ys = run_lifted(step, cell, *held_inputs(xs, valid, plain(carry), xs.shape[1:-1]), reverse=reverse)
    return functional.pack(after), ys
