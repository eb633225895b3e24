"""A run of the word model with everything of AWD-LSTM on: stopped and resumed, it is the run that was left alone."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest

from jaxrnn.tasks import WordLM
from jaxrnn.tasks.language.word_lm import DataOptions, ModelOptions, RegularizationOptions
from jaxrnn.train import Experiment, LoopOptions, OptimizerOptions, run
from jaxrnn.train.metrics import read_metrics
from tests.train.test_loop import assert_same_run


@pytest.mark.slow
def test_stopped_and_resumed(tmp_path, stop, monkeypatch):
    for name in ("train", "valid", "test"):
        (tmp_path / f"ptb.{name}.txt").write_text(" the cat sat on the mat \n the dog sat \n" * 20)
    rates = {"input_dropout": 0.2, "hidden_dropout": 0.2, "output_dropout": 0.2, "word_dropout": 0.1}
    exp = Experiment(
        "word_lm",
        0,
        WordLM(
            ModelOptions(hidden=9, embedding=7, tied=True),
            RegularizationOptions(**rates, locked=True, weight_dropout=0.3, activation=1.0, temporal=1.0),
            DataOptions("ptb", str(tmp_path), streams=8, length=5),
        ),
        OptimizerOptions("sgd", learning_rate=0.3, warmup=0, schedule="constant", averaging=1),
        LoopOptions(steps=24, log_every=3, validate_every=4, checkpoint_every=100),
    )
    count, number, moment = WordLM.count, 0, None

    def count_and_stop(task, batch):
        nonlocal number
        number += 1
        if number == moment:
            signal.raise_signal(signal.SIGTERM)
        return count(task, batch)

    monkeypatch.setattr(WordLM, "count", count_and_stop)
    assert run(exp, tmp_path / "whole", resume=False, stop=stop) == 0
    moment = number + 14
    assert run(exp, tmp_path / "parts", resume=False, stop=stop) == 0
    stop.signal = None
    assert run(exp, tmp_path / "parts", resume=True, stop=stop) == 0
    assert_same_run(tmp_path / "whole", tmp_path / "parts", exp)
    figures = [json.loads((tmp_path / part / "result.json").read_text())["figures"] for part in ("whole", "parts")]
    assert figures[0] == figures[1]
    np.testing.assert_allclose(figures[0]["test perplexity"], np.exp(figures[0]["test loss"]))
    lines = [line["loss"] for line in read_metrics(tmp_path / "whole" / "metrics.jsonl") if "loss" in line]
    assert lines[-1] < lines[0] < 1.2 * np.log(len(exp.task.vocabulary))  # in nats a word
