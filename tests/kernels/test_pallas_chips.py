"""Kernels for TPUs, as libtpu compiles them for chips that are described: layouts, fast memory, registers are the real
ones. Nothing runs. It needs `pip install "jaxrnn[tpu]"`.

`python -m tests.kernels.test_pallas_chips` compiles what `pallas.json` has, as large as `tests.planning.chips` has it,
and writes it.
"""

from __future__ import annotations

import itertools
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

import jaxrnn
from jaxrnn.base.platform import made_for
from jaxrnn.cells import COLLECTION
from jaxrnn.kernels.pallas.backend import declines
from jaxrnn.plan import described_devices
from tests.planning import chips

pytestmark = [
    pytest.mark.skipif(find_spec("libtpu") is None, reason='needs pip install "jaxrnn[tpu]"'),
    pytest.mark.slow,
]
FILE = Path(__file__).with_name("pallas.json")
RECORDED = ("lstm",)
SIZES = {"float32": (11, 13, 20), "bfloat16": (50, 100, 96)}  # T, B, H: none is a multiple of a tile
OFTEN = ("lstm, projection", "gru, reset before")
LARGE = ("lstm", "lstm, projection", "gru, reset before", "slstm")
WIDTHS = (1024, 2048)
LARGE_SIZE = (64, 32)  # T, B


@pytest.fixture(autouse=True)
def as_users_run():
    """Float32 and JAX's own rules of promotion."""
    with jax.enable_x64(False), jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def compiled(cell: Any, place: Any, T: int, rows: int, dtype: str, wrap: Any = lambda run: run) -> Any:
    """A training step with lengths and resets; `place(*axes)` says where an array lies whose axes are of mesh axes."""
    array = lambda shape, kind, *at: jax.ShapeDtypeStruct(shape, kind, sharding=place(*at))  # noqa: E731
    inputs = cell.made_for or cell.size
    params = jax.tree.map(lambda a: array(a.shape, dtype), jax.eval_shape(lambda: cell.init(jax.random.key(0), inputs)))

    def run(params: Any, xs: Any, given: Any, lengths: Any, resets: Any) -> Any:
        return jaxrnn.scan(cell, params, xs, lengths=lengths, resets=resets, per_step=given or None, backend="pallas")

    def loss(*arguments: Any) -> Any:
        return sum((a.astype(jnp.float32) ** 2).sum() for a in jax.tree.leaves(wrap(run)(*arguments)))

    given = {name: array((T, rows, cell.size), "float32", None, "data") for name in cell.per_step}
    marks = array((rows,), jnp.int32, "data"), array((T, rows), bool, None, "data")
    with made_for("tpu"):
        step = jax.jit(jax.value_and_grad(loss, (0, 1)))
        return step.trace(params, array((T, rows, inputs), dtype, None, "data"), given, *marks).lower().compile()


def kernels(program: Any) -> int:
    """How many kernels of Pallas are in a compiled program."""
    return program.as_text().count('custom_call_target="tpu_custom_call"')


@pytest.mark.parametrize("dtype", SIZES)
@pytest.mark.parametrize("chip", ["v5e", "v6e"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in OFTEN else pytest.mark.sweep) for n in COLLECTION])
def test_kernels_compile_for_chips(name: str, chip: str, dtype: str) -> None:
    """Forward and backward, of every cell that is not declined."""
    T, rows, size = SIZES[dtype]
    cell = COLLECTION[name](size)
    with made_for("tpu"):
        if declines(cell, dtype, "float32"):
            pytest.skip("declined, which other tests are about")
    (device,) = described_devices(f"{chip}:1x1")
    assert kernels(compiled(cell, lambda *at: SingleDeviceSharding(device), T, rows, dtype)) == 2


