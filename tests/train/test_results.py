"""Records of runs: what a finished run writes, and the table of them."""

from __future__ import annotations

import hashlib
import json
import re
import signal

import pytest
from matplotlib.figure import Figure

from jaxrnn.train import StopRequest, read_results, run, to_csv, to_table
from jaxrnn.train.metrics import read_metrics
from jaxrnn.train.plots import save_figure
from tests.train.toy import experiment


@pytest.fixture
def folder(tmp_path):
    assert run(experiment(), tmp_path / "toy", False, StopRequest()) == 0
    return tmp_path / "toy"


def test_a_record_has_the_figures_of_every_split(folder):
    record = json.loads((folder / "result.json").read_text())
    assert set(record["figures"]) == {"validation loss", "test loss"}
    assert record["figures"]["validation loss"] == pytest.approx(record["best_validation_loss"])
    assert min(point["validation_loss"] for point in record["curve"]) == record["best_validation_loss"]
    assert [point["step"] for point in record["curve"]] == sorted({point["step"] for point in record["curve"]})
    assert record["curve"][-1]["step"] == record["steps"]
    assert record["commit"]
    assert record["cpu_seconds"] > 0


@pytest.mark.parametrize("asked_in", ["before", "validation", "test"])
def test_a_stop_at_the_end_is_answered_and_the_end_is_made_again(folder, stop, tmp_path, monkeypatch, capsys, asked_in):
    """While held-out data are scored, and where it came with the last step; nothing is lost."""
    kind, code = type(experiment().task), {"before": 0, "validation": 0, "test": 130}[asked_in]
    evaluate, show = kind.evaluate, kind.show
    number = signal.SIGINT if code else signal.SIGTERM

    def asks(task, params, place, split="validation"):
        ends = (tmp_path / "stopped/checkpoints/000000030").exists()
        if (ends and split == asked_in) or (asked_in == "before" and len(read_metrics(lines)) == 8):
            signal.raise_signal(number)
        return evaluate(task, params, place, split)

    lines = tmp_path / "stopped/metrics.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr(kind, "evaluate", asks)
        patch.setattr(kind, "show", lambda *_: pytest.fail("not reached"))
        assert run(experiment(), tmp_path / "stopped", False, stop) == code
    assert stop.requested
    assert (
        "stopped before result.json was written; it is made by the same command with --resume"
        in capsys.readouterr().out
    )
    assert not (tmp_path / "stopped/result.json").exists()
    assert kind.show is show
    stop.signal = None
    assert run(experiment(), tmp_path / "stopped", True, stop) == 0
    records = [json.loads((of / "result.json").read_text()) for of in (folder, tmp_path / "stopped")]
    assert records[0]["figures"] == records[1]["figures"]


def test_a_run_that_is_not_finished_says_so(folder):
    (folder / "result.json").unlink()
    (record,) = read_results([folder])
    assert record["unfinished"] == "step 30 of 30"
    assert record["figures"] == {"validation loss": min(point["validation_loss"] for point in record["curve"])}
    assert "| validation loss, unfinished: step 30 of 30 |" in to_table([record])
    assert ",True,step 30 of 30,," in to_csv([record])
    (folder / "metrics.jsonl").unlink()
    assert "unfinished: step 0 of 30 | none yet |" in to_table(read_results([folder]))


def test_table(folder, tmp_path):
    record = json.loads((folder / "result.json").read_text()) | {
        "command": "jaxrnn train x",
        "figures": {"test perplexity": 116.04, "test loss": 4.754},
        "headline": "test perplexity",
        "published": "114.5",
        "seconds": 1800.4,
        "cpu_seconds": 3500.6,
    }
    del record["checksum"]  # as in version 0.1.0
    (tmp_path / "a.json").write_text(json.dumps(record))
    (tmp_path / "b.json").write_text(json.dumps(record | {"headline": "test loss"}))
    lines = to_table(read_results([tmp_path / "a.json", tmp_path / "b.json", folder])).splitlines()
    assert lines[0] == "| command | figure |  | published | seconds (of CPU) | seed |"
    assert lines[2] == "| `jaxrnn train x` | test perplexity | 116 | 114.5 | 1800 (3501) | 0 |"
    assert "| test loss | 4.7540 |" in lines[3]
    assert len(lines) == 5


def test_a_digit_that_flipped(folder):
    """Whatever it is of: a figure of the record and of the table is the run's own, or an error."""
    path = folder / "result.json"
    text = path.read_text()
    assert "checksum" not in read_results([folder])[0]
    seal = json.loads(text)["checksum"]
    for name in ('"test loss": ', '"steps": ', '"seconds": ', '"checksum": "'):
        place = re.search(rf"{re.escape(name)}\D*?(\d)", text).start(1)
        path.write_text(f"{text[:place]}{(int(text[place]) + 1) % 10}{text[place + 1 :]}")
        with pytest.raises(ValueError, match=r"`RUN` must be a finished run's result.json, .* changed since it was"):
            read_results([folder])
    rest = {name: value for name, value in json.loads(text).items() if name != "checksum"}
    assert seal == hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    path.unlink()
    assert run(experiment(), folder, True, StopRequest()) == 0  # from the checkpoints, as the error says
    assert read_results([folder])[0]["figures"] == rest["figures"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("{", "`RUN` must be a run's folder, or a result.json, got"),
        ('{"command": ""}', "which lacks headline, figures, seconds, cpu_seconds, seed, device"),
    ],
)
def test_what_is_no_record(tmp_path, content, message):
    if content is not None:
        (tmp_path / "result.json").write_text(content)
    with pytest.raises(ValueError, match=re.escape(message)):
        read_results([tmp_path])


def test_letters_without_a_font_are_one_warning(tmp_path):
    figure = Figure()
    figure.text(0, 0, "\U000e0041\u0e3f\U0001f9f6 \U000f0000\U000f0001")  # no font has all of these
    with pytest.warns(UserWarning, match=r"a\.png has boxes for letters that no installed font has") as said:
        save_figure(figure, tmp_path / "a.png")
    assert len(said) == 1
