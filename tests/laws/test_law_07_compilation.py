"""Law 7: no retrace, a program that does not grow with T, and export for other platforms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from tests.laws import programs
from tests.laws.programs import BACKEND_NAMES, QUICK, QUICK_ROWS, call
from tests.table import ROWS, B, arrays

WORK = ("trace", "lower", "compile")  # what the names of JAX's duration events contain


@contextmanager
def counting() -> Iterator[list[str]]:
    """The traces, lowerings and compilations that happen inside."""
    events: list[str] = []

    def note(event: str, duration: float, **_: Any) -> None:
        if any(word in event for word in WORK):
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        yield events
    finally:
        jax.monitoring.unregister_event_duration_listener(note)


def fresh(row: str, seed: int) -> Any:
    """Arguments with other values; lengths too."""
    args = arrays(row, seed=seed)
    return jax.tree.map(jnp.asarray, programs.without_reset(args)), jnp.asarray(
        np.random.default_rng(seed).integers(1, 7, B)
    )


@pytest.mark.parametrize("backend", BACKEND_NAMES)
@pytest.mark.parametrize("row", QUICK_ROWS)
def test_second_call_does_no_work_again(row: str, backend: str) -> None:
    """Neither eagerly, nor jitted, nor for a cell that is made anew."""
    jitted = jax.jit(lambda args, lengths: call(row, backend, args, lengths=lengths))
    (first, lengths), (second, others) = fresh(row, 1), fresh(row, 2)
    with counting() as events:
        before = [call(row, backend, first, lengths=lengths), jitted(first, lengths)]
    assert events
    with counting() as events:
        after = [call(row, backend, second, lengths=others), jitted(second, others)]
    assert events == []
    assert all(
        np.any(np.asarray(a) != np.asarray(b))
        for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    )
    remade = ROWS[row].factory(ROWS[row].size)
    assert remade == ROWS[row].cell
    assert hash(remade) == hash(ROWS[row].cell)


def gradient(row: str, backend: str, args: Any) -> Any:
    return jax.grad(lambda args: sum((a**2).sum() for a in jax.tree.leaves(call(row, backend, args))))(args)


def shapes(row: str, steps: int) -> Any:
    """Abstract arguments of `steps` steps, float32."""
    args = programs.without_reset(arrays(row))

    def abstract(a: Any, timed: bool) -> Any:
        return jax.ShapeDtypeStruct((steps, *a.shape[1:]) if timed else a.shape, jnp.float32)

    return {k: jax.tree.map(lambda a, k=k: abstract(a, k in ("xs", "per_step")), v) for k, v in args.items()}


@pytest.mark.parametrize("backend", [b for b in BACKEND_NAMES if b != "associative"])  # a tree of log T levels
@pytest.mark.parametrize("row", QUICK_ROWS)
def test_program_does_not_grow_with_time(row: str, backend: str) -> None:
    """As many HLO instructions for 65,536 steps as for 128, in the compiled gradient."""
    counts = []
    # A time of a row is repeated for its units, which XLA shares out among threads where that is much.
    few = 8_192 if backend == "native" and {"dt", "t"} & {*ROWS[row].cell.per_step} else 128
    few = 32_768 if backend in ("one_pass", "chunked") else few  # several of their blocks, as 65,536 steps are
    few = 1_024 if backend == "newton" else few  # a square as well, so that no chunk is filled up
    for steps in (few, 65_536):
        lowered = jax.jit(lambda args: gradient(row, backend, args)).lower(shapes(row, steps))
        # Of Newton's method before XLA shares long arrays out among threads, each in a loop of its own.
        text = (lowered if backend == "newton" else lowered.compile()).as_text()
        counts.append(len(re.findall(r"^\s+(?:ROOT )?%?\S+ = ", text, re.MULTILINE)))
    assert counts[0] == counts[1] > 20


@pytest.mark.parametrize(
    ("row", "backend"),
    [
        pytest.param(row, b, marks=() if b != "reference" or row in QUICK else pytest.mark.slow)
        for row in ROWS
        for b in BACKEND_NAMES
    ],
)
def test_export_for_every_platform(row: str, backend: str) -> None:
    """Forward and gradient, with lengths, lowered for cpu, cuda and tpu on whatever machine this is."""
    platforms = ("cpu", "cuda", "tpu")
    lengths = jax.ShapeDtypeStruct((B,), jnp.int32)

    def forward(args: Any, lengths: Any) -> Any:
        return call(row, backend, args, lengths=lengths, chunk=3)

    def loss(args: Any, lengths: Any) -> Any:
        return sum((a**2).sum() for a in jax.tree.leaves(forward(args, lengths)))

    def both(args: Any, lengths: Any) -> Any:
        return forward(args, lengths), jax.grad(loss)(args, lengths)

    exported = jax.export.export(jax.jit(both), platforms=platforms)(shapes(row, 6), lengths)
    assert exported.platforms == platforms
    expected = jax.eval_shape(both, shapes(row, 6), lengths)
    assert [a.shape for a in exported.out_avals] == [a.shape for a in jax.tree.leaves(expected)]


def test_exported_program_computes_the_same() -> None:
    row, lengths = "lstm", np.array([6, 4, 0], np.int32)
    args = jax.tree.map(lambda a: np.asarray(a, np.float32), programs.without_reset(arrays(row)))
    run = jax.jit(lambda args, lengths: tuple(call(row, "scheduled", args, lengths=lengths, chunk=3)[1:]))
    exported = jax.export.export(run)(args, lengths)
    for actual, expected in zip(exported.call(args, lengths), run(args, lengths), strict=True):
        np.testing.assert_array_equal(actual, expected)
