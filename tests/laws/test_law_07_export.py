"""Law 7, exported programs as files: written with lengths, integers and carries, for any number of steps and rows, and
called by a process that knows nothing of jaxrnn."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import textwrap
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import export

import jaxrnn
from jaxrnn.programs import serialized
from tests.laws.programs import assert_close
from tests.waiting import ran

pytest.importorskip("flatbuffers")  # with which `jax.export` writes

D, H = 3, 4
RNG = np.random.default_rng(0)
PLATFORMS = ("cpu", "cuda", "tpu")
SHAPE = jax.ShapeDtypeStruct
LSTM, GRU = jaxrnn.lstm(H), jaxrnn.gru(H)
LAYER = jaxrnn.stack([LSTM, jaxrnn.bidirectional(GRU), jaxrnn.residual(jaxrnn.elman(2 * H))])

BLOCK = jaxrnn.slstm_block(D, heads=1, feed_forward=5)


def single(tree: Any) -> Any:
    return jax.tree.map(lambda a: np.asarray(a, np.float32), tree)


def abstract(tree: Any) -> Any:
    return jax.tree.map(lambda a: SHAPE(a.shape, a.dtype), tree)


def drawn(layer: jaxrnn.Layer) -> Any:
    return single(layer.init(jax.random.key(0), D))


def written(function: Any, *arguments: Any) -> bytes:
    return export.export(jax.jit(function), platforms=PLATFORMS)(*arguments).serialize()


def inputs(steps: int, rows: int) -> tuple[Any, Any]:
    xs = RNG.standard_normal((steps, rows, D)).astype(np.float32)
    return xs, RNG.integers(0, steps + 1, rows).astype(np.int32)


def test_lengths_integers_and_carries_are_written() -> None:
    """The tree of carries comes back in its own types."""
    params, (xs, lengths) = drawn(LAYER), inputs(5, 2)

    def run(params: Any, xs: Any, lengths: Any) -> Any:
        return jaxrnn.scan(LAYER, params, xs, lengths=lengths)

    for given in (xs, RNG.integers(0, D, (5, 2), np.int32)):
        expected = jax.jit(run)(params, given, lengths)
        actual = export.deserialize(written(run, params, given, lengths)).call(params, given, lengths)
        assert jax.tree.structure(actual) == jax.tree.structure(expected)
        assert_close(actual, expected, 1e-6)
        assert jax.make_jaxpr(run)(params, given, lengths).effects == set()


STEPS, ROWS = export.symbolic_shape("t, b")
SYMBOLIC = (SHAPE((STEPS, ROWS, D), np.float32), SHAPE((ROWS,), np.int32))


def gradient(layer: Any, backend: str, params: Any, xs: Any, lengths: Any) -> Any:
    def loss(params: Any) -> Any:
        carry, ys = jaxrnn.scan(layer, params, xs, lengths=lengths, backend=backend)
        return sum((a**2).sum() for a in jax.tree.leaves((carry, ys))), ys

    return jax.grad(loss, has_aux=True)(params)


@pytest.mark.parametrize(
    ("backend", "layer"), [("reference", LSTM), ("scheduled", LSTM), ("auto", LAYER), ("auto", BLOCK)]
)
def test_any_number_of_steps_and_rows(backend: str, layer: jaxrnn.Layer) -> None:
    """One program, outputs and gradients, called with several."""
    params = drawn(layer)
    run = lambda *a: gradient(layer, backend, *a)  # noqa: E731
    program = export.deserialize(written(run, abstract(params), *SYMBOLIC))
    for steps, rows in ((5, 2), (70, 1)):
        given = inputs(steps, rows)
        assert_close(program.call(params, *given), jax.jit(run)(params, *given), 1e-4)


class Clock(NamedTuple):
    h: Any


@jaxrnn.gate_cell(gates=("a",), carry=Clock)
def clock(carry: Any, x: Any, h: Any) -> Any:
    """Its state takes nothing from the step."""
    return Clock(0.5 * carry.h), carry.h + jnp.tanh(x.a + h.a)


@pytest.mark.parametrize("backend", ["reference", "scheduled"])
def test_a_loop_over_nothing_for_any_number(backend: str) -> None:
    layer = clock(H)
    params = drawn(layer)

    def run(params: Any, xs: Any, carry: Any) -> Any:
        loss = lambda p, c: sum((a**2).sum() for a in jax.tree.leaves(jaxrnn.scan(layer, p, xs, c, backend=backend)))  # noqa: E731
        return jax.grad(loss, (0, 1))(params, carry)

    program = export.deserialize(written(run, abstract(params), SYMBOLIC[0], Clock(SHAPE((ROWS, H), np.float32))))
    for steps, rows in ((5, 2), (70, 1)):
        xs, carry = inputs(steps, rows)[0], Clock(RNG.standard_normal((rows, H)).astype(np.float32))
        plain = jax.grad(partial(plainly, layer, xs), (0, 1))(params, carry)
        assert_close(program.call(params, xs, carry), plain, 1e-5)


def plainly(layer: Any, xs: Any, params: Any, carry: Any) -> Any:
    """The sum of squares of what steps give one after the other."""
    ys = []
    for x in xs:
        carry, y = layer.step(params, carry, x)
        ys.append(y)
    return sum((a**2).sum() for a in [*ys, *jax.tree.leaves(carry)])


def test_a_backend_that_needs_numbers_declines() -> None:
    with pytest.raises(ValueError, match=r"'native', which declines: .* not for the symbols of \(t, b\)"):
        written(lambda *a: gradient(LSTM, "native", *a), abstract(drawn(LSTM)), *SYMBOLIC)


def everything(params: Any, xs: Any, lengths: Any, carry: Any) -> Any:
    """Noise, resets, a carry, all other public entries; nothing is known of T and B."""
    cell = jaxrnn.zoneout(LSTM, c=0.5)
    marks = dict(resets=xs[..., 0] > 1, segments=(xs[..., 1] > 1).astype(int), rng=jax.random.key(1))
    ahead, _ = jaxrnn.scan(cell, params, xs, lengths=lengths, mask=xs[..., 2] < 1, reverse=True, **marks)
    fresh = cell.initial_carry(lengths.shape, params)
    return (
        ahead,
        jaxrnn.scan(cell, params, cell.project(params, xs), carry, projected=True, reset_carry=fresh, **marks),
        jaxrnn.scan_carries(cell, params, xs, carry),
        jaxrnn.scan_truncated(cell, params, xs, carry, k1=2, k2=3, lengths=lengths),
        cell.step(params, carry, xs[0]),
        cell.step(params, carry, lengths % D),
    )


def test_every_entry_for_any_number() -> None:
    params = drawn(LSTM)
    carry = jaxrnn.LSTMCarry(*(SHAPE((ROWS, H), np.float32),) * 2)
    program = export.deserialize(written(everything, abstract(params), *SYMBOLIC, carry))
    given = (params, *inputs(6, 9), jaxrnn.LSTMCarry(*single(RNG.standard_normal((2, 9, H)))))
    assert_close(program.call(*given), jax.jit(everything)(*given), 1e-5)


def test_modules_for_any_number() -> None:
    module = jaxrnn.nnx.LSTM(D, H, num_layers=2, bidirectional=True, rngs=nnx.Rngs(0), param_dtype=jnp.float32)
    linen = jaxrnn.linen.RNN(jaxrnn.linen.GRUCell(H, param_dtype=jnp.float32), return_carry=True, reverse=True)
    xs, lengths = inputs(5, 2)
    rows = np.moveaxis(xs, 0, 1)
    variables = linen.init(jax.random.key(0), rows)

    def both(rows: Any, lengths: Any) -> Any:
        return module(rows, seq_lengths=lengths), linen.apply(variables, rows, seq_lengths=lengths)

    program = written(both, SHAPE((ROWS, STEPS, D), np.float32), SHAPE((ROWS,), np.int32))
    assert_close(export.deserialize(program).call(rows, lengths), jax.jit(both)(rows, lengths), 1e-5)


WITHOUT_JAXRNN = """
    import sys
    sys.modules["jaxrnn"] = None  # an import of it fails
    from collections import namedtuple
    import numpy as np
    from jax import export

    Mine = namedtuple("Mine", ["c", "h"])
    export.register_namedtuple_serialization(Mine, serialized_name="jaxrnn.cells.lstm.LSTMCarry")
    given = np.load("given.npz")
    carry, ys = export.deserialize(open("program", "rb").read()).call(given["xs"], given["lengths"])
    assert not any(name.startswith("jaxrnn.") for name in sys.modules)
    np.savez("results.npz", c=carry.c, h=carry.h, ys=ys)
