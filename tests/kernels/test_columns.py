"""Threads that share columns: the same numbers as rows give, and the same bits whatever the number of threads."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.kernels.native import arrays, meetings
from jaxrnn.kernels.native.program import MEET, Slot, Store, Tables
from jaxrnn.kernels.native.vectors import Graph
from tests.laws.programs import assert_close
from tests.waiting import ran

CELLS = {
    "lstm": partial(jaxrnn.lstm, peepholes=True),
    "gru": jaxrnn.gru,
    "gru, reset before": partial(jaxrnn.gru, reset_after=False),
    "elman": jaxrnn.elman,
    "projection": lambda size: jaxrnn.lstm(size, projection=size // 2 + 1),
    "min_gru": jaxrnn.min_gru,
    "qrnn": jaxrnn.qrnn,
    "zoneout": lambda size: jaxrnn.zoneout(jaxrnn.lstm(size), c=0.25, h=0.125),
}


def given(name: str, size: tuple[int, ...], dtype: Any) -> tuple[Any, ...]:
    T, B, D, H = size
    cell, rng = CELLS[name](H), np.random.default_rng(3)
    draw = lambda shape: (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(dtype)  # noqa: E731
    params = {n: draw(p.shape) for n, p in cell.declare(D).items()}
    return cell, params, draw((T, B, D)), draw((T, B, cell.output_size)), rng


@pytest.mark.parametrize("option", ["", "lengths", "resets", "mask", "reverse"])
@pytest.mark.parametrize("size", [(9, 1, 3, 5), (11, 3, 130, 70), (6, 7, 20, 129)], ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_rows_and_columns(name: str, size: tuple[int, ...], option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways equal the reference in float64, and each other: values, and gradients of every parameter."""
    cell, params, xs, w, rng = given(name, size, np.float64)
    T, B = size[:2]
    options: dict[str, Any] = {
        "": {},
        "lengths": {"lengths": rng.integers(0, T + 1, B)},
        "resets": {"resets": rng.random((T, B)) < 0.2},
        "mask": {"mask": rng.random((T, B)) < 0.7},
        "reverse": {"reverse": True, "lengths": rng.integers(0, T + 1, B)},
    }[option]
    noise = {"rng": jax.random.key(1)} if cell.noises else {}

    def run(backend: str, chunk: int | None = None) -> Any:
        def loss(params: Any, xs: Any) -> Any:
            final, ys = jaxrnn.scan(cell, params, xs, backend=backend, chunk=chunk, **options, **noise)
            return (ys * w).sum() + sum((a * a).sum() for a in jax.tree.leaves(final)), ys

        return jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(params, xs)

    expected = run("reference")
    for team in (0, 64):
        monkeypatch.setattr(arrays, "_team", lambda *_, team=team, **__: team)
        for chunk in (None, 4):
            assert_close(run("native", chunk), expected, 1e-11)


PROGRAM = """
import os, sys, hashlib
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[1])])
import jax, numpy as np, jaxrnn
out = hashlib.sha256()
sizes = {jaxrnn.lstm: (90, 1, 70, 264), jaxrnn.gru: (30, 4, 64, 200), jaxrnn.elman: (40, 3, 9, 300)}
sizes[jaxrnn.min_gru] = (60, 2, 70, 264)
for make, (T, B, D, H) in sizes.items():
    cell, rng = make(H), np.random.default_rng(0)
    draw = lambda shape: (rng.standard_normal(shape) / 16).astype(np.float32)  # orthogonal ones depend on threads
    params, xs = {n: draw(p.shape) for n, p in cell.declare(D).items()}, draw((T, B, D))
    def loss(p, x):
        ys = jaxrnn.scan(cell, p, x, backend="native")[1]
        return (ys**2).sum(), ys
    jitted = jax.jit(jax.grad(loss, (0, 1), has_aux=True))  # without the loss: a sum of XLA's own, cut by threads
    first = [np.asarray(a).tobytes() for a in jax.tree.leaves(jitted(params, xs))]
    for _ in range(20):  # whoever comes, and whenever
        assert first == [np.asarray(a).tobytes() for a in jax.tree.leaves(jitted(params, xs))]
    out.update(b"".join(first))
print(out.hexdigest())
"""


def test_bits_do_not_depend_on_the_number_of_threads() -> None:
    """Of values and all gradients, at sizes that are no multiple of anything; nor on which threads come in time."""
    runs = [ran([sys.executable, "-c", PROGRAM, n]) for n in ("1", "64")]
    assert [r.returncode for r in runs] == [0, 0], runs[0].stderr + runs[1].stderr
    assert runs[0].stdout == runs[1].stdout


def test_padding_changes_no_bit() -> None:
    """NaN where a row does not count, in values and gradients."""
    cell, params, xs, w, _ = given("lstm", (40, 3, 64, 160), np.float32)
    lengths = np.array([40, 7, 0])
    valid = np.arange(40)[:, None] < lengths

    @jax.jit
    def run(params: Any, xs: Any) -> Any:
        loss = lambda p, x: (jaxrnn.scan(cell, p, x, lengths=lengths, backend="native")[1] * w).sum()  # noqa: E731
        return jax.value_and_grad(loss, (0, 1))(params, xs)

    for junk in (np.nan, np.inf, 3.0):
        found = run(params, np.where(valid[..., None], xs, np.float32(junk)))
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(run(params, xs)), strict=True):
            assert jnp.array_equal(a, b)


def test_one_meeting_a_step() -> None:
    """What a thread made itself it reads without waiting; a product waits for all, one by turns for none."""
    tables = Tables({"neg": 0}, 64, False, 2, 5, 0, team=8)
    graph = Graph(frozenset({"neg"}))
    for name, by_turns in (("state", False), ("source", True), ("result", False)):
        tables.local((name, 0), 32, every_step=name == "result", by_turns=by_turns)
    copy = [Store(("source", 0), 0, int(graph.load(("state", 0), (32,)).nodes), 32)]
    made = [Store(("state", 0), 0, graph.apply("neg", int(graph.load(("result", 0), (32,)).nodes)), 32)]
    first, last = tables.stages(graph, [copy, made])
    tables.place(("kernel", 0), Slot(0))
    matrix = tables.matrix(("kernel", 0), 0, 32, 32, 32)
    tables.step += [*first, tables.product(("source", 0), matrix, ("result", 0)), *last]
    meetings.insert(tables)
    assert [a[0] == MEET for a in tables.step] == [False, True, False, False]
