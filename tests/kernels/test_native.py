"""The native backend on its own ground: what it declines, its functions, odd sizes, threads, and how it is built."""

from __future__ import annotations

import math
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.kernels.native import build, library
from tests.laws.programs import assert_close, declines
from tests.table import ROWS

READS = "projects inputs before the loop, which these equations read themselves"
DECLINED = {
    "gru_d": READS,
    "lmu": READS,
    "m2rnn": READS,
    "m2rnn, exponential decay": READS,
    "mogrifier_lstm": READS,
    "lstm, layer norm": "`concatenate` moves or cuts the units of a vector",
    "lstm, all options": "`concatenate` moves or cuts the units of a vector",
    "clockwork_rnn": "`concatenate` moves or cuts the units of a vector",
    "ltc": READS,
    "mass_conserving_lstm": READS,
    "on_lstm": "`slice` moves or cuts the units of a vector",
    "s4d": "`concatenate` moves or cuts the units of a vector",
    "s6": READS,
    "scrn": "`slice` moves or cuts the units of a vector",
    "tau_gru": "`slice` moves or cuts the units of a vector",
}


class State(NamedTuple):
    h: jax.Array


@jaxrnn.gate_cell(gates=("g",), carry=State)
def applied(carry: State, x: Any, h: Any, *, function: Any = jnp.tanh) -> Any:
    y = function(x.g) + 0 * h.g
    return State(y), y


@jaxrnn.gate_cell(gates=("a", "b", "c"), carry=State)
def apart(carry: State, x: Any, recur: Any, theta: Any) -> Any:
    h = recur(carry.h, gates=("a", "c"))
    y = jnp.tanh(x.b + h.a * h.c)
    return State(y), y


def test_the_library_is_there() -> None:
    """Every test below would be empty without it."""
    assert library.missing() is None
    assert library.OPERATIONS["neg"] == 0
    assert {"fma", "tanh", "select_n"} < set(library.OPERATIONS)


def test_what_it_declines_and_why() -> None:
    assert {row: reason for row in ROWS if (reason := declines(row, "native"))} == DECLINED
    assert "computes in float32 or float64" in str(
        jaxrnn.explain(jaxrnn.lstm(4, carry_dtype=jnp.float64, dtype=jnp.float32))
    )


def test_per_step_inputs_that_are_integers_are_declined() -> None:
    """When they are given: only then are they known. The automatic choice goes on to the next backend."""

    @jaxrnn.gate_cell(gates=("g",), carry=State)
    def counted(carry: State, x: Any, h: Any, *, times: Any) -> Any:
        y = jnp.tanh(x.g + h.g) * times[..., None].astype(x.g.dtype)
        return State(y), y

    cell = counted(3)
    params, given = cell.init(jax.random.key(0), 2), {"times": np.arange(4)[:, None]}
    with pytest.raises(ValueError, match="'native', which declines: the equations compute in int"):
        jaxrnn.scan(cell, params, np.ones((4, 1, 2)), per_step=given, backend="native")
    ys = [jaxrnn.scan(cell, params, np.ones((4, 1, 2)), per_step=given, backend=b)[1] for b in ("auto", "reference")]
    assert_close(*ys)


def test_it_runs_where_it_says_so() -> None:
    """One call forward, and one more backward; none for a cell that is declined."""

    def calls(cell: Any) -> int:
        params = cell.init(jax.random.key(0), 3)
        loss = lambda p: jaxrnn.scan(cell, p, np.ones((9, 2, 3)))[1].sum()  # noqa: E731
        return jax.jit(jax.grad(loss)).lower(params).as_text().count(f"@{library.TARGET}(")

    assert calls(jaxrnn.lstm(4)) == 2
    assert calls(jaxrnn.lstm(4, layer_norm=True)) == 0


