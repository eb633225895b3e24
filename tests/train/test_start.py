"""Training from weights that there are: what goes on token by token, what begins anew, what does not fit."""

from __future__ import annotations

import json
import shutil

import jax
import numpy as np
import pytest
import yaml

from jaxrnn.tasks import CharLM, Handwriting, Translation
from jaxrnn.tasks.handwriting import handwriting
from jaxrnn.tasks.language import char_lm
from jaxrnn.tasks.translation import translation
from jaxrnn.train import RunError, Start, carried_over, run
from jaxrnn.train.config import Experiment
from jaxrnn.train.options import LoopOptions, OptimizerOptions
from jaxrnn.train.start import read_start, started_from, write_start
from tests.tasks.resuming import StopAfter

ROMAN, GREEK = "to be or not to be\n" * 60, "το be ή not το be\n" * 60


def of(text, tmp_path, hidden=5):
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.txt"
    path.write_text(text)
    return CharLM(char_lm.ModelOptions(2, hidden), char_lm.DataOptions(path=str(path), streams=8, length=8))


def test_a_new_vocabulary_keeps_the_rows_that_it_shares(tmp_path):
    old, new = of(ROMAN, tmp_path), of(GREEK, tmp_path)
    params, fresh = old.init(jax.random.key(9)), new.init(jax.random.split(jax.random.key(3))[0])
    begun = carried_over(new, 3, old, params, "there").params
    for n, character in enumerate(new.vocabulary):
        known = character in old.vocabulary
        there, place = (params, old.vocabulary.index(character)) if known else (fresh, n)
        np.testing.assert_array_equal(begun["readout"]["kernel"][:, n], there["readout"]["kernel"][:, place])
        np.testing.assert_array_equal(begun["readout"]["bias"][n], there["readout"]["bias"][place])
        ours, theirs = (p["rnn"]["layer_0"]["kernel"] for p in (begun, there))
        np.testing.assert_array_equal(ours[n], theirs[place])
    assert {*new.vocabulary} - {*old.vocabulary} == {*"τοή"}
    same = carried_over(old, 0, old, params, "there").params
    jax.tree.map(np.testing.assert_array_equal, same, params)


def test_two_vocabularies_and_one_that_lies_behind_other_inputs(tmp_path):
    def pairs(name, words):
        (tmp_path / name).write_text("".join(f"{a} {n % 3}\t{a[::-1]}\n" for n in range(9) for a in words))
        data = translation.DataOptions(path=str(tmp_path / name), at_least=1)
        return Translation(translation.ModelOptions(embedding=3, hidden=4), data)

    old, new = pairs("a.tsv", ("ab", "cd")), pairs("b.tsv", ("cd", "ef", "gh"))
    params = old.init(jax.random.key(1))
    begun = carried_over(new, 0, old, params, "there").params
    for side in ("source", "target"):
        ours, theirs = (task.text.vocabularies[side == "target"] for task in (new, old))
        assert len({*ours.tokens} & {*theirs.tokens}) >= 2
        rows = [next(iter(jax.tree.leaves(tree[side]))) for tree in (begun, params)]
        for n, word in enumerate(ours.tokens):
            if word in theirs:
                np.testing.assert_array_equal(rows[0][n], rows[1][theirs.number(word)])
    with open(tmp_path / "s.jsonl", "w") as file:
        file.writelines(f'{{"strokes": [[[0, 0], [1, {n}]]], "text": "{"ab"[n % 2]}"}}\n' for n in range(20))
    with open(tmp_path / "t.jsonl", "w") as file:
        file.writelines(f'{{"strokes": [[[0, 0], [1, {n}]]], "text": "{"bcd"[n % 3]}"}}\n' for n in range(30))
    pens = [
        Handwriting(handwriting.ModelOptions(text=True, hidden=3), handwriting.DataOptions(path=str(tmp_path / name)))
        for name in ("s.jsonl", "t.jsonl")
    ]
    params = pens[0].init(jax.random.key(2))
    begun = carried_over(pens[1], 0, pens[0], params, "there").params
    kernels = [jax.tree.leaves(jax.device_get(p["layer_0"])) for p in (begun, params)]
    sizes = [len(pen.drawings.vocabulary) for pen in (pens[1], pens[0])]
    grown = [(a, b) for a, b in zip(*kernels, strict=True) if a.shape != b.shape]
    places = [pen.drawings.vocabulary.number("b") for pen in (pens[1], pens[0])]
    assert grown
    for a, b in grown:
        (axis,) = (n for n, pair in enumerate(zip(a.shape, b.shape, strict=True)) if pair[0] != pair[1])
        before = [leaf.shape[axis] - size for leaf, size in zip((a, b), sizes, strict=True)]
        np.testing.assert_array_equal(*(np.take(x, range(n), axis) for x, n in zip((a, b), before, strict=True)))
        np.testing.assert_array_equal(
            *(np.take(x, k + n, axis) for x, k, n in zip((a, b), before, places, strict=True))
        )


