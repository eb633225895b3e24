"""A product as products with matrices: what a compiled backend multiplies."""

from __future__ import annotations

from typing import NamedTuple


class Tile(NamedTuple):
    """A product with a matrix, of those that a `Form` is made of.

    `rows` numbers of a source times a part of an array go to `columns` of a target. The source is the state, the target
    the result; or either is what stands between them, where a form has that. No two tiles have a number of a target in
    common.
    """

    array: int  # which of the arrays
    first: int  # where in it the matrix begins
    stride: int  # from one of its rows to the next
    rows: int  # numbers that are read
    columns: int  # numbers that are written
    read: int = 0  # where in the source the numbers begin
    write: int = 0  # where in the target
    reads_between: bool = False  # whether the source is what stands between state and result
    writes_between: bool = False  # whether the target is


class Tiles(NamedTuple):
    """A product as products with matrices, one after the other; `tiles` of a `Form` gives it."""

    tiles: tuple[Tile, ...]  # in the order in which they are done
    between: int = 0  # how many numbers stand between state and result