def test_equations_are_traced_on_one_row_and_on_many_and_then_no_more() -> None:
    """A user's may be slow to trace: whatever is asked of a cell, and however the rows are cut and masked."""
    traces: list[Any] = []
    note = traces.append  # told from what equations read: it stays the same

    @jaxrnn.gate_cell(gates=("r", "n"), carry=State)
    def noted(carry: State, x: Any, recur: Any, theta: Any) -> Any:
        note(x.r.ndim)
        r = jax.nn.sigmoid(x.r + recur(carry.h, gates=("r",)).r)
        y = jnp.tanh(x.n + recur(r * carry.h, gates=("n",)).n)
        return State(y), y

    cell, xs = noted(3), np.ones((5, 4, 2))
    params = cell.init(jax.random.key(0), 2)
    traces.clear()  # the factory looks at the products once
    assert jaxrnn.explain(cell).cells[0][2] == "native"
    cell.step(params, cell.initial_carry((4,)), xs[0])
    for given in ({}, {"lengths": np.array([5, 0, 2, 3])}, {"resets": np.ones((5, 4), bool)}, {"reverse": True}):
        jax.grad(lambda p, given=given: jaxrnn.scan(cell, p, xs, **given)[1].sum())(params)
        jaxrnn.scan_carries(cell, params, xs, **given)
    assert sorted(traces) == [1, 2]


FUNCTIONS = {
    "exp": (jnp.exp, math.exp),
    "logistic": (jax.nn.sigmoid, lambda a: 1 / (1 + math.exp(-a)) if a > -700 else 0.0),
    "tanh": (jnp.tanh, math.tanh),
    "log": (lambda a: jnp.log(jnp.abs(a)), lambda a: math.log(abs(a))),
    "log1p": (lambda a: jnp.log1p(jnp.abs(a)), lambda a: math.log1p(abs(a))),
    "expm1": (jnp.expm1, math.expm1),
    "erf": (jax.lax.erf, math.erf),
    "sin": (jnp.sin, math.sin),
    "cos": (jnp.cos, math.cos),
    "sqrt": (lambda a: jnp.sqrt(jnp.abs(a)), lambda a: math.sqrt(abs(a))),
    "rsqrt": (lambda a: jax.lax.rsqrt(jnp.abs(a)), lambda a: 1 / math.sqrt(abs(a))),
    "cube": (lambda a: a**3, lambda a: a**3),
    "inverse square": (lambda a: jax.lax.integer_pow(a, -2), lambda a: a**-2),
    "floor": (jnp.floor, math.floor),
    "sign": (jnp.sign, lambda a: math.copysign(1, a)),
    "clip": (lambda a: jnp.clip(a, -0.5, 0.75), lambda a: min(max(a, -0.5), 0.75)),
    "relu": (jax.nn.relu, lambda a: max(a, 0.0)),
    "softplus": (jax.nn.softplus, lambda a: max(a, 0.0) + math.log1p(math.exp(-abs(a)))),
    "silu": (jax.nn.silu, lambda a: a / (1 + math.exp(-a)) if a > -700 else 0.0),
    "hard sigmoid": (jax.nn.hard_sigmoid, lambda a: min(max(a + 3.0, 0.0), 6.0) / 6),
    "elu": (jax.nn.elu, lambda a: a if a > 0 else math.expm1(a)),
    "compare": (lambda a: jnp.where((a > 0.3) | (a < -2.0), a, 0.25), lambda a: a if a > 0.3 or a < -2 else 0.25),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str, dtype: Any) -> None:
    """Against Python's own, over a wide range and near zero; a few units of the last place."""
    ours, truth = FUNCTIONS[name]
    wide = np.concatenate([np.linspace(-80, 80, 320), np.linspace(-1, 1, 101) + 1e-3, [1e-6, -1e-6]])
    xs = wide.astype(dtype)[:, None, None]
    expected = np.array([truth(float(a)) for a in xs.reshape(-1)])
    actual = np.asarray(_applied(ours, xs)).reshape(-1)
    assert actual.dtype == dtype
    digits = 16 * np.finfo(dtype).eps
    if name in ("sin", "cos", "log", "floor"):  # near a zero of theirs the argument's rounding is all there is
        np.testing.assert_allclose(actual, expected, rtol=digits, atol=digits)
    else:
        np.testing.assert_allclose(actual, expected, rtol=digits, atol=np.finfo(dtype).tiny)


