"""Frames to come: films that bounce, the network and its loss against NumPy, what a copy costs, pictures."""

from __future__ import annotations

from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxrnn.tasks import FramePrediction
from jaxrnn.tasks.frame_prediction import films
from jaxrnn.tasks.frame_prediction.films import DataOptions, Films
from jaxrnn.tasks.frame_prediction.frame_prediction import GREYS, LEAST, copy_costs, turned
from jaxrnn.tasks.frame_prediction.network import ModelOptions
from tests import oracle
from tests.oracles.convolutional import conv_lstm

EMPTY = -1


def small(cell: str = "convolution", **model: Any) -> FramePrediction:
    options = {"hidden": 3, "layers": 2, "window": 3, "patch": 8} | model
    return FramePrediction(ModelOptions(cell=cell, **options), DataOptions(films=5, rows=3))


def random_params(task: FramePrediction) -> Any:
    draw = np.random.default_rng(0)
    return jax.tree.map(lambda a: jnp.asarray(a + 0.2 * draw.normal(size=a.shape)), task.init(jax.random.key(0)))


def numpy_logits(task: FramePrediction, params: Any, frames: np.ndarray) -> np.ndarray:
    """Of the ten frames that follow on `[10, 32, 32]`, by the oracle's cells."""
    m = task.model
    if m.cell == "dense":
        places, equations, grid = frames.reshape(10, -1), oracle.lstm, ()
    else:
        n = 32 // m.patch
        places = np.zeros((10, n, n, m.patch**2))
        for y in range(32):
            for x in range(32):
                at = y % m.patch * m.patch + x % m.patch
                places[:, y // m.patch, x // m.patch, at] = frames[:, y, x]
        equations, grid = conv_lstm, (n, n)
    carries = [(np.zeros((*grid, m.hidden)), np.zeros((*grid, m.hidden))) for _ in range(m.layers)]
    options = {"peepholes": True} if m.cell == "dense" else {}

    def through(params: Any, x: np.ndarray) -> np.ndarray:
        for n, name in enumerate(sorted(params)):
            carries[n], x = equations(params[name], carries[n], x, **options)
        return x

    for x in places:
        through(params["reader"], x)
    told = np.stack([through(params["teller"], places[-1]) for _ in range(10)])
    out = told @ params["readout"]["kernel"] + params["readout"]["bias"]
    if m.cell == "dense":
        return out.reshape(10, 32, 32)
    pixels = np.zeros((10, 32, 32))
    for y in range(32):
        for x in range(32):
            pixels[:, y, x] = out[:, y // m.patch, x // m.patch, y % m.patch * m.patch + x % m.patch]
    return pixels


@pytest.mark.parametrize("cell", ["convolution", "dense"])
def test_loss_equals_numpy(cell: str) -> None:
    task = small(cell)
    params, batch = random_params(task), films.batch("training", np.array([4, EMPTY, 1]), 2)
    flat = jax.tree.map(np.asarray, params)
    costs = []
    for film in batch.frames[[0, 2]].astype(float):
        p = oracle.sigmoid(numpy_logits(task, flat, film[:10]))
        costs.append(-(film[10:] * np.log(p) + (1 - film[10:]) * np.log(1 - p)).sum((1, 2)))
    loss, (carry, more) = task.loss(params, (), batch, None)
    assert loss == pytest.approx(np.mean(costs), rel=1e-9)
    assert (carry, more, task.count(batch)) == ((), {}, 2)


def test_films_bounce_and_are_the_same_whenever_they_are_asked_for() -> None:
    again = films.batch("training", np.array([7, EMPTY, 3]), 2)
    np.testing.assert_array_equal(again.frames[2], films.film("training", 3, 2))
    np.testing.assert_array_equal(again.valid, [True, False, True])
    assert not again.frames[1].any()
    assert np.abs(films.film("test", 3, 2) - again.frames[2]).max() > 0.5
    one = films.film("validation", 0, 1)
    assert len({frame.sum().round(2) for frame in one}) == 1  # a digit never leaves, wholly or in part
    assert (np.abs(np.diff(one, axis=0)).reshape(19, -1).max(1) > 0.1).all()  # and never rests
    np.testing.assert_allclose(
        films.bounced(np.array([-1.0, 0.0, 5.0, 10.0, 12.0, 21.0, -13.0]), 10), [1, 0, 5, 10, 8, 1, 7]
    )


def test_splits_share_no_digit() -> None:
    rows = [films.small_digits(split) for split in ("training", "validation", "test")]
    assert [len(r) for r in rows] == [8000, 1000, 1000]
    assert min(r.min() for r in rows) >= 0
    assert max(r.max() for r in rows) <= 1


def test_a_copy_costs_what_plain_python_says() -> None:
    shown = films.batch("training", np.arange(6), 2).frames
    means, costs = turned(shown), copy_costs(turned(shown), shown)
    grey = np.round(shown[:, 9] * (GREYS - 1)).astype(int)
    for t, g in ((0, 0), (9, 0), (4, 7)):
        where = grey == g
        assert means[t, g] == pytest.approx(np.clip(shown[:, 10 + t][where].mean(), LEAST, 1 - LEAST), rel=1e-5)
    p = np.array([[means[4, g] for g in row] for row in grey[2]])
    x = shown[2, 14].astype(float)
    assert costs[2, 4] == pytest.approx(-(x * np.log(p) + (1 - x) * np.log(1 - p)).sum())


def test_evaluate_averages_over_films_and_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxrnn.tasks.frame_prediction.frame_prediction.HELD_OUT", 4)
    task = small("dense")
    params = random_params(task)
    figures = task.evaluate(params, lambda batch: batch, "test")
    whole = films.batch("test", np.arange(4), 2)
    assert figures["loss"] == pytest.approx(float(task.loss(params, (), whole, None)[0]), rel=1e-6)
    assert figures["copy"] == pytest.approx(
        copy_costs(turned(films.batch("training", np.arange(4), 2).frames), whole.frames).mean()
    )


def test_batches_show_every_film_once_an_epoch() -> None:
    task = small("dense")
    drawn = list(islice(task.batches(), 2))
    seen = [frames for batch in drawn for frames, valid in zip(batch.frames, batch.valid, strict=True) if valid]
    expected = [films.film("training", n, 2) for n in range(5)]
    assert sorted(f.tobytes() for f in seen) == sorted(f.tobytes() for f in expected)
    assert isinstance(drawn[0], Films)


def test_pictures(tmp_path: Any) -> None:
    task = small("dense")
    params = random_params(task)
    said = task.show(params, tmp_path, seed=1)
    assert "prediction.gif" in said
    with Image.open(tmp_path / "prediction.png") as strip, Image.open(tmp_path / "prediction.gif") as film:
        assert strip.size == (20 * (96 + 4) + 4, 8 * (96 + 4) + 4)
        assert film.n_frames == 20
    with pytest.raises(ValueError, match=r"^`out` must be a file \.gif or \.png"):
        task.draw(params, tmp_path / "film.mp4", 1, 0)
    broken = jax.tree.map(lambda a: a * jnp.nan, params)
    with pytest.raises(FloatingPointError, match="NaN"):
        task.draw(broken, tmp_path / "nan.png", 1, 0)


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: ModelOptions(patch=5), "model.patch"),
        (lambda: ModelOptions(hidden=0), "model.hidden"),
        (lambda: DataOptions(digits=0), "data.digits"),
        (lambda: DataOptions(seed=-1), "data.seed"),
    ],
)
def test_wrong_options(make: Any, argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument}"):
        make()
