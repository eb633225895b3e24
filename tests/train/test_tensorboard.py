"""Event files as TensorFlow's own reader has them."""

from __future__ import annotations

import math

import pytest

from jaxrnn.train import TensorBoard, run
from jaxrnn.train.metrics import read_metrics
from tests.tasks.resuming import StopAfter
from tests.train.toy import experiment

pytest.importorskip("tensorboardX")


@pytest.mark.slow  # TensorFlow takes seconds to be imported
@pytest.mark.filterwarnings("ignore")
def test_each_figure_is_there_once_though_the_run_was_resumed(tmp_path):
    iterate = pytest.importorskip("tensorflow").compat.v1.train.summary_iterator
    for looks, resume in ((17, False), (99, True)):
        board = TensorBoard(tmp_path / "run/tensorboard")
        assert run(experiment(), tmp_path / "run", resume, StopAfter(looks), callbacks=[board]) == 0
    found: dict[tuple[str, int], float] = {}
    for path in sorted((tmp_path / "run/tensorboard").iterdir()):
        for event in iterate(str(path)):
            for value in event.summary.value:
                found[value.tag, event.step] = value.simple_value
    expected = {}
    for line in read_metrics(tmp_path / "run/metrics.jsonl"):
        for name, value in line.items():
            tag = name.replace("validation_", "validation/") if name.startswith("validation_") else f"training/{name}"
            if name != "step" and value is not None:
                expected[tag, line["step"]] = value
    assert found.keys() == expected.keys()
    assert all(math.isclose(found[key], expected[key], rel_tol=1e-6) for key in expected)