@pytest.mark.parametrize("name", ["exp", "logistic", "tanh", "relu", "clip"])
def test_functions_of_what_is_no_number(name: str) -> None:
    """NaN stays NaN, infinities give limits, as on the reference backend."""
    xs = np.array([np.nan, np.inf, -np.inf, 0.0, 1e30, -1e30])[:, None, None]
    ours = FUNCTIONS[name][0]
    np.testing.assert_array_equal(_applied(ours, xs), _applied(ours, xs, "reference"))


def _applied(function: Any, xs: Any, backend: str = "native") -> Any:
    cell = applied(1, function=function, use_bias=False)
    one = np.ones((1, 1, 1), xs.dtype)
    params = {"kernel": one, "recurrent_kernel": 0 * one}
    # A fresh carry at every step: what came before, NaN included, is out of the way.
    return jaxrnn.scan(cell, params, xs, resets=np.ones(xs.shape[:2], bool), backend=backend)[1]


@jaxrnn.gate_cell(
    gates=("a", "b", "c", "d"),
    carry=State,
    parameters={"square": jaxrnn.Parameter(("H", "H"), jaxrnn.initializers.orthogonal, "recurrent")},
)
def sums(carry: State, x: Any, recur: Any, theta: Any) -> Any:
    """Sums of every kind: with a gate of its own, with another, with a kernel without gates; and x used apart too."""
    h = recur(carry.h)
    a = jnp.tanh(x.a + h.a)
    b = jax.nn.sigmoid(x.b + h.c)
    c = jnp.tanh(x.c + recur(a * carry.h, kernel="square"))
    d = (x.d + h.d) * x.d + h.b
    y = b * c + (1 - b) * jnp.tanh(d)
    return State(y), y


def test_sums_of_every_kind() -> None:
    """What is kept of a product, or a sum with it, is found gate by gate; gradients equal the reference's."""
    cell, rng = sums(6), np.random.default_rng(4)
    params = {n: rng.standard_normal(p.shape) for n, p in cell.declare(3).items()}
    xs, w = rng.standard_normal((9, 4, 3)), rng.standard_normal((9, 4, 6))

    def loss(params: Any, xs: Any, backend: str, chunk: Any) -> Any:
        return (jaxrnn.scan(cell, params, xs, backend=backend, chunk=chunk)[1] * w).sum()

    run = jax.jit(jax.value_and_grad(loss, (0, 1)), static_argnums=(2, 3))
    for chunk in (None, 4, 9):  # as the memory law allows, multiplied again, all kept
        assert_close(run(params, xs, "native", chunk), run(params, xs, "reference", None), 1e-11)
    found = jax.tree.leaves(jaxrnn.scan_carries(cell, params, xs)[1])[0]
    assert_close(cell.step(params, State(found[7]), xs[8])[1], found[8], 1e-12)


