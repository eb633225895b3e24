"""Law 2: the whole sequence equals its halves with the carry handed over, T calls of `step`, and any chunk."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn.engine import plan
from jaxrnn.engine.plan import blocks
from tests.laws import programs
from tests.laws.programs import BACKEND_NAMES, DIRECTIONS, GENERAL, QUICK, assert_close, call
from tests.table import CASES, ROWS, B, Steps, T, arrays, cotangents

ALL_CHUNKS = (1, 2, 4, 5, T, 100, "sqrt")
SEAM = 4


def seamless(reverse: bool) -> Steps:
    """Marks of which the halves know all: no boundary on padding at the seam, where each half sees one side only.

    Going forward a flag on the seam's own step is no such case: the second half starts fresh by it. Backward it is.
    """
    at_the_seam = np.zeros((T, B), bool)
    at_the_seam[SEAM, 1] = not reverse
    early, late = np.zeros((T, B), bool), np.zeros((T, B), bool)
    early[1, [0, 2]], late[5, 0] = True, True
    return CASES["everything"]._replace(resets=early | late | at_the_seam, segments=np.zeros((T, B), np.int32))


def chunks_of(row: str, backend: str) -> tuple[Any, ...]:
    """One that leaves a rest for every row; all for some. The reference knows no blocks."""
    return () if backend == "reference" else ALL_CHUNKS if row in QUICK else (4,)


@cache
def pieces(row: str, backend: str, reverse: bool) -> Any:
    """Outputs of the two halves joined, and of every chunk, in one program."""

    def part(args: Any, steps: Steps, carry: Any, at: slice, chunk: Any) -> Any:
        length = len(range(T)[at])
        inside = np.clip(np.asarray(steps.lengths) - at.start, 0, length)
        cut = dict(xs=args["xs"][at], carry=carry, per_step={k: a[at] for k, a in args["per_step"].items()})
        marks = dict(lengths=inside, mask=steps.mask[at], resets=steps.resets[at], segments=steps.segments[at])
        return call(row, backend, args | cut, **marks, reverse=reverse, chunk=chunk)

    def program(args: Any) -> Any:
        steps = seamless(reverse)
        first, second = (slice(SEAM, T), slice(0, SEAM)) if reverse else (slice(0, SEAM), slice(SEAM, T))
        carry, ys_1 = part(args, steps, args["carry"], first, 2)
        carry, ys_2 = part(args, steps, carry, second, 2)
        joined = jax.numpy.concatenate([ys_2, ys_1] if reverse else [ys_1, ys_2])
        return (carry, joined), [
            part(args, CASES["everything"], args["carry"], slice(0, T), c) for c in chunks_of(row, backend)
        ]

    return jax.jit(program)


@cache
def result(row: str, backend: str, direction: str) -> Any:
    return programs.to_numpy(pieces(row, backend, DIRECTIONS[direction])(arrays(row)))


@pytest.mark.parametrize(
    "backend", [pytest.param(b, marks=pytest.mark.slow) if b == "reference" else b for b in BACKEND_NAMES]
)
@pytest.mark.parametrize(("row", "direction"), programs.WAYS)
def test_two_halves_are_the_whole(row: str, backend: str, direction: str) -> None:
    reverse = DIRECTIONS[direction]
    assert_close(result(row, backend, direction)[0], programs.run_oracle(row, arrays(row), seamless(reverse), reverse))


@pytest.mark.parametrize("backend", [b for b in BACKEND_NAMES if b != "reference"])
@pytest.mark.parametrize(("row", "direction"), programs.WAYS)
def test_every_chunk_is_the_whole(row: str, backend: str, direction: str) -> None:
    for chunk, outputs in zip(chunks_of(row, backend), result(row, backend, direction)[1], strict=True):
        assert_close(outputs, programs.truth(row, DIRECTIONS[direction], "everything"), what=f"chunk={chunk}")


@pytest.mark.parametrize("row", ROWS)
def test_calls_of_step_are_the_whole(row: str) -> None:
    args, cell = arrays(row), ROWS[row].cell
    step = jax.jit(cell.step)
    carry, ys = args["carry"], []
    for t in range(T):
        per_step = {name: a[t] for name, a in args["per_step"].items()}
        carry, y = step(args["params"], carry, args["xs"][t], per_step=per_step)
        ys.append(y)
    assert_close((carry, np.stack(ys)), programs.truth(row, False, "all steps"))


@pytest.mark.parametrize("chunk", [1, 4, 5, "sqrt"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(
    "row", [pytest.param(r, marks=() if r in ("elman", "gru, reset before") else pytest.mark.slow) for r in ROWS]
)
def test_gradients_of_every_chunk(row: str, direction: str, chunk: Any) -> None:
    def program(args: Any, cotangent: Any) -> Any:
        steps = CASES["everything"]._asdict()
        _, pull = jax.vjp(
            lambda args: call(row, "scheduled", args, **steps, reverse=DIRECTIONS[direction], chunk=chunk), args
        )
        return pull(cotangent)[0]

    actual = programs.to_numpy(jax.jit(program)(arrays(row), cotangents(row)))
    assert_close(actual, programs.true_gradients(row, DIRECTIONS[direction], "everything"))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_sqrt_with_segments_of_several_blocks(direction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """T = 601: segments of 24 steps in blocks of 8, and a rest; outputs and gradients against the reference."""
    steps, row = 601, "gru, reset before"
    monkeypatch.setattr(plan, "LONGEST", 8)
    assert blocks(steps, "sqrt", 2, 5) == (24, 8)
    jax.clear_caches()  # the engine's own, in which the plan of another test may be
    args, weights = programs.without_reset(arrays(row, steps, (2,))), cotangents(row, steps, (2,))
    mask = np.random.default_rng(5).random((steps, 2)) < 0.8

    def program(args: Any, backend: str, chunk: Any) -> Any:
        outputs, pull = jax.vjp(
            lambda args: call(row, backend, args, mask=mask, reverse=DIRECTIONS[direction], chunk=chunk), args
        )
        return outputs, pull(weights)

    assert_close(*jax.jit(lambda args: (program(args, "scheduled", "sqrt"), program(args, "reference", None)))(args))


@pytest.mark.parametrize(("steps", "batch"), [(1, (2,)), (63, ()), (97, (2,))])
@pytest.mark.parametrize("longest", [16, 64])
@pytest.mark.parametrize(
    "row",
    [
        "elman, leaky",
        "gru",
        *(pytest.param(r, marks=pytest.mark.slow) for r in ROWS if r not in ("elman, leaky", "gru")),
    ],
)
def test_default_blocks_are_the_reference(
    row: str, longest: int, steps: int, batch: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step, a length with a divisor near 16, and a prime; in blocks of either length."""
    monkeypatch.setattr(plan, "LONGEST", longest)
    assert blocks(97, None, 2, 5) == (None, longest)
    args, weights = programs.without_reset(arrays(row, steps, batch)), cotangents(row, steps, batch)

    def program(args: Any, backend: str) -> Any:
        outputs, pull = jax.vjp(lambda args: call(row, backend, args), args)
        return outputs, pull(weights)

    jax.clear_caches()  # the engine's own, in which the plan of another test may be
    assert_close(*jax.jit(lambda args: tuple(program(args, b) for b in ("scheduled", "reference")))(args))


@pytest.mark.parametrize("backend", GENERAL)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_all_carries_are_those_of_every_prefix(backend: str, direction: str) -> None:
    """`scan_carries` shows the carry after each step, and at an invalid step the one that it holds."""
    row, steps = "lstm, peepholes", CASES["everything"]
    args, reverse = arrays(row), DIRECTIONS[direction]
    carries, ys = jaxrnn.scan_carries(
        ROWS[row].cell,
        args["params"],
        args["xs"],
        args["carry"],
        reset_carry=args["reset_carry"],
        reverse=reverse,
        backend=backend,
        chunk=3,
        **steps._asdict(),
    )
    assert_close(ys, programs.truth(row, reverse, "everything")[1])
    for t in range(T):
        mask = np.zeros_like(steps.mask)
        mask[t:] = steps.mask[t:]
        if not reverse:
            mask = steps.mask & ~mask
            mask[t] = steps.mask[t]
        upto = programs.run_oracle(row, args, steps._replace(mask=mask), reverse)[0]
        assert_close(jax.tree.map(lambda a, t=t: a[t], carries), upto, what=f"t={t}")
