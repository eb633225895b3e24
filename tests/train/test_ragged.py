"""Batches by length: every sequence once an epoch, little padding, an order that can be gone back to."""

from __future__ import annotations

import re

import numpy as np
import pytest

from jaxrnn.train import EMPTY, ByLength, in_order, pad

RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(0, 100, size=1003)


def take(iterator, count):
    return [next(iterator) for _ in range(count)]


def batches(seed=0, rows=32, pool=4):
    return ByLength(LENGTHS, rows, seed, collate=lambda rows: rows, pool=pool)


def test_every_sequence_comes_once_an_epoch():
    iterator = batches()
    for _ in range(3):
        rows = np.concatenate(take(iterator, iterator.batches))
        assert sorted(rows[rows != EMPTY].tolist()) == list(range(1003))
        assert (rows == EMPTY).sum() == 32 * 32 - 1003


def test_a_batch_holds_similar_lengths_and_epochs_differ():
    iterator = batches(pool=1000)
    first, second = take(iterator, iterator.batches), take(iterator, iterator.batches)
    spreads = [np.ptp(LENGTHS[rows[rows != EMPTY]]) for rows in first]
    assert max(spreads) <= 6  # 100 lengths in 32 batches
    starts = [int(LENGTHS[rows[0]]) for rows in first]
    assert starts != sorted(starts)  # but not short to long
    assert any((a != b).any() for a, b in zip(first, second, strict=True))


def test_the_order_is_decided_by_the_seed():
    def orders(seed):
        return np.concatenate(take(batches(seed), 40)).tolist()

    assert orders(1) == orders(1) != orders(2)


@pytest.mark.parametrize("read", [0, 1, 31, 32, 77])
def test_a_position_can_be_gone_back_to(read):
    iterator, other = batches(), batches()
    take(iterator, read)
    other.set_state(iterator.get_state())
    for a, b in zip(take(iterator, 40), take(other, 40), strict=True):
        np.testing.assert_array_equal(a, b)


def test_in_order_gives_the_shortest_first():
    rows = np.concatenate(list(in_order(LENGTHS, 30)))
    assert len(rows) == 34 * 30
    assert (rows[1003:] == EMPTY).all()
    assert sorted(rows[:1003].tolist()) == list(range(1003))
    assert (np.diff(LENGTHS[rows[:1003]]) >= 0).all()


@pytest.mark.parametrize("features", [(), (3,)])
@pytest.mark.parametrize("multiple", [1, 8])
def test_pad(features, multiple):
    sequences = [RNG.normal(size=(n, *features)) for n in (5, 1, 0, 8, 9)]
    for rows in ([0, 1], [2], [4, EMPTY, 3], [EMPTY]):
        padded = pad(sequences, np.array(rows), multiple)
        assert padded.values.shape[1] % multiple == 0
        assert padded.lengths.tolist() == [0 if r == EMPTY else len(sequences[r]) for r in rows]
        assert padded.values.shape[1] - padded.lengths.max() < multiple or padded.lengths.max() == 0
        for value, row, length in zip(padded.values, rows, padded.lengths, strict=True):
            np.testing.assert_array_equal(value[:length], sequences[row][:length])
            assert not value[length:].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lengths": np.zeros(0)}, "`lengths` must be one sequence or more"),
        ({"rows": 0}, "`rows` must be 1 or more, got 0"),
        ({"pool": 0}, "`pool` must be 1 or more, got 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ByLength(**{"lengths": LENGTHS, "rows": 4, "seed": 0, "collate": list} | arguments)
