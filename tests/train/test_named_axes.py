"""Columns go on by their names from model to model: in another order, some more or less, or called otherwise."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaxrnn.tasks import Classify, Forecast, Signal
from jaxrnn.tasks.classify import options as classify
from jaxrnn.tasks.classify.network import ModelOptions
from jaxrnn.tasks.forecast import options as forecast
from jaxrnn.tasks.signal import options as signal
from jaxrnn.train import RunError, carried_over
from jaxrnn.train.named_axes import Place, names_in, shared
from tests.tasks.reading import spread

RNG = np.random.default_rng(0)
SLOW, DECODERS = pytest.mark.slow, ("none", "recurrent")
COLUMNS = {name: RNG.normal(size=60) for name in ("a", "b", "c", "d")}


def table(path: Path, names: str, **before: Any) -> Path:
    """A file of some of the columns, in an order."""
    columns = before | {name: COLUMNS[name] for name in names}
    rows = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(rows) + "\n")
    return path


def forecast_of(path: Path, names: str, decoder: str = "none", **changes: Any) -> Forecast:
    days = np.datetime64("2024-01-01") + np.arange(60)
    sizes = dict(horizon=2, history=9, span=4, every=2, season=3, rows=2)
    data = forecast.DataOptions(path=str(table(path, names, time=days, value=COLUMNS["d"])), **sizes | changes)
    return Forecast(forecast.ModelOptions(hidden=4, quantiles=3, dropout=0.0, decoder=decoder), data)  # type: ignore[arg-type]


def signal_of(path: Path, inputs: str, targets: str, cell: str = "lstm", both: bool = False, **changes: Any) -> Signal:
    table(path, "abcd", time=np.datetime64("2024-01-01") + np.arange(60))
    data = signal.DataOptions(path=str(path), inputs=inputs, targets=targets, length=8, rows=2, **changes)
    model = signal.ModelOptions(cell=cell, hidden=4, direction="bidirectional" if both else "causal")  # type: ignore[arg-type]
    return Signal(model, data)


@pytest.mark.parametrize(
    ("decoder", "known"),
    [pytest.param(d, k, marks=[SLOW] * (d + k != "noneb")) for d in DECODERS for k in ("", "all", "b")],
)
def test_covariates_in_another_order_are_forecast_by_alike(tmp_path: Path, decoder: str, known: str) -> None:
    old, new = (forecast_of(tmp_path / f"{names}.csv", names, decoder, known=known) for names in ("abc", "cab"))
    params = spread(old.init(jax.random.key(0)))
    begun = carried_over(new, 0, old, params, "mine").params
    (expected,), (found,) = ([task.encoded(series) for series in task.panel.series] for task in (old, new))
    assert not np.array_equal(found.inputs, expected.inputs)
    answers = []
    for task, encoded, of in ((old, expected, params), (new, found, begun)):
        state = task.network.read(of, encoded.inputs[None], np.array([60]))[40]
        answers.append(task.network.forecast(of, state, task.features.ahead(encoded, np.array([40]))))
    np.testing.assert_allclose(*answers, 1e-5, 1e-6)


@pytest.mark.parametrize("cell", ["lstm", pytest.param("lru", marks=SLOW)])
@pytest.mark.parametrize(
    "changes",
    [{"log": True, "calendar": True, "frame": 3}, *(pytest.param(one, marks=SLOW) for one in ({}, {"both": True}))],
)
def test_inputs_and_targets_in_another_order_give_the_same(tmp_path: Path, cell: str, changes: dict[str, Any]) -> None:
    path = tmp_path / "s.csv"
    old, new = signal_of(path, "a,b", "c,d", cell, **changes), signal_of(path, "b,a", "d,c", cell, **changes)
    params = spread(old.init(jax.random.key(0)))
    begun = carried_over(new, 0, old, params, "mine").params
    pairs = [(task.predict(of, task.inputs(path))) for task, of in ((old, params), (new, begun))]
    for one, other in zip(*pairs, strict=True):
        np.testing.assert_allclose([other["c"], other["d"]], [one["c"], one["d"]], 1e-5, 1e-6)


def test_channels_in_another_order_are_classified_alike(tmp_path: Path) -> None:
    before = dict(series=np.arange(60) // 3, label=["xy"[n // 3 % 2] for n in range(60)])
    paths = [table(tmp_path / f"{names}.csv", names, **before) for names in ("abc", "bca")]
    old, new = (Classify(ModelOptions(hidden=4), classify.DataOptions(path=str(path))) for path in paths)
    params = spread(old.init(jax.random.key(0)))
    begun = carried_over(new, 0, old, params, "mine").params
    answers = [[*task.predict(of, task.inputs(paths[0]))] for task, of in ((old, params), (new, begun))]
    np.testing.assert_allclose(*([row["probability"] for row in rows] for rows in answers), 1e-5)


def test_more_columns_begin_anew_and_others_are_left_out_aloud(tmp_path: Path) -> None:
    old, new = forecast_of(tmp_path / "abc.csv", "abc"), forecast_of(tmp_path / "cb.csv", "cb")
    for task, of, said in (
        (new, old, "a is left out"),
        (old, new, "a begins anew"),
        (forecast_of(tmp_path / "dbc.csv", "dbc"), old, "d goes on from a"),
        (forecast_of(tmp_path / "none.csv", ""), old, "whether columns are known is left out, .*c is left out"),
    ):
        params = spread(of.init(jax.random.key(0)))
        with pytest.warns(UserWarning, match=f"--from mine, by the names of columns: {said}"):
            begun = carried_over(task, 0, of, params, "mine").params
        for name in {*task.features.columns} & {*of.features.columns}:
            rows = [
                tree["rnn"]["layer_0"]["kernel"][t.features.places[0].index(Place("", name, "column"))]
                for tree, t in ((begun, task), (params, of))
            ]
            np.testing.assert_array_equal(*rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        carried_over(old, 0, old, old.init(jax.random.key(0)), "mine")


def test_what_differs_in_more_than_its_columns_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    old = signal_of(path, "a,b", "c,d")
    for changes in ({"frame": 2}, {"log": True}):
        new = signal_of(path, "b,a", "c,d", **changes)
        with pytest.raises(
            RunError, match=r"--from mine: its (rnn|readout)/.* Give this model the options of that one"
        ):
            carried_over(new, 0, old, old.init(jax.random.key(0)), "mine")


def test_a_cell_that_reads_a_column_in_each_unit_has_them_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    old, new = (signal_of(path, names, "c,d", "sru") for names in ("a,b", "b,a"))
    params = old.init(jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, carried_over(old, 0, old, params, "mine").params, params)
    with pytest.raises(RunError, match="--from mine: its columns are a, b, here they are b, a; a cell"):
        carried_over(new, 0, old, params, "mine")


def test_names_of_one_kind_take_each_others_place() -> None:
    old, new = (
        {
            "x": {0: [Place("v"), *(Place("", name, "column") for name in columns)]},
            "y": {0: [Place("", target, "target")]},
        }
        for columns, target in (("ab", "t"), ("bc", "u"))
    )
    names, said = names_in(new, old)
    assert names == {("", ""): "", ("column", "b"): "b", ("column", "c"): "a", ("target", "u"): "t"}
    assert said == ["c goes on from a", "u goes on from t"]
    found = shared(new["x"][0], old["x"][0], names)
    assert found is not None
    assert [side.tolist() for side in found] == [[0, 1, 2], [0, 2, 1]]
    assert shared(new["x"][0], old["x"][0][1:], names) is None
    assert shared(new["x"][0][1:], old["x"][0], names) is None