SIZES = [(1, 1, 1, 1), (63, 7, 3, 5), (5, 1, 2, 17), (4, 33, 1, 64), (9, 9, 65, 129), (2, 3, 600, 520)]
CELLS = {
    "lstm": jaxrnn.lstm,
    "gru": jaxrnn.gru,
    "gru, reset before": partial(jaxrnn.gru, reset_after=False),
    "elman": jaxrnn.elman,
    "projection": lambda size: jaxrnn.lstm(size, projection=max(1, size // 2), peepholes=True),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize("size", SIZES, ids=lambda s: "T{}_B{}_D{}_H{}".format(*s))
@pytest.mark.parametrize("name", CELLS)
def test_odd_sizes(name: str, size: tuple[int, ...], dtype: Any) -> None:
    """Values and gradients equal the reference, one thread or several, whole panels or parts of them."""
    T, B, D, H = size
    cell, rng = CELLS[name](H), np.random.default_rng(0)
    draw = lambda shape: (rng.standard_normal(shape) / math.sqrt(shape[0])).astype(dtype)  # noqa: E731
    params = {n: draw(p.shape) for n, p in cell.declare(D).items()}
    carry = cell.carry_type(*(draw(s) for s in cell.carry_shapes((B,))))
    xs, w = draw((T, B, D)), draw((T, B, cell.output_size))

    def loss(params: Any, xs: Any, carry: Any, backend: str) -> Any:
        final, ys = jaxrnn.scan(cell, params, xs, carry, backend=backend)
        return (ys * w).sum() + sum((a * a).sum() for a in jax.tree.leaves(final)), ys

    run = jax.jit(jax.value_and_grad(loss, (0, 1, 2), has_aux=True), static_argnums=3)
    # In float32 both add up to T * H products in another order: a few units of sqrt(T H) digits.
    tolerance = 1e-12 if dtype is np.float64 else 8 * np.finfo(np.float32).eps * math.sqrt(T * H)
    assert_close(run(params, xs, carry, "native"), run(params, xs, carry, "reference"), tolerance)


def test_vmap_joins_rows_and_keeps_kernels_apart() -> None:
    """Over inputs, over kernels, and per-example gradients of kernels."""
    cell, rng = jaxrnn.gru(5), np.random.default_rng(1)
    params = {n: rng.standard_normal((4, *p.shape)) for n, p in cell.declare(3).items()}
    one = jax.tree.map(lambda a: a[0], params)
    xs = rng.standard_normal((6, 4, 2, 3))

    def loss(params: Any, xs: Any, backend: str) -> Any:
        return (jaxrnn.scan(cell, params, xs, backend=backend)[1] ** 2).sum()

    for axes, given in (((None, 1), one), ((0, 1), params), ((0, None), params)):
        x = xs if axes[1] == 1 else xs[:, 0]
        results = [
            jax.jit(jax.vmap(jax.value_and_grad(partial(loss, backend=b), (0, 1)), axes))(given, x)
            for b in ("native", "reference")
        ]
        assert_close(*results, 1e-12)


def test_frozen_kernels_cost_nothing_and_change_nothing() -> None:
    """Gradients of some arguments alone equal their share of all gradients."""
    cell, rng = jaxrnn.lstm(6), np.random.default_rng(2)
    params = {n: rng.standard_normal(p.shape) for n, p in cell.declare(3).items()}
    xs = rng.standard_normal((8, 2, 3))
    loss = lambda p, x, b: (jaxrnn.scan(cell, p, x, backend=b)[1] ** 2).sum()  # noqa: E731
    whole = jax.grad(partial(loss, b="reference"), (0, 1))(params, xs)
    assert_close(jax.grad(partial(loss, b="native"), 1)(params, xs), whole[1], 1e-12)
    for name in params:
        alone = jax.grad(lambda a, name=name: loss(params | {name: a}, xs, "native"))(params[name])
        assert_close(alone, whole[0][name], 1e-12)


@pytest.mark.parametrize("size", [(500, 16, 128, 128), (128, 32, 256, 256), (100, 64, 512, 512)])
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_memory_of_a_training_step(name: str, size: tuple[int, ...]) -> None:
    """At most 0.6 of a plain scan's, at the three larger shapes of the benchmark."""
    T, B, D, H = size
    cell = CELLS[name](H)
    params = {n: jax.ShapeDtypeStruct(p.shape, np.float32) for n, p in cell.declare(D).items()}
    xs = jax.ShapeDtypeStruct((T, B, D), np.float32)
    w = jax.ShapeDtypeStruct((T, B, H), np.float32)

    def loss(params: Any, xs: Any, w: Any, backend: str) -> Any:
        return (jaxrnn.scan(cell, params, xs, backend=backend)[1] * w).sum()

    used = [
        jax.jit(jax.grad(partial(loss, backend=b), (0, 1))).lower(params, xs, w).compile().memory_analysis()
        for b in ("native", "reference")
    ]
    assert used[0].temp_size_in_bytes <= 0.6 * used[1].temp_size_in_bytes


def test_without_a_compiler_the_reason_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The install goes on; `explain` shows the note; a compiler that comes later makes the library."""
    shutil.copytree(build.HERE / "src", tmp_path / "src")
    for name, value in dict(HERE=tmp_path, LIBRARY=tmp_path / "lib.so", NOTE=tmp_path / "note.txt").items():
        monkeypatch.setattr(build, name, value)
    monkeypatch.setattr(library, "LIBRARY", tmp_path / "lib.so")
    monkeypatch.setattr(library, "NOTE", tmp_path / "note.txt")
    library.missing.cache_clear()
    try:
        assert "is not compiled" in str(library.missing()) or "not compiled" in str(library.missing())
        monkeypatch.setenv("CXX", str(tmp_path / "no-such-compiler"))
        assert "does not run" in str(build.build())
        monkeypatch.setenv("CXX", "'")
        assert "$CXX is no command" in str(build.build())
        monkeypatch.setenv("CXX", "g++ -std=none-of-these")  # options reach the compiler
        assert "none-of-these" in str(build.build())
        monkeypatch.setenv("CXX", str(tmp_path / "no-such-compiler"))
        assert "does not run" in str(build.build())
        library.missing.cache_clear()
        explained = str(jaxrnn.explain(jaxrnn.lstm(4)))
        assert "runs on 'scheduled'" in explained
        assert "'native': declines: the C++ compiler does not run" in explained
        (tmp_path / "src" / "plan.h").write_text("#error broken on purpose")
        monkeypatch.delenv("CXX")
        assert "broken on purpose" in str(build.build())
    finally:
        monkeypatch.undo()
        library.missing.cache_clear()
        assert library.missing() is None


def test_a_bias_of_very_many_rows_has_all_its_digits() -> None:
    """Its gradient is the sum of those of the projected inputs: NumPy adds these up in float64."""
    cell, T, B = jaxrnn.gru(3), 50, 2000
    params = jax.tree.map(jnp.float32, cell.init(jax.random.key(0), 2))
    xs, w = jax.random.normal(jax.random.key(1), (T, B, 2), jnp.float32), jnp.linspace(1, 2, 3, dtype=jnp.float32)

    def loss(params: Any, xs: Any, projected: bool) -> Any:
        return jnp.sum(jaxrnn.scan(cell, params, xs, backend="native", projected=projected)[1] @ w)

    found = jax.grad(loss)(params, xs, False)["bias"]
    every = np.asarray(jax.grad(loss, 1)(params, cell.project(params, xs), True), np.float64)
    np.testing.assert_allclose(found, every.sum((0, 1)), rtol=1e-6)


@pytest.mark.parametrize("name", ["min_gru", "qrnn"])
def test_a_projection_that_is_the_only_product_is_made_once(name: str) -> None:
    """It is kept for the way back, in less memory than the recurrence at once takes."""
    T, B, H = 300, 8, 64
    cell = getattr(jaxrnn, name)(H)
    params = {n: jax.ShapeDtypeStruct(p.shape, np.float32) for n, p in cell.declare(H).items()}
    xs = jax.ShapeDtypeStruct((T, B, H), np.float32)

    def gradient(backend: str) -> Any:
        loss = lambda params, xs: (jaxrnn.scan(cell, params, xs, backend=backend)[1] ** 2).sum()  # noqa: E731
        return jax.jit(jax.grad(loss, (0, 1))).lower(params, xs).compile()

    used = {b: gradient(b).memory_analysis().temp_size_in_bytes for b in ("auto", "native", "one_pass")}
    gates = 4 * T * B * len(cell.gates) * H
    assert gates < used["auto"] == used["native"] < used["one_pass"]
    calls = re.findall(r'custom_call_target="jaxrnn_run".*', gradient("auto").as_text())
    assert len(calls) == 2
    assert f"f32[{T},{B},{len(cell.gates)},{H}]" in calls[1]
