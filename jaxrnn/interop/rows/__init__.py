"""The conventions of other libraries as data: one `Row` for each of their cells, read in both directions.

An `Array` says what one of their arrays holds, in our parameters' names, and in which axes: d inputs, r recurrent
inputs, g gates, h units, p projected units, k peepholes, u units that are multiplied, 1 a single number, w and v all
axes of the window of the input's and of the state's convolution. `gh` is one axis with all units of the first gate
first. Two names stand for two of our parameters in one array: one above the other
along the axis `+`, side by side on a new first axis where the axes begin with `2`. `{g}` in a name stands for a gate:
one array each, without a gate axis. Arrays that hold the same gate of one parameter add up; of those that we write, the
first has the numbers and the others are zero.

`inner` is a bias on the recurrent product. It adds to our `bias`, except for the candidate of a reset-after GRU, where
it is our `recurrent_bias`.
"""

from __future__ import annotations

from typing import Any

from jaxrnn.base.checks import check_choice
from jaxrnn.base.errors import fail
from jaxrnn.interop.rows import jax_libraries, keras, ncps, onnx, own, tensorflow, torch, torchrecurrent, unirep
from jaxrnn.interop.rows.row import Row

ROWS: tuple[Row, ...] = (
    *torch.ROWS,
    *keras.ROWS,
    *jax_libraries.ROWS,
    *tensorflow.ROWS,
    *onnx.ROWS,
    *torchrecurrent.ROWS,
    *ncps.ROWS,
    *unirep.ROWS,
    *own.ROWS,
)

LIBRARIES = tuple(dict.fromkeys(row.library for row in ROWS))
OTHERS = {"torchrecurrent": torchrecurrent.OTHERS}  # classes that are none of ours: our cell, if any, and why


def check_library(library: Any, argument: str = "library") -> None:
    """A library with rows, or the flat vector of "cudnn"."""
    if not isinstance(library, str):
        fail(argument, "the name of a library", library, kind=TypeError)
    check_choice(library, argument, (*LIBRARIES, "cudnn"))


def named(library: str, name: str) -> Row:
    """The row of one cell class."""
    return next(row for row in ROWS if (row.library, row.name) == (library, name))
