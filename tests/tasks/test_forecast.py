"""Forecasts: figures beside a plain reading, nothing from the future, gaps that reach nothing, streams like files."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy import stats

from jaxrnn.tasks import Forecast
from jaxrnn.tasks.forecast.forecast import DataOptions, ModelOptions
from jaxrnn.tasks.forecast.held_out import forecasts
from jaxrnn.tasks.forecast.scores import figures, seasonal_error
from jaxrnn.tasks.forecast.series import ahead, later, part_of, step_of
from jaxrnn.tasks.models import scored_on
from jaxrnn.tasks.shared.calendars import calendar
from jaxrnn.train import carried_over
from tests import oracle
from tests.tasks.reading import spread

SMALL = ModelOptions(hidden=5, quantiles=3, dropout=0.0)
START = np.datetime64("2024-01-01T00", "s")


def hourly(folder, count=220, covariates=True, sites=("a",), name="own.csv"):
    """A file of hours with empty cells and absent rows."""
    rng = np.random.default_rng(0)
    lines = ["id,time,value,heat,rain" if covariates else "id,time,value"]
    for site in sites:
        for n in range(count):
            if n % 17 == 3:
                continue
            value = "" if n % 13 == 5 else f"{10 + 5 * np.sin(2 * np.pi * n / 24) + rng.normal():.3f}"
            more = [f"{rng.normal():.2f}", f"{rng.normal():.2f}" if n % 7 else ""] if covariates else []
            lines.append(",".join([site, str(START + np.timedelta64(n, "h")), value, *more]))
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def options(path, **changes):
    sizes = dict(horizon=5, history=30, span=18, every=3, season=24, rows=3)
    return DataOptions(path=str(path), **sizes | changes)


def test_series_without_an_error_to_scale_by_have_no_mase():
    found = figures(np.ones((1, 2)), np.zeros((1, 2, 3)), np.array([0.25, 0.5, 0.75]), np.zeros(1, int), np.zeros(1))
    assert (found["MAE"], np.isnan(found["MASE"]), np.isnan(found["sCRPS"])) == (1, True, True)


def test_figures_equal_a_plain_reading():
    rng = np.random.default_rng(1)
    values, levels, owner = rng.gamma(2.0, size=(6, 4)), np.array([0.1, 0.5, 0.9]), np.array([0, 0, 1, 1, 2, 2])
    quantiles = np.sort(rng.gamma(2.0, size=(6, 4, 3)), -1)
    values[0, 1] = np.nan
    values[3:] = np.nan  # of the last series nothing was observed
    found = figures(values, quantiles, levels, owner, np.array([2.0, 0.5, 3.0]))
    errors, scores, relative = ({0: [], 1: []} for _ in range(3))
    for row, series in enumerate(owner):
        for value, (low, middle, high) in zip(values[row], quantiles[row], strict=True):
            if np.isnan(value):
                continue
            errors[series].append(abs(value - middle))
            relative[series].append(200 * abs(value - middle) / (abs(value) + abs(middle)))
            losses = [
                a * (value - q) if value > q else (1 - a) * (q - value)
                for a, q in zip(levels, (low, middle, high), strict=True)
            ]
            scores[series].append(2 * sum(losses) / 3)
    every = errors[0] + errors[1]
    assert len(every) == 11
    np.testing.assert_allclose(found["MAE"], np.mean(every), 1e-12)
    np.testing.assert_allclose(found["RMSE"], np.mean(np.square(every)) ** 0.5, 1e-12)
    np.testing.assert_allclose(found["CRPS"], np.mean(scores[0] + scores[1]), 1e-12)
    np.testing.assert_allclose(found["MASE"], (np.mean(errors[0]) / 2 + np.mean(errors[1]) / 0.5) / 2, 1e-12)
    np.testing.assert_allclose(found["sCRPS"], (np.mean(scores[0]) / 2 + np.mean(scores[1]) / 0.5) / 2, 1e-12)
    np.testing.assert_allclose(found["sMAPE"], (np.mean(relative[0]) + np.mean(relative[1])) / 2, 1e-12)
    assert seasonal_error(np.array([1.0, np.nan, 4.0, 7.0]), 2) == 3.0


@pytest.mark.parametrize("level", ["series", "season"])
def test_nothing_of_the_future_is_seen(tmp_path, level):
    task = Forecast(SMALL, options(hourly(tmp_path), level=level, known="heat", second_season=48))
    series, at = task.panel.series[0], 150
    values, covariates = series.values.copy(), series.covariates.copy()
    values[at + 1 :] = 1e6
    covariates[at + 1 :, 1] = 1e6
    other = series._replace(values=values, covariates=covariates)
    ours, theirs = task.encoded(series), task.encoded(other)
    np.testing.assert_array_equal(ours.inputs[: at + 1], theirs.inputs[: at + 1])
    origins = np.array([60, at])
    np.testing.assert_array_equal(task.features.ahead(ours, origins), task.features.ahead(theirs, origins))
    np.testing.assert_array_equal(ours.level[origins], theirs.level[origins])
    covariates[at + 1, 0] += 1  # which is known
    theirs = task.encoded(series._replace(covariates=covariates))
    assert (task.features.ahead(ours, origins)[1, 0] != task.features.ahead(theirs, origins)[1, 0]).any()
    parts = [part_of(series, split) for split in ("training", *task.splits)]
    assert [begin for begin, _ in parts[1:]] == [end for _, end in parts[:-1]]
    scale = task.learn()["series"]
    assert scale == dataclasses.replace(task, learned="").learn()["series"]
    np.testing.assert_allclose(scale[0][1], np.nanmean(np.abs(series.values[: series.train])), 1e-12)
    for window in task.batches()._collate.windows:
        assert window.origins[-1] + task.data.horizon < series.train


@pytest.mark.parametrize("output", ["quantiles", "student", "normal"])
@pytest.mark.parametrize("decoder", ["none", "recurrent"])
def test_what_a_gap_holds_reaches_nothing(tmp_path, output, decoder):
    model = dataclasses.replace(SMALL, output=output, decoder=decoder)
    task = Forecast(model, options(hourly(tmp_path), log=0.1))
    params, batch = spread(task.init(jax.random.key(0))), next(task.batches())
    assert not batch.seen.all()
    assert all(np.isfinite(leaf).all() for leaf in batch)
    holes = [np.where(batch.seen, part, np.nan) for part in (batch.targets, batch.z)]
    losses = jax.value_and_grad(lambda p, b: task.loss(p, (), b, None)[0])
    expected, found = losses(params, batch), losses(params, batch._replace(targets=holes[0], z=holes[1]))
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.isfinite(one).all()


@pytest.mark.parametrize("output", ["quantiles", "student", "normal"])
def test_losses_equal_numpy(tmp_path, output):
    task = Forecast(dataclasses.replace(SMALL, output=output), options(hourly(tmp_path)))
    params, batch = spread(task.init(jax.random.key(0))), next(task.batches())
    out = np.asarray(task.outputs(params, batch, None), np.float64)
    record = task.learn()
    (deviation,) = record["deviation"]
    if output == "quantiles":
        _, size, error, _ = record["series"][0]
        values = (out * deviation + batch.level[..., None, None]) * size
        came = batch.targets * size
        losses = np.mean([2 * np.maximum(a * (came - values[..., n]), (a - 1) * (came - values[..., n]))
                          for n, a in enumerate((0.25, 0.5, 0.75))], 0) / error  # fmt: skip
    elif output == "student":
        losses = -stats.t.logpdf(batch.z, out[..., 2], out[..., 0], out[..., 1])
    else:
        losses = -stats.norm.logpdf(batch.z, out[..., 0], out[..., 1])
    np.testing.assert_allclose(task.loss(params, (), batch, None)[0], losses[batch.seen].mean(), 1e-6)
    quantiles = task.network.quantiles(out)
    assert (np.diff(quantiles, axis=-1) > 0).all()
    if output == "student":
        np.testing.assert_allclose(stats.t.cdf(quantiles[..., 0], out[..., 2], out[..., 0], out[..., 1]), 0.25, 1e-6)


def test_the_network_equals_numpy(tmp_path):
    task = Forecast(SMALL, options(hourly(tmp_path)))
    params, batch = spread(task.init(jax.random.key(0))), next(task.batches())
    found = np.asarray(task.outputs(params, batch, None))
    weights = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    gelu = lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))  # noqa: E731
    linear = lambda p, x: x @ p["kernel"] + p["bias"]  # noqa: E731
    carry, states = (np.zeros(5),), []
    for x in batch.inputs[0].astype(np.float64):
        carry, y = oracle.gru(weights["rnn"]["layer_0"], carry, x)
        states.append(y)
    for n, origin in enumerate(batch.origins[0]):
        for k, known in enumerate(batch.ahead[0, n].astype(np.float64)):
            hidden = linear(weights["state"], states[origin]) + linear(weights["ahead"], known)
            out = linear(weights["readout"], gelu(hidden + weights["horizon"]["bias"][k]))
            apart, middle = np.log1p(np.exp(out)), out[1] + known @ weights["linear"]["kernel"][k, :, 0]
            expected = [middle - apart[0], middle, middle + apart[2]]
            np.testing.assert_allclose(found[0, n, k], expected, 1e-6, 1e-6)


@pytest.mark.parametrize("changes", [{}, {"level": "season", "log": 0.1, "second_season": 30}, {"steps": "rows"}])
def test_a_stream_answers_as_a_file_does_without_the_data(tmp_path, changes):
    path = hourly(tmp_path)
    task = Forecast(SMALL, options(path, **changes))
    params = spread(task.init(jax.random.key(0)))
    trained = dataclasses.replace(
        task, learned=json.dumps(task.learn()), data=dataclasses.replace(task.data, path="nowhere")
    )
    assert [leaf.shape for leaf in jax.tree.leaves(params)] == [
        leaf.shape for leaf in jax.tree.leaves(trained.init(jax.random.key(0)))
    ]
    (expected,) = trained.predict(params, trained.inputs(path))
    carry, shapes = trained.initial_stream(params), None
    for line in path.read_text().splitlines()[1:]:
        found, carry = trained.stream(params, carry, line.partition(",")[2])
        now = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(carry)]
        assert shapes in (None, now)
        shapes = now
    assert found["time"] == expected["time"]
    for name in ("median", "q0.25", "q0.75"):
        np.testing.assert_allclose(found[name], expected[name], 1e-5)
    for line, message in (
        ("2024-01-02T00,1,2,3", "a time after 2024-01-10"),
        ("2024-02-01T00,much,2,3", "a time and numbers, or nothing: time,value,heat,rain"),
        ("2024-02-01T00,1", "4 cells"),
        ("20000,1,2,3", "a date as its time, as before, got '20000'"),
        ("time,value,heat,rain", r"a time and numbers.*A stream has no header: `tail -n \+2 FILE`"),
        *([("2024-02-01T00:10,1,2,3", "on the grid")] if not changes.get("steps") else []),
        *([("9999-02-01T00,1,2,3", "no more than 100,000 steps after 2024-01-10")] if not changes.get("steps") else []),
    ):
        with pytest.raises(ValueError, match=message):
            trained.stream(params, carry, line)


def test_a_stream_is_of_one_series_whether_the_model_knows_it_or_not(tmp_path):
    task = Forecast(SMALL, options(hourly(tmp_path, covariates=False, sites=("a", "b"))))
    params = task.init(jax.random.key(0))
    for first, other, said in (("b", "a", "'b'"), ("new", "newer", "of the first line"), ("new", "b", "of the first")):
        _, carry = task.stream(params, task.initial_stream(params), f"{first},2024-02-01T00,1")
        with pytest.raises(ValueError, match=f"the series {said}.*, whose state this is, got '{other}'"):
            task.stream(params, carry, f"{other},2024-02-01T01,1")
        task.stream(params, carry, f"{first},2024-02-01T01,1")


def test_days_are_hidden_from_what_is_read_and_not_from_what_came(tmp_path):
    task = Forecast(SMALL, options(hourly(tmp_path), hidden=0.3))
    collate, plain = (Forecast(SMALL, options(tmp_path / "own.csv", hidden=h)).batches()._collate for h in (0.3, 0.0))
    half = len(plain.windows)
    assert len(collate.windows) == 2 * half
    one, other = collate(np.arange(half)), collate(np.arange(half, 2 * half))
    np.testing.assert_array_equal(one.targets, other.targets)
    np.testing.assert_array_equal(one.inputs, plain(np.arange(half)).inputs)
    seen, less = one.inputs[..., 1], other.inputs[..., 1]
    assert (less <= seen).all()
    assert 0.5 < less.sum() / seen.sum() < 0.9
    assert np.isfinite(task.loss(task.init(jax.random.key(0)), (), other, None)[0])


def test_a_program_gives_what_is_predicted(tmp_path):
    path = hourly(tmp_path, sites=("a", "b"))
    task = Forecast(SMALL, options(path, log=0.5))
    params = jax.tree.map(np.float32, spread(task.init(jax.random.key(0))))
    program = task.program(params)
    pasts = task.inputs(path)
    encoded = [task.features.encode(past.series, past.times, past.covariates) for past in pasts]
    last = np.array([len(encoded[0].inputs) - 1])
    steps = np.concatenate([task.features.ahead(one, last) for one in encoded])
    inputs = np.stack([one.inputs for one in encoded])
    level = np.array([one.level[-1] for one in encoded], np.float32)
    (found,) = jax.jit(program.function)(inputs, np.full(2, inputs.shape[1], np.int32), steps, level)
    rows = [row for answer in task.predict(params, pasts) for row in task.table(answer)]
    assert [*rows[0]] == ["id", "time", "median", "q0.25", "q0.5", "q0.75"]
    assert [(row["id"], row["q0.5"]) for row in rows] == [
        (answer["id"], value) for answer in task.predict(params, pasts) for value in answer["median"]
    ]
    assert [*program.arguments] == ["inputs", "lengths", "ahead", "level"]
    for row, one, answer in zip(found, encoded, task.predict(params, pasts), strict=True):
        np.testing.assert_allclose(np.maximum(row[:, 1] * one.scale.size, 0), answer["median"], 1e-5)


def test_months_among_days_are_gaps_aloud(tmp_path):
    rows = [f"{day},{n % 7}" for n, day in enumerate(DAYS)]
    (tmp_path / "days.csv").write_text("\n".join(["time,value", *rows]) + "\n")
    task = Forecast(SMALL, options(tmp_path / "days.csv", season=3))
    (tmp_path / "months.csv").write_text("time,value\n2024-01-01,1\n2024-02-01,2\n2024-03-01,3\n")
    with pytest.warns(
        UserWarning, match=r"times of '.*months\.csv' are 1 months apart, and the model's 86,400 seconds"
    ):
        task.inputs(tmp_path / "months.csv")
    (tmp_path / "none.csv").write_text("time,value\n2024-01-01,\n2024-01-02,\n")
    with pytest.raises(ValueError, match=r"series with values, got none in 'value' of '.*none\.csv'"):
        task.inputs(tmp_path / "none.csv")


@pytest.mark.parametrize("known", ["heet", "heat, heet"])
def test_a_known_column_that_there_is_not_is_named(tmp_path, known):
    with pytest.raises(
        ValueError, match=r"`data\.known` must be all, .*\(heat, rain\), got 'heet'. Did you mean 'heat'"
    ):
        Forecast(SMALL, options(hourly(tmp_path), known=known)).learn()


def test_known_columns_are_asked_for(tmp_path):
    path = hourly(tmp_path)
    task = Forecast(SMALL, options(path, known="heat"))
    params = spread(task.init(jax.random.key(0)))
    with pytest.raises(ValueError, match="a model that knows nothing of the time to come"):
        task.initial_stream(params)
    with pytest.raises(ValueError, match="5 rows after the last value of 'a', with heat"):
        task.inputs(path)
    lines = [f"a,{START + np.timedelta64(220 + n, 'h')},,{n},".replace("T", " ") for n in range(5)]
    path.write_text(path.read_text() + "\n".join(lines) + "\n")
    (answer,) = task.predict(params, task.inputs(path))
    assert answer["time"][0] == "2024-01-10T04:00:00"


def test_a_model_goes_on_with_other_series_and_is_scored_on_a_file(tmp_path):
    task = Forecast(SMALL, options(hourly(tmp_path)))
    params = spread(task.init(jax.random.key(0)))
    other = Forecast(SMALL, options(hourly(tmp_path, sites=("b", "c"), name="other.csv")))
    start = carried_over(other, 0, task, params, "a run")
    np.testing.assert_array_equal(start.params["readout"]["kernel"], params["readout"]["kernel"])
    trained = dataclasses.replace(task, learned=json.dumps(task.learn()))
    scored, splits = scored_on(trained, str(tmp_path / "other.csv"))
    assert splits == ("test",)
    assert np.isfinite(scored.evaluate(params, jax.device_put, "test")["MASE"])
    assert "forecasts.png" in task.show(params, tmp_path, 0)


def test_the_sets_are_scored_as_their_baselines_are():
    """Last value on Beijing 49.36 / 80.81; the same slot last week in Birmingham, MASE 0.820."""
    beijing = Forecast(SMALL, DataOptions(scale="none", log=1.0))
    (series,) = beijing.panel.series
    assert (len(series.values), int(np.isnan(series.values).sum()), series.train) == (43_824, 2_067, 26_304)
    parking = Forecast(SMALL, DataOptions(set="parking", steps="rows", horizon=18, season=126, second_season=18))
    assert (len(parking.panel.series), len(parking.panel.series[0].values)) == (28, 1386)
    levels = np.array([0.5])
    for task, expected in ((beijing, {"MAE": 49.36, "RMSE": 80.81}), (parking, {"MASE": 0.820})):
        h, values, naive, owner, scales = task.data.horizon, [], [], [], []
        for n, one in enumerate(task.panel.series):
            begin, end = part_of(one, "test")
            origins = np.arange(begin - 1, end - h, h)
            after = origins[:, None] + np.arange(1, h + 1)
            values.append(one.values[after])
            seen = one.values.copy()
            for t in range(126, len(seen)):  # of a slot without a value last week the week before that
                seen[t] = seen[t - 126] if np.isnan(seen[t]) else seen[t]
            known = [one.values[: o + 1][np.isfinite(one.values[: o + 1])][-1] for o in origins]
            naive.append(seen[after - 126] if task is parking else np.repeat(known, h).reshape(-1, h))
            owner += [n] * len(origins)
            scales.append(seasonal_error(one.values[:begin], task.data.season))
        values, naive = np.concatenate(values), np.concatenate(naive)
        values = np.where(np.isfinite(naive), values, np.nan)
        found = figures(values, np.nan_to_num(naive)[..., None], levels, np.array(owner), np.array(scales))
        for name, figure in expected.items():
            np.testing.assert_allclose(found[name], figure, 2e-3)


@pytest.mark.slow
def test_beijing_is_better_than_a_ridge_regression_an_hour():
    """As what others reached is measured: logarithms of the last 48 hours and yesterday's weather, a model an hour."""
    task = Forecast(SMALL, DataOptions(scale="none", log=1.0))
    (series,) = task.panel.series
    filled = np.log1p(series.values)
    last = np.maximum.accumulate(np.where(np.isfinite(filled), np.arange(len(filled)), 24))
    filled = filled[last]
    days = np.arange(3, len(filled) // 24)
    x = np.stack(
        [np.append(filled[24 * d - 48 : 24 * d], series.covariates[24 * d - 24 : 24 * d].mean(0)) for d in days]
    )
    y = np.stack([series.values[24 * d : 24 * d + 24] for d in days])
    train, test = days < series.train // 24, days >= series.validation // 24
    errors = []
    for hour in range(24):
        seen = train & np.isfinite(y[:, hour])
        logs = np.log1p(y[seen, hour])
        known = x[seen] - x[seen].mean(0)
        weights = np.linalg.solve(known.T @ known + 10 * np.eye(x.shape[1]), known.T @ (logs - logs.mean()))
        errors.append(np.abs(np.expm1((x[test] - x[seen].mean(0)) @ weights + logs.mean()) - y[test, hour]))
    found = np.nanmean(np.concatenate(errors))
    np.testing.assert_allclose(found, 46.75, 0.01)
    record = json.loads((Path(__file__).parents[2] / "configs/results/forecast.json").read_text())
    assert record["figures"]["test MAE"] < found


DAYS = [f"2024-01-{n:02}" for n in range(1, 32)]


@pytest.mark.parametrize(
    ("header", "changes"),
    [("Date,value", {}), ("timestamp,value", {}), ("DS,Y", {}), ("datetime,y", {"long": "no"})],
)
def test_what_the_columns_may_be_called(tmp_path, header, changes):
    """A column y is the value beside ds alone: elsewhere it is a series as any other."""
    name = "y" if changes else "value"
    for head, path in ((f"time,{name}", "a.csv"), (header, "b.csv")):
        (tmp_path / path).write_text("\n".join([head, *(f"{day},{n}" for n, day in enumerate(DAYS))]) + "\n")
    one, other = (Forecast(SMALL, options(tmp_path / p, season=3, **changes)).panel.series for p in ("a.csv", "b.csv"))
    assert [s.name for s in other] == [s.name for s in one] == [name]
    np.testing.assert_array_equal(other[0].values, one[0].values)
    np.testing.assert_array_equal(other[0].times, one[0].times)


def test_columns_as_other_libraries_call_them(tmp_path):
    rows = [f"{site},{day},{n}" for site in "ab" for n, day in enumerate(DAYS)]
    (tmp_path / "s.csv").write_text("\n".join(["unique_id,ds,y", *rows]) + "\n")
    panel = Forecast(SMALL, options(tmp_path / "s.csv", season=3)).panel
    assert ([series.name for series in panel.series], panel.columns) == (["a", "b"], [])


@pytest.mark.parametrize("changes", [{}, {"steps": "rows"}])
@pytest.mark.parametrize("dated", [True, False])
def test_times_are_of_the_kind_that_the_model_has_learned_from(tmp_path, dated, changes):
    """Whole numbers would be read as seconds of 1970; said of each way in."""
    for path, kind in (("own.csv", dated), ("other.csv", not dated)):
        rows = [f"{day if kind else n},{n % 7}" for n, day in enumerate(DAYS)]
        (tmp_path / path).write_text("\n".join(["time,value", *rows]) + "\n")
    task = Forecast(SMALL, options(tmp_path / "own.csv", season=3, **changes))
    params, learned = task.init(jax.random.key(0)), task.learn()
    said = f"{'a date' if dated else 'a whole number'} as its time, as the model has learned from, got "
    trained = dataclasses.replace(task, learned=json.dumps(learned))
    with pytest.raises(ValueError, match=rf"{said}line 2 of '.*other\.csv': "):
        trained.inputs(tmp_path / "other.csv")
    with pytest.raises(ValueError, match=rf"{said}line 2 of '.*other\.csv': "):
        scored_on(trained, str(tmp_path / "other.csv"))[0].contents("test")
    with pytest.raises(ValueError, match=f"`line` must be {said}"):
        trained.stream(params, trained.initial_stream(params), "7,1" if dated else "2024-01-07,1")
    trained.inputs(tmp_path / "own.csv")
    del learned["dated"]  # a run of an older version: only a calendar says what its times were
    assert dataclasses.replace(task, learned=json.dumps(learned)).features.dated is (True if dated else None)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("time,value\n2024-01-01,1\n2024-01-01,2\n", r"one value of 'value' at a time, got line 3 of '.*s\.csv'"),
        ("time,value\n2024-01-02,1\n2024-01-01,2\n", r"times in their order, got line 3 of '.*s\.csv'"),
        ("time,value\n2024-01-01,one\n", r"a finite number in 'value', or nothing, got line 2 of .*: 'one'"),
        ("time,value\n2024-01-01,nan\n", r"a finite number in 'value', or nothing, got line 2"),
        ("time,value\nnow,1\n", r"a time such as 2024-05-31, .* got line 2 of '.*s\.csv': 'now'"),
        ("time,value\n1st of May,1\n", r"a time such as 2024-05-31, .* got line 2 of '.*s\.csv': '1st of May'"),
        ("time,value\n1,1\n2024-01-01,1\n", r"a whole number as its time, as before, got line 3"),
        ("id,time,value\na,2024-01-01,1\nb,1,1\n", r"a date as its time, as before, got line 3 of .*: '1'"),
        (
            "when,value\n1,1\n",
            r"a column time, and value, got .*: the columns when, value.*date, datetime, timestamp, ds",
        ),
        (",value\n2024-01-01,1\n", r"a column time, .*: the columns one without a name, value\. .*index_label='time'"),
        ("when,value\n1,1\n", r"a column time, and value, got line 2 of '.*s\.csv': the columns when, value"),
        ("time,a,b\n1,1\n", r"3 cells, as its header has \(time, a, b\), got line 2"),
        ("time,value\n1,1\n2,-1\n", r"values of 0 or more with data\.log, got line 3 of '.*s\.csv': -1"),
        ("time,value\n1,1\n2,1\n", r"steps or more in every series, .* got 2 in 'value'"),
        ("time,value\n", r"which has no line"),
        (
            "time,value,heat,Heat\n1,1,1,1\n",
            r"a header that names each column once, got line 1 .*'heat' is there twice",
        ),
        ("time;value\n2024-01-01;1,5\n", r"a finite number .*'1,5'\. Decimals are written with a point"),
        ("time,value\n2024-01-01,1_000\n", r"a finite number in 'value', .*: '1_000'"),
        ("time,value\n2024-01-01,1e39\n", r"a finite number in 'value', .*: '1e39'"),
        ("time,value\n20240101,1\n", r"a time such as .*: '20240101' \(a date without its dashes\)"),
        ("time,value\n2024-01-01T00:00+02:00,1\n", r"a time such as .* \(one with an offset: "),
        (
            "time,value\n2014-01-01T00:00:01,1\n2014-01-01T00:00:02,1\n2024-01-01T00:00:00,1\n",
            r"most of their steps, got 3 among 315,532,800 steps of 'value', .*`--data\.steps rows`",
        ),
    ],
)
def test_what_is_no_series_is_named_with_file_and_line(tmp_path, table, message):
    (tmp_path / "s.csv").write_text(table)
    with pytest.raises(ValueError, match=rf"`data\.path` must be .*{message}"):
        Forecast(SMALL, options(tmp_path / "s.csv", log=1.0)).contents("training")


