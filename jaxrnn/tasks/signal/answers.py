"""What a trained model says of a user's recordings, and of steps as they come in."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.errors import fail
from jaxrnn.engine.scan import scan
from jaxrnn.programs.serialized import serialized
from jaxrnn.tasks.shared.dense import dense
from jaxrnn.tasks.shared.measured_rows import DATED, header_hint, when
from jaxrnn.tasks.signal.chunks import with_recalled
from jaxrnn.tasks.signal.features import features
from jaxrnn.tasks.signal.held_out import late, outputs, steps_late, values_of
from jaxrnn.tasks.signal.own_signals import read_files
from jaxrnn.tasks.signal.recordings import Recording
from jaxrnn.tasks.signal.scores import peaks
from jaxrnn.train.program import Program
from jaxrnn.train.task import Params


class Place(NamedTuple):
    """A step of a recording."""

    recording: Recording
    step: int


@serialized
class Stream(NamedTuple):
    """What is remembered of the steps before."""

    carry: Any  # of the network, [1, ...]
    frame: np.ndarray  # float32 [frame, F]: the steps since the last whole frame
    recalled: np.ndarray  # float32 [latency, frame F]: the last frames, to be shown once more; or [0, frame F]
    found: np.ndarray  # float64 [frame, K]: what was answered for a frame when that was read
    steps: np.ndarray  # int32 []: how many there were


def recordings_of(task: Any, path: str) -> list[Place]:
    """The steps of files, one after the other."""
    names = tuple(name for name, _, _ in task.record["inputs"])
    found = []
    for _, one in read_files(path, names, (), task.data.calendar):
        blank = np.full((len(one.inputs), len(task.targets)), np.nan, np.float32)
        recording = one._replace(targets=blank)
        found += [Place(recording, step) for step in range(len(blank))]
    return found


def predicted(task: Any, params: Params, inputs: Sequence[Place]) -> Iterator[dict[str, Any]]:
    """What is found in each step; of events how likely one is, and whether it is where it is likeliest."""
    last, found, events = None, np.zeros((0, 0)), np.zeros((0, 0), bool)
    for recording, step in inputs:
        if recording is not last:
            last, found = recording, outputs(task, params, recording)
            events = np.zeros(found.shape, bool)
            for n in range(found.shape[1]):
                events[peaks(found[:, n], task.data.refractory), n] = True
        answer = {"recording": recording.name, "step": step} | said(task, found[step])
        if task.data.marks:
            answer |= {f"{name}_here": bool(events[step, n]) for n, name in enumerate(task.targets)}
        yield answer


def said(task: Any, found: np.ndarray) -> dict[str, float]:
    """An answer of the network by the names of the targets: values, or probabilities."""
    values = 1 / (1 + np.exp(-found)) if task.data.marks else values_of(task, found)
    return dict(zip(task.targets, map(float, values), strict=True))


def initial_stream(task: Any, params: Params) -> Stream:
    """Before the first step."""
    if not task.streams:
        fail("RUN", "a causal model", task.model.direction, "`jaxrnn predict RUN FILE` takes it.")
    size, frame = size_of(task), task.data.frame
    recalled = np.zeros((task.model.latency if task.model.recall else 0, frame * size), np.float32)
    none = np.zeros((frame, size), np.float32), recalled, np.zeros((frame, len(task.targets)))
    return Stream(task.layer.initial_carry((1,), params["rnn"]), *none, np.zeros((), np.int32))


def size_of(task: Any) -> int:
    """Numbers of a step, as the network sees it."""
    blank = np.zeros((1, len(task.record["inputs"])))
    return features(task.record, task.data, blank, np.zeros(1, np.int64)).shape[1]


def streamed(task: Any, params: Params, stream: Stream, line: str) -> tuple[dict[str, Any], Stream]:
    """What is found in a step before, whose number is `step`, negative where there is none yet."""
    names = [*(["time"] if task.data.calendar else []), *(name for name, _, _ in task.record["inputs"])]
    cells = next(csv.reader([line], skipinitialspace=True), [])
    if len(cells) != len(names):
        fail("line", f"{len(names)} cells: {','.join(names)}", line)
    try:
        time = when(cells.pop(0)) if task.data.calendar else np.array(0, np.int64)
        values = np.array([[float(cell) if cell.strip() else np.nan for cell in cells]])
    except ValueError:
        fail("line", f"numbers, or nothing: {','.join(names)}", line, header_hint(cells))
    if task.data.calendar and time.dtype.kind != "M":  # which has no day and no week
        fail("line", f"{DATED[True]} as its time", line)
    if np.isinf(values).any():
        fail("line", "finite numbers", line)
    frame, carry, found = np.array(stream.frame), stream.carry, np.asarray(stream.found)
    recalled = np.asarray(stream.recalled)
    at, count = int(stream.steps) % len(frame), int(stream.steps) + 1
    frame[at] = features(task.record, task.data, values, time[None])[0]
    if at == len(frame) - 1:
        whole = frame.reshape(1, -1)
        xs = np.concatenate([whole, recalled[:1]], 1) if task.model.recall else whole
        recalled = np.concatenate([recalled, whole])[len(whole) :] if task.model.recall else recalled
        carry, out = _step(task, params, carry, jnp.asarray(xs, params["readout"]["bias"].dtype))
        found = np.asarray(out[0], np.float64).reshape(found.shape)
    step = count - 1 - steps_late(task)
    answer = {"step": step} | said(task, found[step % len(frame)])
    return answer, Stream(carry, frame, recalled, found, np.array(count, np.int32))


def _step(task: Any, params: Params, carry: Any, xs: jax.Array) -> tuple[Any, jax.Array]:
    carry, y = task.layer.step(params["rnn"], carry, xs)
    return carry, dense(params["readout"], y)


def program_of(task: Any, params: Params) -> Program:
    """Inputs as the network sees them to what is found."""

    def function(inputs: jax.Array, lengths: jax.Array) -> tuple[jax.Array]:
        xs = jnp.moveaxis(inputs, 0, 1)
        if task.model.recall:
            xs = with_recalled(xs, task.model.latency, jnp)
        _, ys = scan(task.layer, params["rnn"], xs, lengths=lengths)
        found = jnp.moveaxis(dense(params["readout"], ys), 0, 1)
        if task.data.marks:
            return (jax.nn.sigmoid(found),)
        moments = [*zip(*task.record["targets"], strict=True)][1:]
        mean, deviation = (
            jnp.broadcast_to(jnp.tile(jnp.array(part, found.dtype), task.data.frame), found.shape) for part in moments
        )
        return (found * deviation + mean,)

    size = size_of(task) * task.data.frame
    names = ", ".join(name for name, _, _ in task.record["inputs"])
    note = (
        f"a step of the arrays is a frame of {task.data.frame}; inputs as jaxrnn.tasks.signal.features makes them of "
        f"{names}; found are {', '.join(task.targets)}; {late(task)}"
    )
    return Program(function, {"inputs": (("B", "T", size), "float32"), "lengths": (("B",), "int32")}, ("found",), note)
