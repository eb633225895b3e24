"""The library's elementary operations: special numbers as XLA has them, and how far approximations are off.

`python tests/kernels/test_elementary.py` tries all float32 values between 2^-13 and 2^7 on every instruction set.
"""

from __future__ import annotations

import shutil
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxrnn
from jaxrnn.kernels.native import build
from tests.waiting import ran

# In units of the last place. Measured: exp 1.02 and 0.99, logistic 2.48 and 2.26, tanh 4.90 and 1.31; where
# no instruction multiplies and adds at once, tanh of float32 6.88.
BOUNDS = {
    "float32": {"exp": 1.05, "logistic": 2.5, "tanh": 4.95},
    "float64": {"exp": 1.05, "logistic": 2.3, "tanh": 1.35},
}

UNARY = """neg abs sign exp exp2 logistic tanh log log1p expm1 erf erfc sin cos tan asin acos atan sinh cosh asinh acosh
atanh cbrt sqrt rsqrt square floor ceil"""
ONE: dict[str, Callable[..., Any]] = {n: getattr(lax, n) for n in UNARY.split()} | {
    "is finite": lambda a: lax.is_finite(a).astype(a.dtype),
    "round away": lambda a: lax.round(a, lax.RoundingMethod.AWAY_FROM_ZERO),
    "round even": lambda a: lax.round(a, lax.RoundingMethod.TO_NEAREST_EVEN),
    **{f"power {k}": lambda a, k=k: lax.integer_pow(a, k) for k in (0, 2, 3, 5, -1, -2)},
    "minus zero": lambda a: a - 0.0,
    "plus the other zero": lambda a: a + -0.0,
    "times one": lambda a: a * 1.0,
    "times zero": lambda a: a * 0.0,
    "zero minus": lambda a: 0.0 - a,
    "clip": lambda a: jnp.clip(a, -1, 1),
    "clamp": lambda a: lax.clamp(a.dtype.type(-0.0), a, a.dtype.type(0.5)),
    "clamp to nan": lambda a: lax.clamp(a.dtype.type(np.nan), a, a.dtype.type(0.5)),
    "relu": jax.nn.relu,
    "zeros of both signs": lambda a: a.dtype.type(1) / jnp.where(a > 0, a.dtype.type(0.0), a.dtype.type(-0.0)),
    "nan": lambda a: jnp.where(a > 0, a.dtype.type(np.nan), a),
    "sum": lambda a: jnp.stack([a, a, a]).sum(0),
    "product": lambda a: jnp.stack([a, a]).prod(0),
    "maximum": lambda a: jnp.stack([a, -a, a]).max(0),
    "minimum": lambda a: jnp.stack([a, -a]).min(0),
    "softmax": lambda a: jax.nn.softmax(jnp.stack([a, 2 * a]), 0)[0],
    "trunc": jnp.trunc,
    "modulo": lambda a: a % 1,
}
TWO: dict[str, Callable[..., Any]] = {
    n: getattr(lax, n) for n in ["add", "sub", "mul", "div", "max", "min", "pow", "atan2", "rem"]
} | {n: lambda a, b, f=getattr(lax, n): f(a, b).astype(a.dtype) for n in ["lt", "le", "gt", "ge", "eq", "ne"]}
TWO["logic"] = lambda a, b: jnp.where((a > 0) & (b > 0) | ~(a < b) ^ (b == 0), a, b)

# Where XLA is far from the truth itself: asin of the least normal number is 0 there, sinh(700) off by 5e-14. And
# where it drops an operation that changes a bit: -0.0 + 0.0 is 0.0.
BY_NUMPY = {"asin": np.arcsin, "sinh": np.sinh, "cosh": np.cosh, "cbrt": np.cbrt}
DROPPED = {"plus zero": lambda a: a + 0.0, "zero plus": lambda a: 0.0 + a, "minus the other zero": lambda a: a - -0.0}


def runs_here(name: str) -> bool:
    info = Path("/proc/cpuinfo")
    known = info.read_text().split() if info.exists() else []
    return name == "baseline" or {"avx2": "avx2", "avx512": "avx512bw"}.get(name, name) in known


def flushed(a: Any) -> Any:
    """What is below the normal range counts as zero, in XLA as here."""
    a = np.asarray(a)
    return np.where(np.abs(a) < np.finfo(a.dtype).tiny, np.copysign(a.dtype.type(0), a), a)


def special(dtype: Any) -> Any:
    info = np.finfo(dtype)
    tiny, large = float(info.tiny), float(info.max)
    sizes = [0.0, float(info.smallest_subnormal), tiny / 2, tiny, 1e-30, 4e-38, 1e-37, 1e-10, 0.3, 0.5, 1.0, 1.5, 2.0]
    sizes += [2.5, 3.0, np.pi, 10.0, 87.0, 89.0, 104.0, 700.0, 720.0, 1e10, large / 2, large, np.inf]
    return np.array([s * a for a in sizes for s in (1, -1)] + [np.nan]).astype(dtype)