def test_seconds_since_1970_are_whole_numbers(tmp_path):
    rows = "".join(f"{1_700_000_000 + 3600 * n},{n % 24}\n" for n in range(200))
    (tmp_path / "s.csv").write_text("\n\ntime;value\n" + rows.replace(",", ";"))
    (series,) = Forecast(SMALL, options(tmp_path / "s.csv")).panel.series
    assert len(series.values) == 200
    np.testing.assert_array_equal(series.times, 1_700_000_000 + 3600 * np.arange(200))


def test_a_covariate_that_never_changed_in_training_has_deviation_1(tmp_path):
    rows = "".join(f"{n},{n % 7},{5 + (n > 180)}\n" for n in range(200))
    (tmp_path / "s.csv").write_text("time,value,still\n" + rows)
    task = Forecast(SMALL, options(tmp_path / "s.csv"))
    assert np.abs(task.encoded(task.panel.series[0]).inputs).max() < 100


def test_a_column_a_series_and_counted_times(tmp_path):
    rows = "".join(f"{n},{n % 4},{'' if n % 5 == 2 else n % 3}\n" for n in range(80))
    (tmp_path / "wide.csv").write_text("time,shop,mill\n" + rows)
    task = Forecast(SMALL, options(tmp_path, season=12))
    assert [series.name for series in task.panel.series] == ["shop", "mill"]
    assert np.isnan(task.panel.series[1].values).sum() == 16
    assert task.headline == "test MASE"
    found = [*forecasts(task, spread(task.init(jax.random.key(0))), jax.device_put, "test")]
    assert sorted(part.series[0] for part in found) == [0, 1]
    assert next(task.batches()).inputs.dtype == np.float32


