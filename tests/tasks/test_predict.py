"""What tasks answer to the rows of a file: as they answer one by one, whatever stands beside a row; and as programs."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxrnn.tasks import TASKS, SequentialDigits
from jaxrnn.tasks.long_sequences import sequential_digits
from jaxrnn.tasks.long_sequences.network import Network
from jaxrnn.tasks.models import load_model
from jaxrnn.train import Exported, Predictor, Streamer, find_config, read_experiment
from jaxrnn.train.answers import answered
from jaxrnn.train.exporting import as_onnx, as_stablehlo

RNG = np.random.default_rng(0)
pytestmark = pytest.mark.usefixtures("single")


@pytest.fixture
def single() -> Any:
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def tiny(name: str, *options: str) -> Any:
    """A task that learned, without its data, and parameters far from their start."""
    task: Any = read_experiment(find_config(name), list(options), TASKS).task
    learned = replace(task, learned=json.dumps(task.learn()))
    params = learned.init(jax.random.key(0))
    return learned, jax.tree.map(lambda a: a + jnp.asarray(RNG.normal(0, 0.3, a.shape), a.dtype), params)


def answers(task: Any, params: Any, path: Path, window: int = 3) -> list[dict[str, Any]]:
    return [*answered(task, params, task.inputs(path), window)]


@pytest.mark.slow
def test_sentences_are_translated_as_one_by_one(tmp_path: Path) -> None:
    task, params = tiny("translation", "--model.hidden=8", "--model.embedding=8")
    assert isinstance(task, Predictor)
    lines = ["Open the file.", "Save", "Do you want to delete all of these settings now?", "a b", "Close the window ."]
    (tmp_path / "lines.txt").write_text("\n".join(lines))
    said = [answer["translation"] for answer in answers(task, params, tmp_path / "lines.txt")]
    assert said == [task.translate(params, line) for line in lines]
    (tmp_path / "lines.txt").write_text("Save\n\nOpen\n")
    with pytest.raises(ValueError, match=r"line 2 of '.*lines.txt': `text` must be a sentence"):
        task.inputs(tmp_path / "lines.txt")


@pytest.mark.slow
def test_stories_are_answered_without_their_answers(tmp_path: Path) -> None:
    experiment, params, _ = load_model("babi")
    task: Any = experiment.task
    assert isinstance(task, Predictor)
    (tmp_path / "stories.txt").write_text(
        "1 Mary went to the garden.\n2 Where is Mary?\n3 John went to the kitchen.\n4 Where is John?\tkitchen\t3\n"
        "1 Mary went to the kitchen.\n2 Where is Mary?\n"
    )
    said = answers(task, params, tmp_path / "stories.txt", 2)
    stories = [["mary went to the garden"], ["mary went to the garden", "john went to the kitchen"]]
    stories.append(["mary went to the kitchen"])
    for answer, story, asked in zip(said, stories, ("mary", "john", "mary"), strict=True):
        best = max(task.answer(params, story, f"where is {asked} ?").items(), key=lambda one: one[1])
        assert (answer["answer"], answer["probability"]) == best
        assert answer["question"] == f"where is {asked}"
    (tmp_path / "stories.txt").write_text("1 Mary saw a zeppelin.\n2 Where is Mary?\n")
    with pytest.raises(ValueError, match=r"line 1 of '.*stories.txt': .* words out of .* got 'saw'"):
        task.inputs(tmp_path / "stories.txt")


def pictures(folder: Path, size: tuple[int, int]) -> list[Path]:
    files = []
    for n in range(5):
        pixels = RNG.integers(0, 256, (*size, 3), np.uint8)
        pixels[:, : 2 + n] = 0
        files.append(folder / f"{n}.png")
        Image.fromarray(pixels).save(files[-1])
    return files


@pytest.mark.slow
def test_pictures_of_a_folder_have_captions(tmp_path: Path) -> None:
    task, params = tiny("captioning", "--model.hidden=8", "--model.embedding=8", "--model.channels=8")
    assert isinstance(task, Predictor)
    files = pictures(tmp_path, (70, 50))
    said = answers(task, params, tmp_path)
    assert said == [{"file": str(file), "caption": task.caption(params, file)} for file in files]
    assert len({answer["caption"] for answer in said}) > 1


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "lru"])
def test_digits_and_their_program(cell: Any, tmp_path: Path) -> None:
    """Of a file in MNIST's colours the grey values are the pixels; the network's own, in both formats."""
    onnxruntime = pytest.importorskip("onnxruntime")
    task = SequentialDigits(Network(cell, 2, 4000), sequential_digits.DataOptions())
    assert isinstance(task, Predictor)
    assert isinstance(task, Exported)
    params = task.init(jax.random.key(0))
    grey = RNG.integers(0, 256, (5, 28, 28)).astype(np.uint8)
    grey[:, [0, -1]] = grey[:, :, [0, -1]] = 0
    for n, picture in enumerate(grey):
        Image.fromarray(picture).save(tmp_path / f"{n}.png")
    said = answers(task, params, tmp_path, 2)
    logits = np.asarray(task.logits(params, grey)[-1], np.float64)
    chances = np.exp(logits - logits.max(-1, keepdims=True))
    chances /= chances.sum(-1, keepdims=True)
    assert [answer["digit"] for answer in said] == chances.argmax(-1).tolist()
    np.testing.assert_allclose([answer["probability"] for answer in said], chances.max(-1), rtol=1e-4)
    program = task.program(params)
    (found,) = jax.export.deserialize(bytearray(as_stablehlo(program))).call(grey)
    np.testing.assert_allclose(found, chances, rtol=1e-4, atol=1e-6)
    (found,) = onnxruntime.InferenceSession(as_onnx(program)).run(None, {"pictures": grey})
    np.testing.assert_allclose(found, chances, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_words_cost_what_a_walk_says_and_their_program_too(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    task, params = tiny("word_lm", "--model.hidden=6", "--model.embedding=6", "--data.at_least=40")
    assert isinstance(task, Streamer)
    lines = ["the king is here", "nobodyknowsthisword", "", "and the man , the king"]
    (tmp_path / "lines.txt").write_text("\n".join(lines) + "\n")
    said, carry = answers(task, params, tmp_path / "lines.txt"), task.initial_stream(params)
    session = onnxruntime.InferenceSession(as_onnx(task.program(params)))
    for n, line in enumerate(lines):
        symbols = [*task.encode(""), *task.line(line).tolist()]
        state, bits = task.layer.initial_carry((), params["rnn"]), 0.0
        for symbol, target in pairwise(symbols):
            state, y = task.layer.step(params["rnn"], state, task.embed(params, jnp.int32(symbol)))
            logits = np.asarray(task.logits(params, y), np.float64)
            bits += (np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[target]) / np.log(2)
        assert said[n]["words"] == len(symbols) - 1
        np.testing.assert_allclose(said[n]["bits"], bits, rtol=1e-4)
        given = {"symbols": np.array([symbols[:-1]], np.int32), "lengths": np.array([len(symbols) - 1], np.int32)}
        (chances,) = session.run(None, given)
        np.testing.assert_allclose(-np.log2(chances[0, range(len(symbols) - 1), symbols[1:]]).sum(), bits, rtol=1e-4)
        answer, carry = task.stream(params, carry, line)
        if n == 0:
            np.testing.assert_allclose(answer["bits"], bits, rtol=1e-4)


PROGRAMS = {
    "tag": ["--model.hidden=6", "--model.words=6", "--model.characters=5", "--model.affixes=3"],
    "forecast": ["--model.hidden=6", "--model.decoder=recurrent"],
    "signal": ["--model.hidden=6"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_in_onnx_are_what_jax_computes(name: str) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    task, params = tiny(name, *PROGRAMS[name])
    program = task.program(params)
    session = onnxruntime.InferenceSession(as_onnx(program))
    for rows, steps, letters in ((3, 5, 4), (1, 9, 2), (4, 1, 1)):
        sizes = {"B": rows, "T": steps, "C": letters}
        given = {}
        for argument, (shape, dtype) in program.arguments.items():
            known = [sizes[n] if isinstance(n, str) else n for n in shape]
            most = {"lengths": steps + 1, "sizes": letters + 1}.get(argument, 6)
            whole = RNG.integers(1, most, known, np.int32)
            given[argument] = whole if dtype == "int32" else RNG.standard_normal(known).astype(np.float32)
        read = {one.name: given[one.name] for one in session.get_inputs()}
        for found, wanted in zip(session.run(None, read), jax.jit(program.function)(*given.values()), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5)
