"""Configuration: what a YAML file and the command line may say, and what they are told when they are wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from jaxrnn.tasks import TASKS
from jaxrnn.train import ConfigError, find_config, option_help, read_experiment

CONFIGS = sorted(Path(__file__).parents[2].glob("configs/*.yaml"))
GOOD = {"task": "char_lm", "seed": 3, "model": {"hidden": 8}, "optimizer": {"learning_rate": 0.01}}


def read(tmp_path, content, *overrides):
    path = tmp_path / "experiment.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return read_experiment(path, overrides, TASKS)


def test_file_then_command_line_then_defaults(tmp_path):
    experiment = read(
        tmp_path, GOOD, "--model.layers", "3", "--optimizer.learning_rate=2e-3", "--loop.nonfinite", "raise"
    )
    assert (experiment.task.model.layers, experiment.task.model.hidden) == (3, 8)
    assert (experiment.optimizer.learning_rate, experiment.seed) == (2e-3, 3)
    assert (experiment.loop.nonfinite, experiment.loop.keep) == ("raise", 2)


def test_numbers_without_a_point_are_numbers(tmp_path):
    assert read(tmp_path, "task: char_lm\noptimizer: {learning_rate: 1e-3}").optimizer.learning_rate == 1e-3


def test_written_configuration_reads_back_equal(tmp_path):
    experiment = read(tmp_path, GOOD, "--optimizer.clip_norm", ".inf")
    assert read(tmp_path, experiment.as_dict()) == experiment


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configurations_are_valid_and_found_by_name(path):
    assert find_config(path.stem) == find_config(str(path)) == path
    experiment = read_experiment(path, [], TASKS)
    text = option_help(path, TASKS)
    size = next(name for name in ("hidden", "parameters") if hasattr(experiment.task.model, name))
    assert f"default: {getattr(experiment.task.model, size)}" in text
    words = rf"--model\.{size} {size.upper()}\s+[A-Z]\w*(,| of)"  # the docstring's words beside the option
    assert re.search(words, text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"task": "char_lm", "modle": {"hidden": 8}}, "unknown key 'modle.hidden'. Did you mean 'model.hidden'"),
        ({"task": "char_lm", "model": {"hiden": 8}}, "unknown key 'model.hiden'. Did you mean 'model.hidden'"),
        ({"task": "char_lm", "hidden": 8}, "unknown key 'hidden'. Did you mean 'model.hidden'"),
        ({"task": "char_lm", "sede": 8}, "unknown key 'sede'. Did you mean 'seed'"),
        ({"task": "char_lm", "loop": {"learning_rate": 1.0}}, "Did you mean 'optimizer.learning_rate'"),
        ({"task": "char_ml"}, "task: got 'char_ml'. Did you mean 'char_lm'"),
        ({"seed": 3}, "task: got None"),
        ({"task": ["char_lm"]}, "task: got"),
        ({"task": "char_lm", "model": 3}, "model: expected a section of keys, got 3"),
        ({"task": "char_lm", "seed": {"model": 3}}, "unknown key 'seed.model'"),
        ({"task": "char_lm", "model": {"hidden": "many"}}, "`model.hidden` must be an integer, got many"),
        ({"task": "char_lm", "model": {"hidden": 8.5}}, "model.hidden"),
        ({"task": "char_lm", "model": {"hidden": True}}, "model.hidden"),
        ({"task": "char_lm", "model": {"hidden": None}}, "model.hidden"),
        ({"task": "char_lm", "model": {"hidden": -8}}, "`model.hidden` must be 1 or more, got -8"),
        ({"task": "char_lm", "model": {"layers": 0}}, "`model.layers` must be 1 or more, got 0"),
        ({"task": "char_lm", "model": {"dropout": 1.5}}, "`model.dropout` must be a rate in [0, 1), got 1.5"),
        ({"task": "char_lm", "model": {"dropout": float("nan")}}, "model.dropout"),
        ({"task": "char_lm", "data": {"streams": 0}}, "data.streams"),
        ({"task": "char_lm", "data": {"length": -1}}, "data.length"),
        ({"task": "char_lm", "seed": -1}, "`seed` must be an integer in [0, 2**32), got -1"),
        ({"task": "char_lm", "optimizer": {"learning_rate": 0.0}}, "optimizer.learning_rate"),
        ({"task": "char_lm", "optimizer": {"learning_rate": float("inf")}}, "optimizer.learning_rate"),
        ({"task": "char_lm", "optimizer": {"warmup": -1}}, "optimizer.warmup"),
        ({"task": "char_lm", "optimizer": {"beta1": 1.0}}, "optimizer.beta1"),
        ({"task": "char_lm", "optimizer": {"beta2": -0.1}}, "optimizer.beta2"),
        ({"task": "char_lm", "optimizer": {"weight_decay": -1.0}}, "optimizer.weight_decay"),
        ({"task": "char_lm", "optimizer": {"clip_norm": 0.0}}, "optimizer.clip_norm"),
        ({"task": "char_lm", "loop": {"nonfinite": "ignore"}}, "loop.nonfinite"),
        *[({"task": "char_lm", "loop": {key: 0}}, f"`loop.{key}` must be 1 or more, got 0")
          for key in ("steps", "log_every", "validate_every", "patience", "checkpoint_every", "keep")],
        ("task: [char_lm", "cannot be read as YAML"),
        ("- char_lm", "expected a mapping"),
        ("", "expected a mapping"),
        ("task: char_lm\nmodel:\n  hidden: 8\n  hidden: 9", "`hidden` must be given once in a section (line 3)"),
    ],
)  # fmt: skip
def test_wrong_files_are_told_what_is_wrong(tmp_path, content, message):
    with pytest.raises(ConfigError) as error:
        read(tmp_path, content)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model.hiden", "8"], "unknown option '--model.hiden'. Did you mean '--model.hidden'"),
        (["--model.hiden=8"], "unknown option '--model.hiden'. Did you mean '--model.hidden'"),
        (["--hidden", "8"], "unknown option '--hidden'. Did you mean '--model.hidden'"),
        (["--model.hid", "8"], "unknown option '--model.hid'"),  # no abbreviations
        (["--resme"], "unknown option '--resme'. Did you mean '--resume'"),
        (["--model.hidden", "-8"], "`model.hidden` must be 1 or more, got -8"),
        (["--model.hidden", "many"], "model.hidden"),
        (["--model.hidden"], "model.hidden"),
        (["--model", "x.yaml"], "unknown option '--model'"),
        (["stray"], "stray"),
        (["--task", "other"], "task"),
    ],
)
def test_wrong_options_are_told_what_is_wrong(tmp_path, arguments, message):
    with pytest.raises(ConfigError) as error:
        read(tmp_path, GOOD, *arguments)
    assert message in str(error.value)


def test_missing_configuration_names_those_that_ship():
    with pytest.raises(ConfigError, match=r"no configuration 'tinyshakespear'.*Did you mean 'tinyshakespeare'"):
        find_config("tinyshakespear")
    with pytest.raises(ConfigError, match=r"CONFIG comes first: .*char_lm, char_lm_gru"):
        find_config(None)
