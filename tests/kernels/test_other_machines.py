"""The library's loops on machines that are only emulated here: JAX is here, its calls run there.

Each needs an emulator (Debian's qemu-user-static, wine64) and the compiler of releases, `pip install ".[release]"`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.kernels.native import build, primitive
from tests.laws.programs import assert_close
from tests.waiting import ran

MACHINES = {  # what zig calls it, and what runs its programs
    "aarch64": ("aarch64-linux-musl", "qemu-aarch64-static"),
    "x86_64 without AVX": ("x86_64-linux-musl", "qemu-x86_64-static"),
    "Windows": ("x86_64-windows-gnu", "wine64"),
}
CELLS = {"lstm": partial(jaxrnn.lstm, peepholes=True), "gru": jaxrnn.gru, "elman": jaxrnn.elman}


@pytest.fixture(
    scope="module",
    params=[pytest.param(m, marks=pytest.mark.slow if m == "aarch64" else pytest.mark.release) for m in MACHINES],
)
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
    ran([*compiler, *sources, here / "core.cc", "-o", program], check=True)

    def run(encoded: Any, single: bool, results: Any, *arguments: Any) -> Any:
        arguments = tuple(map(np.ascontiguousarray, arguments))
        dtype = np.float32 if single else np.float64
        places = [np.empty(a.shape, jnp.dtype(a.dtype)) for a in results]
        places += [np.empty(shape, dtype) for shape in encoded.buffers]
        sizes = [a.nbytes for a in (*arguments, *places)]
        tables, constants = np.asarray(encoded.tables, np.int64), np.asarray(encoded.constants, np.float64)
        with open(folder / "call", "wb") as call:
            call.write(np.array([single, tables.size], np.int64).tobytes() + tables.tobytes())
            call.write(np.array([constants.size], np.int64).tobytes() + constants.tobytes())
            call.write(np.array([len(sizes), len(arguments), *sizes], np.int64).tobytes())
            call.writelines(a.tobytes() for a in arguments)
        ran([emulator, program, folder / "call", folder / "results"], check=True)
        with open(folder / "results", "rb") as results:
            assert all(results.readinto(place.view(np.uint8)) == place.nbytes for place in places)
            assert not results.read(1)
        return places

    return run


@pytest.mark.parametrize("dtype", [np.float32, np.float64, jnp.bfloat16, jnp.float16], ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", CELLS)
def test_values_and_gradients(name: str, dtype: Any, run_there: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a scan with the loops over there, as the reference has them here, at odd sizes, rows in groups."""
    prepared, calls, lower = [], [], primitive._native

    def note(ctx: Any, leaves: Any, call: Any, form: Any) -> Any:
        prepared.append(call)
        return lower(ctx, leaves, call, form)

    def there(primitive: Any, form: Any) -> Any:
        def call(*leaves: Any) -> Any:
            jax.jit(lambda *xs: primitive.bind(*xs, form=form)).lower(*leaves)
            [found] = [prepared.pop() for _ in prepared]
            results = run_there(found.encoded, dtype != np.float64, found.results, *leaves)
            calls.append(form)
            return [jnp.asarray(results[i]) for i in found.order]

        return call

    monkeypatch.setattr(primitive, "_native", note)
    monkeypatch.setattr(primitive, "_jitted", there)
    cell, rng = CELLS[name](37), np.random.default_rng(0)
    params = {n: rng.standard_normal(p.shape).astype(dtype) / 8 for n, p in cell.declare(5).items()}
    xs, w = rng.standard_normal((19, 7, 5)).astype(dtype), rng.standard_normal((19, 7, 37)).astype(dtype)

    def loss(params: Any, xs: Any, backend: str) -> Any:
        ys = jaxrnn.scan(cell, params, xs, backend=backend)[1]
        return (ys * w).sum(), ys

    gradient = jax.grad(loss, (0, 1), has_aux=True)
    with jax.disable_jit():
        found = gradient(params, xs, "native")
    expected = jax.jit(partial(gradient, backend="reference"))(params, xs)
    assert len(calls) == 2  # forward and backward
    if dtype in (jnp.bfloat16, jnp.float16):  # as test_halves.py derives it
        for a, e in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            a, e = (np.asarray(b.astype(jnp.float32)) for b in (a, e))
            assert np.abs(a - e).max() <= 4 * float(jnp.finfo(dtype).eps) * np.abs(e).max()
        return
    assert_close(found, expected, 2e-5 if dtype == np.float32 else 1e-12)
