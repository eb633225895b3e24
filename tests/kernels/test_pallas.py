"""Kernels for TPUs, interpreted: equal to the oracle in values and all gradients, and found out where they are not."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.base.platform import made_for
from jaxrnn.engine.registry import choose
from jaxrnn.kernels.native.row import Signature
from jaxrnn.kernels.pallas import asked, interpreted, lower
from jaxrnn.kernels.pallas.backend import declines
from jaxrnn.kernels.pallas.layout import Spec
from jaxrnn.programs import jaxprs
from tests.kernels import pallas_runs
from tests.kernels.pallas_faults import FAULTS
from tests.laws import programs
from tests.laws.programs import assert_close
from tests.table import ROWS

FLOAT32 = 1e-5  # 80 roundings, of gradients that are sums over all steps and rows
LOOSE = {"slstm": 3e-5, "slstm, exponential forget gate": 3e-5}  # exponentials of sums, over sums of exponentials
BFLOAT16 = 2**-8 * 8
# Products in series, several kernels and carries, vectors of which some are several, an input of each step.
ALWAYS = ("gru, reset before", "a user's own", "lstm, all options")
READS = "projects inputs before the loop, which these equations read themselves"
DECLINED = dict.fromkeys(
    ("gru_d", "lmu", "ltc", "m2rnn", "m2rnn, exponential decay", "mass_conserving_lstm", "mogrifier_lstm", "s6"), READS
)
T, B, D, H = 5, 3, 3, 4


def of_row(row: str, reverse: bool) -> None:
    """Assert that a row equals the oracle, with everything that a sequence may have, NaN in padding too."""
    outputs, gradients = pallas_runs.run(row, "everything", reverse, padding=np.nan)
    tolerance = LOOSE.get(row, FLOAT32)
    assert_close(outputs, programs.truth(row, reverse, "everything"), tolerance, row)
    assert_close(gradients, programs.true_gradients(row, reverse, "everything"), tolerance, row)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    "row", [pytest.param(r, marks=pytest.mark.slow if r in ALWAYS else pytest.mark.sweep) for r in ROWS]
)
def test_outputs_and_gradients_equal_the_oracle(row: str, reverse: bool) -> None:
    """Of all parameters, xs, both carries and per-step inputs."""
    with pallas_runs.small_tiles():
        cell = ROWS[row].cell
        if declines(cell, jnp.float32, jnp.float32):
            assert row in DECLINED
        else:
            of_row(row, reverse)


@cache
def sound() -> None:
    """Without a mistake nothing is found; and what the lowering says, which is kept, is of kernels without one."""
    of_row("gru, reset before", True)
    of_roots()


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_mistake_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pallas_runs.small_tiles():
        sound()
        FAULTS[fault](monkeypatch)
        with pytest.raises(AssertionError):
            of_roots() if fault == "lets derivatives through padding" else of_row("gru, reset before", True)


class State(NamedTuple):
    h: jax.Array


@jaxrnn.gate_cell(gates=("g",), carry=State)
def applied(carry: State, x: Any, h: Any, *, function: Any = jnp.tanh) -> Any:
    y = function(x.g) + h.g
    return State(y), y


@jaxrnn.gate_cell(gates=("r", "g"), carry=State)
def tied(carry: State, x: Any, recur: Any, theta: Any, *, second: Any = None) -> Any:
    """The same kernel twice a step: all of it, then all or one gate of it."""
    first = recur(carry.h)
    h = recur(jax.nn.sigmoid(x.r + first.r) * carry.h, gates=second)
    y = jnp.tanh(x.g + first.g + h.g)
    return State(y), y


@jaxrnn.gate_cell(gates=("a", "b", "c"), carry=State)
def multiplied(carry: State, x: Any, h: Any) -> Any:
    """The products of two gates have other cotangents than the gates' inputs, that of the third has the same."""
    y = jnp.tanh(x.a * h.a) * jax.nn.sigmoid(x.b * h.b - h.a) + jnp.tanh(x.c + h.c)
    return State(y), y


@jaxrnn.gate_cell(gates=("r", "g"), carry=State)
def turned_by_input(carry: State, x: Any, recur: Any, theta: Any, *, sign: Any = jnp.sign) -> Any:
    y = jnp.tanh(x.g + recur(sign(x.r) * carry.h, gates=("g",)).g)
    return State(y), y


