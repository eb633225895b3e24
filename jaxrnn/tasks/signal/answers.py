"""What a trained model says of a user's recordings, and of steps as they come in."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxrnn
from jaxrnn.base.errors import fail
from jaxrnn.programs.serialized import serialized
from jaxrnn.tasks.forecast.own_series import when
from jaxrnn.tasks.shared.dense import dense
from jaxrnn.tasks.signal.features import features
from jaxrnn.tasks.signal.held_out import late, outputs, values_of
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
    count: np.ndarray  # int32 []


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
    return Stream(task.layer.initial_carry((1,), params["rnn"]), np.zeros((), np.int32))


def streamed(task: Any, params: Params, stream: Stream, line: str) -> tuple[dict[str, Any], Stream]:
    """What is found in the step `latency` steps ago, whose number is `step`, negative before there is one."""
    names = [*(["time"] if task.data.calendar else []), *(name for name, _, _ in task.record["inputs"])]
    cells = next(csv.reader([line], skipinitialspace=True), [])
    if len(cells) != len(names):
        fail("line", f"{len(names)} cells: {','.join(names)}", line)
    try:
        time = when(cells.pop(0)) if task.data.calendar else np.array(0, np.int64)
        values = np.array([[float(cell) if cell.strip() else np.nan for cell in cells]])
    except ValueError:
        fail("line", f"numbers, or nothing: {','.join(names)}", line)
    if np.isinf(values).any():
        fail("line", "finite numbers", line)
    xs = jnp.asarray(features(task.record, task.data, values, time[None]), params["readout"]["bias"].dtype)
    carry, found = _step(task, params, stream.carry, xs)
    count = np.asarray(stream.count + 1, np.int32)
    answer = {"step": int(count) - 1 - task.model.latency} | said(task, np.asarray(found[0], np.float64))
    return answer, Stream(carry, count)


def _step(task: Any, params: Params, carry: Any, xs: jax.Array) -> tuple[Any, jax.Array]:
    carry, y = task.layer.step(params["rnn"], carry, xs)
    return carry, dense(params["readout"], y)


def program_of(task: Any, params: Params) -> Program:
    """Inputs as the network sees them to what is found."""

    def function(inputs: jax.Array, lengths: jax.Array) -> tuple[jax.Array]:
        _, ys = jaxrnn.scan(task.layer, params["rnn"], jnp.moveaxis(inputs, 0, 1), lengths=lengths)
        found = jnp.moveaxis(dense(params["readout"], ys), 0, 1)
        if task.data.marks:
            return (jax.nn.sigmoid(found),)
        moments = [*zip(*task.record["targets"], strict=True)][1:]
        mean, deviation = (jnp.broadcast_to(jnp.array(part, found.dtype), found.shape) for part in moments)
        return (found * deviation + mean,)

    blank = np.zeros((1, len(task.record["inputs"])))
    size = features(task.record, task.data, blank, np.zeros(1, np.int64)).shape[1]
    note = (
        f"inputs as jaxrnn.tasks.signal.features makes them of {', '.join(n for n, _, _ in task.record['inputs'])}; "
        f"found are {', '.join(task.targets)}; {late(task)}"
    )
    return Program(function, {"inputs": (("B", "T", size), "float32"), "lengths": (("B",), "int32")}, ("found",), note)
