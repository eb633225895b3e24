"""A run in two pieces, which must write what an unbroken one does."""

from __future__ import annotations

import jax

from jaxrnn.train import StopRequest, run
from jaxrnn.train.metrics import read_metrics
from tests.promotion import default_promotion


class StopAfter(StopRequest):
    """A stop request that comes after so many looks at it, and no signal."""

    def __init__(self, looks):
        self.looks, self.signal = looks, None

    @property
    def requested(self):
        self.looks -= 1
        return self.looks < 0


def run_in_two_pieces(experiment, folder, looks):
    """Train once without a break and once with one after so many looks: the broken run's folder, and its losses."""
    whole, pieces = folder / "whole", folder / "pieces"
    with default_promotion(), jax.enable_x64(False):
        for place, resume, patience in ((whole, False, 999), (pieces, False, looks), (pieces, True, 999)):
            assert run(experiment, place, resume, StopAfter(patience)) == 0
    assert (whole / "metrics.jsonl").read_bytes() == (pieces / "metrics.jsonl").read_bytes()
    return pieces, [line["loss"] for line in read_metrics(whole / "metrics.jsonl") if "loss" in line]
