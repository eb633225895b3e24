"""Records as tables, Markdown and a picture: from one written by hand, so that every figure is known."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from jaxrnn.bench.cases import Case
from jaxrnn.bench.picture import draw
from jaxrnn.bench.report import print_tables, to_markdown
from jaxrnn.bench.tables import make_tables, read_records

SMALL, LARGE = Case("lstm", 1, 8, 4, 4), Case("lstm", 2, 8, 4, 4)


def result(case: Case, name: str, rounds: list[float], kind: str = "train", **more: Any) -> dict[str, Any]:
    others = [0.0] * len(rounds)
    rest = dict(status="measured", reason="", note="", rounds=rounds, others=others)
    return dict(case=case.record(), kind=kind, contestant=name) | rest | more


def record(*results: dict[str, Any]) -> dict[str, Any]:
    roles = {"auto": "ours", "flax.nnx": "jax", "keras": "jax", "torch": "other"}
    machine = dict(cpu="A CPU", cores=2, device="cpu", versions={"jax": "1.2"}, environment={"XLA_FLAGS": "--x"})
    contestants = [{"name": name, "role": role} for name, role in roles.items()]
    return {"machine": machine, "settings": {}, "contestants": contestants, "results": list(results)}


RECORD = record(
    result(SMALL, "auto", [0.001, 0.002, 0.004], note="runs on 'scheduled'"),
    result(SMALL, "flax.nnx", [0.002, 0.004, 0.004]),
    result(SMALL, "keras", [0.0005, 0.0005, 0.001]),
    result(SMALL, "torch", [], status="refused", reason="bias is off"),
    result(LARGE, "auto", [0.1, 0.1, 0.1], others=[0.0, 0.3, 0.0], note="runs on 'scheduled'"),
    result(LARGE, "flax.nnx", [0.2, 0.2, 0.2]),
    result(LARGE, "keras", [], status="declined", reason="has no such thing"),
    result(LARGE, "torch", [0.05, 0.05, 0.05]),
)
MARKDOWN = """\
| case | 1, 8, 4, 4 | 2, 8, 4, 4~ | mean ratio |
| --- | --- | --- | --- |
| auto | 2.00 | 100 |  |
| flax.nnx | 4.00 (2.00) | 200 (2.00) | 2.00 |
| keras | **0.500 (0.25)** |  | 0.25 |
| torch | refused | **50.0 (0.50)** | 0.50 |
| fastest JAX peer | 0.25 (0.25 to 0.38) | 2.00 (2.00 to 2.00) | 0.71 |

- auto runs on 'scheduled'
- torch refused at lstm B=1 T=8 D=4 H=4: bias is off
- keras takes no part where it has no such thing
- ~ 2, 8, 4, 4: other processes took up to 0.30 cores, at the third try too
"""


def test_markdown_shows_wins_losses_and_what_is_missing() -> None:
    text = to_markdown(RECORD)
    assert text.endswith(f"**lstm: training step, ms**\n\n{MARKDOWN}")
    assert text.startswith("A CPU, 2 cores, device cpu; jax 1.2; XLA_FLAGS=--x.\n")


def test_like_cases_share_a_table_and_a_mean() -> None:
    cases = [SMALL, Case("lstm", 1, 8, 4, 4, layers=2), Case("lstm", 1, 1000, 4, 4, chunk="sqrt"), SMALL]
    kinds = ["train", "train", "train", "temporaries"]
    rows = [result(c, n, [t], k) for c, k in zip(cases, kinds, strict=True) for n, t in (("auto", 1.0), ("keras", 2.0))]
    tables = make_tables(record(*rows))
    assert [t.title for t in tables] == [
        "lstm: training step, ms",
        "lstm: training step, variants, ms",
        "lstm: training step, chunk=sqrt, us a time step",
        "lstm: temporary memory of a training step, MB",
    ]
    assert tables[1].rows[0].label == "1, 8, 4, 4 2 layers"
    assert [t.mean("keras") for t in tables] == [pytest.approx(2.0), None, pytest.approx(2.0), pytest.approx(2.0)]
    assert tables[2].rows[0].cells["auto"].value.median == pytest.approx(1000.0)
    assert tables[3].rows[0].cells["keras"].ratio.median == 2.0


def test_many_cases_stand_one_a_line_with_shares_and_faults() -> None:
    rest = dict(suite="shapes", at_best=0.001)
    rows = [
        result(SMALL, "auto", [0.002] * 3, faults=[0.0, 0.0, 0.4], **rest),
        result(SMALL, "torch", [0.001] * 3, faults=[900.0, 900.0, 901.0], **rest),
        result(LARGE, "auto", [0.002] * 3, faults=[0.0] * 3, **rest),
        result(LARGE, "torch", [], status="failed", **rest),
    ]
    rates = {"products": {"float32": 5e11, "bfloat16": 1e12}, "bandwidth": {"level 2": 2.5e11}}
    text = to_markdown(record(*rows) | {"rates": rates})
    assert "products reached 500 GFLOP/s in float32, 1000 GFLOP/s in bfloat16; reading 250 GB/s from level 2." in text
    table = """**lstm: training step, shapes, ms**

