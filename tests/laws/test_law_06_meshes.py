"""Law 6 on meshes: axes that the compiler places (auto) and axes in the types of arrays (explicit), on eight devices.

Everything equals what one device computes, and on explicit axes the types of results say where these lie: batch axes as
those of the inputs, a carry as the one that was given, gradients as what they belong to.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as flax_linen
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxrnn
from tests.laws.programs import BACKEND_NAMES, assert_close, call
from tests.table import ROWS as TABLE
from tests.table import T, arrays, cotangents

ROWS, D, H = 8, 4, 4
RNG = np.random.default_rng(0)
XS = RNG.standard_normal((T, ROWS, D))
LENGTHS = RNG.integers(0, T + 1, ROWS)
MARKS = dict(
    lengths=LENGTHS,
    mask=RNG.random((T, ROWS)) < 0.8,
    resets=RNG.random((T, ROWS)) < 0.2,
    segments=np.cumsum(RNG.random((T, ROWS)) < 0.2, 0),
)
KEY = jax.random.key(7)
EXPLICIT, AUTO = AxisType.Explicit, AxisType.Auto


def mesh_of(kind: AxisType, shape: tuple[int, ...] = (8,), names: tuple[str, ...] = ("data",)) -> jax.sharding.Mesh:
    return jax.make_mesh(shape, names, axis_types=(kind,) * len(names))


def put(mesh: Any, tree: Any, *spec: Any) -> Any:
    """Every leaf laid over the mesh alike."""
    return jax.tree.map(lambda a: jax.device_put(a, NamedSharding(mesh, PartitionSpec(*spec))), tree)


def lies(tree: Any) -> list[tuple[Any, ...]]:
    """Where the leaves lie, by their types."""
    return [tuple(jax.typeof(a).sharding.spec) for a in jax.tree.leaves(tree)]


def drawn(layer: jaxrnn.Layer, inputs: int = D) -> Any:
    return jax.tree.map(np.asarray, layer.init(jax.random.key(1), inputs))


def weighed(outputs: Any) -> Any:
    """A scalar of all outputs; every entry has a weight of its own."""
    return sum((a * np.cos(np.arange(a.size, dtype=float)).reshape(a.shape)).sum() for a in jax.tree.leaves(outputs))


QUICK = {
    *(("gru, reset before", backend, EXPLICIT) for backend in BACKEND_NAMES),
    ("lstm, projection", "scheduled", EXPLICIT),
    ("a user's own", "reference", EXPLICIT),
    ("gru, reset before", "scheduled", AUTO),
}


@pytest.mark.parametrize(
    ("row", "backend", "kind"),
    [
        pytest.param(row, backend, kind, marks=() if (row, backend, kind) in QUICK else pytest.mark.slow)
        for row in TABLE
        for backend in BACKEND_NAMES
        for kind in (EXPLICIT, AUTO)
    ],
)
def test_every_argument_over_a_mesh(row: str, backend: str, kind: AxisType) -> None:
    """Carries, marks, per-step inputs and rows over eight devices, parameters on all: results and all gradients."""
    args, weights = arrays(row, T, (ROWS,)), cotangents(row, T, (ROWS,))

    def both(args: Any, marks: dict[str, Any], weights: Any) -> Any:
        run = lambda args: call(row, backend, args, **marks, chunk=4, reverse=True)  # noqa: E731
        outputs, pull = jax.vjp(run, args)
        return outputs, pull(weights)[0]

    expected = jax.jit(both)(args, MARKS, weights)
    mesh = mesh_of(kind)
    timed = partial(put, mesh)
    with jax.set_mesh(mesh):
        there = {
            "params": put(mesh, args["params"]),
            "xs": timed(args["xs"], None, "data"),
            "carry": put(mesh, args["carry"], "data"),
            "reset_carry": put(mesh, args["reset_carry"], "data"),
            "per_step": timed(args["per_step"], None, "data"),
        }
        marks = {k: put(mesh, a, *() if k == "lengths" else (None,), "data") for k, a in MARKS.items()}
        out = put(mesh, weights[0], "data"), timed(weights[1], None, "data")
        actual = jax.jit(both)(there, marks, out)
    assert_close(actual, expected)
    if kind is EXPLICIT:
        assert set(lies(actual[0][0])) == {("data", None)}
        assert lies(actual[0][1]) == [(None, "data", None)]
        assert lies(actual[1]) == [
            (*s, *(None,) * (a.ndim - len(s))) for s, a in zip(lies(there), jax.tree.leaves(there), strict=True)
        ]


def scanned(layer: Any, **options: Any) -> Callable[..., Any]:
    """Forward and gradients of a run with lengths and resets, no carry given."""
    run = options.pop("run", jaxrnn.scan)

    def both(params: Any, xs: Any, marks: dict[str, Any]) -> Any:
        def loss(params: Any, xs: Any) -> Any:
            outputs = run(layer, params, xs, **marks, **options)
            return weighed(outputs), outputs

        floats = (0, 1) if jnp.issubdtype(xs.dtype, jnp.floating) else (0,)
        return jax.grad(loss, floats, has_aux=True)(params, xs)

    return both


def with_projection(layer: Any, params: Any, xs: Any, **options: Any) -> Any:
    return jaxrnn.scan(layer, params, layer.project(params, xs), projected=True, **options)


def with_dropped_weights(layer: Any, params: Any, xs: Any, **options: Any) -> Any:
    return jaxrnn.scan(layer, jaxrnn.weight_drop(params, KEY, 0.5), xs, **options)


GRU, LSTM = jaxrnn.gru(H), jaxrnn.lstm(H)
COMPOSED = {
    "stack": (jaxrnn.stack([LSTM, GRU], dropout=0.5), dict(rng=KEY)),
    "bidirectional": (jaxrnn.bidirectional(LSTM, merge="ave"), {}),
    "residual, highway, reverse": (jaxrnn.residual(jaxrnn.highway(jaxrnn.reverse(GRU))), {}),
    "noise": (jaxrnn.input_dropout(jaxrnn.recurrent_dropout(jaxrnn.zoneout(LSTM, c=0.5), 0.5), 0.5), dict(rng=KEY)),
    "learned carry": (jaxrnn.lstm(H, learn_carry=True, projection=2, layer_norm=True, peepholes=True), {}),
    "weight drop": (GRU, dict(run=with_dropped_weights)),
    "projected": (GRU, dict(run=with_projection, chunk="sqrt")),
    "carries": (LSTM, dict(run=jaxrnn.scan_carries)),
    "truncated": (GRU, dict(run=jaxrnn.scan_truncated, k1=2, k2=3)),
    "sLSTM block": (jaxrnn.slstm_block(D, heads=1, dropout=0.5, feed_forward=5), dict(rng=KEY)),
    "integers": (jaxrnn.stack([GRU, jaxrnn.bidirectional(LSTM)]), dict(start_step=3)),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_compositions_over_explicit_axes(name: str) -> None:
    layer, options = COMPOSED[name]
    params, marks = drawn(layer), {k: MARKS[k] for k in ("lengths", "resets")}
    xs = RNG.integers(0, D, (T, ROWS)) if name == "integers" else XS
    both = jax.jit(scanned(layer, **options))
    expected = both(params, xs, marks)
    mesh = mesh_of(EXPLICIT)
    with jax.set_mesh(mesh):
        there = {"lengths": put(mesh, LENGTHS, "data"), "resets": put(mesh, MARKS["resets"], None, "data")}
        actual = both(put(mesh, params), put(mesh, xs, None, "data"), there)
    assert_close(actual, expected)
    assert {s[-2] for s in lies(actual[1])} == {"data"}


@pytest.mark.parametrize("layer", [LSTM, jaxrnn.stack([GRU, jaxrnn.residual(LSTM)])], ids=["cell", "stack"])
def test_units_over_a_second_axis(layer: jaxrnn.Layer) -> None:
    """Kernels that lie over an axis with their units: outputs and carries do so too, gradients as the kernels."""
    params = drawn(layer)
    both = jax.jit(scanned(layer, backend="scheduled"))
    expected = both(params, XS, {"lengths": LENGTHS})
    mesh = mesh_of(EXPLICIT, (4, 2), ("data", "model"))
    with jax.set_mesh(mesh):
        split = jax.tree.map(lambda a: put(mesh, a, *(None,) * (a.ndim - 1), "model"), params)
        gradients, (carry, ys) = both(split, put(mesh, XS, None, "data"), {"lengths": put(mesh, LENGTHS, "data")})
    assert_close((gradients, (carry, ys)), expected)
    assert lies(gradients[0]) == lies(split)
    assert lies(ys) == [(None, "data", "model")]
    assert set(lies(carry)) == {("data", "model")}


def test_steps_in_a_loop_of_the_users() -> None:
    """`lax.scan` asks for a carry of one type: it lies after a step as it lay before, wherever that is."""
    layer = jaxrnn.stack([jaxrnn.zoneout(LSTM, h=0.2), jaxrnn.highway(GRU)], dropout=0.3)
    params = drawn(layer)

    def loop(params: Any, carry: Any, xs: Any) -> Any:
        def body(carry: Any, at: Any) -> Any:
            x, t = at
            return layer.step(params, carry, x, rng=KEY, step=t)

        return jax.lax.scan(body, carry, (xs, jnp.arange(T)))

    gradient = jax.jit(jax.grad(lambda *a: weighed(loop(*a))))
    carry = layer.initial_carry((ROWS,), params)
    expected = jax.jit(loop)(params, carry, XS), gradient(params, carry, XS)
    mesh = mesh_of(EXPLICIT)
    with jax.set_mesh(mesh):
        there = put(mesh, params), put(mesh, XS, None, "data")
        for start, at in ((put(mesh, carry, "data"), "data"), (layer.initial_carry((ROWS,), there[0]), None)):
            final, ys = jax.jit(loop)(there[0], start, there[1])
            assert_close(((final, ys), gradient(there[0], start, there[1])), expected)
            assert lies(ys) == [(None, "data", None)]
            assert set(lies(final)) == {(at, None)}


def test_a_mesh_that_only_the_arrays_know() -> None:
    """Without `jax.set_mesh`, and without `jit`."""
    mesh, params = mesh_of(EXPLICIT), drawn(GRU)
    there, xs, lengths = put(mesh, params), put(mesh, XS, None, "data"), put(mesh, LENGTHS, "data")
    expected = jaxrnn.scan(GRU, params, XS, lengths=LENGTHS)
    for run in (jaxrnn.scan, jax.jit(jaxrnn.scan, static_argnums=0)):
        assert_close(run(GRU, there, xs, lengths=lengths), expected)
    carry = GRU.initial_carry((ROWS,))
    assert_close(GRU.step(there, carry, xs[0]), GRU.step(params, carry, XS[0]))
    with jax.set_mesh(mesh), pytest.raises(ValueError, match="`lengths` must be between 0 and T = 6"):
        jaxrnn.scan(GRU, there, xs, lengths=put(mesh, LENGTHS + 7, "data"))


@pytest.mark.parametrize("name", ["ensemble", "shard_map"])
def test_transformed_over_explicit_axes(name: str) -> None:
    """Gradients of an ensemble whose members lie over a mesh; and of `shard_map` over one of two axes."""
    params, mesh = drawn(GRU), mesh_of(EXPLICIT, (4, 2), ("data", "model"))

    def loss(params: Any, xs: Any, lengths: Any) -> Any:
        return jnp.square(jaxrnn.scan(GRU, params, xs, lengths=lengths)[1]).sum()

    if name == "ensemble":
        many = jax.tree.map(lambda a: np.stack([a, 2 * a]), params)
        run = expected = jax.vmap(jax.grad(loss), (0, None, None))
        args, specs = (many, XS, LENGTHS), (("model",), (), ())
    else:
        rows, times = PartitionSpec("data"), PartitionSpec(None, "data")
        split = jax.shard_map(
            lambda *a: jaxrnn.scan(GRU, *a[:2], lengths=a[2])[1],
            mesh=mesh,
            in_specs=(PartitionSpec(), times, rows),
            out_specs=times,
            axis_names={"data"},
        )
        run, expected = jax.grad(lambda *a: jnp.square(split(*a)).sum()), jax.grad(loss)
        args, specs = (params, XS, LENGTHS), ((), (None, "data"), ("data",))
    with jax.set_mesh(mesh):
        actual = jax.jit(run)(*(put(mesh, a, *s) for a, s in zip(args, specs, strict=True)))
    assert_close(actual, jax.jit(expected)(*args))


def test_reports_over_explicit_axes() -> None:
    mesh, params = mesh_of(EXPLICIT), drawn(GRU)
    run = jaxrnn.checkify(jax.jit(lambda xs, lengths: jaxrnn.scan(GRU, params, xs, lengths=lengths)))
    with jax.set_mesh(mesh):
        symbols = put(mesh, RNG.integers(0, D, (T, ROWS)), None, "data")
        assert run(symbols, put(mesh, LENGTHS, "data"))[0].get() is None
        assert "`lengths` must be between 0 and T = 6" in run(symbols, put(mesh, LENGTHS + 7, "data"))[0].get()
        assert "`xs` must be integers in [0, 4)" in run(symbols + 4, put(mesh, LENGTHS * 0 + T, "data"))[0].get()


@pytest.mark.parametrize("name", ["RNN", "Bidirectional", pytest.param("LSTM", marks=pytest.mark.slow)])
def test_modules_over_explicit_axes(name: str) -> None:
    """Of nnx and linen, batch-major, with lengths; reversed in the order of processing."""
    options = dict(param_dtype=jnp.float64)

    def modules() -> Any:
        ours, rngs = jaxrnn.nnx, nnx.Rngs(0)
        cell = lambda library, *a, **k: library.GRUCell(*a, H, **options, **k)  # noqa: E731
        linen = jaxrnn.linen
        yield from {
            "LSTM": lambda: (
                ours.LSTM(D, H, num_layers=2, bidirectional=True, rngs=rngs, **options),
                linen.LSTM(H, num_layers=2, bidirectional=True, **options),
            ),
            "RNN": lambda: (ours.RNN(cell(ours, D, rngs=rngs)), linen.RNN(cell(linen))),
            "Bidirectional": lambda: (
                ours.Bidirectional(ours.RNN(cell(ours, D, rngs=rngs)), ours.RNN(cell(ours, D, rngs=rngs))),
                linen.Bidirectional(linen.RNN(cell(linen)), linen.RNN(cell(linen))),
            ),
        }[name]()

    inputs, reverse = np.moveaxis(XS, 0, 1), dict(reverse=True) if name == "RNN" else {}
    first, second = modules()
    graph, state = nnx.split(first)
    variables = second.init(jax.random.key(0), inputs)

    def by_nnx(state: Any, inputs: Any, lengths: Any) -> Any:
        return nnx.merge(graph, state)(inputs, seq_lengths=lengths, **reverse)

    def by_linen(variables: Any, inputs: Any, lengths: Any) -> Any:
        return second.apply(variables, inputs, seq_lengths=lengths, **reverse)

    mesh = mesh_of(EXPLICIT)
    for run, weights in ((by_nnx, state), (by_linen, variables)):

        def both(*args: Any, run: Any = run) -> Any:
            return jax.grad(lambda *a: (weighed(run(*a)), run(*a)), has_aux=True)(*args)

        expected = jax.jit(both)(weights, inputs, LENGTHS)
        with jax.set_mesh(mesh):
            actual = jax.jit(both)(put(mesh, weights), put(mesh, inputs, "data"), put(mesh, LENGTHS, "data"))
        assert_close(actual, expected)
        assert lies(actual[1]) == [("data", None, None)]


class Doubled(jaxrnn.nnx.GRUCell):
    """A step of its own, which the engine does not run."""

    def __call__(self, carry: Any, inputs: Any) -> Any:
        carry, y = super().__call__(carry, inputs)
        return carry, 2 * y


def nnx_run(cell: Any) -> tuple[Any, Callable[..., Any]]:
    graph, state = nnx.split(jaxrnn.nnx.RNN(cell, return_carry=True, reverse=True))
    return state, lambda state, xs, lengths: nnx.merge(graph, state)(xs, seq_lengths=lengths)


def linen_run(cell: Any) -> tuple[Any, Callable[..., Any]]:
    module = jaxrnn.linen.RNN(cell, return_carry=True)
    variables = module.init(jax.random.key(0), np.moveaxis(XS, 0, 1))
    return variables, lambda variables, xs, lengths: module.apply(variables, xs, seq_lengths=lengths)


F64: Any = dict(param_dtype=jnp.float64)
OTHERS = {
    "nnx, Flax's": lambda: nnx_run(nnx.LSTMCell(D, H, rngs=nnx.Rngs(0), **F64)),
    "nnx, a step of its own": lambda: nnx_run(Doubled(D, H, rngs=nnx.Rngs(0), **F64)),
    "linen, Flax's": lambda: linen_run(flax_linen.OptimizedLSTMCell(H, **F64)),
}


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("name", OTHERS)
def test_cells_that_run_as_they_say_over_explicit_axes(name: str, ragged: bool) -> None:
    """Results and gradients of the module and of its inputs; the start, zeros that lie nowhere, joins the rows."""
    variables, run = OTHERS[name]()
    inputs, lengths = np.moveaxis(XS, 0, 1), LENGTHS if ragged else None

    def both(variables: Any, inputs: Any, lengths: Any) -> Any:
        def loss(variables: Any, inputs: Any) -> Any:
            outputs = run(variables, inputs, lengths)
            return weighed(outputs), outputs

        gradients, outputs = jax.grad(loss, (0, 1), has_aux=True, allow_int=True)(variables, inputs)
        return [a for a in jax.tree.leaves(gradients) if jnp.issubdtype(a.dtype, jnp.floating)], outputs

    expected = jax.jit(both)(variables, inputs, lengths)
    mesh = mesh_of(EXPLICIT)
    with jax.set_mesh(mesh):
        there = put(mesh, variables), put(mesh, inputs, "data"), put(mesh, lengths, "data")
        actual = jax.jit(both)(*there)
    assert_close(actual, expected)
    assert {at[0] for at in lies(actual[1])} == {"data"}


def test_units_of_another_cell_over_a_second_axis() -> None:
    """A given carry, a stateful module and steps; the mesh is known from the arrays alone, and lengths are NumPy's."""
    module = jaxrnn.nnx.RNN(nnx.GRUCell(D, H, rngs=nnx.Rngs(0), **F64), stateful=True)
    graph, state = nnx.split(module)
    inputs, start = np.moveaxis(XS, 0, 1), RNG.standard_normal((ROWS, H))

    def run(module: Any, inputs: Any, start: Any) -> Any:
        first = module(inputs, initial_carry=start, seq_lengths=LENGTHS)
        return first, module(inputs), module.step(inputs[:, 0])

    expected = run(module, jnp.asarray(inputs), jnp.asarray(start))
    mesh = mesh_of(EXPLICIT, (4, 2), ("data", "model"))
    split = lambda a: put(mesh, a, *(None,) * (a.ndim - 1), *("model",) * (a.ndim == 2))  # noqa: E731
    there = nnx.merge(graph, jax.tree.map(split, state))
    actual = run(there, put(mesh, inputs, "data"), put(mesh, start, "data", "model"))
    assert_close(actual, expected)
    assert lies(actual) == [("data", None, "model"), ("data", None, "model"), ("data", "model")]
