"""Golden numbers: outputs and gradients of every row, initial parameters of some, frozen in `golden.json`.

`python -m tests.laws.golden` writes the file anew. Do so only where numbers are meant to change, and say why.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jaxrnn
from tests.table import ROWS, allowed, per_step

FILE = Path(__file__).with_name("golden.json")
COMMAND = "python -m tests.laws.golden"
STEPS, BATCH = 6, 2
INITIAL = ("elman", "lstm", "gru")  # whose initial parameters are frozen too


def wave(*shape: int) -> Any:
    """Numbers that look random and need no generator."""
    return np.sin(1.7 * np.arange(np.prod(shape, dtype=int)) ** 1.3).reshape(shape)


def numbers(row: str) -> dict[str, Any]:
    """What is frozen of a row: a step's outputs, final carries, sums of squares of gradients and initial parameters."""
    cell, inputs = ROWS[row].cell, ROWS[row].inputs
    declared = cell.declare(inputs).items()
    params = {name: allowed(row, name, 0.5 * wave(*p.shape) + ("norm" in name)) for name, p in declared}
    given = {name: per_step(name, lambda shape: wave(*shape), (STEPS, BATCH)) for name in cell.per_step} or None

    def run(params: Any) -> Any:
        return jaxrnn.scan(cell, params, wave(STEPS, BATCH, inputs), lengths=np.array([STEPS, 4]), per_step=given)

    @jax.jit
    def with_gradient(params: Any) -> Any:
        outputs, pull = jax.vjp(run, params)
        return outputs, pull(outputs)[0]

    (carry, ys), gradient = with_gradient(params)
    initial = cell.init(jax.random.key(7), inputs) if row in INITIAL else {}
    return {
        "initial": {name: float((a**2).sum() + a.ravel()[0]) for name, a in sorted(initial.items())},
        "gradients": {name: float((a**2).sum()) for name, a in sorted(gradient.items())},
        "outputs": np.asarray(ys[3]).tolist(),
        "carry": {name: np.asarray(a).tolist() for name, a in carry._asdict().items()},
    }


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    FILE.write_text(json.dumps({row: numbers(row) for row in ROWS}, indent=1) + "\n")
    print(f"wrote {FILE}")
