"""The law that everything compiles for TPUs: a training step of a cell, with lengths and resets, for a described chip.

`python -m tests.planning.chips` compiles every cell of the collection for a v5e and writes `chips.json`, and a table of
it; `python -m tests.planning.chips NAME...` compiles these and prints them. It needs `pip install "jaxrnn[tpu]"`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import SingleDeviceSharding

import jaxrnn
from jaxrnn.base.platform import made_for
from jaxrnn.cells import COLLECTION
from jaxrnn.engine.registry import choose
from jaxrnn.plan import described_devices
from tests.table import PER_STEP

FILE = Path(__file__).with_name("chips.json")
TABLE = Path(jaxrnn.__file__).parent / "plan/CHIPS.md"
# As large as models for such chips are: what is smaller lies in a chip's fast memory, which is not counted.
T, B, D, H = 512, 128, 512, 512
SMALL = {"ltc": 32, "mass_conserving_lstm": 32}  # whose steps have a number for each synapse, [B, H, H]
SPATIAL = (4, 4)  # positions, of cells that have such


def temporaries(cell: Any, chip: str, backend: str) -> int:
    """Bytes of temporary memory of the compiled step: loss, outputs and all gradients of a run."""
    place = SingleDeviceSharding(described_devices(f"{chip}:1x1")[0])
    lie = lambda tree: jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=place), tree)  # noqa: E731
    array = lambda *shape, dtype=jnp.float32: jax.ShapeDtypeStruct(shape, dtype, sharding=place)  # noqa: E731
    inputs, space = cell.made_for or cell.size, SPATIAL if cell.axes == 2 else (16,) * cell.axes
    rows = B // 16 if cell.axes else B
    params = lie(jax.eval_shape(lambda: cell.init(jax.random.key(0), inputs)))
    given = {name: array(T, rows, *(n if n == 2 else inputs for n in PER_STEP[name].axes)) for name in cell.per_step}

    def loss(params: Any, xs: Any, given: Any, lengths: Any, resets: Any) -> Any:
        options = dict(lengths=lengths, resets=resets, per_step=given or None, backend=backend)
        carry, ys = jaxrnn.scan(cell, params, xs, **options)
        return (ys**2).sum() + sum((a**2).sum() for a in jax.tree.leaves(carry))

    step = jax.jit(jax.value_and_grad(loss, (0, 1)) if cell.derivable else loss)
    marks = array(rows, dtype=jnp.int32), array(T, rows, dtype=jnp.bool)
    with made_for("tpu"):
        compiled = step.trace(params, array(T, rows, *space, inputs), given, *marks).lower().compile()
    return compiled.memory_analysis().temp_size_in_bytes


def made(name: str) -> Any:
    """A cell of the collection, as large as it is measured."""
    return COLLECTION[name](SMALL.get(name, H))


def measure(cell: Any, chip: str = "v5e") -> dict[str, Any]:
    """Which backend `auto` takes there, and the bytes of it and of the plain scan."""
    with made_for("tpu"):
        taken = choose(cell, "auto", jnp.dtype("float32"), jnp.dtype("float32")).name
    return {"backend": taken} | {name: temporaries(cell, chip, name) for name in ("auto", "reference")}


HEAD = """# What a training step takes on a TPU

Every cell of the collection compiled for one described v5e: T={T}, B={B}, D=H={H}, float32, with lengths and resets, in
units of T·B·H floats of its main memory; in brackets the ratio to autodiff of a plain scan. libtpu {libtpu}, jax {jax}.
Nothing ran: this is what the compiler says. Cells with a number for each synapse and step (ltc, mass_conserving_lstm)
have H=32. Compiled again by `python -m tests.planning.chips`.

| cell | `auto` takes | memory (ratio) | plain scan |
|---|---|---|---|
"""


def to_table(record: dict[str, Any]) -> str:
    """The record in Markdown."""
    unit = lambda name: 4 * T * B * SMALL.get(name, H)  # noqa: E731
    rows = [
        f"| {name} | {row['backend']} | {row['auto'] / unit(name):.1f} ({row['auto'] / row['reference']:.2f}) "
        f"| {row['reference'] / unit(name):.1f} |"
        for name, row in record["cells"].items()
    ]
    return HEAD.format(T=T, B=B, H=H, **{k: record[k] for k in ("libtpu", "jax")}) + "\n".join(rows) + "\n"


if __name__ == "__main__":
    from importlib.metadata import version

    names = sys.argv[1:]
    found = {}
    for name in names or COLLECTION:
        found[name] = measure(made(name))
        print(name, found[name], flush=True)
    if not names:
        record = {"jax": jax.__version__, "libtpu": version("libtpu"), "cells": found}
        FILE.write_text(json.dumps(record, indent=1) + "\n")
        TABLE.write_text(to_table(record))