"""


def test_a_process_without_jaxrnn_calls_it(tmp_path: Path) -> None:
    params, (xs, lengths) = drawn(LSTM), inputs(7, 3)
    run = lambda xs, lengths: jaxrnn.scan(LSTM, params, xs, lengths=lengths)  # noqa: E731
    (tmp_path / "program").write_bytes(written(run, *SYMBOLIC))
    np.savez(tmp_path / "given.npz", xs=xs, lengths=lengths)
    code = textwrap.dedent(WITHOUT_JAXRNN)
    done = ran([sys.executable, "-c", code], cwd=tmp_path, within=120)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "results.npz") as file:
        results = dict(file)
    carry, ys = jax.jit(run)(xs, lengths)
    assert_close((results["c"], results["h"], results["ys"]), (*carry, ys), 1e-6)


def test_every_public_named_tuple_has_a_name() -> None:
    """Those that the rooms for users show, and whatever a cell of the collection carries."""
    rooms = [
        jaxrnn,
        *(
            importlib.import_module(f"jaxrnn.{m.name}")
            for m in pkgutil.iter_modules(jaxrnn.__path__)
            if m.name in ("cells", "compose", "decode", "nnx", "linen", "train")
        ),
    ]
    kinds = {v for room in rooms for v in vars(room).values() if isinstance(v, type) and hasattr(v, "_fields")}
    assert {jaxrnn.LSTMCarry, jaxrnn.decode.AttendCarry} <= kinds
    known = set(serialized._names.values())
    assert {k.__qualname__ for k in kinds - known} <= {
        "Checkpoint",
        "Batch",
        "Program",
        "Start",
        "Trained",
    }  # of NumPy arrays, and what no program takes


def test_carries_of_a_users_own() -> None:
    """Registered with their cell, once; two classes of one name, and one that its owner has registered."""

    def carry() -> type:
        class State(NamedTuple):
            h: jax.Array

        return State

    first, second, owned = carry(), carry(), carry()
    export.register_namedtuple_serialization(owned, serialized_name="mine")
    for kind in (first, first, second, owned):

        @jaxrnn.gate_cell(gates=("f", "g"), carry=kind)
        def minimal(carry, x, h):
            f = jax.nn.sigmoid(x.f + h.f)
            h = f * carry.h + (1 - f) * jnp.tanh(x.g + h.g)
            return type(carry)(h), h

        cell = minimal(H)
        params, xs = drawn(cell), inputs(3, 2)[0]
        run = lambda params, xs, cell=cell: jaxrnn.scan(cell, params, xs)  # noqa: E731
        result = export.deserialize(written(run, params, xs)).call(params, xs)
        assert type(result[0]) is kind
        assert_close(result, run(params, xs), 1e-6)
