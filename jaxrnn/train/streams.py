"""Ordered streams: one long text read in chunks whose carries are true continuations.

The N - 1 pairs (symbol, next symbol) of a text are cut into B segments of equal size (give or take one). In epoch e,
row b reads segment (b + e) mod B from its first pair to its last, T pairs a chunk. Therefore

- every pair is read exactly once an epoch, in whatever row;
- a row goes on, also from one epoch to the next, exactly where it stopped: the segment it starts next is the one that
  follows in the text. The carry handed on is the carry of the preceding text;
- the one seam is the text's own: the row that enters segment 0 comes from the end of the text, so `fresh` is true there
  and the model starts that row from its initial carry (as all rows do at the very beginning);
- segments rarely are a multiple of T: in the last chunk of an epoch `lengths` says how many pairs of each row count.
  The rest is padding, which neither the carry nor the loss may see.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jaxrnn.programs.serialized import serialized
from jaxrnn.train.options import as_integers, check, check_whole, position


@serialized
class Chunk(NamedTuple):
    """One batch of streams; rows first."""

    inputs: np.ndarray  # int32 [B, T]
    targets: np.ndarray  # int32 [B, T]: the symbol after each input
    lengths: np.ndarray  # int32 [B]: how many of the T pairs count
    fresh: np.ndarray  # bool [B]: rows that do not continue what they read before


class Streams:
    """Endless iterator over the chunks of `rows` ordered streams through `symbols`.

    A chunk has `inputs` and `targets`, integers `[B, T]`, the symbol after each input; `lengths [B]`, how many of these
    pairs count; and `fresh [B]`, true for rows that do not go on where the chunk before ended: their carry starts anew.

    Args:
        symbols: Integer array [N].
        rows: B, the number of streams.
        length: T, the pairs a chunk holds of each stream.

    Raises:
        ValueError: If the text has fewer pairs than rows.

    >>> import numpy as np
    >>> from jaxrnn.train import Streams
    >>> streams = Streams(np.arange(9), rows=2, length=3)
    >>> next(streams).inputs.tolist(), next(streams).lengths.tolist()
    ([[0, 1, 2], [4, 5, 6]], [1, 1])
    >>> next(streams).inputs.tolist()  # the second epoch: row 0 goes on at 4, row 1 has wrapped
    [[4, 5, 6], [0, 1, 2]]
    """

    def __init__(self, symbols: np.ndarray, rows: int, length: int) -> None:
        rows, length = check_whole(rows, "rows"), check_whole(length, "length")
        symbols = as_integers(symbols, "symbols")
        check(len(symbols) > rows, "rows", f"fewer rows than the text's {len(symbols)} symbols", rows)
        self._symbols = symbols
        self._rows, self._length = rows, length
        self._bounds = np.arange(rows + 1) * (len(symbols) - 1) // rows
        self.chunks = int(-(-np.diff(self._bounds).max() // length))  # an epoch
        self._epoch = self._chunk = 0

    def get_state(self) -> dict[str, int]:
        """The position of the next chunk."""
        return {"epoch": self._epoch, "chunk": self._chunk}

    def set_state(self, state: dict[str, int]) -> None:
        """Go to a position that `get_state` gave."""
        self._epoch, self._chunk = position(state, "epoch", "chunk")

    def __iter__(self) -> Streams:
        return self

    def __next__(self) -> Chunk:
        segment = (np.arange(self._rows) + self._epoch) % self._rows
        start = self._bounds[segment] + self._chunk * self._length
        lengths = np.clip(self._bounds[segment + 1] - start, 0, self._length).astype(np.int32)
        time = np.arange(self._length)
        index = np.where(time < lengths[:, None], start[:, None] + time, 0)
        fresh = (segment == 0) | (self._epoch == 0) if self._chunk == 0 else np.zeros(self._rows, bool)
        self._chunk += 1
        if self._chunk == self.chunks:
            self._epoch, self._chunk = self._epoch + 1, 0
        return Chunk(self._symbols[index], self._symbols[index + 1], lengths, fresh)