def drawn(cell: Any, batch: tuple[int, ...], dtype: Any) -> tuple[Any, Any, Any]:
    """Parameters, inputs and a carry, which is of float32 at least."""
    rng = np.random.default_rng(3)
    draw = lambda tree: jax.tree.map(lambda a: jnp.asarray(0.7 * rng.standard_normal(a.shape), dtype), tree)  # noqa: E731
    params, xs = draw(jax.eval_shape(lambda: cell.init(jax.random.key(0), D))), draw(np.zeros((T, *batch, D)))
    state = cell.carry_dtype_for(jnp.dtype(dtype))
    return params, xs, jax.tree.map(lambda a: a.astype(state), draw(cell.initial_carry(batch, params)))


def with_gradients(
    cell: Any, backend: str, dtype: Any, *, batch: Any = (B,), scan: Any = jaxrnn.scan, **given: Any
) -> Any:
    """Gradients of parameters, inputs and carry, and outputs."""

    def loss(params: Any, xs: Any, carry: Any) -> Any:
        outputs = scan(cell, params, xs, carry, backend=backend, **given)
        leaves = jax.tree.leaves(outputs)
        waves = [jnp.sin(a + jnp.arange(a.size, dtype=a.dtype).reshape(a.shape)).sum() for a in leaves]
        return sum(w.astype(jnp.float64) for w in waves), outputs

    return jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))(*drawn(cell, batch, dtype))


def equals_the_loop(
    cell: Any, tolerance: float = FLOAT32, dtype: Any = jnp.float32, *, gpu: bool = False, **given: Any
) -> None:
    """Assert that kernels compute what a plain scan does, of the same numbers, in float64."""
    with pallas_runs.small_tiles(gpu):
        found = with_gradients(cell, "pallas", dtype, **given)
    rounded = lambda scan: lambda cell, *arguments, **named: scan(cell, *widened(arguments), **named)  # noqa: E731
    widened = lambda tree: jax.tree.map(lambda a: a.astype(jnp.float64), tree)  # noqa: E731
    expected = with_gradients(cell, "reference", dtype, **given | {"scan": rounded(given.get("scan", jaxrnn.scan))})
    assert_close(found, expected, tolerance)


