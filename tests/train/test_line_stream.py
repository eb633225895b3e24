"""The state of a stream on the disk: what a model remembers is what it goes on with, whatever its arrays are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from jaxrnn.interop.files import safetensors
from jaxrnn.train.line_stream import LineStream

pytestmark = pytest.mark.usefixtures("unchecked")  # the streamer has no more of a task than a stream asks for


class Remembered(NamedTuple):
    """Arrays of several axes, of one and of none, in either order of bytes."""

    total: np.ndarray
    last: np.ndarray
    table: np.ndarray


class Adding:
    """A streamer whose answer is the sum of the lines so far."""

    def initial_stream(self, params: Any) -> Remembered:
        return Remembered(np.zeros((), np.int32), np.full(2, np.nan), np.zeros((2, 3), np.float32).T)

    def stream(self, params: Any, carry: Remembered, line: str) -> tuple[dict[str, Any], Remembered]:
        total = carry.total + np.int32(line)
        table = np.arange(6, dtype=np.float32).reshape(2, 3).T * int(line)
        return {"total": int(total)}, Remembered(np.asarray(total), np.append(carry.last[1:], float(line)), table)


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    file, task = tmp_path / "state", Adding()
    for n, lines in enumerate((["3", "4"], ["5"], ["6"])):
        stream = LineStream(task, {}, file)  # type: ignore[arg-type]
        assert stream.lines == (0, 2, 3)[n]
        for line in lines:
            answer, carry = stream.answer(line)
            stream.keep(carry)
        stream.save()
    assert answer == {"total": 18}
    again = LineStream(task, {}, file)._carry  # type: ignore[arg-type]
    for found, wanted in zip(again, carry, strict=True):
        np.testing.assert_array_equal(found, wanted)
        assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)


def test_a_state_has_a_folder_before_anything_is_answered(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`state` must be a file in a folder that is there, got '.*where'"):
        LineStream(Adding(), {}, tmp_path / "no" / "where")  # type: ignore[arg-type]


def test_numbers_have_no_axis_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(safetensors.content({"x": np.float32(2), "y": np.ones((2, 3)).T}))
    arrays, _ = safetensors.arrays_of(tmp_path / "a")
    assert {name: array.shape for name, array in arrays.items()} == {"x": (), "y": (3, 2)}
