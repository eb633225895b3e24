"""Signals: figures beside a plain reading, states that go on over chunks, gaps that reach nothing, streams as files."""

from __future__ import annotations

import dataclasses
import json
import re

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn.tasks import Signal
from jaxrnn.tasks.models import scored_on
from jaxrnn.tasks.signal.chunks import StreamedChunks, joined, windows
from jaxrnn.tasks.signal.held_out import late, outputs, values_of
from jaxrnn.tasks.signal.scores import detection, explained, matched, peaks
from jaxrnn.tasks.signal.signal import DataOptions, ModelOptions
from jaxrnn.train import carried_over
from jaxrnn.train.exporting import as_stablehlo
from tests import oracle
from tests.tasks.reading import spread

CAUSAL = ModelOptions(hidden=5, latency=3)
RECALLS = dataclasses.replace(CAUSAL, recall=True)
BOTH = ModelOptions(hidden=4, direction="bidirectional")


def recording(folder, count=150, events=False, name="own.csv"):
    """A file with gaps in its input and in its targets."""
    rng, lines = np.random.default_rng(0), ["time,total,b,a"]
    for n in range(count):
        total = "" if n % 11 == 4 else f"{rng.gamma(2):.3f}"
        a = "" if n % 13 == 6 else (str(int(n % 19 == 3)) if events else f"{rng.normal():.3f}")
        lines.append(f"2024-01-01T{n // 60:02}:{n % 60:02},{total},{rng.normal():.3f},{a}")
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def options(path, **changes):
    base = dict(inputs="total,b", targets="a", calendar=True, log=True, length=16, rows=3, margin=7, seconds=60.0)
    return DataOptions(path=str(path), **base | changes)


def test_figures_equal_a_plain_reading():
    rng = np.random.default_rng(0)
    values, found = rng.normal(size=40), rng.normal(size=40)
    values[[3, 9]] = np.nan
    pairs = [(v, f) for v, f in zip(values, found, strict=True) if not np.isnan(v)]
    mean = sum(v for v, _ in pairs) / 38
    r2 = 1 - sum((v - f) ** 2 for v, f in pairs) / sum((v - mean) ** 2 for v, _ in pairs)
    np.testing.assert_allclose(explained(values, found), (r2, sum(abs(v - f) for v, f in pairs) / 38), 1e-12)
    assert detection(3, 4, 5) == {"F1": 2 / 3, "sensitivity": 0.75, "precision": 0.6}
    assert detection(0, 0, 0) == {"F1": 1.0, "sensitivity": 1.0, "precision": 1.0}


def test_events_are_matched_once():
    """As bipartite matching does it, which SciPy solves exactly."""
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(0)
    for _ in range(200):
        marks, found = (np.sort(rng.choice(60, rng.integers(1, 12), replace=False)) for _ in range(2))
        near = np.abs(marks[:, None] - found) <= 3
        most = near[linear_sum_assignment(near, maximize=True)].sum()
        assert matched(marks, found, 3) == most
    logits = np.array([2.0, -1, 1, 3, -2, -2, 0.5, -1, 4])
    assert peaks(logits, 1).tolist() == [0, 3, 6, 8]
    assert peaks(logits, 3).tolist() == [0, 3, 8]
    assert matched(np.array([5]), np.array([], int), 3) == 0