ALIKE: dict[str, tuple[Any, dict[str, Any]]] = {
    "nothing given": (jaxrnn.lstm(H), {}),
    "no axes of a batch": (jaxrnn.gru(H), dict(batch=(), reverse=True)),
    "two axes of a batch": (jaxrnn.gru(H), dict(batch=(2, 1))),
    "all carries": (jaxrnn.lstm(H), dict(scan=jaxrnn.scan_carries, lengths=np.array([5, 0, 3]))),
    "heads": (jaxrnn.lstm(H, recurrent=jaxrnn.heads(2)), dict(reverse=True)),
    "unit by unit": (jaxrnn.lstm(H, recurrent=jaxrnn.diagonal), {}),
    "a kernel twice": (tied(H), {}),
    "products times inputs": (multiplied(H), {}),
    "a kernel twice, then a gate of it": (tied(H, second=("g",)), {}),
    "exponential": (jaxrnn.elman(H, activation=jax.nn.elu), {}),
    "masks that are drawn": (
        jaxrnn.zoneout(jaxrnn.recurrent_dropout(jaxrnn.lstm(H), 0.4), c=0.3, h=0.3),
        dict(rng=jax.random.key(1)),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ALIKE)
def test_it_is_the_loop(name: str) -> None:
    cell, given = ALIKE[name]
    equals_the_loop(cell, **given)


def of_roots() -> None:
    """Assert that nothing passes where steps are none: there x is zero, and the derivative of its root is infinite."""
    cell = applied(H, function=lambda a: jnp.sqrt(jnp.abs(a)), use_bias=False)
    equals_the_loop(cell, lengths=np.array([5, 0, 3]))


@pytest.mark.slow
def test_no_derivative_passes_through_padding() -> None:
    of_roots()


@pytest.mark.slow
@pytest.mark.parametrize("cell", [jaxrnn.lstm(H), jaxrnn.gru(H, reset_after=False)], ids=repr)
def test_bfloat16(cell: Any) -> None:
    """Products of bfloat16; gates and carry in float32."""
    equals_the_loop(cell, BFLOAT16, jnp.bfloat16, lengths=np.array([5, 0, 3]))


@pytest.mark.slow
def test_what_is_none_in_padding_is_not_multiplied() -> None:
    """There x is zero, and no number has its sign by this division."""
    made = lambda **given: turned_by_input(H, use_bias=False, **given)  # noqa: E731
    with pallas_runs.small_tiles():
        found = with_gradients(made(sign=lambda a: a / jnp.abs(a)), "pallas", jnp.float32, lengths=np.array([5, 0, 3]))
    expected = with_gradients(made(), "reference", jnp.float32, lengths=np.array([5, 0, 3]))
    assert_close(found, expected, 3 * FLOAT32)


def test_sums_of_products_are_float32() -> None:
    """On CPUs XLA adds bfloat16 up in float32 whatever it is told: so the program is asked."""
    cell = jaxrnn.gru(H, reset_after=False)
    carry = tuple(tuple(s) for s in cell.carry_shapes(()))
    signature = Signature(carry, (), (), True, True, False, "float32", "bfloat16")
    form, leaves, results = asked._call(Spec(cell, signature, False, None, False, False))
    for run, given in ((lower.run_forward, leaves), (lower.run_backward, (*leaves, *results))):
        products = list(_products(jax.jit(run, static_argnames="form").trace(*given, form=form).jaxpr.jaxpr))
        assert len(products) >= 3
        assert {str(v.aval.dtype) for eqn in products for v in eqn.outvars} == {"float32"}


def _products(jaxpr: Any) -> Any:
    """All `dot_general`s, inside of kernels too."""
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "dot_general":
            yield eqn
        for inner in jaxprs.inner(eqn):
            yield from _products(getattr(inner, "jaxpr", inner))


@pytest.mark.slow
def test_what_equations_read_is_differentiated() -> None:
    def gradient(backend: str, dtype: Any) -> Any:
        params, xs, carry = jax.tree.map(lambda a: a.astype(dtype), drawn(applied(H), (B,), jnp.float32))

        def loss(slope: Any) -> Any:
            cell = applied(H, function=lambda a: jnp.tanh(jnp.broadcast_to(slope, a.shape) * a))
            return (jaxrnn.scan(cell, params, xs, carry, backend=backend)[1] ** 2).sum()

        return jax.grad(loss)(jnp.arange(1, H + 1, dtype=dtype))

    with pallas_runs.small_tiles():
        found = gradient("pallas", jnp.float32)
    # States grow here: a plain scan in float32 is as far from float64.
    assert_close(found, gradient("reference", jnp.float64), 5 * FLOAT32)


@pytest.mark.slow
def test_transforms() -> None:
    """`vmap` of gradients, a jvp, and a Hessian, which is taken of the scheduled loop."""
    cell = jaxrnn.gru(2)

    def all_of(backend: str, dtype: Any) -> Any:
        params, xs, carry = jax.tree.map(lambda a: a.astype(dtype), drawn(cell, (B,), jnp.float32))

        def loss(params: Any, xs: Any, carry: Any) -> Any:
            return (jaxrnn.scan(cell, params, xs, carry, lengths=np.array([5, 0, 3]), backend=backend)[1] ** 2).sum()

        many = jnp.stack([xs, 2 * xs])
        each = jax.vmap(jax.grad(loss, (0, 1)), (None, 0, None))(params, many, carry)
        pairs = jax.tree.map(lambda a: jnp.stack([a, -a]), params)
        kernels = jax.vmap(jax.grad(loss), (0, None, None))(pairs, xs, carry)
        along = jax.jvp(loss, (params, xs, carry), (params, xs, carry))
        return each, kernels, along, jax.hessian(loss, 2)(params, xs, carry)

    with pallas_runs.small_tiles():
        found = jax.jit(all_of, static_argnums=(0, 1))("pallas", jnp.float32)
    assert_close(found, all_of("reference", jnp.float64), 5 * FLOAT32)


@pytest.mark.parametrize("shape", [(0, B, D), (T, 0, D)])
def test_nothing_to_do(shape: tuple[int, ...]) -> None:
    cell = jaxrnn.lstm(H)
    params, _, _ = drawn(cell, (1,), jnp.float32)

    def loss(params: Any, xs: Any) -> Any:
        carry, ys = jaxrnn.scan(cell, params, xs, backend="pallas")
        return ys.sum() + carry.h.sum(), ys

    with interpreted():
        gradient, ys = jax.grad(loss, has_aux=True)(params, jnp.zeros(shape, jnp.float32))
    assert ys.shape == (*shape[:2], H)
    assert all((g == 0).all() for g in jax.tree.leaves(gradient))


# ---------------------------------------------------------------- what it declines

WINDOW = jaxrnn.convolution((3,))


def sloped(a: Any) -> Any:
    return a * jnp.broadcast_to(np.arange(H, dtype=np.float32), a.shape)


def test_it_runs_only_where_a_tpu_is_or_the_interpreter_is_asked_for() -> None:
    cell = jaxrnn.lstm(H)
    with pytest.raises(ValueError, match=r"'pallas', which declines: runs on TPUs and GPUs, and .* is 'cpu'"):
        jaxrnn.scan(cell, cell.init(jax.random.key(0), D), np.zeros((T, B, D)), backend="pallas")
    assert "'pallas': declines: runs on TPUs and GPUs" in str(jaxrnn.explain(cell))


def test_it_is_never_taken_unasked() -> None:
    """Nothing was measured that says it is faster."""
    cell = jaxrnn.lstm(H, param_dtype=jnp.float32)
    with made_for("tpu"):
        assert choose(cell, "auto", jnp.dtype("float32"), jnp.dtype("float32")).name == "scheduled"
        assert "cell: lstm runs on 'pallas'" in str(jaxrnn.explain(cell, backend="pallas"))


@pytest.mark.parametrize(
    ("cell", "dtype", "reason"),
    [
        (jaxrnn.lstm(H), "float16", "computes in float32 throughout, or multiplies bfloat16 .*, not float16"),
        (jaxrnn.lstm(H), "float64", "not float64 with a carry of float64"),
        (jaxrnn.lstm(H, recurrent=jaxrnn.low_rank(2)), "float32", r"dense or in heads, not .*recurrent_kernel"),
        (jaxrnn.lstm(4096), "float32", r"holds all kernels in a TPU's fast memory: [\d,]{11} bytes .* 41,943,040"),
        (applied(H, function=jnp.arctan), "float32", "has no `atan`$"),
        (applied(H, function=sloped), "float32", "equations hold arrays of constants"),
        (jaxrnn.mogrifier_lstm(H), "float32", "projects inputs before the loop"),
        (jaxrnn.on_lstm(6), "float32", "has no `cumsum`"),
        (jaxrnn.lstm(H, input=WINDOW, recurrent=WINDOW), "float32", "has no convolutions"),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:30],
)
def test_reasons_to_decline(cell: Any, dtype: str, reason: str) -> None:
    """The lowering is asked: no list of functions is kept."""
    with made_for("tpu"):
        said = declines(cell, jnp.dtype(dtype), cell.carry_dtype_for(jnp.dtype(dtype)))
    assert re.search(reason, said or "")


def test_per_step_inputs_of_a_row_are_declined_when_they_are_given() -> None:
    cell = jaxrnn.time_lstm(H)
    params, xs, carry = drawn(cell, (B,), jnp.float32)
    given = dict(zip(cell.per_step, [np.ones((T, B), np.float32)], strict=True))
    with interpreted(), pytest.raises(ValueError, match=r"'pallas', which declines: reads per-step inputs of a vector"):
        jaxrnn.scan(cell, params, xs, carry, per_step=given, backend="pallas")


def test_the_lowering_is_asked_once() -> None:
    cell = jaxrnn.lstm(3)
    with made_for("tpu"):
        declines(cell, jnp.float32, jnp.float32)
        before = asked._why_not.cache_info()
        declines(jaxrnn.lstm(3), jnp.float32, jnp.float32)
    assert asked._why_not.cache_info().misses == before.misses
    assert asked._why_not.cache_info().hits == before.hits + 1
