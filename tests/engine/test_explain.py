"""`explain` says what runs, and what runs is what it says."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn.engine.plan import blocks
from jaxrnn.engine.registry import BACKENDS

BACKENDS_AS_THEY_ARE = dict(BACKENDS)


def test_each_cell_of_a_composed_layer_is_explained() -> None:
    layer = jaxrnn.stack([jaxrnn.lstm(3), jaxrnn.bidirectional(jaxrnn.gru(2))])
    text = str(jaxrnn.explain(layer, steps=100))
    assert text.splitlines()[:3] == [
        "[0]: lstm runs on 'native'",
        "[1][0]: gru runs on 'native'",
        "[1][1]: gru runs on 'native'",
    ]
    text = str(jaxrnn.explain(layer, steps=100, backend="scheduled"))
    assert text.splitlines()[-2:] == [
        "lstm, 100 steps in 2 blocks of 50; of each what came of its products is kept",
        "gru, 100 steps in 2 blocks of 50; of each what came of its products is kept",
    ]
    large = str(jaxrnn.explain(jaxrnn.lstm(64), steps=100, batch=64, backend="scheduled"))
    assert large.endswith("lstm, 100 steps in 5 blocks of 20; of each what came of its products is kept")
    natively = str(jaxrnn.explain(jaxrnn.lstm(200), steps=65_536, chunk="sqrt"))
    assert natively.endswith("65536 steps in calls of 260, which save only the carry they start from")


def test_a_backend_that_is_asked_for_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 62, a fast path that was silently dead: count the calls."""
    calls: list[str] = []

    def counted(backend):
        def run(*args):
            calls.append(backend.name)
            return backend.run(*args)

        return backend._replace(run=run)

    for name, backend in list(BACKENDS.items()):
        monkeypatch.setitem(BACKENDS, name, counted(backend))
    cell = jaxrnn.elman(13)  # a size of its own: nothing is compiled for it yet
    params = cell.init(jax.random.key(0), inputs=2)
    for backend in ("auto", "reference", "scheduled"):
        jaxrnn.scan(cell, params, np.zeros((3, 1, 2)), backend=backend)
    assert calls == ["native", "reference", "scheduled"]
    assert "cell: elman runs on 'reference'" in str(jaxrnn.explain(cell, backend="reference"))


@pytest.mark.parametrize(
    ("steps", "batch", "dtype", "runs"),
    [
        (1, (4, 8), None, "scheduled"),
        (1, (33,), None, "native"),
        (2, (1,), None, "native"),
        (1, (4,), "bfloat16", "native"),
    ],
)
def test_one_step_of_few_rows_packs_no_kernels(
    monkeypatch: pytest.MonkeyPatch, steps: int, batch: tuple[int, ...], dtype: str | None, runs: str
) -> None:
    """What runs is what `explain` says, and its numbers are those of the backend that it leaves."""
    cell = jaxrnn.lstm(3, dtype=dtype, param_dtype="float32")
    params = cell.init(jax.random.key(0), inputs=2)
    xs = np.random.default_rng(0).standard_normal((steps, *batch, 2)).astype("float32")
    called = []
    watched = BACKENDS[runs]._replace(run=lambda job: called.append(runs) or BACKENDS_AS_THEY_ARE[runs].run(job))
    monkeypatch.setitem(BACKENDS, runs, watched)
    ys = jaxrnn.scan(cell, params, xs)[1]
    assert called == [runs]
    assert f"lstm runs on '{runs}'" in str(jaxrnn.explain(cell, steps=steps, batch=int(np.prod(batch))))
    expected = jaxrnn.scan(cell, params, xs, backend="reference")[1]
    tolerance = 1e-6 if dtype is None else 0.02
    np.testing.assert_allclose(*(np.asarray(a, "float32") for a in (ys, expected)), atol=tolerance)


def test_a_backend_that_declines_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    declining = BACKENDS["scheduled"]._replace(declines=lambda cell, *dtypes: f"it cannot run {cell.name}")
    monkeypatch.setitem(BACKENDS, "scheduled", declining)
    cell = jaxrnn.elman(14)
    assert "'scheduled': declines: it cannot run elman" in str(jaxrnn.explain(cell))
    with pytest.raises(ValueError, match="'scheduled', which declines: it cannot run elman"):
        jaxrnn.scan(cell, cell.init(jax.random.key(0), 2), np.zeros((3, 1, 2)), backend="scheduled")


@pytest.mark.parametrize(
    ("T", "chunk", "rows", "size", "expected"),
    [
        (128, None, 32, 256, (None, 8)),
        (100, None, 64, 512, (None, 5)),
        (500, None, 16, 128, (None, 25)),
        (127, None, 32, 256, (None, 8)),
        (128, None, 1, 128, (None, 64)),
        (127, None, 1, 128, (None, 64)),
        (0, None, 1, 1, (None, 64)),
        (65536, "sqrt", 8, 128, (256, 64)),
        (1024, "sqrt", 8, 128, (32, 16)),
        (128, "sqrt", 8, 128, (8, 4)),
        (601, "sqrt", 8, 128, (24, 12)),
        (0, "sqrt", 0, 128, (2, 1)),
        (50, 7, 1, 1, (None, 7)),
        (50, 50, 64, 512, (None, 50)),
    ],
)
def test_blocks(T: int, chunk: int | str | None, rows: int, size: int, expected: tuple) -> None:
    assert blocks(T, chunk, rows, size) == expected


@pytest.mark.parametrize(
    "options", [dict(steps=0), dict(steps=1.5), dict(batch=0), dict(chunk="root"), dict(chunk=0), dict(backend="fast")]
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_calls(options: dict) -> None:
    with pytest.raises((TypeError, ValueError), match=f"`{next(iter(options))}` must be"):
        jaxrnn.explain(jaxrnn.gru(2), **options)