@pytest.mark.parametrize("latency", [0, 4])
def test_streams_go_through_every_step_once_and_go_on(latency):
    rng = np.random.default_rng(0)
    parts = [(rng.normal(size=(n, 2)), rng.normal(size=(n, 1))) for n in (23, 9, 30)]
    data = joined(parts, latency, 1)
    assert len(data.inputs) == 62 + 3 * latency
    begin = 0
    for inputs, targets in parts:
        end = begin + len(inputs) + latency
        np.testing.assert_array_equal(data.targets[begin + latency : end], targets)
        assert not data.counts[begin : begin + latency].any()
        assert data.starts[begin:end].tolist() == [True] + [False] * (end - begin - 1)
        begin = end
    chunks = StreamedChunks(data, 4, 5)
    seen = np.concatenate([c.targets[c.counts] for c in (next(chunks) for _ in range(chunks.chunks))])
    np.testing.assert_array_equal(np.sort(seen), np.sort(data.targets[data.counts]))
    batches = windows(data, 3, 10, 4, 0)
    seen = np.concatenate([c.targets[c.counts] for c in (next(batches) for _ in range(batches.batches))])
    assert len(np.unique(seen)) == len(seen)
    assert set(seen) <= set(data.targets[data.counts])


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("model", [CAUSAL, BOTH], ids=["causal", "bidirectional"])
def test_what_a_gap_holds_reaches_nothing(tmp_path, model, events):
    task = Signal(model, options(recording(tmp_path, events=events), events=events, width=1))
    params, batch = spread(task.init(jax.random.key(0))), next(task.batches())
    assert not batch.counts.all()
    assert all(np.isfinite(leaf).all() for leaf in batch)
    carry = task.initial_carry(params)
    losses = jax.value_and_grad(lambda p, b: task.loss(p, carry, b, None)[0])
    found = losses(params, batch._replace(targets=np.where(batch.counts, batch.targets, np.nan)))
    for one, other in zip(jax.tree.leaves(losses(params, batch)), jax.tree.leaves(found), strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.isfinite(one).all()


@pytest.mark.parametrize(("events", "model"), [(False, CAUSAL), (True, CAUSAL), (False, RECALLS)])
def test_losses_over_chunks_equal_numpy_over_the_whole(tmp_path, events, model):
    """One stream, whose state goes from chunk to chunk, beside one pass of the oracle."""
    task = Signal(model, options(recording(tmp_path, events=events), events=events, width=1, rows=1))
    params, batches = spread(task.init(jax.random.key(0))), task.batches()
    carry, total, count = task.initial_carry(params), 0.0, 0
    for _ in range(batches.chunks):
        batch = next(batches)
        loss, (carry, _) = task.loss(params, carry, batch, None)
        total, count = total + float(loss) * batch.counts.sum(), count + batch.counts.sum()
    (one,) = task.recordings.parts["training"]
    record, weights = task.learn(), jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    known, columns = np.isfinite(one.inputs), []
    for name, values in (("inputs", one.inputs), ("logs", np.log1p(np.maximum(one.inputs, 0)))):
        mean, deviation = np.array([part[1:] for part in record[name]]).T
        columns.append(np.where(known, (values - mean) / deviation, 0))
    minutes = one.times.astype("datetime64[m]").astype(int)
    turn = 2 * np.pi * (minutes % 1440) / 1440
    waves = [np.sin(turn), np.cos(turn), np.sin(2 * turn), np.cos(2 * turn), *np.eye(7)[np.zeros(len(turn), int)].T]
    xs = np.concatenate([*columns, known, np.stack(waves, 1)], 1)  # 2024 began on a Monday
    state, losses = (np.zeros(5),), []
    xs = np.pad(xs, ((0, 3), (0, 0)))
    if model.recall:
        xs = np.stack([np.append(xs[t], xs[t - 3] if t >= 3 else np.zeros(len(xs[0]))) for t in range(len(xs))])
    for t in range(len(xs)):
        state, y = oracle.gru(weights["rnn"]["layer_0"], state, xs[t])
        if t < 3 or np.isnan(one.targets[t - 3, 0]):
            continue
        out = (y @ weights["readout"]["kernel"] + weights["readout"]["bias"])[0]
        if events:
            near = np.nan_to_num(one.targets[max(t - 4, 0) : t - 1, 0]).max() > 0
            losses.append(-np.log(1 / (1 + np.exp(-out if near else out))))
        else:
            losses.append((out - (one.targets[t - 3, 0] - record["targets"][0][1]) / record["targets"][0][2]) ** 2)
    assert count == len(losses)
    np.testing.assert_allclose(total / count, np.mean(losses), 1e-5)


@pytest.mark.parametrize("model", [CAUSAL, RECALLS], ids=["once", "recalled"])
@pytest.mark.parametrize("changes", [{}, {"calendar": False}, {"events": True}, {"frame": 4}])
def test_a_stream_answers_as_a_file_does_without_the_data(tmp_path, changes, model):
    path = recording(tmp_path, events=changes.get("events", False))
    task = Signal(model, options(path, **changes))
    params = spread(task.init(jax.random.key(0)))
    trained = dataclasses.replace(
        task, learned=json.dumps(task.learn()), data=dataclasses.replace(task.data, path="nowhere")
    )
    expected = [*trained.predict(params, trained.inputs(path))]
    assert len(expected) == 150
    carry, found = trained.initial_stream(params), []
    for line in path.read_text().splitlines()[1:]:
        cells = line.split(",")[0 if task.data.calendar else 1 : 3]
        answer, carry = trained.stream(params, carry, ",".join(cells))
        found.append(answer)
    late = 3 * task.data.frame + task.data.frame - 1
    assert [answer["step"] for answer in found] == [*range(-late, 150 - late)]
    np.testing.assert_allclose([f["a"] for f in found[late:]], [e["a"] for e in expected[: 150 - late]], 1e-5, 1e-6)
    assert ("a_here" in expected[0]) == ("events" in changes)
    wrong = [("1", "cells: "), (",".join(["2024-01-01", "x", "1"][-len(cells) :]), "numbers, or nothing")]
    for line, message in (*wrong, *([("17,1,1", "a date as its time")] if task.data.calendar else [])):
        with pytest.raises(ValueError, match=message):
            trained.stream(params, carry, line)


@pytest.mark.parametrize("model", [CAUSAL, RECALLS], ids=["once", "recalled"])
def test_a_causal_network_sees_so_much_of_the_future_and_no_more(tmp_path, model):
    task = Signal(model, options(recording(tmp_path)))
    params = spread(task.init(jax.random.key(0)))
    (one,) = task.recordings.parts["test"]
    changed = one.inputs.copy()
    changed[9:] += 1
    found, other = (outputs(task, params, part) for part in (one, one._replace(inputs=changed)))
    np.testing.assert_array_equal(found[:6], other[:6])
    assert (found[6] != other[6]).any()
    assert late(task) == "answers 3 steps late, 3 minutes"


def test_frames_hold_every_step_in_its_place():
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(10, 2)), rng.normal(size=(10, 3))
    data = joined([(inputs, targets)] * 2, 2, 4)
    assert data.inputs.shape == (10, 8)
    assert data.starts.tolist() == ([True] + [False] * 4) * 2
    for n in range(10):
        np.testing.assert_array_equal(data.inputs[n // 4, 2 * (n % 4) : 2 * (n % 4) + 2], inputs[n])
        place = 7 + n // 4, slice(3 * (n % 4), 3 * (n % 4) + 3)
        np.testing.assert_array_equal(data.targets[place], targets[n])
        assert data.counts[place].all()
    assert data.counts.sum() == 60


def test_windows_with_wide_margins_are_the_whole(tmp_path, monkeypatch):
    task = Signal(BOTH, options(recording(tmp_path), margin=400))
    params = spread(task.init(jax.random.key(0)))
    (one,) = task.recordings.parts["training"]
    whole = outputs(task, params, one)
    monkeypatch.setattr("jaxrnn.tasks.signal.held_out.LONG", 64)
    np.testing.assert_allclose(outputs(task, params, one), whole, 1e-5, 1e-6)
    with pytest.raises(ValueError, match="a causal model"):
        task.initial_stream(params)


def test_figures_of_a_split_and_a_picture_of_the_test(tmp_path):
    path = recording(tmp_path)
    task = Signal(CAUSAL, options(path))
    params = spread(task.init(jax.random.key(0)))
    figures = task.evaluate(params, jax.device_put, "test")
    (one,) = task.recordings.parts["test"]
    found = values_of(task, outputs(task, params, one))
    np.testing.assert_allclose(figures["R2"], explained(one.targets[:, 0], found[:, 0])[0], 1e-9)
    spread_of = task.learn()["targets"][0][2]
    np.testing.assert_allclose(figures["loss"], np.nanmean(((found - one.targets) / spread_of) ** 2), 1e-5)
    assert "signals.png" in task.show(params, tmp_path, 0)
    trained = dataclasses.replace(task, learned=json.dumps(task.learn()))
    scored, splits = scored_on(trained, str(path))
    assert splits == ("test",)
    assert np.isfinite(scored.evaluate(params, jax.device_put, "test")["R2"])
    start = carried_over(task, 0, task, params, "a run")
    assert isinstance(start.params, dict)
    marked = Signal(CAUSAL, options(recording(tmp_path, events=True), events=True))
    assert set(marked.evaluate(params, jax.device_put)) == {"loss", "F1", "sensitivity", "precision"}
    marked.show(params, tmp_path, 1)


@pytest.mark.parametrize("model", [CAUSAL, RECALLS], ids=["once", "recalled"])
def test_a_program_gives_what_is_predicted(tmp_path, model):
    task = Signal(model, options(recording(tmp_path)))
    params = jax.tree.map(np.float32, spread(task.init(jax.random.key(0))))
    (one,) = task.recordings.parts["test"]
    inputs, program = Signal(CAUSAL, task.data).joined([one]).inputs, task.program(params)
    given, said = (inputs[None], np.array([len(inputs)], np.int32)), values_of(task, outputs(task, params, one))
    (found,) = jax.jit(program.function)(*given)
    np.testing.assert_allclose(found[0, 3:], said, 1e-5, 1e-6)
    with jax.enable_x64(False):
        exported = jax.export.deserialize(bytearray(as_stablehlo(program)))  # for any number of steps
        (found,) = exported.call(*given)
    np.testing.assert_allclose(found[0, 3:], said, 1e-4, 1e-5)


def test_the_house_is_the_one_that_ships():
    task = Signal(ModelOptions(), DataOptions())
    (train,), (validation,), (test,) = (task.recordings.parts[s] for s in ("training", *task.splits))
    assert [len(part.inputs) for part in (train, validation, test)] == [527_040, 260_640, 264_960]
    assert int(np.isnan(test.targets[:, 0]).sum()) == 902
    assert train.times[-1] < validation.times[0] < validation.times[-1] < test.times[0]
    np.testing.assert_allclose(np.nanmean(test.targets, 0), [1.04, 1.08, 6.54], 0.01)
    np.testing.assert_array_equal(np.isnan(test.targets), np.repeat(np.isnan(test.inputs), 3, 1))


def test_a_recording_of_fewer_steps_than_rows_trains(tmp_path):
    path = recording(tmp_path, count=20)
    losses = []
    for rows in (64, 19):  # 16 steps, and 3 more for the latency
        task = Signal(CAUSAL, options(path, rows=rows))
        params = spread(task.init(jax.random.key(0)))
        batch = next(task.batches())
        assert {len(array) for array in batch} == {rows}
        losses.append(task.loss(params, task.initial_carry(params), batch, None)[0])
    np.testing.assert_allclose(*losses, 1e-6)


def test_arrays_and_several_files(tmp_path):
    rng = np.random.default_rng(0)
    for n, name in enumerate(("train_1", "train_2", "valid", "test")):
        np.savez(tmp_path / f"{name}.npz", x=rng.normal(size=20 + n), y=rng.normal(size=20 + n))
    task = Signal(CAUSAL, DataOptions(path=str(tmp_path), inputs="x", targets="y", rows=2, length=8))
    parts = [[len(one.inputs) for one in task.recordings.parts[split]] for split in ("training", *task.splits)]
    assert parts == [[20, 21], [22], [23]]
    np.savez(tmp_path / "test.npz", x=rng.normal(size=5), y=rng.normal(size=6))
    with pytest.raises(ValueError, match=r"arrays \[T\] of one length, got others in '.*test\.npz'"):
        Signal(CAUSAL, task.data).contents("test")


@pytest.mark.parametrize("name", ["Date", "timestamp", "ds"])
def test_what_a_column_of_times_may_be_called(tmp_path, name):
    path = recording(tmp_path)
    task = Signal(CAUSAL, options(path))
    expected = [one.times for split in ("training", *task.splits) for one in task.recordings.parts[split]]
    (tmp_path / "other.csv").write_text(path.read_text().replace("time,", f"{name},", 1))
    other = Signal(CAUSAL, options(tmp_path / "other.csv")).recordings.parts
    found = [one.times for split in ("training", *task.splits) for one in other[split]]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_counts_in_arrays_have_no_calendar(tmp_path):
    given = dict(total=np.arange(20.0), b=np.arange(20.0), a=np.arange(20.0))
    minutes = np.datetime64("2024-01-01", "m") + np.arange(20)
    for time in (minutes, minutes.astype(str)):
        np.savez(tmp_path / "s.npz", time=time, **given)
        times = Signal(CAUSAL, options(tmp_path / "s.npz")).recordings.parts["training"][0].times
        np.testing.assert_array_equal(times, minutes[: len(times)])
    for time in (np.arange(20), np.array(["today"] * 20), np.append(minutes[1:], np.datetime64("NaT", "m"))):
        np.savez(tmp_path / "s.npz", time=time, **given)
        with pytest.raises(ValueError, match=r"times of datetime64, all known, got others, .*s\.npz'"):
            Signal(CAUSAL, options(tmp_path / "s.npz")).contents("training")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("time,total,b\n1,1,1\n", r"a column 'a', got line 2 of '.*s\.csv': the columns time, total, b"),
        (
            "time,total,b,a\n2024-01-01,1,1,1\n2024-01-02,x,1,1\n",
            r"a finite number in 'total', or nothing, got line 3 of '.*s\.csv': 'x'.*A file is a recording",
        ),
        ("time,total,b,a\n1,1,1\n", r"4 cells, as its header has"),
        ("time,total,b,a\nnow,1,1,1\n", r"a time such as .* got line 2 of '.*s\.csv': 'now'.*A file is a recording"),
        ("time,total,b,a\n2024-01-01,1,1,1\n", r"9 steps or more, got 1"),
        ("time,total,b,a\n1,1,1,1\n", r"a date as its time, got line 2 of '.*s\.csv': '1'.*data\.calendar"),
        ("when,total,b,a\n1,1,1,1\n", r"a column of times, .*: the columns when.*\(or date, datetime, timestamp, ds\)"),
        ("time,total,b,a\n", r"which has no line"),
        ("time,total,b,a,a\n1,1,1,1,1\n", r"a header that names each column once, .*'a' is there twice"),
        ("time,total,b,a\n2024-01-01,1e39,1,1\n", r"a finite number in 'total', .*: '1e39'"),
    ],
)
def test_what_is_no_recording_is_named_with_file_and_line(tmp_path, table, message):
    (tmp_path / "s.csv").write_text(table)
    with pytest.raises(ValueError, match=rf"`data\.path` must be .*{message}"):
        Signal(CAUSAL, options(tmp_path / "s.csv")).contents("training")