def test_times_go_on_by_the_calendar():
    ends = np.array(["2023-11-30T12", "2023-12-31T12", "2024-02-29T12"], "datetime64[s]")
    assert step_of(ends) == -1
    assert later(ends[0], np.arange(1, 4), -1).astype("datetime64[D]").astype(str).tolist() == [
        "2023-12-31",
        "2024-01-31",
        "2024-02-29",
    ]
    assert step_of(np.array(["2024-01-15", "2024-07-15"], "datetime64[s]")) == -6
    assert step_of(np.array([3, 9, 13])) == 2
    days = np.arange("2024-01-01T08", "2024-01-05T08", np.timedelta64(1, "h"), "datetime64[s]")
    hour = days.astype("datetime64[h]").astype(int) % 24
    open_hours = days[(hour >= 8) & (hour < 11)]
    found = ahead(open_hours[:8], 3, 0, 3)
    np.testing.assert_array_equal(found, open_hours[8:11])
    week = calendar(
        np.arange("2024-01-01", "2024-01-15", np.timedelta64(1, "D"), "datetime64[s]"), [False, True, False]
    )
    np.testing.assert_array_equal(week, np.tile(np.eye(7), (2, 1)))  # a Monday


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModelOptions(cell="grue"), "`model.cell` must be one of lstm, gru"),
        (lambda: ModelOptions(quantiles=4), "`model.quantiles` must be an odd number"),
        (lambda: ModelOptions(output="point"), "`model.output` must be one of quantiles, normal, student"),
        (lambda: ModelOptions(decoder="yes"), "`model.decoder` must be none or recurrent"),
        (lambda: ModelOptions(dropout=1.0), "`model.dropout` must be a rate in [0, 1)"),
        (lambda: DataOptions(horizon=0), "`data.horizon` must be 1 or more"),
        (lambda: DataOptions(hidden=1.0), "`data.hidden` must be a share in [0, 1)"),
        (lambda: DataOptions(log=-1.0), "`data.log` must be 0 or more"),
        (lambda: DataOptions(set="wikipedia"), "`data.set` must be 'beijing' or 'parking'"),
        (lambda: Forecast(SMALL, DataOptions(set="tourism_monthly", path="/no")).panel, "which does not exist"),
    ],
)
def test_bad_options_are_named(make, message, unchecked):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


@pytest.mark.parametrize("size", [1.0, 1e16, 1e33])
def test_values_of_any_size_come_back_from_their_logarithm(tmp_path, size):
    """A country's output in its currency is beyond e^30."""
    (tmp_path / "s.csv").write_text("".join(["time,value\n", *(f"{n},{size * (1 + n % 3)}\n" for n in range(99))]))
    task = Forecast(SMALL, options(tmp_path / "s.csv", log=1.0, scale="none"))
    (series,), (encoded,) = task.panel.series, task.all_encoded
    level = encoded.scale.level
    z = (np.log1p(series.values) - level) / task.features.deviation
    found = task.values(jax.numpy.float32(z[:, None, None]), np.full(99, level, np.float32))
    np.testing.assert_allclose(found[:, 0, 0], series.values, rtol=1e-4)


def test_values_that_no_logarithm_brings_back_are_refused(tmp_path):
    (tmp_path / "s.csv").write_text("time,value\n1,5\n2,1e36\n")
    with pytest.raises(ValueError, match=r"values up to 6e\+34 with data\.log and .*, got line 3 of .*: 1e\+36"):
        Forecast(SMALL, options(tmp_path / "s.csv", log=1.0, scale="none")).contents("training")
