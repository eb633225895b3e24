"""Others' figures stand beside the data they belong to, told by what they hold, and beside no others."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from jaxrnn.tasks import TASKS
from jaxrnn.tasks.question_answering import babi
from jaxrnn.tasks.question_answering.pictures import PUBLISHED
from jaxrnn.train import StopRequest, find_config, read_experiment
from jaxrnn.train.published import data_digest, of_these_data
from jaxrnn.train.run import run
from jaxrnn.train.run_files import record_data
from jaxrnn.train.task import DataTask

CONFIGS = sorted(find_config("char_lm").parent.glob("*.yaml"))
SHARED = Path(__file__).parents[2].parent / "shared/data"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_with_others_figures_says_for_which_data(path: Path) -> None:
    experiment = read_experiment(path, [], TASKS)
    read = isinstance(experiment.task, DataTask)
    assert len(experiment.published_for) == (64 if experiment.published and read else 0)


def test_a_text_that_is_merely_called_so_has_no_published_figures(
    tmp_path: Path, stop: StopRequest, capsys: pytest.CaptureFixture
) -> None:
    """A run on such a text leaves them out and says for which data; a configuration that says so keeps them."""
    text = tmp_path / "tinyshakespeare.txt"
    text.write_text("ROMEO:\nthe rain falls on the hills of home\n" * 200)
    config = tmp_path / "mine.yaml"
    sizes = (
        "model: {layers: 1, hidden: 4}\ndata: {set: tinyshakespeare, streams: 8, length: 8}\nloop: {steps: 2}\n"
        "task: char_lm\npublished: others 1.0\n"
    )
    records, mine = [], ""
    for line in (f"published_for: {'0' * 64}", "", "published_for: {}"):
        config.write_text(sizes + line.format(mine))
        experiment = read_experiment(config, ["--data.path", str(text)], TASKS)
        folder = tmp_path / f"run_{len(records)}"
        assert run(experiment, folder, resume=False, stop=stop) == 0
        records.append(json.loads((folder / "result.json").read_text()))
        mine = data_digest(records[0]["data"])
        left_out = f"left out is what others report (others 1.0): these data are others (published_for: {mine})"
        assert (left_out in capsys.readouterr().out) == (len(records) < 3)
    assert [record["published"] for record in records] == ["", "", "others 1.0"]


def test_figures_of_drawn_data_need_no_digest() -> None:
    experiment = read_experiment(find_config("adding"), ["--data.rows", "4"], TASKS)
    assert experiment.published
    assert of_these_data(experiment, record_data(experiment.task).digests)


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ("tinyshakespeare", "language_model"),
        pytest.param("ptb_chars", "language_model/ptb.zip", marks=pytest.mark.slow),
        ("ptb_small", "language_model/ptb.zip"),
        ("multi30k", "translation/multi30k_task1_tok"),
        ("classify_polarity", "classification"),
        ("tag_wnut17", "tagging"),
        pytest.param("handwriting_prediction", "handwriting", marks=pytest.mark.slow),
        pytest.param("draw_mnist", "image_generation", marks=pytest.mark.slow),
    ],
)
def test_the_sets_that_others_report_on_are_known(config: str, path: str) -> None:
    if not (SHARED / path).exists():
        pytest.skip(f"{path} may not be shipped")
    experiment = read_experiment(find_config(config), ["--data.path", str(SHARED / path)], TASKS)
    record = record_data(experiment.task)
    assert of_these_data(experiment, record.digests)
    assert not of_these_data(experiment, record.digests | {"training": record.digests["validation"]})


def test_accuracies_by_kind_stand_beside_babis_own_questions_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    question = babi.Question(1, (("mary", "went", "out"),), ("where", "is", "mary"), "out")
    task = babi.Babi(babi.ModelOptions(), babi.DataOptions("babi", "x", tasks=(1,)))
    task.__dict__["questions"] = {split: [question] for split in ("train", "validation", "test")}
    assert [*task.others] == ["commonest answer"]
    found = babi.digest({split: [question] for split in ("train", "validation", "test")})
    monkeypatch.setattr(babi, "FILES", (found[:8], *babi.FILES[1:]))
    assert [*task.others] == [*PUBLISHED]
    assert not dataclasses.replace(task, data=babi.DataOptions())._published
