"""Streams against a plain Python reading of the text, one row and one character at a time."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import numpy as np
import pytest

from jaxrnn.train import Streams

SHAPES = [(23, 4, 3), (24, 4, 3), (25, 4, 3), (50, 7, 64), (9, 8, 1), (100, 1, 9), (64, 3, 7)]


def plain_reader(text, rows, epochs):
    """Each row's pairs in the order in which it must read them, and where its carry must start anew."""
    pairs = list(pairwise(text))
    bounds = [row * len(pairs) // rows for row in range(rows + 1)]
    out = []
    for row in range(rows):
        read = []
        for epoch in range(epochs):
            segment = (row + epoch) % rows
            for position in range(bounds[segment], bounds[segment + 1]):
                read.append((*pairs[position], position == 0 or not read))
        out.append(read)
    return out


@pytest.mark.parametrize(("size", "rows", "length"), SHAPES)
def test_rows_read_what_the_plain_reader_reads(size, rows, length):
    text = np.arange(size) * 3 + 1  # every symbol is unlike the others and unlike its position
    streams, epochs = Streams(text, rows, length), 2 * rows + 1
    read = [[] for _ in range(rows)]
    for chunk in islice(streams, epochs * streams.chunks):
        assert chunk.inputs.shape == chunk.targets.shape == (rows, length)
        assert chunk.inputs.dtype == chunk.targets.dtype == chunk.lengths.dtype == np.int32
        for row in range(rows):
            valid = chunk.lengths[row]
            new = [bool(chunk.fresh[row]) and time == 0 for time in range(valid)]
            read[row] += zip(chunk.inputs[row, :valid].tolist(), chunk.targets[row, :valid].tolist(), new, strict=True)
    assert read == plain_reader(text.tolist(), rows, epochs)


@pytest.mark.parametrize(("size", "rows", "length"), SHAPES)
def test_every_pair_once_an_epoch(size, rows, length):
    streams = Streams(np.arange(size), rows, length)
    for _ in range(3):
        seen = Counter()
        for chunk in islice(streams, streams.chunks):
            valid = np.arange(length) < chunk.lengths[:, None]
            assert (chunk.targets[valid] == chunk.inputs[valid] + 1).all()
            seen.update(chunk.inputs[valid].tolist())
        assert seen == Counter(range(size - 1))


@pytest.mark.parametrize(("size", "rows", "length"), SHAPES)
def test_carries_handed_on_are_true_continuations(size, rows, length):
    """The symbol before a row's first one is the last symbol that the row has read, unless it is marked fresh."""
    streams = Streams(np.arange(size), rows, length)
    last: dict[int, int] = {}
    for chunk in islice(streams, (rows + 2) * streams.chunks):
        for row in range(rows):
            if chunk.lengths[row]:
                first = chunk.inputs[row, 0]
                assert chunk.fresh[row] == (row not in last or first == 0)
                if not chunk.fresh[row]:
                    assert first == last[row] + 1
                last[row] = chunk.inputs[row, chunk.lengths[row] - 1]


def test_position_is_restored():
    streams = Streams(np.arange(50), 4, 3)
    for _ in range(17):
        position = streams.get_state()
        expected = next(streams)
        other = Streams(np.arange(50), 4, 3)
        other.set_state(position)
        for a, b in zip(expected, next(other), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("size", "rows", "length"), [(4, 4, 1), (4, 0, 1), (4, 2, 0)])
def test_impossible_shapes_are_named(size, rows, length):
    with pytest.raises(ValueError, match="length" if length == 0 else "rows"):
        Streams(np.arange(size), rows, length)
