"""A trained model is scored on another file: what it cannot know there is named with the line, before anything runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxrnn.tasks import Babi, Classify, Forecast, Tag
from jaxrnn.tasks.classify import options as classify
from jaxrnn.tasks.classify.network import ModelOptions
from jaxrnn.tasks.forecast import options as forecast
from jaxrnn.tasks.models import scored_on
from jaxrnn.tasks.question_answering import babi
from jaxrnn.tasks.tag import options as tag

STORY = "1 Mary went to {0}.\n2 Where is Mary?\t{0}\t1\n"


def trained(task: Any) -> Any:
    return dataclasses.replace(task, learned=json.dumps(task.learn()))


def check(task: Any, path: Path, text: str, message: str) -> None:
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"`data\.path` must be {message}"):
        scored_on(task, str(path))[0].contents("test")


def test_words_and_answers_of_stories(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("".join(STORY.format(place) for place in ("home", "school", "park") * 3))
    task = trained(Babi(babi.ModelOptions(hidden=4), babi.DataOptions(path=str(tmp_path / "s.txt"))))
    other = tmp_path / "other.txt"
    known = STORY.format("park")
    check(task, other, known + STORY.format("zoo"), r"stories in words .*, got line 3 of '.*other\.txt': 'zoo'")
    mary = "1 Mary went to park.\n2 Where is Mary?\tMary\n"
    check(task, other, known + mary, r"answers that the model has learned, got line 4 of '.*other\.txt': 'Mary'")
    other.write_text(known)
    assert len(scored_on(task, str(other))[0].contents("test")) == 1


@pytest.mark.parametrize("channels", [None, 2])
def test_labels_and_kinds_of_examples(tmp_path: Path, channels: int | None) -> None:
    def line(label: str, size: int | None) -> str:
        content = {"text": "some words"} if size is None else {"values": [[1.0] * size, [2.0] * size]}
        return json.dumps({"label": label} | content) + "\n"

    lines = [line("ab"[n % 2], channels).replace("words", f"words {n}") for n in range(20)]
    (tmp_path / "c.jsonl").write_text("".join(lines))
    task = trained(Classify(ModelOptions(), classify.DataOptions(path=str(tmp_path / "c.jsonl"))))
    other, first = tmp_path / "other.jsonl", line("a", channels)
    check(
        task,
        other,
        first + line("c", channels),
        r"examples with labels .* \(a, b\), got 'c', line 2 of '.*other\.jsonl'",
    )
    for wrong in {None, 2, 3} - {channels}:
        got = "texts" if wrong is None else f"series of {wrong} channels"
        check(task, other, line("a", wrong), rf".*as the model has learned from, got {got}, line 1 of '.*other\.jsonl'")
        with pytest.raises(ValueError, match=rf"got {got}, line 1 of '.*other\.jsonl'"):
            task.inputs(other)
    other.write_text(first)
    assert len(scored_on(task, str(other))[0].contents("test")) == 1
    (tmp_path / "other.csv").write_text("words\nsome\n")
    with pytest.raises(ValueError, match=r"a column text or .* got line 2 of '.*other\.csv': the columns words"):
        task.inputs(tmp_path / "other.csv")


def hours(path: Path, header: str, row: str, apart: int = 1) -> Path:
    times = [np.datetime64("2024-01-01T00") + np.timedelta64(apart * n, "h") for n in range(90)]
    path.write_text(header + "\n" + "".join(f"{time},{n % 7}{row}\n" for n, time in enumerate(times)))
    return path


def test_columns_and_times_of_series(tmp_path: Path) -> None:
    data = forecast.DataOptions(
        path=str(hours(tmp_path / "h.csv", "time,value,heat", ",1")), horizon=2, history=6, season=3
    )
    task = trained(Forecast(forecast.ModelOptions(hidden=4), data))
    other = hours(tmp_path / "other.csv", "time,value,rain,heat", ",2,1")
    with pytest.warns(UserWarning, match=r"not read are columns of '.*other\.csv' .* not learned: rain"):
        scored_on(task, str(other))
    hours(other, "time,value,heat", ",1", apart=2)
    with pytest.warns(UserWarning, match="2 steps of the model apart: those between are gaps"):
        scored_on(task, str(other))
    data = forecast.DataOptions(path=data.path, horizon=2, history=3, season=3)  # less than a season and two steps
    short = trained(Forecast(forecast.ModelOptions(hidden=4), data))
    assert len(scored_on(short, str(hours(other, "time,value,heat", ",1")))[0].contents("test")[1][0][1]) == 85
    half = "time,value,heat\n2024-01-01T00:00,1,1\n2024-01-01T00:30,1,1\n"
    check(task, other, half, r"a time on the grid, steps of 3,600 seconds from the first, got line 3 of '.*other\.csv'")


def test_tags_of_sentences(tmp_path: Path) -> None:
    (tmp_path / "t.conll").write_text("the\tD\ncat\tN\n\n" * 9)
    task = trained(Tag(tag.ModelOptions(hidden=4), tag.DataOptions(path=str(tmp_path / "t.conll"))))
    other = tmp_path / "other.conll"
    check(task, other, "the\tD\n\na\tX\n", r"tags that the model knows, got line 3 of '.*other\.conll': 'X'")
    (tmp_path / "lines.txt").write_text("a cat\n\nthe cat\n\n")
    with pytest.raises(ValueError, match=r"a sentence in each line, got line 2 of '.*lines\.txt': a blank one"):
        task.inputs(tmp_path / "lines.txt")
    other.write_text("a\tD\n")
    assert len(scored_on(task, str(other))[0].contents("test")) == 1
