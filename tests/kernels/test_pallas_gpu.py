"""Kernels for GPUs: lowered for CUDA on any machine, and interpreted, each time in a process of its own.

Nothing here needs a GPU, and nothing was run on one. All laws: `pytest -m sweep` of this file.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import jaxrnn
from jaxrnn.base.platform import made_for
from jaxrnn.cells import COLLECTION
from jaxrnn.engine.registry import choose
from jaxrnn.kernels.pallas.backend import declines
from tests.kernels.test_pallas import WINDOW, applied, sloped
from tests.table import ROWS

NEW = jax.__version_info__ >= (0, 12)
needs_new = pytest.mark.skipif(not NEW, reason="kernels for GPUs need JAX 0.12")
H = 8
OFTEN = ("heads and rows", "two warpgroups", "row gru, reset before")
TIME = 300  # seconds; a law takes ten of an idle core


def said(cell: Any, dtype: str = "bfloat16") -> str | None:
    """Why it is declined."""
    with made_for("gpu"):
        return declines(cell, jnp.dtype(dtype), cell.carry_dtype_for(jnp.dtype(dtype)))


@pytest.mark.skipif(NEW, reason="older releases of JAX")
def test_older_releases_are_named() -> None:
    assert said(jaxrnn.lstm(H)) == f"has kernels for GPUs with JAX 0.12, and this is {jax.__version__}"


def test_they_are_never_taken_unasked() -> None:
    cell = jaxrnn.lstm(H, param_dtype=jnp.bfloat16)
    with made_for("gpu"):
        assert choose(cell, "auto", jnp.dtype("bfloat16"), jnp.dtype("float32")).name == "scheduled"


REASONS: list[tuple[Any, str, str]] = [
    (jaxrnn.lstm(H), "float32", "multiplies bfloat16 and computes in float32 on GPUs, not float32"),
    (jaxrnn.lstm(H, recurrent=jaxrnn.low_rank(2)), "bfloat16", "dense or in heads, not .*recurrent_kernel"),
    (jaxrnn.lstm(512), "bfloat16", r"head's kernels in a GPU's shared memory: 2,1\d\d,\d{3} bytes, where 232,448 are"),
    (jaxrnn.lstm(192), "bfloat16", r"head's kernels in a GPU's shared memory: 3\d\d,\d{3} bytes, where 232,448 are"),
    (jaxrnn.lstm(H, projection=4), "bfloat16", "multiplies 8 units into as many, and '[a-z_]+' is"),
    (jaxrnn.lstm(H, layer_norm=True), "bfloat16", "computes units by themselves on GPUs, and `[a-z_]+` is of several"),
    (
        jaxrnn.lstm(H, recurrent=jaxrnn.diagonal),
        "bfloat16",
        "kernels in shared memory, and here are none",
    ),
    (applied(H, function=jnp.arctan), "bfloat16", "has no `atan`$"),
    (applied(4, function=sloped), "bfloat16", "equations hold arrays of constants"),
    (jaxrnn.mogrifier_lstm(H), "bfloat16", "projects inputs before the loop"),
    (jaxrnn.lstm(H, input=WINDOW, recurrent=WINDOW), "bfloat16", "has no convolutions"),
]


@needs_new
@pytest.mark.slow
@pytest.mark.parametrize(("cell", "dtype", "reason"), REASONS, ids=lambda v: v if isinstance(v, str) else repr(v)[:30])
def test_reasons_to_decline(cell: Any, dtype: str, reason: str) -> None:
    """The lowering is asked: it names the primitive, or the bytes."""
    assert re.search(reason, said(cell, dtype) or "")


RUN = {
    "heads": jaxrnn.lstm(128, recurrent=jaxrnn.heads(2)),
    "one head": jaxrnn.lstm(128, peepholes=True),
    "a head that is filled up": jaxrnn.gru(60, recurrent=jaxrnn.heads(3)),
    "products in series": jaxrnn.gru(64, reset_after=False),
    "four carries": jaxrnn.slstm(128, recurrent=jaxrnn.heads(2)),
    "powers": applied(64, function=lambda a: jnp.tanh(a**2.5 + a**2.0)),
    "masks that are drawn": jaxrnn.zoneout(jaxrnn.lstm(64), c=0.3, h=0.3),
}


@needs_new
@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_they_are_lowered_for_cuda(name: str) -> None:
    """Forward and backward, without a GPU: the program has both kernels of Mosaic."""
    cell = RUN[name]
    assert said(cell) is None
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), 3))
    params, xs = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, "bfloat16"), (params, jnp.zeros((5, 17, 3))))

    def loss(params: Any, xs: Any, lengths: Any) -> Any:
        options = dict(rng=jax.random.key(1)) if cell.noises else {}
        return jaxrnn.scan(cell, params, xs, lengths=lengths, backend="pallas", **options)[1].astype("float32").sum()

    with made_for("gpu"):
        traced = jax.jit(jax.grad(loss, (0, 1))).trace(params, xs, jax.ShapeDtypeStruct((17,), "int32"))
        text = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert len(re.findall(r"custom_call @mosaic_gpu", text)) == 2


@needs_new
@pytest.mark.sweep
@pytest.mark.parametrize("name", COLLECTION)
def test_the_collection_is_lowered_or_declined_with_a_reason(name: str) -> None:
    reason = said(COLLECTION[name](64))
    assert reason is None or not reason.startswith("is not lowered")


def interpreted(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What came of laws in a process of their own; where the interpreter waits for ever, nothing is known."""
    command = [sys.executable, "-m", "tests.kernels.gpu_runs", *arguments]
    root = Path(__file__).parents[2]
    try:
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=TIME)
    except subprocess.TimeoutExpired:
        pytest.skip("JAX's interpreter of GPU kernels did not end")


OWN = ("heads and rows", "two warpgroups", "a head that is filled up", "a kernel twice", "nothing given", "all carries")
LAWS = (*OWN, "four carries, bfloat16", *(f"row {name}" for name in ROWS))


@needs_new
@pytest.mark.parametrize(
    "law", [pytest.param(law, marks=pytest.mark.slow if law in OFTEN else pytest.mark.sweep) for law in LAWS]
)
def test_interpreted_they_are_right(law: str) -> None:
    """Equal to the oracle, or to a plain scan in float64; without races, in memory that is NaN until it is written."""
    found = interpreted(law)
    if found.returncode == 4:
        pytest.skip(found.stdout)
    assert found.returncode == 0, found.stdout + found.stderr[-3000:]
