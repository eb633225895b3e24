"""What is found in whole recordings, and how good that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jaxrnn.tasks.signal.chunks import Steps
from jaxrnn.tasks.signal.pictures import event_figure, separation_figure
from jaxrnn.tasks.signal.recordings import Recording
from jaxrnn.tasks.signal.scores import detection, explained, matched, peaks
from jaxrnn.train.group_arrays import fetched
from jaxrnn.train.plots import save_figure
from jaxrnn.train.task import Params

LONG = 8192  # frames of a chunk of a recording that is read whole
SHOWN = 1440, 1440  # steps in a picture: a day of minutes, eight seconds


def outputs(task: Any, params: Params, recording: Recording) -> np.ndarray:
    """What the network answers of each step, [T, K], in its own units."""
    data = task.joined([recording])
    count, margin = len(data.inputs), 0 if task.streams else task.data.frames[1]
    carry = task.layer.initial_carry((1,), params["rnn"]) if task.streams else ()
    length = min(LONG, -(-count // 64) * 64)
    found = []
    for begin in range(0, count, length):
        at = np.arange(begin - margin, begin + length + margin)
        inside = (at >= 0) & (at < count)
        place = np.clip(at, 0, count - 1)
        inputs = np.where(inside[:, None], data.inputs[place], 0)[None]
        counts = np.zeros((1, len(at), data.targets.shape[1]), bool)
        lengths = np.array([len(at) if margin else min(length, count - begin)], np.int32)
        none = np.zeros((1, len(at)), bool)
        steps = Steps(inputs, counts.astype(np.float32), counts, none, lengths, np.array([False]))
        carry, out = task.chunk(params, carry, steps)
        found.append(fetched(out)[0].astype(np.float64)[margin : margin + length])
    return np.concatenate(found)[task.model.latency : count].reshape(-1, len(task.targets))[: len(recording.inputs)]


def values_of(task: Any, found: np.ndarray) -> np.ndarray:
    """In the units of the targets."""
    mean, deviation = (np.array(part) for part in [*zip(*task.record["targets"], strict=True)][1:])
    return found * deviation + mean


def judged(task: Any, params: Params, recordings: list[Recording]) -> dict[str, float]:
    """Figures of some recordings."""
    found = [outputs(task, params, one) for one in recordings]
    wanted, answered = np.concatenate([task.wanted(one) for one in recordings]), np.concatenate(found)
    wanted, answered = wanted[known := np.isfinite(wanted)], answered[known]
    losses = np.logaddexp(0, answered) - wanted * answered if task.data.marks else np.square(answered - wanted)
    figures = {"loss": float(losses.mean())}
    if task.data.marks:
        totals = np.zeros((len(task.targets), 3), int)
        for one, logits in zip(recordings, found, strict=True):
            for n in range(len(task.targets)):
                marks, events = np.flatnonzero(one.targets[:, n] > 0), peaks(logits[:, n], task.data.refractory)
                totals[n] += matched(marks, events, task.data.tolerance), len(marks), len(events)
        each = [detection(*map(int, total)) for total in totals]
        finite = all(np.isfinite(one).all() for one in found)
        mean = {name: float(np.mean([one[name] for one in each])) if finite else np.nan for name in each[0]}
        return figures | mean
    values = np.concatenate([one.targets for one in recordings])
    measured = values_of(task, np.concatenate(found))
    each_value = {name: explained(values[:, n], measured[:, n]) for n, name in enumerate(task.targets)}
    figures["R2"] = float(np.mean([r2 for r2, _ in each_value.values()]))
    for name, (r2, error) in each_value.items():
        figures |= {f"R2_{name}": r2, f"MAE_{name}": error}
    return figures


def steps_late(task: Any) -> int:
    """How many steps after a step its answer comes: the frames of the latency, and the rest of its own."""
    return task.model.latency * task.data.frame + task.data.frame - 1


def late(task: Any) -> str:
    """How late answers come, in words."""
    steps = steps_late(task)
    seconds = steps * task.data.step_seconds
    if task.model.direction == "bidirectional":
        return "answers at the end of a recording"
    said = f", {seconds / 60:.3g} minutes" if seconds >= 60 else f", {1000 * seconds:.3g} ms"
    return f"answers {steps} steps late{said if task.data.step_seconds else ''}"


def shown(task: Any, params: Params, folder: Path, seed: int) -> str:
    """A picture of what was found in the test, and what to say of it."""
    draw, recordings = np.random.default_rng(seed), task.recordings.parts["test"]
    pieces, answers = [], []
    for one in recordings[:4]:
        found, shown = outputs(task, params, one), SHOWN[task.data.marks]
        begin = int(draw.integers(max(len(found) - shown, 1)))
        begin -= begin % shown if task.data.calendar else 0
        part = slice(begin, begin + shown)
        pieces.append(Recording(one.name, one.inputs[part], one.targets[part], one.times[part]))
        answers.append(found[part])
    if task.data.marks:
        logits = [one[:, 0] for one in answers]
        figure = event_figure(pieces, logits, [peaks(one, task.data.refractory) for one in logits])
    else:
        found = values_of(task, answers[0])
        figure = separation_figure(pieces[0], found, task.targets, task.record["inputs"][0][0])
    save_figure(figure, folder / "signals.png")
    return f"{late(task)}; what was found in the test: signals.png"
