"""What lies in a folder and is not read, or read as something else than it seems, is refused or said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxrnn.tasks import CharLM, Classify, Translation
from jaxrnn.tasks.classify.classify import DataOptions, ModelOptions
from jaxrnn.tasks.classify.own_examples import own_examples
from jaxrnn.tasks.forecast.options import DataOptions as SeriesOptions
from jaxrnn.tasks.forecast.own_series import on_grid
from jaxrnn.tasks.language import char_lm
from jaxrnn.tasks.models import scored_on
from jaxrnn.tasks.shared.own_files import files_of
from jaxrnn.tasks.shared.own_splits import OwnData, parted
from jaxrnn.tasks.signal.options import DataOptions as SignalOptions
from jaxrnn.tasks.signal.own_signals import own_recordings
from jaxrnn.tasks.tag.options import DataOptions as TagOptions
from jaxrnn.tasks.tag.sentences import sentences_of
from jaxrnn.tasks.translation import translation


def test_files_that_are_not_read_are_said(tmp_path: Path) -> None:
    for name in ("a.gif", "README.md", "LICENSE", ".hidden.mp4"):
        (tmp_path / name).write_text("x")
    assert [file.name for file in files_of(str(tmp_path), [".gif"], "films")] == ["a.gif"]
    (tmp_path / "b.mp4").write_text("x")
    with pytest.warns(UserWarning, match=r"not read are 1 files of '.*', a folder with \.mp4 \(1\)"):
        assert len(files_of(str(tmp_path), [".gif"], "films")) == 1


def test_texts_say_their_parts_or_none_does(tmp_path: Path) -> None:
    """A file without a part was left out beside three that have one."""
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.txt").write_text("to be\n" * 40)
    (tmp_path / "more.txt").write_text("or not\n" * 40)
    task = CharLM(char_lm.ModelOptions(1, 4), char_lm.DataOptions(path=str(tmp_path), streams=4, length=8))
    with pytest.raises(ValueError, match=r"files that all say their part .*, got '.*more\.txt' beside others that do"):
        task.contents("training")


def test_who_says_no_part_beside_others_is_trained_on_and_said() -> None:
    items = [("training", 1), ("test", 2), (None, 3), ("validation", 4)]
    with pytest.warns(UserWarning, match="trained on are 1 of 4 things of here that do not say their part"):
        found = parted(items, lambda one: one[0], OwnData(), "here", "things")
    assert [number for _, number in found["training"]] == [1, 3]


def test_tables_beside_two_files_of_sentences_are_refused(tmp_path: Path) -> None:
    for name in ("c.en", "c.de"):
        (tmp_path / name).write_text("a\nb\nc\n")
    (tmp_path / "README.txt").write_text("about")
    data = translation.DataOptions(path=str(tmp_path), source="en", target="de")
    assert Translation(translation.ModelOptions(), data).contents("training")
    (tmp_path / "p.tsv").write_text("a\tb\n")
    with pytest.raises(ValueError, match=r"of one kind, tables or two files, got '.*p\.tsv' beside files with"):
        Translation(translation.ModelOptions(), data).contents("training")


@pytest.mark.parametrize("pair", [("Pos", "pos"), ("caf\u00e9", "cafe\u0301"), ("New York", "NewYork")])
def test_names_that_look_alike_are_said(tmp_path: Path, pair: tuple[str, str]) -> None:
    one, other = pair
    (tmp_path / "c.txt").write_text("".join(f"{pair[n % 2]}\ttext {n}\n" for n in range(20)))
    with pytest.warns(UserWarning, match="labels of .* that look alike are two"):
        own_examples(OwnData(), str(tmp_path / "c.txt"))
    (tmp_path / "t.conll").write_text(f"a\t{one}\nb\t{other}\n\n" * 9)
    with pytest.warns(UserWarning, match="tags of .* that look alike are two"):
        sentences_of(TagOptions(path=str(tmp_path / "t.conll")))
    (tmp_path / "s.csv").write_text(f"time,value,id\n1,1,{one}\n1,1,{other}\n")
    with pytest.warns(UserWarning, match="series of .* that look alike are two"):
        on_grid(SeriesOptions(path=str(tmp_path / "s.csv")), str(tmp_path / "s.csv"))


def test_an_index_without_a_name_is_no_covariate(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(",time,value\n0,1,5\n1,2,6\n")
    with pytest.raises(
        ValueError, match=r"columns that all have a name, got line 2 of '.*s\.csv': one without\. pandas"
    ):
        on_grid(SeriesOptions(path=str(tmp_path / "s.csv")), str(tmp_path / "s.csv"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"time": 3, "value": True}, "must be a number or a text in 'value', got line 3 of .*: 'True'"),
        ({"time": [3], "value": 1}, "must be a number or a text in 'time', got line 3 of"),
        ({"time": 3, "value": 1, "id": 7}, "must be the covariates"),
    ],
)
def test_series_in_lines_of_json(tmp_path: Path, row: dict, message: str) -> None:
    """The number of a cell is one, and null is a gap, as an empty cell is."""
    path = tmp_path / "s.jsonl"
    rows = [{"time": 1, "value": 1.5, "x": 0}, {"time": 2, "value": None, "x": 1}]
    path.write_text("\n".join(map(json.dumps, rows)))
    (series,) = on_grid(SeriesOptions(path=str(path)), str(path)).series
    np.testing.assert_array_equal(series.values, [1.5, np.nan])
    path.write_text("\n".join(map(json.dumps, [*rows, row if "id" in row else row | {"x": 2}])))
    with pytest.raises(ValueError, match=rf"`data\.path` {message}"):
        on_grid(SeriesOptions(path=str(path)), str(path))


@pytest.mark.parametrize("value", ["2", "0.5", "-1"])
def test_events_are_there_or_not(tmp_path: Path, value: str) -> None:
    lines = [f"{n % 5},{n % 2}" for n in range(30)]
    options = {"inputs": "x", "targets": "y", "events": True}
    (tmp_path / "s.csv").write_text("\n".join(["x,y", *lines, "3,", "1,1"]))
    assert own_recordings(SignalOptions(path=str(tmp_path / "s.csv"), **options)).targets == ["y"]
    (tmp_path / "s.csv").write_text("\n".join(["x,y", *lines, f"3,{value}", "1,1", "1,0"]))
    with pytest.raises(ValueError, match=rf"events of 0 and 1, .* got {value} in step 31 of 'y' in '.*s\.csv'"):
        own_recordings(SignalOptions(path=str(tmp_path / "s.csv"), **options))


def test_a_column_that_a_line_of_json_lacks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text("\n".join(json.dumps({"x": n} | ({"y": n} if n < 20 else {})) for n in range(30)))
    with pytest.raises(ValueError, match=r"a column 'y', got line 21 of '.*s\.jsonl': the columns x"):
        own_recordings(SignalOptions(path=str(path), inputs="x", targets="y"))


def test_series_of_other_steps_than_the_others_are_said(tmp_path: Path) -> None:
    """On the grid of the hours a daily series is nearly all gaps."""
    hours = [f"2020-01-0{1 + n // 24}T{n % 24:02}" for n in range(96)]
    path = tmp_path / "s.csv"
    path.write_text(
        "".join(["id,time,value\n", *(f"{i},{t},1\n" for i, k in (("a", 1), ("b", 24)) for t in hours[::k])])
    )
    with pytest.warns(UserWarning, match=r"no value in most steps of the others, such as 'b' \(every 24\)"):
        one, other = on_grid(SeriesOptions(path=str(path)), str(path)).series
    assert (np.isfinite(one.values).sum(), np.isfinite(other.values).sum(), len(other.values)) == (96, 4, 73)


def test_folders_in_folders_of_texts_are_said(tmp_path: Path) -> None:
    """`pos/2019/a.txt` is called 2019, and not pos, where nobody says otherwise."""
    for n, label in enumerate(["pos/2019", "neg/2020"] * 9):
        (tmp_path / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / label / f"{n}.txt").write_text(f"text {n}")
    with pytest.warns(UserWarning, match=r"labels of .* are the innermost folders: that of 'neg.2020.1.* is '2020'"):
        found = own_examples(OwnData(), str(tmp_path))
    assert {one.label for some in found.values() for one in some} == {"2019", "2020"}


def test_one_array_of_json_is_no_lines_of_it(tmp_path: Path) -> None:
    for name, indent in (("a.json", None), ("b.jsonl", 1)):
        (tmp_path / name).write_text(
            json.dumps([{"label": "a", "text": "b"}, {"label": "b", "text": "c"}], indent=indent)
        )
        with pytest.raises(ValueError, match=r"a JSON object a line, got line 1 of .*jq -c '\.\[\]'"):
            own_examples(OwnData(), str(tmp_path / name))
    (tmp_path / "c.json").write_text(
        "".join(json.dumps({"label": "ab"[n % 2], "text": f"{n}"}) + "\n" for n in range(9))
    )
    assert sum(map(len, own_examples(OwnData(), str(tmp_path / "c.json")).values())) == 9


def test_one_tag_alone_is_not_learned(tmp_path: Path) -> None:
    (tmp_path / "t.conll").write_text("a\tO\n\nb\tO\n\n" * 9)
    with pytest.raises(ValueError, match=r"sentences with tags, of two tags or more, got '.*t\.conll', with one"):
        sentences_of(TagOptions(path=str(tmp_path / "t.conll")))
    sentences_of(TagOptions(path=str(tmp_path / "t.conll"), held_out=1.0))  # a model is scored on them


def test_channels_of_tables_go_by_their_names(tmp_path: Path) -> None:
    """A file whose columns stand otherwise was read as if x were y, and others as if they were called so."""

    def table(name: str, columns: str, first: int = 0) -> Path:
        rows = [dict(series=n, label="ab"[n % 2], x=n, y=n + 100 + t) for n in range(first, first + 9) for t in (0, 1)]
        lines = [columns, *(",".join(str(row[c.lower()]) for c in columns.split(",")) for row in rows)]
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("\n".join(lines))
        return tmp_path / name

    table("own/1.csv", "series,label,x,y")
    table("own/2.csv", "y,label,X,series", 9)
    task = Classify(ModelOptions(hidden=4), DataOptions(path=str(tmp_path / "own")))
    every = [one.content for split in ("training", *task.splits) for one in task.examples[split]]
    assert sorted(one[:, 0].tolist() for one in every) == [[n, n] for n in range(18)]
    trained = replace(task, learned=json.dumps(task.learn()))
    for given in ("series,x,y", "y,series,x"):
        for content in trained.inputs(table("given.csv", given)):
            assert (content[:, 1] > content[:, 0]).all()
    scored, _ = scored_on(trained, str(table("scored.csv", "series,y,x,label")))
    (examples,) = [scored.contents(split) for split in scored.splits if scored.contents(split)][:1]
    assert all((one.content[:, 1] > one.content[:, 0]).all() for one in examples)
    (tmp_path / "given.csv").write_text("series,u,y\n1,2,3\n")
    with pytest.raises(ValueError, match=r"series of the channels x, y, got u, y, line 2 of '.*given\.csv'"):
        trained.inputs(tmp_path / "given.csv")
    (tmp_path / "given.jsonl").write_text(json.dumps({"values": [[1, 2]]}))
    assert trained.inputs(tmp_path / "given.jsonl")[0].tolist() == [[1, 2]]
    (tmp_path / "own/3.csv").write_text("series,label,x,z\n99,a,1,2\n")
    with pytest.raises(ValueError, match=r"series of the channels x, y, got x, z, line 2 of '.*3\.csv'"):
        replace(task).learn()


def test_a_cell_that_does_not_fit_is_named_by_its_option() -> None:
    task = Classify(ModelOptions(cell="sru", hidden=4, embedding=3), DataOptions(set="vowels"))
    with pytest.raises(
        ValueError, match=r"`model\.cell` must be a cell that takes 3 inputs, got 'sru' \(`input` must be"
    ):
        task.init(jax.random.key(0))
