"""A stream of lines, answered one by one by a model that remembers; what it remembers outlives the process.

The file of a state is safetensors: the arrays of the carry, and beside them how many lines it has seen, a digest of the
model, and a checksum, which the format itself has not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import jax
import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.files import write_bytes
from jaxrnn.base.package import VERSION
from jaxrnn.interop.files import safetensors
from jaxrnn.train.answers import as_json
from jaxrnn.train.protocols import Streamer
from jaxrnn.train.run_files import RunError, digest
from jaxrnn.train.state_file import bits, bits_of, check_leaf, check_names, leaves
from jaxrnn.train.stop import StopRequest
from jaxrnn.train.task import Params

ABOUT = "jaxrnn"  # the name under which a file says what it is


class LineStream:
    """What a model remembers of the lines before, kept in memory and, with a file, on the disk.

    Args:
        task: Whose model answers.
        params: Its parameters.
        file: Where the state is kept; where there is one, the stream goes on from it.

    Raises:
        RunError: If the file's state is of another model, or damaged. Nothing has been answered then.
    """

    def __init__(self, task: Streamer, params: Params, file: Path | None = None) -> None:
        self._task, self._params, self._file = task, params, file
        self._carry, self.lines, self._saved = task.initial_stream(params), 0, 0
        if file is not None and not file.parent.is_dir():  # not after the first answers
            fail("state", "a file in a folder that is there", str(file))
        self._model = "" if file is None else _digest(task, params)
        if file is not None and file.exists():
            self._carry, self.lines = self._read(file)
            self._saved = self.lines

    def answer(self, line: str) -> tuple[dict[str, Any], Any]:
        """The answer to the next line, and what is remembered then, for `keep`.

        Raises:
            ValueError: If the line is no input of the model.
        """
        return self._task.stream(self._params, self._carry, line)

    def keep(self, carry: Any = None) -> None:
        """One line more is answered; None: it could not be read, and what is remembered stays."""
        self._carry, self.lines = self._carry if carry is None else carry, self.lines + 1

    def save(self) -> None:
        """Write the state, where there is a file for it, and a line since the last time.

        Raises:
            WriteError: If the disk is full; what was saved before is still there.
        """
        if self._file is None or (self.lines == self._saved and self._file.exists()):
            return
        arrays = {name: np.asarray(leaf) for name, leaf in leaves(jax.device_get(self._carry)).items()}
        about = {"lines": self.lines, "model": self._model, "version": VERSION}
        about["checksum"] = _checksum(arrays, about)
        stored = {name: bits(array) for name, array in arrays.items()}
        write_bytes(self._file, safetensors.content(stored, {ABOUT: json.dumps(about)}))
        self._saved = self.lines

    def _read(self, file: Path) -> tuple[Any, int]:
        like = leaves(jax.device_get(self._carry))
        try:
            stored, said = safetensors.arrays_of(file)
            about = json.loads(said[ABOUT])
            other = about["model"] != self._model
            if not other:
                check_names(stored, like)
                for name, leaf in like.items():
                    wanted = np.asarray(leaf)
                    check_leaf(name, stored[name].shape, stored[name].dtype, wanted.shape, bits_of(wanted.dtype))
                arrays = {name: stored[name].view(np.asarray(leaf).dtype) for name, leaf in like.items()}
                if about.pop("checksum") != _checksum(arrays, about):
                    raise ValueError("its checksum is another")
        except Exception as error:  # a flipped bit shows as one of many kinds
            raise RunError(f"{file} is no state of a stream, or damaged ({error}): begin anew without it") from error
        if other:
            raise RunError(f"{file} is the state of another model: give each model a file of its own")
        return jax.tree.unflatten(jax.tree.structure(self._carry), [arrays[name] for name in like]), about["lines"]


def _digest(task: Streamer, params: Params) -> str:
    """Of a model: its parameters, and what it took from its data."""
    arrays = {name: bits(np.asarray(leaf)) for name, leaf in leaves(jax.device_get(params)).items()}
    return digest([type(task).__name__, getattr(task, "learned", ""), arrays])


def _checksum(arrays: dict[str, Any], about: dict[str, Any]) -> str:
    return digest([about["lines"], about["model"], {name: bits(array) for name, array in arrays.items()}])


class _Stopped(Exception):
    """A signal came while a line was waited for."""


class StoppableLines(StopRequest):
    """Lines as they come, until a stop signal; one that comes while a line is answered waits for the answer.

    Args:
        file: What `readline` gives bytes of.
    """

    def __init__(self, file: Any) -> None:
        self._file, self._waiting = file, False
        super().__init__()

    def _note(self, number: int, frame: FrameType | None = None) -> None:
        super()._note(number, frame)
        if self._waiting:
            raise _Stopped

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                self._waiting = True
                line = b"" if self.requested else self._file.readline()
                self._waiting = False
            except _Stopped:
                line = b""
            self._waiting = False
            if not line:
                return
            yield line


def answer_lines(
    stream: LineStream,
    lines: Iterable[bytes],
    write: Callable[[str], object],
    complain: Callable[[str], object],
    *,
    every: int = 100,
    strict: bool = False,
) -> int:
    """Answer lines as they come, as JSON, one a line; how many of them could not be read.

    A line that cannot be read is answered by {"error": ...}, and said with its number, counted from the beginning of
    the stream; what the model remembers stays, and the stream goes on. With `strict` it stops before that line. The
    state is saved after every so many lines, and at the end, whatever ends it.

    Raises:
        ValueError: With `strict`, if a line cannot be read.
        WriteError: If the state cannot be saved.
    """
    if every < 1:
        fail("--every", "1 or more lines", every)
    broken = 0
    try:
        for line in lines:
            carry = None
            try:
                answer, carry = stream.answer(_text(line))
            except ValueError as error:
                if strict:
                    raise ValueError(f"line {stream.lines + 1}: {error}") from error
                broken += 1
                complain(f"line {stream.lines + 1}: {error}\n")
                answer = {"error": str(error)}
            write(as_json(answer) + "\n")
            stream.keep(carry)
            if stream.lines % every == 0:
                stream.save()
    finally:
        stream.save()
    return broken


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        fail("line", "text in UTF-8", Said(f"{error.reason} at byte {error.start}"))