@pytest.mark.sweep
@pytest.mark.parametrize("dtype", SIZES)
@pytest.mark.parametrize("chip", ["v5e", "v6e"])
@pytest.mark.parametrize("size", WIDTHS)
@pytest.mark.parametrize("name", LARGE)
def test_kernels_of_many_units_compile_or_are_declined_with_the_bytes(
    name: str, size: int, chip: str, dtype: str
) -> None:
    """In bfloat16 all do; a minute each."""
    cell = COLLECTION[name](size)
    with made_for("tpu"):
        reason = declines(cell, dtype, "float32")
    if reason is None:
        (device,) = described_devices(f"{chip}:1x1")
        assert kernels(compiled(cell, lambda *at: SingleDeviceSharding(device), *LARGE_SIZE, dtype)) == 2
    else:
        assert (size, dtype) == (2048, "float32")
        assert "holds all kernels in a TPU's fast memory" in reason


def test_rows_over_chips() -> None:
    """In `shard_map` each chip runs kernels on its rows; where the compiler divides rows, the scheduled loop runs."""
    mesh = Mesh(np.array(described_devices("v5e:2x2")), ("data",))
    place = lambda *at: NamedSharding(mesh, PartitionSpec(*at))  # noqa: E731
    whole, rows, steps = PartitionSpec(), PartitionSpec("data"), PartitionSpec(None, "data")

    def mapped(run: Any) -> Any:
        return jax.shard_map(run, mesh=mesh, in_specs=(whole, steps, whole, rows, steps), out_specs=(rows, steps))

    cell = jaxrnn.lstm(128)
    assert kernels(compiled(cell, place, 8, 64, "float32", mapped)) == 2
    assert kernels(compiled(cell, place, 8, 64, "float32")) == 0


def test_memory_is_less_than_a_plain_scans() -> None:
    """Of what is recorded, which the guide shows; one row is compiled again."""
    record = json.loads(FILE.read_text())
    guide = (Path(jaxrnn.__file__).parents[1] / "docs/guides/engine.md").read_text()
    assert set(record["cells"]) == set(RECORDED)
    assert set(record["many units"]) == {
        f"{name} {size} {dtype}" for name in LARGE for size in WIDTHS for dtype in SIZES
    }
    for name, row in record["cells"].items():
        assert row["pallas"] <= 0.8 * row["reference"]
        assert to_row(name, row) in guide
    if record["jax"] == jax.__version__:
        assert chips.temporaries(chips.made("lstm"), "v5e", "pallas") == record["cells"]["lstm"]["pallas"]


def many_units() -> dict[str, Any]:
    """For which chips what compiles, or why it is declined."""
    found: dict[str, Any] = {}
    for name, size, dtype in itertools.product(LARGE, WIDTHS, SIZES):
        cell, key = COLLECTION[name](size), f"{name} {size} {dtype}"
        with made_for("tpu"):
            found[key] = declines(cell, dtype, "float32")
        if found[key] is None:
            found[key] = ["v5e", "v6e"]
            for chip in found[key]:
                (device,) = described_devices(f"{chip}:1x1")
                compiled(cell, lambda *at, device=device: SingleDeviceSharding(device), *LARGE_SIZE, dtype)
        print(key, found[key], flush=True)
    return found


def to_row(name: str, row: dict[str, int]) -> str:
    """Of the guide's table, in units of T * B * H floats."""
    unit, plain = 4 * chips.T * chips.B * chips.H, row["reference"]
    texts = (f"{row[b] / unit:.1f} ({row[b] / plain:.2f})" for b in ("auto", "pallas"))
    return f"| {name} | {plain / unit:.1f} | {' | '.join(texts)} |"


if __name__ == "__main__":
    from importlib.metadata import version

    found = {
        name: {b: chips.temporaries(chips.made(name), "v5e", b) for b in ("pallas", "auto", "reference")}
        for name in RECORDED
    }
    record = {"jax": jax.__version__, "libtpu": version("libtpu"), "cells": found, "many units": many_units()}
    text = json.dumps(record, indent=1)
    FILE.write_text(text + "\n")
    print(*(to_row(name, row) for name, row in found.items()), sep="\n")