@pytest.mark.parametrize(
    ("inputs", "targets", "twice"), [("total,b", "b", "'b'"), ("b,b", "a", "'b'"), ("b", "a,a", "'a'")]
)
def test_a_column_is_named_once(tmp_path, inputs, targets, twice):
    task = Signal(CAUSAL, options(recording(tmp_path), inputs=inputs, targets=targets))
    with pytest.raises(ValueError, match=f"`data.inputs` must be other columns than .*, got {twice} 2 times"):
        task.learn()


def test_a_column_that_says_nothing(tmp_path):
    """Nothing at all is an error; the same at every step has no deviation to divide by."""
    given = dict(inputs="x", targets="y", rows=2, length=8)
    y = np.arange(200.0) % 7
    np.savez(tmp_path / "a.NPZ.npz", x=np.where(np.arange(200) < 190, 5.0, 6.0), y=y)
    (tmp_path / "a.NPZ.npz").rename(tmp_path / "a.NPZ")
    task = Signal(CAUSAL, DataOptions(path=str(tmp_path / "a.NPZ"), **given))
    assert task.record["inputs"][0] == ["x", 5.0, 1.0]
    for x, message in ((np.full(200, np.nan), "none in 'x'"), (np.full(200, "1"), "arrays of numbers, got others")):
        np.savez(tmp_path / "b.npz", x=x, y=y)
        with pytest.raises(ValueError, match=rf"`data\.path` must be .*{message}"):
            Signal(CAUSAL, DataOptions(path=str(tmp_path / "b.npz"), **given)).learn()
    np.savez(tmp_path / "c.npz", x=np.full(200, 1e39), y=y)
    with pytest.raises(ValueError, match=r"finite numbers of float32, or gaps, got infinity in '.*c\.npz'"):
        Signal(CAUSAL, DataOptions(path=str(tmp_path / "c.npz"), **given)).learn()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModelOptions(cell="grue"), "`model.cell` must be one of lstm, gru"),
        (lambda: ModelOptions(direction="backward"), "`model.direction` must be causal or bidirectional"),
        (lambda: ModelOptions(direction="bidirectional", latency=2), "`model.latency` must be 0 for a bidirectional"),
        (lambda: ModelOptions(latency=-1), "`model.latency` must be 0 or more"),
        (lambda: ModelOptions(recall=True), "`model.recall` must be false where answers are not late"),
        (lambda: DataOptions(path="x"), "`data.inputs` must be names of columns"),
        (lambda: DataOptions(frame=0), "`data.frame` must be 1 or more"),
        (lambda: DataOptions(length=0), "`data.length` must be 1 or more"),
        (lambda: Signal(CAUSAL, DataOptions(set="ecg")).recordings, "Twelve records of the MIT-BIH"),
    ],
)
def test_bad_options_are_named(make, message, unchecked):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_the_layer_is_found_in_a_run():
    task = Signal(dataclasses.replace(BOTH, layers=2), DataOptions())
    assert isinstance(task.layer, jaxrnn.Layer)
    assert task.layer.output_size == 8
