"""Mistakes that kernels for GPUs are made with, to be put into ours; those of bodies are the same as on TPUs."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import jax.numpy as jnp
import pytest

from jaxrnn.kernels.pallas import multiplied, on_gpu
from tests.kernels.pallas_faults import FAULTS as OF_BODIES

Patch = pytest.MonkeyPatch
Multiplier = multiplied.Multiplier


def _goes_through_time_the_other_way(patch: Patch) -> None:
    walk = on_gpu.Walk
    patch.setattr(on_gpu, "Walk", lambda T, descending, *given: walk(T, not descending, *given))


def _stops_a_step_early(patch: Patch) -> None:
    walk = on_gpu.Walk
    patch.setattr(on_gpu, "Walk", lambda T, *given: walk(T - 1, *given))


def _multiplies_with_the_first_head(patch: Patch) -> None:
    load = on_gpu._load
    patch.setattr(
        on_gpu, "_load", lambda kernels, held, head, *given, first: load(kernels, held, 0, *given, first=first)
    )


def _has_one_place_for_what_is_multiplied(patch: Patch) -> None:
    begin = Multiplier.begin
    patch.setattr(Multiplier, "begin", lambda products, s: begin(products, s * 2))


def _multiplies_before_all_have_written(patch: Patch) -> None:
    idle = dict.fromkeys(("barrier_arrive", "barrier_wait"), lambda barrier: None)
    patch.setattr(multiplied, "plgpu", SimpleNamespace(**vars(multiplied.plgpu) | idle))


def _multiplies_before_kernels_are_there(patch: Patch) -> None:
    patch.setattr(on_gpu, "plgpu", SimpleNamespace(**vars(on_gpu.plgpu) | {"barrier_wait": lambda barrier: None}))


def _multiplies_without_transposing(patch: Patch) -> None:
    rows = multiplied.Matrix.rows
    patch.setattr(multiplied.Matrix, "rows", lambda matrix, mine, back: rows(matrix, mine, back=False))


def _forgets_a_gate_on_the_way_back(patch: Patch) -> None:
    pull = multiplied.Target.pull
    few = lambda target, p, cts, kernels: pull(target, p._replace(gates=p.gates[1:]), cts[1:], kernels)  # noqa: E731
    patch.setattr(multiplied.Target, "pull", few)


def _multiplies_the_state_of_another_step(patch: Patch) -> None:
    item = multiplied.Again.__getitem__
    patch.setattr(multiplied.Again, "__getitem__", lambda again, at: item(again, (at[0], jnp.maximum(at[1] - 1, 0))))


def _lets_units_in_that_are_none(patch: Patch) -> None:
    patch.setattr(on_gpu, "_exists", lambda *given: None)


def _reads_the_first_rows_for_all(patch: Patch) -> None:
    place = on_gpu.Place
    first = lambda own, tile: (*own[:2], on_gpu.pl.ds(0, tile[1]))  # noqa: E731
    patch.setattr(on_gpu, "Place", lambda ref, own, tile: place(ref, first(own, tile), tile))


def _reads_marks_of_the_first_rows_for_all(patch: Patch) -> None:
    marks = on_gpu.Marks
    patch.setattr(on_gpu, "Marks", lambda ref, rows, tile: marks(ref, on_gpu.pl.ds(0, tile[1]), tile))


OWN: dict[str, Callable[[Patch], None]] = {
    name.removeprefix("_").replace("_", " "): fault
    for name, fault in list(globals().items())
    if name.startswith("_") and getattr(fault, "__annotations__", {}).keys() == {"patch", "return"}
}
SHARED = (
    "never resets",
    "resets rows that are padding",
    "takes padding for steps",
    "takes a gate for another",
    "multiplies states after the step",
)
# And the law that finds it, where it is not that of heads and rows.
FAULTS = OWN | {name: OF_BODIES[name] for name in SHARED}
FOUND_BY = {
    "has one place for what is multiplied": "two warpgroups",
    "multiplies before all have written": "two warpgroups",
    "lets units in that are none": "a head that is filled up",
}