| case | auto | of the rate | faults | torch | of the rate | faults |
| --- | --- | --- | --- | --- | --- | --- |
| 1, 8, 4, 4 | 2.00 | 0.50 | 0 | **1.00 (0.50)** | 1.00 | 900 |
| 2, 8, 4, 4 | **2.00** | 0.50 | 0 | failed |  |  |
| mean ratio |  |  |  | 0.50 |  |  |
"""
    assert table in text


def test_faults_are_noted_below_other_tables() -> None:
    rows = [result(SMALL, "auto", [1.0], faults=[0.2]), result(SMALL, "torch", [1.0], faults=[17.0])]
    (table,) = make_tables(record(*rows, result(LARGE, "torch", [1.0])))
    assert table.notes == ["torch: 17, - page faults a call"]


def test_forms_are_put_beside_their_parts_and_cells_beside_a_plain_loop() -> None:
    def case(**more: Any) -> Case:
        return Case("lstm", 1, 8, 8, 8, **more)

    times = {case(): 10.0, case(projected=True): 6.0, case(projected=True, recurrent="diagonal"): 2.0}
    times |= {case(recurrent="heads(4)"): 7.0, case(recurrent="diagonal"): 9.0, replace(case(), cell="slstm"): 14.0}
    rows = [result(c, "auto", [t / 1000], suite="forms") for c, t in times.items()]
    (table,) = make_tables(record(*rows))
    assert table.title == "forms: training step, 1, 8, 8, 8, ms"
    assert [row.label for row in table.rows][2:] == [
        "lstm projected diagonal",
        "lstm heads(4)",
        "lstm diagonal",
        "slstm",
    ]
    assert table.notes == [
        "heads(4): 1.00 times the sum of 4.0 ms of inputs, 1.0 of its recurrent product, 2.0 of gates",
        "diagonal: 1.50 times the sum of 4.0 ms of inputs, 0.0 of its recurrent product, 2.0 of gates",
        "slstm: 2.00 times lstm heads(4)",
    ]
    one, two = case(), replace(case(), cell="mgu")
    rows = [result(c, n, [t], suite="cells") for c, n, t in ((one, "auto", 1), (one, "keras", 2), (two, "auto", 1))]
    rows += [result(two, "keras", [0.5], suite="cells")]
    rows += [result(c, "auto", [t], "compile", suite="cells") for c, t in ((one, 0.1), (two, 0.2))]
    trained, compiled = make_tables(record(*rows))
    assert trained.notes == ["behind keras: mgu 0.50"]
    assert compiled.notes == ["times as long as an lstm's, 100 ms, where above 1.5: mgu 2.00"]


def test_an_unknown_load_is_said_to_be_unknown() -> None:
    (table,) = make_tables(record(result(SMALL, "auto", [1.0], others=[None])))
    assert table.notes == ["what other processes took is not known on this system"]
    assert table.rows[0].disturbed == 0.0


def test_records_add_up_and_the_last_measurement_counts(tmp_path: Path) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    again = record(result(SMALL, "auto", [0.008]), result(SMALL, "torch", [0.004]))
    for file, content in zip(files, (RECORD, again), strict=True):
        file.write_text(json.dumps(content))
    (table,) = make_tables(read_records(files))
    values = {
        row.label: {name: cell.value and cell.value.median for name, cell in row.cells.items()} for row in table.rows
    }
    assert values["1, 8, 4, 4"] == {"auto": 8.0, "flax.nnx": None, "torch": 4.0}
    assert values["2, 8, 4, 4"] == {"auto": 100.0, "flax.nnx": 200.0, "torch": 50.0}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "which is not JSON"),
        ("[]", "records that `jaxrnn bench --json` wrote"),
        ('{"machine": {}}', "records that `jaxrnn bench --json` wrote"),
        (json.dumps(RECORD | {"machine": {"cpu": "another"}}), "records with the machine of"),
        (json.dumps(RECORD | {"contestants": []}), "records with the first contestant of"),
    ],
)
def test_what_is_no_record_or_of_another_machine_is_named(tmp_path: Path, content: str, message: str) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(json.dumps(RECORD))
    second.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_records([first, second])


def test_records_of_fewer_contestants_join(tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    own = RECORD["contestants"][:1]
    first.write_text(json.dumps(RECORD | {"contestants": own, "results": RECORD["results"][:1]}))
    second.write_text(json.dumps(RECORD))
    merged = read_records([first, second])
    assert merged["contestants"] == RECORD["contestants"]
    assert len(merged["results"]) == len(RECORD["results"])


def test_the_terminal_shows_the_same_texts() -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    print_tables(RECORD, console)
    text = console.export_text()
    for word in ("0.500 (0.25)", "50.0 (0.50)", "refused", "0.71", "2, 8, 4, 4~", "torch refused at", "A CPU, 2 cores"):
        assert word in text


def test_the_picture_has_a_bar_for_every_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.axes import Axes

    bars = []
    original = Axes.barh
    monkeypatch.setattr(Axes, "barh", lambda self, *a, **k: bars.append((k["left"], a[1])) or original(self, *a, **k))
    draw(RECORD, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert bars == [(1, 1.0), (1, -0.75), (1, 1.0), (1, -0.5)]
