"""A file that a model is to answer: what is wrong with it is said of the argument that it was given as."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from jaxrnn.tasks import CharLM, Classify, Forecast, Signal, Tag
from jaxrnn.tasks.classify import options as classify
from jaxrnn.tasks.classify.network import ModelOptions
from jaxrnn.tasks.forecast import options as forecast
from jaxrnn.tasks.language import char_lm as language
from jaxrnn.tasks.runs import Run
from jaxrnn.tasks.signal import options as signal
from jaxrnn.tasks.tag import options as tag
from jaxrnn.train.answers import rows_of

TEXTS = "".join(f"{'ab'[n % 2]}\t{'xy'[n % 2] * 3} {n}\n" for n in range(20))
WORDS = "the\tO\nfat\tO\ncat\tN\n\nthe\tO\ndog\tN\n\n" * 4
SERIES = "time,value\n" + "".join(f"2024-01-{n + 1:02},{n % 7}\n" for n in range(31))
STEPS = "x,y\n" + "".join(f"{n % 5},{n % 3}\n" for n in range(40))


def task_of(name: str, folder: Path) -> Any:
    """A task that learned of a file and has it no more."""
    suffix, text = FILES[name]
    path = folder / f"trained{suffix}"
    path.write_text(text)
    at = dict(path=str(path))
    task: Any = {
        "char_lm": lambda: CharLM(language.ModelOptions(), language.DataOptions(**at)),
        "classify": lambda: Classify(ModelOptions(), classify.DataOptions(**at)),
        "tag": lambda: Tag(tag.ModelOptions(), tag.DataOptions(**at)),
        "forecast": lambda: Forecast(
            forecast.ModelOptions(), forecast.DataOptions(**at, horizon=2, history=5, span=4, season=3)
        ),
        "signal": lambda: Signal(signal.ModelOptions(), signal.DataOptions(**at, inputs="x", targets="y")),
    }[name]()
    task = dataclasses.replace(task, learned=json.dumps(task.learn()))
    path.unlink()
    return task


FILES = {
    "char_lm": (".txt", "to be or not to be\n" * 20),
    "classify": (".tsv", TEXTS),
    "tag": (".conll", WORDS),
    "forecast": (".csv", SERIES),
    "signal": (".csv", STEPS),
}
NOTHING = [(name, content) for name in FILES for content in ("", "\n\n") if (name, content) != ("char_lm", "\n\n")]


@pytest.mark.parametrize(("name", "content"), NOTHING)
@pytest.mark.parametrize("suffix", ["as it was", ".txt"])
def test_a_file_with_nothing_in_it_is_no_file_to_answer(name: str, content: str, suffix: str, tmp_path: Path) -> None:
    task = task_of(name, tmp_path)
    path = tmp_path / f"new{FILES[name][0] if suffix == 'as it was' else suffix}"
    path.write_text(content)
    with pytest.raises(
        ValueError, match=rf"`FILE` must be .*, got {str(path)!r}, (where there is no|which has no line)"
    ):
        rows_of(task, path, "FILE")


@pytest.mark.parametrize("name", FILES)
def test_what_is_wrong_is_said_of_the_argument(name: str, tmp_path: Path) -> None:
    task = task_of(name, tmp_path)
    path = tmp_path / f"new{FILES[name][0]}"
    for content, message in ((None, "which does not exist"), (b"a\xff", "0xff in its line 1")):
        if content is not None:
            path.write_bytes(content)
        for argument in ("FILE", "given"):
            with pytest.raises(ValueError, match=message) as caught:
                rows_of(task, path, argument) if argument == "FILE" else [
                    *Run(name, task, {}, {}, None, None).predict(path)
                ]
            assert str(caught.value).startswith(f"`{argument}` must be ")
            assert "label" not in str(caught.value)
            assert "tag" not in str(caught.value)


def test_lines_that_are_blank_are_lines_to_a_language_model(tmp_path: Path) -> None:
    task = task_of("char_lm", tmp_path)
    (tmp_path / "new.txt").write_text("\n\n")
    assert len(rows_of(task, tmp_path / "new.txt", "FILE")) == 2
