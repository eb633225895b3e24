"""The memory law: temporaries of a training step, our backends against plain autodiff of `lax.scan` over `cell.step`.

Bytes as XLA's buffer assignment counts them for the compiled gradient with respect to parameters, inputs and carry, in
float32 with the shapes below. `python -m tests.laws.memory` measures every cell of the collection and writes
`memory.json`, and a table of it; `python -m tests.laws.memory NAME...` measures these and prints them. A process of its
own, since the flags that make the tests compile quickly change what XLA fuses and keeps.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import jaxrnn
from jaxrnn.cells import COLLECTION
from jaxrnn.engine.registry import BACKENDS
from tests.table import PER_STEP

FILE = Path(__file__).with_name("memory.json")
TABLE = Path(jaxrnn.__file__).parent / "engine/MEMORY.md"
COMMAND = "python -m tests.laws.memory"
T, B, D, H = 128, 32, 256, 256


def plain(cell: Any, params: Any, xs: Any, carry: Any, *, per_step: Any) -> Any:
    return jax.lax.scan(lambda carry, at: cell.step(params, carry, at[0], per_step=at[1]), carry, (xs, per_step))


RUNS = {"plain": plain} | {name: partial(jaxrnn.scan, backend=name) for name in ("scheduled", "native")}


def temporaries(run: Any, cell: Any) -> int:
    """Bytes of temporary buffers of the compiled gradient."""

    def loss(params: Any, xs: Any, carry: Any, given: Any) -> Any:
        carry, ys = run(cell, params, xs, carry, per_step=given)
        return (ys**2).sum() + sum((a**2).sum() for a in carry)

    array = lambda *shape: jax.ShapeDtypeStruct(shape, jnp.float32)  # noqa: E731
    inputs = cell.made_for or D
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), inputs))
    carry = jax.eval_shape(lambda: cell.initial_carry((B,)))
    given = {name: array(T, B, *(n if n == 2 else inputs for n in PER_STEP[name].axes)) for name in cell.per_step}
    compiled = jax.jit(jax.grad(loss, (0, 1, 2))).lower(params, array(T, B, inputs), carry, given).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def measure(name: str) -> dict[str, Any]:
    """Bytes of each way to run a cell; None where it is declined."""
    cell = COLLECTION[name](H)
    runs = {r: run for r, run in RUNS.items() if r == "plain" or not declines(cell, r)}
    sizes = {r: temporaries(runs[r], cell) if r in runs else None for r in RUNS}
    multiplied = bool(cell.kernel_shapes(jnp.float32)) and not cell.reads
    return sizes | {"gated": len(cell.gates) > 1 and multiplied}


HEAD = """# Temporary memory of a training step

Of every cell of the collection, in units of T·B·H floats: T=128, B=32, D=H=256, float32, exact, from XLA's
`memory_analysis()` for jax {jax} on CPU; in brackets the ratio to plain autodiff of `lax.scan`. Measured again by
`python -m tests.laws.memory`. Where a backend takes more than 0.6, `tests/laws/test_memory.py` says why.

| cell | plain `lax.scan` | scheduled (ratio) | native (ratio) |
|---|---|---|---|
"""


def to_row(name: str, cell: dict[str, Any]) -> str:
    """A line of the table: units of T * B * H floats, and the ratio to the plain scan."""
    unit, used = 4 * T * B * H, [cell[backend] for backend in ("scheduled", "native")]
    shown = [f"{u / unit:.1f} ({u / cell['plain']:.2f})" if u else "declined" for u in used]
    return f"| {name} | {cell['plain'] / unit:.1f} | {' | '.join(shown)} |"


def to_table(record: dict[str, Any]) -> str:
    """All of the record, in Markdown."""
    rows = [to_row(name, cell) for name, cell in record["cells"].items()]
    return HEAD.replace("{jax}", record["jax"]) + "\n".join(rows) + "\n"


def declines(cell: Any, backend: str) -> str | None:
    return BACKENDS[backend].declines(cell, jnp.float32, jnp.float32)


if __name__ == "__main__":
    names = sys.argv[1:]
    table = {name: measure(name) for name in names or COLLECTION}
    text = json.dumps({"jax": jax.__version__, "T, B, D, H": [T, B, D, H], "cells": table}, indent=1)
    if names:
        print(text)
    else:
        FILE.write_text(text + "\n")
        TABLE.write_text(to_table(json.loads(text)))
        print(f"wrote {FILE} and {TABLE}")
