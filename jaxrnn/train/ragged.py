"""Sequences of different lengths in batches: like beside like, so that little is padding, in few shapes.

Position and order of an endless run are three numbers (seed, epoch, batch), so a resumed run reads what an unbroken one
would have. The shapes are few because a batch's length is rounded up to a multiple: each shape is a compilation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxrnn.base.checks import check_function, check_numbers, is_array
from jaxrnn.base.errors import fail
from jaxrnn.programs.serialized import serialized
from jaxrnn.train.options import as_integers, as_numbers, check, check_seed, check_whole, position
from jaxrnn.train.task import Batch

EMPTY = -1  # in place of a row's index: the row has no sequence, its length is 0


@serialized
class Padded(NamedTuple):
    """Sequences side by side; rows first."""

    values: np.ndarray  # [B, T, ...]: beyond a row's length, zeros
    lengths: np.ndarray  # int32 [B]


def pad(sequences: Sequence[np.ndarray], rows: np.ndarray, multiple: int = 8) -> Padded:
    """The sequences with the indices `rows`, padded to their greatest length, rounded up to a multiple.

    Args:
        sequences: Arrays `[T, ...]`, each of its own length.
        rows: Which of them; EMPTY stands for one of length zero.
        multiple: Of steps, so that few shapes are compiled.

    Returns:
        `Padded(values [rows, T, ...], lengths [rows])`.

    Raises:
        TypeError, ValueError: `sequences` are no arrays alike but for their lengths, `rows` are not their indices, or
            `multiple` is below one.

    >>> import numpy as np
    >>> from jaxrnn.train import EMPTY, pad
    >>> pad([np.array([5, 6, 7]), np.array([8])], np.array([1, 0, EMPTY]), multiple=2)._asdict()["values"].tolist()
    [[8, 0, 0, 0], [5, 6, 7, 0], [0, 0, 0, 0]]
    """
    multiple = check_whole(multiple, "multiple")
    rows = as_integers(rows, "rows", least=EMPTY)
    first = _first(sequences, rows)
    lengths = np.array([0 if row == EMPTY else len(sequences[row]) for row in rows], np.int32)
    longest = max(-(-int(lengths.max(initial=0)) // multiple) * multiple, multiple)
    values = np.zeros((len(rows), longest, *first.shape[1:]), first.dtype)
    for target, row, length in zip(values, rows, lengths, strict=True):
        if length:
            target[:length] = sequences[row]
    return Padded(values, lengths)


def _first(sequences: Any, rows: np.ndarray) -> np.ndarray:
    """The first of some sequences, once those of `rows` are there and arrays like it."""
    expected = "a list of arrays, one or more"
    if not isinstance(sequences, (list, tuple)) and not (is_array(sequences) and sequences.ndim):
        fail("sequences", expected, sequences, kind=TypeError)
    if not len(sequences):
        fail("sequences", expected, sequences)
    first = _with_time(sequences[0], "sequences[0]")
    beyond = rows[rows >= len(sequences)]
    check(not beyond.size, "rows", f"indices of the {len(sequences)} sequences", beyond.tolist()[:1])
    for row in {*rows[rows > 0].tolist()}:
        name = f"sequences[{row}]"
        sequence = _with_time(sequences[row], name)
        if sequence.shape[1:] != first.shape[1:] or not np.can_cast(sequence.dtype, first.dtype, "same_kind"):
            fail(name, f"an array as the first, {first.dtype} [T, {', '.join(map(str, first.shape[1:]))}]", sequence)
    return np.asarray(first)


def _with_time(sequence: Any, name: str) -> Any:
    if check_numbers(sequence, name).ndim < 1 or sequence.dtype.kind == "c":
        fail(name, "an array of real numbers with an axis of time", sequence)
    return sequence


def in_order(lengths: np.ndarray, rows: int) -> Iterator[np.ndarray]:
    """Every sequence once, the shortest first, `rows` indices at a time; the last batch is filled up with EMPTY.

    Args:
        lengths: Of the sequences.
        rows: How many a batch has.

    Returns:
        An iterator over batches of indices, `[rows]` each.

    Raises:
        TypeError, ValueError: `lengths` are no numbers `[N]`, or `rows` is below one.

    >>> import numpy as np
    >>> from jaxrnn.train import in_order
    >>> [batch.tolist() for batch in in_order(np.array([3, 1, 2]), 2)]
    [[1, 2], [0, -1]]
    """
    rows = check_whole(rows, "rows")
    order = np.argsort(as_numbers(lengths, "lengths"), kind="stable")
    return (_filled(order[start : start + rows], rows) for start in range(0, len(order), rows))


class ByLength:
    """Endless batches of sequences of similar length, every sequence once an epoch, in an order drawn anew each epoch.

    Args:
        lengths: Length of each sequence, [N]: what is near each other in it comes together.
        rows: B, the rows of a batch. The last batch of an epoch is filled up with EMPTY rows.
        seed: Of the order.
        collate: Makes a batch of the indices [B] of its rows.
        pool: Batches that are sorted together: a larger pool pads less and mixes less.

    Raises:
        ValueError: If there is no sequence, or `rows` or `pool` is less than one.

    >>> import numpy as np
    >>> from jaxrnn.train import ByLength
    >>> batches = ByLength(np.array([3, 1, 2, 9]), rows=2, seed=0, collate=lambda rows: rows)
    >>> sorted(sorted(next(batches).tolist()) for _ in range(2))  # the two short ones are side by side
    [[0, 3], [1, 2]]
    """

    def __init__(
        self, lengths: np.ndarray, rows: int, seed: int, collate: Callable[[np.ndarray], Batch], pool: int = 50
    ) -> None:
        given, lengths = lengths, as_numbers(lengths, "lengths")
        check(len(lengths) >= 1, "lengths", "one sequence or more", given)
        rows, pool, seed = check_whole(rows, "rows"), check_whole(pool, "pool"), check_seed(seed, "seed")
        check_function(collate, "collate", "a function of the rows' indices")
        self._lengths, self._rows, self._seed, self._collate, self._pool = lengths, rows, seed, collate, pool
        self.batches = -(-len(lengths) // rows)  # an epoch
        self._epoch = self._batch = 0
        self._order: tuple[int, list[np.ndarray]] | None = None

    def get_state(self) -> dict[str, int]:
        """The position of the next batch."""
        return {"epoch": self._epoch, "batch": self._batch}

    def set_state(self, state: dict[str, int]) -> None:
        """Go to a position that `get_state` gave."""
        self._epoch, self._batch = position(state, "epoch", "batch")

    def __iter__(self) -> ByLength:
        return self

    def __next__(self) -> Any:
        batch = self._collate(self._epoch_order()[self._batch])
        self._batch += 1
        if self._batch == self.batches:
            self._epoch, self._batch = self._epoch + 1, 0
        return batch

    def _epoch_order(self) -> list[np.ndarray]:
        """The batches of the present epoch."""
        if self._order is None or self._order[0] != self._epoch:
            draw = np.random.default_rng((self._seed, self._epoch))
            shuffled, size = draw.permutation(len(self._lengths)), self._rows * self._pool
            pools = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]
            ordered = np.concatenate([pool[np.argsort(self._lengths[pool], kind="stable")] for pool in pools])
            batches = [_filled(ordered[i : i + self._rows], self._rows) for i in range(0, len(ordered), self._rows)]
            self._order = self._epoch, [batches[i] for i in draw.permutation(len(batches))]
        return self._order[1]


def _filled(indices: np.ndarray, rows: int) -> np.ndarray:
    return np.concatenate([indices, np.full(rows - len(indices), EMPTY, indices.dtype)])
