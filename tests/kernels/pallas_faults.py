"""Mistakes that kernels over time are made with, to be put into ours: each must fail the test that ours passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from jaxrnn.kernels.pallas import bodies, lower, on_tpu, tiles

Patch = pytest.MonkeyPatch


def _loops_past_the_last_step(patch: Patch) -> None:
    patch.setattr(on_tpu.Walk, "steps", lambda walk, i: walk.tile)


def _goes_through_tiles_in_the_other_order(patch: Patch) -> None:
    patch.setattr(on_tpu.Walk, "at", lambda walk, i: i if walk.descending else walk.tiles - 1 - i)


def _goes_through_a_tile_in_one_order_always(patch: Patch) -> None:
    over = on_tpu.Walk.over
    ascending = lambda walk: Ascending(walk.T, walk.tile, walk.descending)  # noqa: E731
    patch.setattr(on_tpu.Walk, "over", lambda walk, i, step: over(ascending(walk), i, step))


class Ascending(NamedTuple):
    """A walk by the tiles of another, through each forward."""

    T: int
    tile: int
    descends: bool
    descending: bool = False

    def steps(self, i: Any) -> Any:
        return on_tpu.Walk(self.T, self.tile, self.descends).steps(i)


def _never_resets(patch: Patch) -> None:
    _marked(patch, lambda valid, reset: (valid, reset if reset is None else reset & False))


def _resets_rows_that_are_padding(patch: Patch) -> None:
    _marked(patch, lambda valid, reset: (valid, reset if reset is None else reset | ~valid))


def _takes_padding_for_steps(patch: Patch) -> None:
    _marked(patch, lambda valid, reset: (valid if valid is None else valid | True, reset))


def _marked(patch: Patch, change: Callable[[Any, Any], Any]) -> None:
    marks = bodies._marks
    patch.setattr(bodies, "_marks", lambda *given: change(*marks(*given)))


def _lets_derivatives_through_padding(patch: Patch) -> None:
    write = bodies._write
    patch.setattr(bodies, "_write", lambda traced, results, pulled, valid, s: write(traced, results, pulled, None, s))


def _starts_rows_with_those_before(patch: Patch) -> None:
    """Scratch memory holds what the tile of other rows left there."""
    when = pl.when
    first = lambda condition: when(condition & ((pl.program_id(0) == 0) | (pl.program_id(1) > 0)))  # noqa: E731
    patch.setattr(bodies.pl, "when", first)


def _starts_every_tile_anew(patch: Patch) -> None:
    when = pl.when
    patch.setattr(bodies.pl, "when", lambda condition: when(condition | True))


def _calls_time_parallel(patch: Patch) -> None:
    given = pltpu.CompilerParams
    patch.setattr(
        on_tpu.pltpu, "CompilerParams", lambda **named: given(**named | {"dimension_semantics": ("parallel",) * 2})
    )


def _reads_the_first_rows_for_all(patch: Patch) -> None:
    _placed(patch, "row", lambda at: lambda b, t: (0, 0))


def _reads_the_first_steps_for_all(patch: Patch) -> None:
    _placed(patch, "step", lambda at: lambda b, t: (0, b, 0))


def _reads_inputs_the_other_way_round(patch: Patch) -> None:
    _placed(patch, "gated", lambda at: lambda b, t: (t, 0, b, 0))


def _placed(patch: Patch, role: str, place: Callable[[Any], Any]) -> None:
    block = tiles.block

    def one(a: Any, tile: Any, at: Any) -> Any:
        made = block(a, tile, at)
        return pl.BlockSpec(made.block_shape, place(at)) if a.role == role else made

    patch.setattr(tiles, "block", one)


def _takes_products_of_another_step(patch: Patch) -> None:
    gates = bodies._gates
    patch.setattr(bodies, "_gates", lambda ref, count, s: gates(ref, count, jnp.maximum(s - 1, 0)))


def _forgets_what_products_add_to_a_state(patch: Patch) -> None:
    dot = on_tpu.dot
    patch.setattr(on_tpu, "dot", lambda h, m, turned=False: dot(h, m, turned=turned) * (0 if turned else 1))


def _takes_a_gate_for_another(patch: Patch) -> None:
    trace = lower.trace
    turned = lambda twins: tuple(t[::-1] for t in twins)  # noqa: E731
    patch.setattr(lower, "trace", lambda *given: (t := trace(*given))._replace(twins=turned(t.twins)))


def _multiplies_states_after_the_step(patch: Patch) -> None:
    """For kernels' gradients."""
    of = lower._of_kernel
    after = lambda before: tuple(jnp.roll(a, -1, 0) for a in before)  # noqa: E731
    patch.setattr(lower, "_of_kernel", lambda *given: of(*given[:3], after(given[3]), given[4]))


FAULTS: dict[str, Callable[[Patch], None]] = {
    name.removeprefix("_").replace("_", " "): fault
    for name, fault in list(globals().items())
    if name.startswith("_") and getattr(fault, "__annotations__", {}).keys() == {"patch", "return"}
}
