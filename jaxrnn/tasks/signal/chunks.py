"""Chunks of recordings: streams whose states go on, or windows with margins for networks that read both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxrnn.programs.serialized import serialized
from jaxrnn.train.ragged import EMPTY, ByLength
from jaxrnn.train.streams import Streams


@serialized
class Steps(NamedTuple):
    """A batch; rows first. Where `counts` is false, a target means nothing, and is zero."""

    inputs: np.ndarray  # float32 [B, T, F]: T frames
    targets: np.ndarray  # float32 [B, T, K]
    counts: np.ndarray  # bool [B, T, K]
    resets: np.ndarray  # bool [B, T]: a recording begins
    lengths: np.ndarray  # int32 [B]
    fresh: np.ndarray  # bool [B]: the row does not go on where the batch before left off


class Joined(NamedTuple):
    """Recordings one after the other."""

    inputs: np.ndarray  # float32 [N, F]
    targets: np.ndarray  # float32 [N, K]
    counts: np.ndarray  # bool [N, K]
    starts: np.ndarray  # bool [N]


def with_recalled(frames: Any, latency: int, library: Any = np) -> Any:
    """Frames `[T, ..., F]` of NumPy or JAX (`library`), each beside the one answered for then, `[T, ..., 2 F]`."""
    steps = frames.shape[0]  # a symbol in an export: it has no `len`
    before = library.pad(frames, ((latency, 0), *((0, 0),) * (frames.ndim - 1)))[:steps]
    return library.concatenate([frames, before], -1)


def joined(
    recordings: Sequence[tuple[np.ndarray, np.ndarray]], latency: int, frame: int, recalled: bool = False
) -> Joined:
    """Inputs [T, F] and targets [T, K], NaN where unknown, in frames of some steps; targets come `latency` frames late.

    For that, and to fill the last frame, each recording goes on with steps in which nothing is measured. Beside each
    frame stands, `recalled`, the one that is answered for then: zeros where there is none.
    """
    parts = []
    for inputs, targets in recordings:
        late, more = latency * frame, -len(inputs) % frame
        inputs = np.pad(inputs, ((0, late + more), (0, 0))).reshape(-1, frame * inputs.shape[1])
        targets = np.pad(targets, ((late, more), (0, 0)), constant_values=np.nan).reshape(len(inputs), -1)
        if recalled:
            inputs = with_recalled(inputs, latency)
        starts = np.zeros(len(inputs), bool)
        starts[:1] = True
        known = np.isfinite(targets)
        parts.append((inputs, np.where(known, targets, 0), known, starts))
    return Joined(*(np.concatenate(of) for of in zip(*parts, strict=True)))


class StreamedChunks:
    """Endless chunks of `rows` streams through all recordings, each of which goes on where it left off.

    Of fewer frames than rows each is a stream, and in the rows that are left nothing counts.
    """

    def __init__(self, data: Joined, rows: int, length: int) -> None:
        streams = min(rows, len(data.inputs))
        self._data, self._left = data, rows - streams
        self._streams = Streams(np.arange(len(data.inputs) + 1), streams, length)
        self.chunks = self._streams.chunks
        self.get_state, self.set_state = self._streams.get_state, self._streams.set_state

    def __iter__(self) -> StreamedChunks:
        return self

    def __next__(self) -> Steps:
        chunk, data = next(self._streams), self._data
        valid = np.arange(chunk.inputs.shape[1]) < chunk.lengths[:, None]
        counts, resets = data.counts[chunk.inputs] & valid[..., None], data.starts[chunk.inputs] & valid
        inputs, targets = data.inputs[chunk.inputs], data.targets[chunk.inputs]
        steps = Steps(inputs, targets, counts, resets, chunk.lengths, chunk.fresh)
        return Steps(*(np.pad(array, ((0, self._left), *((0, 0),) * (array.ndim - 1))) for array in steps))


def windows(data: Joined, rows: int, length: int, margin: int, seed: int) -> ByLength:
    """Endless windows of length + 2 margin steps, of which those in the middle count, in an order drawn each epoch."""
    begins = np.arange(0, len(data.inputs), length)

    def collate(numbers: np.ndarray) -> Steps:
        there = numbers != EMPTY
        begin = np.where(there, begins[numbers], 0)
        at = begin[:, None] + np.arange(-margin, length + margin)
        inside = (at >= 0) & (at < len(data.inputs))
        # No window looks into another recording: the one that its middle begins in is where it counts.
        place = np.clip(at, 0, len(data.inputs) - 1)
        owner = np.cumsum(data.starts)
        inside &= (owner[place] == owner[begin][:, None]) & there[:, None]
        middle = (np.arange(at.shape[1]) >= margin) & (np.arange(at.shape[1]) < margin + length)
        counts = data.counts[place] & (inside & middle)[..., None]
        inputs = np.where(inside[..., None], data.inputs[place], 0)
        lengths = np.full(len(numbers), at.shape[1], np.int32)
        targets = np.where(counts, data.targets[place], 0)
        return Steps(inputs, targets, counts, np.zeros(at.shape, bool), lengths, np.ones(len(numbers), bool))

    return ByLength(np.zeros(len(begins)), rows, seed, collate, pool=1)
