"""What is wrong with a call of a public class is said by us: the argument, what was expected, what came."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import jaxrnn.train as train
from jaxrnn.train.averaging import with_average
from jaxrnn.train.optimizer import learning_rate, make_optimizer
from tests.refusal import assert_refused
from tests.train.toy import experiment

pytestmark = pytest.mark.usefixtures("unchecked")  # our own errors, which the checks of annotations would forestall
ONE = [np.array([1, 2, 3])]
BIG = 10**20


def made(**more):
    return dataclasses.replace(experiment(), **more)


def streams(**more):
    return train.Streams(**{"symbols": np.arange(9), "rows": 2, "length": 3} | more)


def by_length(**more):
    return train.ByLength(**{"lengths": np.arange(9), "rows": 2, "seed": 0, "collate": list} | more)


def positioned(batches, state):
    batches.set_state(state)


CALLS = {
    "steps text": ("loop.steps", lambda: train.LoopOptions(steps="5")),
    "steps half": ("loop.steps", lambda: train.LoopOptions(steps=2.5)),
    "steps none": ("loop.steps", lambda: train.LoopOptions(steps=None)),
    "steps true": ("loop.steps", lambda: train.LoopOptions(steps=True)),
    "steps array": ("loop.steps", lambda: train.LoopOptions(steps=np.array([1, 2]))),
    "steps many": ("loop.steps", lambda: train.LoopOptions(steps=BIG)),
    "keep text": ("loop.keep", lambda: train.LoopOptions(keep="2")),
    "nonfinite": ("loop.nonfinite", lambda: train.LoopOptions(nonfinite=3)),
    "best figure": ("loop.best", lambda: train.LoopOptions(best="f1")),
    "rate text": ("optimizer.learning_rate", lambda: train.OptimizerOptions(learning_rate="fast")),
    "rate nan": ("optimizer.learning_rate", lambda: train.OptimizerOptions(learning_rate=float("nan"))),
    "warmup half": ("optimizer.warmup", lambda: train.OptimizerOptions(warmup=1.5)),
    "name list": ("optimizer.name", lambda: train.OptimizerOptions(name=["adamw"])),
    "average many": ("optimizer.averaging", lambda: train.OptimizerOptions(averaging=BIG)),
    "running many": ("optimizer.running", lambda: train.OptimizerOptions(running=BIG)),
    "running decay": ("optimizer.running", lambda: train.OptimizerOptions(running=0.99)),
    "two means": ("optimizer.running", lambda: train.OptimizerOptions(averaging=2, running=9)),
    "seed": ("seed", lambda: made(seed="3")),
    "task": ("task", lambda: made(task=None)),
    "loop": ("loop", lambda: made(loop={"steps": 3})),
    "streams symbols": ("symbols", lambda: streams(symbols="some text")),
    "streams floats": ("symbols", lambda: streams(symbols=np.arange(9.0))),
    "streams large": ("symbols", lambda: streams(symbols=[2**40] * 9)),
    "streams matrix": ("symbols", lambda: streams(symbols=np.zeros((3, 3), int))),
    "streams rows": ("rows", lambda: streams(rows="2")),
    "streams length": ("length", lambda: streams(length=2.0)),
    "streams state": ("state", lambda: positioned(streams(), {"batch": 3})),
    "streams chunk": ("state['chunk']", lambda: positioned(streams(), {"epoch": 0, "chunk": -1})),
    "lengths none": ("lengths", lambda: by_length(lengths=[])),
    "lengths text": ("lengths", lambda: by_length(lengths="abc")),
    "lengths ragged": ("lengths", lambda: by_length(lengths=[[1], [2, 3]])),
    "by rows": ("rows", lambda: by_length(rows=None)),
    "by seed": ("seed", lambda: by_length(seed=-1)),
    "by collate": ("collate", lambda: by_length(collate=3)),
    "by pool": ("pool", lambda: by_length(pool=0)),
    "by state": ("state", lambda: positioned(by_length(), 3)),
    "pad rows": ("rows", lambda: train.pad(ONE, np.array([1]))),
    "pad negative": ("rows", lambda: train.pad(ONE, np.array([-2]))),
    "pad text": ("rows", lambda: train.pad(ONE, "0")),
    "pad multiple": ("multiple", lambda: train.pad(ONE, np.array([0]), 0)),
    "pad nothing": ("sequences", lambda: train.pad([], np.array([], int))),
    "in order": ("rows", lambda: train.in_order(np.arange(3), 0)),
    "in order lengths": ("lengths", lambda: train.in_order(None, 2)),
    "vocabulary text": ("tokens", lambda: train.Vocabulary("abc")),
    "vocabulary numbers": ("tokens", lambda: train.Vocabulary((1, 2))),
    "vocabulary twice": ("tokens", lambda: train.Vocabulary(("a", "b", "a"))),
    "vocabulary of": ("sequences", lambda: train.Vocabulary.of([3])),
    "vocabulary of text": ("sequences", lambda: train.Vocabulary.of("abc")),
    "vocabulary least": ("at_least", lambda: train.Vocabulary.of(["abc"], at_least="2")),
    "vocabulary most": ("most", lambda: train.Vocabulary.of(["abc"], most=2.5)),
    "number": ("token", lambda: train.Vocabulary(("a",)).number(["a"])),
    "number unknown": ("token", lambda: train.Vocabulary(("a",)).number("b")),
    "encode": ("tokens", lambda: train.Vocabulary(("a",)).encode(3)),
    "decode far": ("numbers", lambda: train.Vocabulary(("a",)).decode([1])),
    "decode negative": ("numbers", lambda: train.Vocabulary(("a",)).decode([-1])),
    "decode floats": ("numbers", lambda: train.Vocabulary(("a",)).decode([0.0])),
    "source path": ("path", lambda: train.read_source(3, "x", "")),
    "source names": ("names", lambda: train.read_sources("x", "name", "")),
    "results": ("paths", lambda: train.read_results("runs/x")),
    "schedule": ("options", lambda: learning_rate(None, 3)),
    "schedule steps": ("steps", lambda: learning_rate(train.OptimizerOptions(), 2.5)),
    "optimizer": ("options", lambda: make_optimizer({}, 3)),
    "average": ("optimizer", lambda: with_average("adam")),
    "run": ("experiment", lambda: train.run({}, "x", False, None)),
    "run folder": ("folder", lambda: train.run(experiment(), 3, False, None)),
    "run resume": ("resume", lambda: train.run(experiment(), "x", "yes", None)),
    "run stop": ("stop", lambda: train.run(experiment(), "x", False, None)),
    "csv": ("records", lambda: train.to_csv([{}])),
    "check": ("task", lambda: train.check_task(3)),
    "train": ("task", lambda: train.train_task(3, "x")),
    "train folder": ("folder", lambda: train.train_task(experiment().task, 3)),
    "functions init": ("init", lambda: train.of_functions(3, len, list, list)),
    "functions loss": ("loss", lambda: train.of_functions(len, 3, list, list)),
    "functions training": ("training", lambda: train.of_functions(len, len, 3, list)),
    "functions test": ("test", lambda: train.of_functions(len, len, list, list, 3)),
    "module": ("make", lambda: train.of_module(3, len, list, list)),
    "module loss": ("loss", lambda: train.of_module(len, 3, list, list)),
    "find": ("name", lambda: train.find_config(3)),
    "read": ("path", lambda: train.read_experiment(3, [], {})),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_is_refused_by_us(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refused(*CALLS[name])
    assert not [*tmp_path.iterdir()]


def test_numbers_of_numpy_are_numbers():
    assert train.LoopOptions(steps=np.int64(3)).steps == 3
    assert train.Streams([0, 1, 2, 3], np.int32(2), 1).chunks == 2
    assert train.Vocabulary(("a", "b")).decode([np.int64(1), np.int32(0)]) == ["b", "a"]