def test_what_does_not_fit_is_named(tmp_path):
    old, new = of(ROMAN, tmp_path, hidden=5), of(ROMAN, tmp_path, hidden=6)
    with pytest.raises(RunError, match=r"--from there: its .* is \[.*5.*\], here it is \[.*6.*\]"):
        carried_over(new, 0, old, old.init(jax.random.key(0)), "there")


@pytest.mark.parametrize("name", ["start.npz", "start.json"])
@pytest.mark.parametrize("damaged", [b"", b"PK", b"[1]", b"\x00" * 99, b'{"from": 3}'], ids=range(5))
def test_a_damaged_beginning_is_named(tmp_path, name, damaged):
    params = {"a": np.arange(3.0), "b": {"c": np.ones((2, 2), np.float32)}}
    write_start(tmp_path, Start("there", params))
    like = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), params)
    jax.tree.map(np.testing.assert_array_equal, read_start(tmp_path, like), params)
    (tmp_path / name).write_bytes(damaged)
    with pytest.raises(RunError, match=rf"{name} cannot be read .*put it back from a copy"):
        read_start(tmp_path, like)


def test_a_run_that_is_killed_before_its_first_checkpoint_begins_with_the_same_again(tmp_path):
    task = of(ROMAN, tmp_path)
    start = Start("there", task.init(jax.random.key(77)))
    loop = LoopOptions(steps=3, log_every=1, validate_every=3, checkpoint_every=3)
    experiment = Experiment("char_lm", 0, task, OptimizerOptions(warmup=1), loop)
    assert run(experiment, tmp_path / "whole", False, StopAfter(99), start=start) == 0
    assert run(experiment, tmp_path / "pieces", False, StopAfter(1), start=start) == 0
    for path in (tmp_path / "pieces/checkpoints").iterdir():
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    (tmp_path / "pieces/metrics.jsonl").unlink()
    assert run(experiment, tmp_path / "pieces", True, StopAfter(99)) == 0
    assert run(experiment, tmp_path / "fresh", False, StopAfter(99)) == 0
    whole, pieces, fresh = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "pieces", "fresh"))
    assert whole == pieces != fresh
    with pytest.raises(RunError, match="began with fresh parameters, not with there"):
        run(experiment, tmp_path / "fresh", True, StopAfter(99), start=start)


@pytest.mark.parametrize("killed", [False, True], ids=["lost later", "killed while it was written"])
def test_a_beginning_whose_name_is_lost_is_no_fresh_run(tmp_path, killed):
    task, folder = of(ROMAN, tmp_path), tmp_path / "run"
    start = Start("there", task.init(jax.random.key(77)))
    loop = LoopOptions(steps=1, log_every=1, validate_every=1, checkpoint_every=1)
    experiment = Experiment("char_lm", 0, task, OptimizerOptions(warmup=1), loop)
    folder.mkdir()
    write_start(folder, start)
    (folder / "start.json").unlink()
    if not killed:
        (folder / "config.yaml").write_text(yaml.safe_dump(experiment.as_dict()))
    there = {path.name for path in folder.iterdir()}
    for given in (None,) if killed else (None, start):
        with pytest.raises(RunError, match=r"has start\.npz, .* but no start\.json, .* put it back from a copy"):
            run(experiment, folder, True, StopAfter(99), start=given)
        assert {path.name for path in folder.iterdir()} == there
    if killed:  # with what it is to begin with, it does
        assert run(experiment, folder, True, StopAfter(99), start=start) == 0
        assert started_from(folder) == "there"


@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_beginning_that_is_lost_altogether_is_no_fresh_run(tmp_path, checkpoint):
    task, folder = of(ROMAN, tmp_path), tmp_path / "run"
    start = Start("there", task.init(jax.random.key(77)))
    loop = LoopOptions(steps=2, log_every=1, validate_every=2, checkpoint_every=2)
    experiment = Experiment("char_lm", 0, task, OptimizerOptions(warmup=1), loop)
    assert run(experiment, folder, False, StopAfter(1), start=start) == 0
    if not checkpoint:
        shutil.rmtree(folder / "checkpoints")
        (folder / "metrics.jsonl").unlink()
    for name in ("start.npz", "start.json"):
        (folder / name).unlink()
    there = {path.name for path in folder.iterdir()}
    for given in (None, start):
        with pytest.raises(RunError, match=r"began with there, but start\.npz and start\.json are gone: put them back"):
            run(experiment, folder, True, StopAfter(99), start=given)
        assert {path.name for path in folder.iterdir()} == there
    record = json.loads((folder / "data.json").read_text())  # as an earlier version wrote it
    del record["start"]
    if not checkpoint:
        (folder / "data.json").write_text(json.dumps(record))
        assert run(experiment, folder, True, StopAfter(99)) == 0
