"""Right calls of `jaxrnn.train`."""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrnn import train
from tests.wrong_calls.calls import Call

SYMBOLS = np.arange(20)
LENGTHS = np.array([1, 2, 3, 4])
SEQUENCES = [np.arange(n) for n in (1, 2, 3)]
STATE = {"w": jnp.ones(2, jnp.float32)}
RECORD = dict(command="c", headline="loss", figures={"loss": 1.0}, seconds=1.0, cpu_seconds=1.0, seed=0, device="cpu")
TOKENS = ("<unk>", "a", "b")


def checkpoints() -> Any:
    shutil.rmtree("checkpoints", ignore_errors=True)
    made = train.Checkpoints(Path("checkpoints"), 2)
    made.save(1, STATE, {}, None)
    return made


def fitting(call: Any, **given: Any) -> Any:
    """What a call gives; a tree of other arrays than the checkpoint's is for its own error, which names the file."""
    try:
        return call(**given)
    except train.CheckpointError as error:
        if "does not fit this model" not in str(error):
            raise
        return "it does not fit"


def folder() -> Path:
    path = Path("data")
    path.mkdir(exist_ok=True)
    (path / "a.txt").write_text("a")
    np.savez(path / "a.npz", x=np.ones(2))
    return path


def section(options: type, name: str) -> dict[str, tuple[str, ...]]:
    """Errors call an option as configurations do, `loop.steps`."""
    return {field.name: (f"{name}.{field.name}",) for field in fields(options)}


def by_length() -> Any:
    return train.ByLength(LENGTHS, 2, 0, lambda rows: rows)


VOCABULARY = train.Vocabulary(TOKENS)
STREAMS = train.Streams(SYMBOLS, 2, 3)
WORDS = dict(tokens="list | tuple | str | texts", sequences="list | tuple | str | texts")
WORDS |= dict(special="list | tuple | str | texts", numbers="list | tuple | array | range")
NUMBERS = "array | list | tuple | range"
KNOWN = dict.fromkeys(("path", "names", "name", "arrays"), ("data.path",))  # as configurations say where they are
FILES = dict(path="str", names="list | tuple", arrays="list | tuple", where="str")

CALLS = {
    "LoopOptions": Call(train.LoopOptions, types=dict(nonfinite="str"), known_as=section(train.LoopOptions, "loop")),
    "OptimizerOptions": Call(
        train.OptimizerOptions,
        types=dict(name="str", schedule="str", clip_norm="float | inf"),
        known_as=section(train.OptimizerOptions, "optimizer"),
    ),
    "Checkpoints": Call(train.Checkpoints, lambda: dict(folder=Path("checkpoints"), keep=2), dict(folder="str")),
    "Checkpoints.path": Call(train.Checkpoints.path, lambda: dict(step=1), made_by=lambda **g: checkpoints().path(**g)),
    "Checkpoints.save": Call(
        train.Checkpoints.save,
        lambda: dict(step=2, state=STATE, progress={}, best=None),
        dict(state="any", progress="dict"),
        made_by=lambda **g: checkpoints().save(**g),
    ),
    "Checkpoints.read": Call(
        train.Checkpoints.read,
        lambda: dict(step=1, like=STATE),
        dict(like="any"),
        made_by=lambda **g: fitting(checkpoints().read, **g),
    ),
    "Checkpoints.newest": Call(
        train.Checkpoints.newest,
        lambda: dict(like=STATE),
        dict(like="any"),
        made_by=lambda **g: fitting(checkpoints().newest, **g),
    ),
    "ByLength": Call(
        train.ByLength, lambda: dict(lengths=LENGTHS, rows=2, seed=0, collate=list), dict(lengths=NUMBERS)
    ),
    "ByLength.set_state": Call(by_length().set_state, lambda: dict(state=by_length().get_state())),
    "in_order": Call(
        train.in_order,
        lambda: dict(lengths=LENGTHS, rows=2),
        dict(lengths=NUMBERS),
        made_by=lambda **g: list(train.in_order(**g)),
    ),
    "pad": Call(
        train.pad,
        lambda: dict(sequences=SEQUENCES, rows=np.array([0, 1])),
        dict(sequences="list | tuple | array", rows=NUMBERS),
    ),
    "Streams": Call(
        train.Streams,
        lambda: dict(symbols=SYMBOLS, rows=2, length=3),
        dict(symbols=NUMBERS),
        known_as=dict(symbols=("rows",)),  # there must be more symbols than rows
    ),
    "Streams.set_state": Call(STREAMS.set_state, lambda: dict(state=STREAMS.get_state())),
    "Vocabulary": Call(train.Vocabulary, lambda: dict(tokens=TOKENS), dict(tokens="tuple")),
    "Vocabulary.of": Call(train.Vocabulary.of, lambda: dict(sequences=[["a"], ["b"]]), WORDS),
    "Vocabulary.encode": Call(VOCABULARY.encode, lambda: dict(tokens=["a"]), WORDS),
    "Vocabulary.decode": Call(VOCABULARY.decode, lambda: dict(numbers=[1]), WORDS),
    "Vocabulary.number": Call(VOCABULARY.number, lambda: dict(token="a")),
    "read_sources": Call(
        train.read_sources, lambda: dict(path=folder(), names=["a.txt"], where="there"), FILES, known_as=KNOWN
    ),
    "read_source": Call(
        train.read_source, lambda: dict(path=folder(), name="a.txt", where="there"), FILES, known_as=KNOWN
    ),
    "read_text": Call(train.read_text, lambda: dict(path=folder(), name="a.txt", where="there"), FILES, known_as=KNOWN),
    "read_arrays": Call(
        train.read_arrays, lambda: dict(path=folder(), name="a.npz", arrays=["x"], where="there"), FILES, known_as=KNOWN
    ),
    "to_table": Call(train.to_table, lambda: dict(records=[RECORD]), dict(records="list | tuple")),
    "to_csv": Call(train.to_csv, lambda: dict(records=[RECORD]), dict(records="list | tuple")),
    "read_results": Call(
        train.read_results, lambda: dict(paths=[]), dict(paths="list | tuple"), known_as=dict(paths=("RUN",))
    ),
}
CALLS = {f"train.{name}": call for name, call in CALLS.items()}
