"""Pictures of signals: what went in, what was found, and what there was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure

from jaxrnn.tasks.signal.recordings import Recording


def separation_figure(recording: Recording, found: np.ndarray, names: Sequence[str], input_name: str) -> Figure:
    """The input, and below it each target in black with what was found in colour."""
    figure = Figure(figsize=(10, 1.9 * (1 + len(names))), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1 + len(names), sharex=True))
    panels[0].plot(recording.times, recording.inputs[:, 0], color="tab:gray", linewidth=0.8)
    panels[0].set_ylabel(input_name)
    for n, (axes, name) in enumerate(zip(panels[1:], names, strict=True)):
        axes.plot(recording.times, recording.targets[:, n], color="black", linewidth=0.8, label="measured")
        axes.fill_between(recording.times, 0, found[:, n], color="tab:orange", alpha=0.6, linewidth=0, label="found")
        axes.set_ylabel(name)
    panels[1].legend(fontsize=8, loc="upper left")
    if recording.times.dtype.kind == "M":
        panels[-1].xaxis.set_major_formatter(ConciseDateFormatter(panels[-1].xaxis.get_major_locator()))
    return figure


def event_figure(recordings: Sequence[Recording], logits: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> Figure:
    """Of each recording its input, events that are marked (lines) and found (points), and how likely they are."""
    figure = Figure(figsize=(10, 2.2 * len(recordings)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(recordings)))
    for axes, recording, logit, events in zip(panels, recordings, logits, found, strict=True):
        at, signal = recording.times, recording.inputs[:, 0]
        low, high = np.nanmin(signal), np.nanmax(signal)
        axes.vlines(at[recording.targets[:, 0] > 0], low, high, color="tab:gray", alpha=0.4, label="marked")
        axes.plot(at, signal, color="black", linewidth=0.8)
        chance = 1 / (1 + np.exp(-logit))
        axes.fill_between(at, low, low + (high - low) * chance, color="tab:orange", alpha=0.4, label="probability")
        axes.plot(at[events], signal[events], "o", color="tab:red", markersize=4, label="found")
        axes.set_title(recording.name, fontsize=9, loc="left")
    panels[0].legend(fontsize=7, loc="upper right")
    return figure