def native(functions: dict[str, Any], gates: tuple[str, ...], xs: Any) -> Any:
    """Each function of the gates, in one call: a state for each. A value of `xs` [G, K] is a row by itself."""
    States = namedtuple("States", ["h", *(f"s{i}" for i in range(1, len(functions)))])  # type: ignore[misc]

    def equations(carry: Any, x: Any, recur: Any, theta: Any) -> Any:
        return States(*(f(*x) for f in functions.values())), x[0]

    cell = jaxrnn.gate_cell(gates=gates, carry=States)(equations)(1)
    params = {n: np.zeros(p.shape, xs.dtype) for n, p in cell.declare(1).items()}
    final, _ = jaxrnn.scan(cell, params, xs.T[None, :, :, None], projected=True, backend="native")
    return {n: np.asarray(a)[:, 0] for n, a in zip(functions, final, strict=True)}


def differences(actual: Any, expected: Any) -> Any:
    """Where zeros with their signs, infinities and NaN are not the same, or other numbers not near."""
    actual, expected = flushed(actual), flushed(expected)
    alike = (actual == expected) & (np.signbit(actual) == np.signbit(expected))
    with np.errstate(all="ignore"):
        near = np.abs(actual / expected - 1) < 8 * np.finfo(actual.dtype).eps
    wrong = ~(alike | near | (np.isnan(actual) & np.isnan(expected)))
    return list(zip(np.flatnonzero(wrong), actual[wrong], expected[wrong], strict=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
def test_special_numbers(dtype: Any) -> None:
    """Zeros of both signs, numbers below and at the ends of the normal range, infinities, NaN: as XLA."""
    values = special(dtype)
    actual = native(ONE | DROPPED, ("a",), values[None])
    expected = jax.jit(lambda a: {n: f(a) for n, f in ONE.items()})(flushed(values))
    with np.errstate(all="ignore"):
        expected |= {n: f(flushed(values)) for n, f in (BY_NUMPY | DROPPED).items()}
    assert {n: d for n in actual if (d := differences(actual[n], expected[n]))} == {}
    pairs = np.array(np.meshgrid(values, values)).reshape(2, -1)
    actual = native(TWO, ("a", "b"), pairs)
    expected = jax.jit(lambda a, b: {n: f(a, b) for n, f in TWO.items()})(*flushed(pairs))
    assert {n: d for n in actual if (d := differences(actual[n], expected[n]))} == {}


@pytest.mark.skipif("avx2" in build.SETS and not runs_here("avx2"), reason="bounds are those of newer processors")
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
def test_errors(dtype: Any) -> None:
    """Half a million values of every size and of the range where something happens, against wider arithmetic."""
    wide = np.longdouble if dtype == np.float64 else np.float64
    patterns = np.linspace(0, 2**31 - 1, 2**17).astype(np.uint32) | np.arange(2**17, dtype=np.uint32) % 2 << 31
    every = np.nan_to_num(patterns.view(np.float32), nan=1e-37).astype(dtype)
    near = [np.linspace(-r, r, 2**17).astype(dtype) for r in (1, 12, 110)]
    xs = np.concatenate([every, *near]).reshape(1, -1)
    functions = {"exp": lax.exp, "logistic": lax.logistic, "tanh": lax.tanh}
    truth = {"exp": np.exp, "logistic": lambda a: 1 / (1 + np.exp(-a)), "tanh": np.tanh}
    found = native(functions, ("a",), xs)
    for name, bound in BOUNDS[dtype.__name__].items():
        with np.errstate(all="ignore"):
            exact = truth[name](flushed(xs[0]).astype(wide))
            error = np.abs(found[name].astype(wide) - exact) / np.spacing(np.abs(exact.astype(dtype)))
        normal = (np.abs(exact) >= np.finfo(dtype).tiny) & (np.abs(exact) <= np.finfo(dtype).max)
        assert error[normal].max() <= bound, (name, error[normal].max(), xs[0][normal][error[normal].argmax()])
    if dtype == np.float32:  # of which most are below 1e-4
        tiny = np.abs(xs[0]) < 1e-4
        np.testing.assert_array_equal(flushed(found["tanh"][tiny]), flushed(xs[0][tiny]))


def sweep(folder: Path, flags: tuple[str, ...], near: int, far: int, doubles: int) -> dict[Any, tuple[float, int]]:
    """The largest error of each function and how many special results are wrong, by a program of the library's own."""
    program, here = folder / "elementary", Path(__file__).parent
    compiler = shutil.which("g++") or shutil.which("clang++")
    command = [compiler, *build.FLAGS, *flags, "-I", build.HERE / "src", here / "elementary.cc", "-o", program]
    ran(list(map(str, command)), check=True)
    lines = ran([program, str(near), str(far), str(doubles)], check=True).stdout
    rows = [line.split() for line in lines.splitlines()]
    return {(row[0], row[1]): (float(row[2]), int(row[4])) for row in rows}


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++") or "avx2" not in build.SETS, reason="needs g++ on x86")
@pytest.mark.parametrize("name", build.SETS)
def test_every_instruction_set(name: str, tmp_path: Path) -> None:
    if not runs_here(name):
        pytest.skip(f"this processor has no {name}")
    for (dtype, function), (error, wrong) in sweep(tmp_path, build.SETS[name], 61, 997, 1_000_000).items():
        assert not wrong, (dtype, function)
        bound = 6.95 if (name, dtype, function) == ("baseline", "float32", "tanh") else BOUNDS[dtype][function]
        assert error <= bound, (dtype, function, error)


if __name__ == "__main__":
    for name in filter(runs_here, build.SETS):
        for found in sweep(Path(sys.argv[1] if len(sys.argv) > 1 else "."), build.SETS[name], 1, 61, 10**7).items():
            print(name, *found, flush=True)
