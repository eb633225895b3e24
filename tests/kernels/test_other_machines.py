"""The library's loops on processors that are only emulated here: calls run there, in a process of their own, from JAX here.

Each needs an emulator (Debian's qemu-user-static, wine64) and the compiler of releases, `pip install ".[release]"`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.interpreters import mlir

import jaxrnn
from jaxrnn.kernels.native import build, primitive
from tests.laws.programs import assert_close

MACHINES = {  # what zig calls it, and what runs its programs
    "aarch64": ("aarch64-linux-musl", "qemu-aarch64-static"),
    "x86_64 without AVX": ("x86_64-linux-musl", "qemu-x86_64-static"),
    "Windows": ("x86_64-windows-gnu", "wine64"),
}
CELLS = {"lstm": partial(jaxrnn.lstm, peepholes=True), "gru": jaxrnn.gru, "elman": jaxrnn.elman}


@pytest.fixture(scope="module", params=MACHINES)
def run_there(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Runs a call: its tables, constants and arguments, to arrays of given shapes."""
    triple, emulator = MACHINES[request.param]
    if not shutil.which(emulator):
        pytest.skip(f"needs {emulator}")
    pytest.importorskip("ziglang")
    folder, here = tmp_path_factory.mktemp("core"), Path(__file__).parent
    program = folder / "core.exe"
    compiler = [sys.executable, "-m", "ziglang", "c++", "-target", triple, "-static", *build.FLAGS]
    sources = ["-I", build.HERE / "src", "-DJAXRNN_LOOPS=loops_baseline", build.HERE / "src" / "loops.cc"]
    subprocess.run([*compiler, *sources, here / "core.cc", "-o", program], check=True)

    def run(encoded: Any, single: bool, shapes: Any, *arguments: Any) -> Any:
        arguments = tuple(map(np.ascontiguousarray, arguments))
        sizes = [a.nbytes for a in (*arguments, *shapes)]
        tables, constants = np.asarray(encoded.tables, np.int64), np.asarray(encoded.constants, np.float64)
        with open(folder / "call", "wb") as call:
            call.write(np.array([single, tables.size], np.int64).tobytes() + tables.tobytes())
            call.write(np.array([constants.size], np.int64).tobytes() + constants.tobytes())
            call.write(np.array([len(sizes), len(arguments), *sizes], np.int64).tobytes())
            call.writelines(a.tobytes() for a in arguments)
        subprocess.run([emulator, program, folder / "call", folder / "results"], check=True)
        content = np.fromfile(folder / "results", np.float32 if single else np.float64)
        ends = np.cumsum([s.size for s in shapes])
        assert content.size == ends[-1]
        return [part.reshape(s.shape) for part, s in zip(np.split(content, ends[:-1]), shapes, strict=True)]

    return run


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", CELLS)
def test_values_and_gradients(name: str, dtype: Any, run_there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a scan with the loops over there, as the reference has them here, at odd sizes, rows in groups."""
    calls = []

    def there(ctx: Any, leaves: Any, prepared: Any, form: Any) -> Any:
        calls.append(form)
        shapes = [jax.ShapeDtypeStruct(s, dtype) for s in (*prepared.results, *prepared.encoded.buffers)]
        run = partial(run_there, prepared.encoded, dtype == np.float32, shapes)

        def call(*leaves: Any) -> Any:
            results = jax.pure_callback(run, shapes, *leaves)
            return [results[i] for i in prepared.order]

        return mlir.lower_fun(call, multiple_results=True)(ctx, *leaves)

    monkeypatch.setattr(primitive, "_native", there)
    cell, rng = CELLS[name](37), np.random.default_rng(0)
    params = {n: rng.standard_normal(p.shape).astype(dtype) / 4 for n, p in cell.declare(5).items()}
    xs, w = rng.standard_normal((19, 7, 5)).astype(dtype), rng.standard_normal((19, 7, 37)).astype(dtype)

    def loss(params: Any, xs: Any, backend: str) -> Any:
        ys = jaxrnn.scan(cell, params, xs, backend=backend)[1]
        return (ys * w).sum(), ys

    found, expected = (
        jax.jit(jax.grad(partial(loss, backend=b), (0, 1), has_aux=True))(params, xs) for b in ("native", "reference")
    )
    assert len(calls) == 2  # forward and backward
    assert_close(found, expected, 2e-5 if dtype == np.float32 else 1e-12)
