"""Others' figures stand beside the data they belong to, and beside no others."""

from __future__ import annotations

import pytest

from jaxrnn.tasks import TASKS
from jaxrnn.train import find_config, read_experiment


@pytest.mark.parametrize(
    ("config", "overrides", "kept"),
    [
        ("char_lm", [], True),
        ("char_lm", ["--model.hidden", "8", "--data.streams", "4"], True),
        ("char_lm", ["--data.set", "ptb", "--data.path", "mine"], False),
        ("ptb_chars", ["--data.path", "mine"], True),
        ("ptb_chars", ["--data.set", "shakespeare"], False),
        ("babi", [], False),
        ("babi_en", ["--data.path", "mine"], True),
        ("babi_en", ["--data.path", "mine", "--data.tasks", "[1, 2]"], False),
        ("babi_en", ["--data.set", "simulated"], False),
        ("multi30k", ["--data.path", "mine"], True),
        ("multi30k", ["--data.path", "mine", "--data.target", "fr"], False),
        ("adding", ["--data.rows", "4"], True),
    ],
)
def test_published_figures(config: str, overrides: list[str], kept: bool) -> None:
    experiment = read_experiment(find_config(config), overrides, TASKS)
    assert bool(experiment.published) == kept
