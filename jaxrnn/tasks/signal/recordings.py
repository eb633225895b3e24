"""Recordings: inputs and targets step by step, with gaps; the house's and the electrocardiograms."""

from __future__ import annotations

import csv
import io
from typing import NamedTuple

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.own_files import kept
from jaxrnn.tasks.shared.shipped import DATA, INSTALL
from jaxrnn.train import read_sources
from jaxrnn.train.sources import DAMAGED, DAMAGED_ARRAY

METERS = ("kitchen", "laundry", "heater")
POWER = ("power_w.npy", "sub_wh.npy")
ECG = ("ecg_mitbih12_180hz.npy", "ecg_mitbih12_beats.csv")
RECORDS = (100, 102, 104, 105, 106, 108, 114, 116, 119, 121, 123, 200)
HELD_OUT = (105, 108, 119, 200)
WHERE = "Twelve records of the MIT-BIH arrhythmia database (PhysioNet mitdb 1.0.0), at 180 Hz, and their marked beats."
RATE = 180


class Recording(NamedTuple):
    """Steps one after the other."""

    name: str
    inputs: np.ndarray  # float32 [T, D]: NaN where nothing was measured
    targets: np.ndarray  # float32 [T, K]: NaN where nothing is known; of events 1 at each
    times: np.ndarray  # datetime64[s] [T], or int64 [T]


class Recordings(NamedTuple):
    """Those of each split, and the names of their columns."""

    parts: dict[str, list[Recording]]
    inputs: list[str]
    targets: list[str]


def power() -> Recordings:
    """2008 trains, the first half of 2009 validates, the second tests."""
    return _power(str(DATA / "household"))


@kept
def _power(path: str) -> Recordings:
    contents = read_sources(path, POWER, INSTALL)
    watts, meters = (_array(contents[name]) for name in POWER)
    inputs = np.where(watts < 0, np.nan, watts).astype(np.float32)[:, None]
    targets = np.where(meters == 255, np.nan, meters).astype(np.float32).T
    times = np.datetime64("2008-01-01T00:00", "s") + np.arange(len(inputs)) * np.timedelta64(60, "s")
    cuts = np.array(["2009-01-01", "2009-07-01"], "datetime64[s]")
    pieces = [np.split(array, np.searchsorted(times, cuts)) for array in (inputs, targets, times)]
    parts = {
        split: [Recording(split, *(of[n] for of in pieces))]
        for n, split in enumerate(("training", "validation", "test"))
    }
    return Recordings(parts, ["power"], [*METERS])


def ecg(path: str) -> Recordings:
    """Four records test; of the others the last five minutes validate."""
    if not path:
        fail("data.path", f"a folder with {' and '.join(ECG)}", Said("none"), WHERE)
    return _ecg(path)


@kept
def _ecg(path: str) -> Recordings:
    contents = read_sources(path, ECG, WHERE)
    signals = _array(contents[ECG[0]])
    try:
        beats = [*csv.reader(io.StringIO(contents[ECG[1]].decode()), strict=True)][1:]
        marked = [(int(record), int(sample) // 2) for record, sample, _ in beats]
    except (*DAMAGED, csv.Error) as error:
        fail("data.path", f"{ECG[1]} as it was made", Said(f"one that cannot be read ({error})"), WHERE)
    parts: dict[str, list[Recording]] = {"training": [], "validation": [], "test": []}
    for record, signal in zip(RECORDS, signals, strict=True):
        targets = np.zeros((len(signal), 1), np.float32)
        targets[[place for name, place in marked if name == record]] = 1
        whole = Recording(str(record), signal[:, None].astype(np.float32) / 200, targets, np.arange(len(signal)))
        if record in HELD_OUT:
            parts["test"].append(whole)
        else:
            cut = len(signal) - 5 * 60 * RATE
            for split, part in (("training", slice(cut)), ("validation", slice(cut, None))):
                parts[split].append(Recording(whole.name, *(array[part] for array in whole[1:])))
    return Recordings(parts, ["millivolt"], ["beat"])


def _array(content: bytes) -> np.ndarray:
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except DAMAGED_ARRAY as error:
        fail("data.path", "arrays as they were made", Said(f"one that cannot be read ({error})"), INSTALL)
