"""Right calls of `jaxrnn.train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jaxrnn import train
from tests.wrong_calls.calls import Call

SYMBOLS = np.arange(20)
LENGTHS = np.array([1, 2, 3, 4])
SEQUENCES = [np.arange(n) for n in (1, 2, 3)]
STATE = {"w": np.ones(2, np.float32)}
RECORD = dict(command="c", headline="loss", figures={"loss": 1.0}, seconds=1.0, cpu_seconds=1.0, seed=0, device="cpu")
TOKENS = ("<unk>", "a", "b")


def checkpoints() -> Any:
    made = train.Checkpoints(Path("checkpoints"), 2)
    made.save(1, STATE, {}, None)
    return made


def folder() -> Path:
    path = Path("data")
    path.mkdir(exist_ok=True)
    (path / "a.txt").write_text("a")
    np.savez(path / "a.npz", x=np.ones(2))
    return path


def by_length() -> Any:
    return train.ByLength(LENGTHS, 2, 0, lambda rows: rows)


VOCABULARY = train.Vocabulary(TOKENS)
STREAMS = train.Streams(SYMBOLS, 2, 3)
WORDS = dict(tokens="list | tuple | str", sequences="list | tuple | str", numbers="list | tuple | array | range")
FILES = dict(path="str", names="list | tuple", arrays="list | tuple", where="str")

CALLS = {
    "LoopOptions": Call(train.LoopOptions, types=dict(nonfinite="str")),
    "OptimizerOptions": Call(train.OptimizerOptions, types=dict(name="str", schedule="str")),
    "Checkpoints": Call(train.Checkpoints, lambda: dict(folder=Path("checkpoints"), keep=2), dict(folder="str")),
    "Checkpoints.path": Call(train.Checkpoints.path, lambda: dict(step=1), made_by=lambda **g: checkpoints().path(**g)),
    "Checkpoints.save": Call(
        train.Checkpoints.save,
        lambda: dict(step=2, state=STATE, progress={}, best=None),
        dict(state="dict", progress="dict"),
        made_by=lambda **g: checkpoints().save(**g),
    ),
    "Checkpoints.read": Call(
        train.Checkpoints.read,
        lambda: dict(step=1, like=STATE),
        dict(like="dict"),
        made_by=lambda **g: checkpoints().read(**g),
    ),
    "Checkpoints.newest": Call(
        train.Checkpoints.newest,
        lambda: dict(like=STATE),
        dict(like="dict"),
        made_by=lambda **g: checkpoints().newest(**g),
    ),
    "ByLength": Call(
        train.ByLength, lambda: dict(lengths=LENGTHS, rows=2, seed=0, collate=list), dict(lengths="array")
    ),
    "ByLength.set_state": Call(by_length().set_state, lambda: dict(state=by_length().get_state())),
    "in_order": Call(
        train.in_order,
        lambda: dict(lengths=LENGTHS, rows=2),
        dict(lengths="array"),
        made_by=lambda **g: list(train.in_order(**g)),
    ),
    "pad": Call(
        train.pad,
        lambda: dict(sequences=SEQUENCES, rows=np.array([0, 1])),
        dict(sequences="list | tuple", rows="array"),
    ),
    "Streams": Call(train.Streams, lambda: dict(symbols=SYMBOLS, rows=2, length=3), dict(symbols="array")),
    "Streams.set_state": Call(STREAMS.set_state, lambda: dict(state=STREAMS.get_state())),
    "Vocabulary": Call(train.Vocabulary, lambda: dict(tokens=TOKENS), dict(tokens="tuple")),
    "Vocabulary.of": Call(
        train.Vocabulary.of, lambda: dict(sequences=[["a"], ["b"]]), WORDS | dict(special="list | tuple")
    ),
    "Vocabulary.encode": Call(VOCABULARY.encode, lambda: dict(tokens=["a"]), WORDS),
    "Vocabulary.decode": Call(VOCABULARY.decode, lambda: dict(numbers=[1]), WORDS),
    "Vocabulary.number": Call(VOCABULARY.number, lambda: dict(token="a")),
    "find_config": Call(train.find_config, lambda: dict(name="char_lm")),
    "read_sources": Call(train.read_sources, lambda: dict(path=folder(), names=["a.txt"], where="there"), FILES),
    "read_source": Call(train.read_source, lambda: dict(path=folder(), name="a.txt", where="there"), FILES),
    "read_arrays": Call(
        train.read_arrays, lambda: dict(path=folder(), name="a.npz", arrays=["x"], where="there"), FILES
    ),
    "to_table": Call(train.to_table, lambda: dict(records=[RECORD]), dict(records="list | tuple")),
    "read_results": Call(train.read_results, lambda: dict(paths=[]), dict(paths="list | tuple")),
}
CALLS = {f"train.{name}": call for name, call in CALLS.items()}
