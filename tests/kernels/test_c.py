"""Cells as C: compiled with all warnings as errors, and compared with `scan` over cells, options and forms.

The truth is `scan` in float64. How far float32 may be from it is derived for each case: a float32 product is the exact
product of numbers that are each off by at most K units of the last place, for K terms (backward error). So numbers are
moved by as much at random, and the spread of the exact results, doubled, bounds the error, beside a few digits of the
results themselves.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.kernels.native.backend import declines
from tests.forms import pairs
from tests.forms.pairs import PAIRS
from tests.kernels.c_programs import CC, STRICT, WAYS, Compiled, needs_compiler
from tests.table import ROWS, arrays
from tests.waiting import ran

pytestmark = needs_compiler
ULP, DRAWS, T = 2.0**-24, 24, 6


def narrow(tree: Any) -> Any:
    """Numbers that float32 has, as float64."""
    return jax.tree.map(lambda a: np.asarray(a, np.float32).astype(np.float64), tree)


def bounded(layer: Any, params: Any, xs: Any, carry: Any, per_step: Any, terms: int) -> tuple[Any, Any]:
    """The truth, as the leaves (outputs, final carry), and how far float32 may be from each."""
    rng, moved = np.random.default_rng(1), (params, xs, carry)

    def many(a: Any) -> Any:
        off = rng.uniform(-1, 1, (DRAWS, *np.shape(a))) * terms * ULP
        off[0] = 0
        return np.asarray(a) * (1 + off)

    def run(params: Any, xs: Any, carry: Any) -> Any:
        final, ys = jaxrnn.scan(layer, params, xs, carry, per_step=per_step or None, backend="reference")
        return ys, *jax.tree.leaves(final)

    results = [np.asarray(a) for a in jax.jit(jax.vmap(run))(*jax.tree.map(many, moved))]
    spread = [np.abs(a - a[0]).max() for a in results]
    largest = [max(1.0, np.abs(a[0]).max()) for a in results]
    return [a[0] for a in results], [2 * s + 8 * ULP * m for s, m in zip(spread, largest, strict=True)]


def compare(
    folder: Path, layer: Any, params: Any, xs: Any, carry: Any, per_step: Any = None, flags: Any = ("-O2",)
) -> Compiled:
    """Whole sequences from a given state, and steps one by one, which are the same to the bit."""
    params, xs, carry, per_step = narrow((params, xs, carry, per_step or {}))
    terms = np.shape(xs)[-1] + max(a.shape[-1] for a in jax.tree.leaves(carry))  # of a product
    wanted, bounds = bounded(layer, params, xs, carry, per_step, terms)
    made = Compiled(folder, layer, params, flags)
    ys, state = made.run(xs, carry, per_step)
    for got, want, bound in zip([ys, *state], wanted, bounds, strict=True):
        assert np.abs(got - want).max() <= bound, (np.abs(got - want).max(), bound)
    if not made.stepless:
        again = made.run(xs, carry, per_step, stepwise=True)
        assert ys.tobytes() == again[0].tobytes()
    return made


@pytest.mark.backend("native", jnp.float32)
@pytest.mark.parametrize("row", [pytest.param(n, marks=() if n == "lstm" else pytest.mark.slow) for n in ROWS])
@pytest.mark.parametrize("way", [pytest.param(w, marks=() if w == "O2" else pytest.mark.slow) for w in WAYS])
def test_every_native_row_is_the_same_in_c(tmp_path: Path, row: str, way: str) -> None:
    args = arrays(row, T, ())
    compare(tmp_path, ROWS[row].cell, *(args[n] for n in ("params", "xs", "carry", "per_step")), WAYS[way])


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS)
def test_every_form_is_the_same_in_c(tmp_path: Path, pair: str) -> None:
    if (reason := declines(PAIRS[pair].cell, jnp.float32, jnp.float32)) is not None:
        pytest.skip(f"the native backend {reason}")
    args = pairs.arrays(pair)
    carry = jax.tree.map(lambda a: a[0], args["carry"])
    compare(tmp_path, PAIRS[pair].cell, args["params"], args["xs"][:, 0], carry, flags=WAYS["sanitizers"])


def drawn(layer: Any, inputs: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """Parameters, inputs and a state."""
    rng = np.random.default_rng(seed)
    params = jax.tree.map(lambda p: 0.7 * rng.standard_normal(p.shape), layer.declare(inputs))
    carry = jax.tree.map(lambda a: rng.standard_normal(a.shape), layer.initial_carry((), params))
    return params, rng.standard_normal((T, inputs)), carry


def product_of(f: Any, b: Any) -> Any:
    return jnp.tanh(f) * b


LSTM, GRU = jaxrnn.lstm(4, peepholes=True), jaxrnn.gru(3)
STEPWISE = {
    "stack": jaxrnn.stack([LSTM, jaxrnn.residual(jaxrnn.gru(4)), jaxrnn.highway(jaxrnn.elman(4))], dropout=0.3),
    "nested stacks": jaxrnn.residual(jaxrnn.stack([jaxrnn.stack([GRU, LSTM]), jaxrnn.janet(5)])),
    "zoneout, dropout": jaxrnn.input_dropout(jaxrnn.recurrent_dropout(jaxrnn.zoneout(LSTM, c=0.3, h=0.2), 0.4), 0.5),
    "learned carry": jaxrnn.lstm(4, learn_carry=True, projection=2),
    "multiplicative integration": jaxrnn.gru(4, multiplicative=True),
    "one unit": jaxrnn.stack([jaxrnn.lstm(1), jaxrnn.gru(1)]),
    "relu": jaxrnn.elman(4, activation=jax.nn.relu),
    "gelu, hard": jaxrnn.lstm(4, activation=jax.nn.gelu, gate_activation=jax.nn.hard_sigmoid),
}
WHOLE = {
    "concat": jaxrnn.bidirectional(GRU, LSTM),
    "sum": jaxrnn.bidirectional(GRU, merge="sum"),
    "ave": jaxrnn.bidirectional(GRU, merge="ave"),
    "a function": jaxrnn.bidirectional(GRU, merge=product_of),
    "reverse": jaxrnn.reverse(jaxrnn.stack([GRU, LSTM])),
    "stacked": jaxrnn.stack([jaxrnn.bidirectional(GRU), LSTM, jaxrnn.bidirectional(LSTM, GRU, merge="concat"), GRU]),
    "nested": jaxrnn.bidirectional(
        jaxrnn.stack([jaxrnn.bidirectional(GRU, merge="mul"), LSTM]), jaxrnn.reverse(jaxrnn.residual(jaxrnn.gru(5)))
    ),
    "around": jaxrnn.highway(jaxrnn.reverse(jaxrnn.bidirectional(jaxrnn.gru(2), jaxrnn.gru(3)))),
}
LAYERS = STEPWISE | WHOLE


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n == "stacked" else pytest.mark.slow) for n in LAYERS])
def test_composed_layers_are_the_same_in_c(tmp_path: Path, name: str) -> None:
    layer = LAYERS[name]
    made = compare(tmp_path, layer, *drawn(layer, 5), flags=WAYS["sanitizers"])
    assert made.stepless == (name in WHOLE)


SMALL = {
    "lstm": jaxrnn.lstm(6, peepholes=True),
    "gru": jaxrnn.gru(6),
    "gru, reset before": jaxrnn.gru(6, reset_after=False),
    "heads": jaxrnn.lstm(6, recurrent=jaxrnn.heads(2), input=jaxrnn.low_rank(2)),
    "low rank": jaxrnn.gru(6, recurrent=jaxrnn.low_rank(3)),
    "a stack": jaxrnn.stack([jaxrnn.gru(6), jaxrnn.lstm(4)]),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n == "lstm" else pytest.mark.slow) for n in SMALL])
def test_int8_is_the_same_in_c(tmp_path: Path, name: str) -> None:
    """Step by step from the states of `scan`: the numbers that are quantised are the same then, and sums are exact."""
    params, xs, carry = jax.tree.map(np.float32, drawn(SMALL[name], 5))
    xs[2, 1], xs[3], xs[4, 0] = 1e6, 0.0, 1e-31
    layer, numbers = jaxrnn.quantize(SMALL[name], params)
    made = Compiled(tmp_path, layer, numbers, WAYS["sanitizers"])
    program = made.program({}, stepwise=True)
    for x in xs:
        after, y = layer.step(numbers, carry, x)
        got, state = made.call(program, x[None], carry, {})
        for a, b in zip([got[0], *state], [y, *jax.tree.leaves(after)], strict=True):
            np.testing.assert_allclose(a, b, 16 * ULP, 16 * ULP)
        carry = after
    bad = xs[:1].copy()
    bad[0, 2] = np.inf
    assert (
        np.isnan(made.call(program, bad, carry, {})[0]).all() == np.isnan(layer.step(numbers, carry, bad[0])[1]).all()
    )


OF_SYMBOLS = {
    "dense": jaxrnn.lstm(4),
    "low rank": jaxrnn.gru(4, input=jaxrnn.low_rank(2)),
    "heads": jaxrnn.gru(4, input=jaxrnn.heads(2)),
    "a stack": jaxrnn.stack([jaxrnn.gru(3), jaxrnn.lstm(4)]),
    "both directions": jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.gru(3)), jaxrnn.lstm(4)]),
}


@pytest.mark.parametrize("int8", [False, True])
@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n == "dense" else pytest.mark.slow) for n in OF_SYMBOLS])
def test_symbols_pick_rows_in_c(tmp_path: Path, name: str, int8: bool) -> None:
    layer = OF_SYMBOLS[name]
    params, _, carry = jax.tree.map(np.float32, drawn(layer, 6))
    if int8:
        layer, params = jaxrnn.quantize(layer, params)
    xs = np.array([0, 5, 3, 3, 1, 2], np.int32)
    final, want = jaxrnn.scan(layer, params, xs, carry)
    made = Compiled(tmp_path, layer, params, WAYS["sanitizers"], symbols=True)
    ys, state = made.run(xs, carry)
    flips = 2e-2 if int8 else 0  # a state that falls between two whole numbers may be rounded to either
    for a, b in zip([ys, *state], [want, *jax.tree.leaves(final)], strict=True):
        np.testing.assert_allclose(a, b, 0, 64 * ULP + flips)
    outside, _ = made.run(np.array([-3, 99, 2], np.int32))
    inside, _ = made.run(np.array([0, 5, 2], np.int32))
    assert outside.tobytes() == inside.tobytes()


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its program prints what `scan` says of the same frames."""
    page = (Path(jaxrnn.__file__).parent / "kernels/c/C.md").read_text()
    (python,), (c,) = (re.findall(rf"```{language}\n(.*?)```", page, re.S) for language in ("python", "c"))
    monkeypatch.chdir(tmp_path)
    made: dict[str, Any] = {}
    exec(python, made)
    ram = re.search(r"`wake`, (\d+) bytes", page)
    assert ram is not None
    assert f" {ram[1]} of RAM" in capsys.readouterr().out
    (tmp_path / "main.c").write_text(c)
    ran([CC, *STRICT, *WAYS["sanitizers"], "main.c", "-o", "main", "-lm"], check=True)
    printed = ran(["./main"], check=True).stdout.split()
    frames = np.array([[np.float32((t * 7 + i * 3) % 11) / np.float32(11) for i in range(10)] for t in range(100)])
    _, ys = jaxrnn.scan(made["filter"], made["numbers"], frames.astype(np.float32))
    assert float(ys.max()) < 0.9
    np.testing.assert_allclose(float(printed[-1]), ys[-1, 0], 0, 2e-3)  # three digits, and int8 that may flip


def test_what_c_does_not_have_is_refused_by_name(tmp_path: Path) -> None:
    def refusal(layer: Any, inputs: int = 3) -> str:
        with pytest.raises(ValueError, match="must be") as caught:
            jaxrnn.export_c(layer, layer.init(jax.random.key(0), inputs), tmp_path / "model.c")
        assert not list(tmp_path.iterdir())
        return str(caught.value)

    assert "read themselves" in refusal(jaxrnn.ltc(4))
    assert "convolutions" in refusal(jaxrnn.gru(4, input=jaxrnn.convolution(3), recurrent=jaxrnn.convolution(3)))
    assert "moves or cuts the units" in refusal(jaxrnn.lstm(4, layer_norm=True))
    assert "a loop of its own" in refusal(jaxrnn.slstm_layer(8), 8)
    assert "merge='concat'" in refusal(jaxrnn.bidirectional(GRU, merge=None))
    flipped = jaxrnn.bidirectional(GRU, merge=lambda f, b: f + jnp.flip(b, -1))
    assert "unit by unit" in refusal(flipped)


def test_names_that_c_has_given_away(tmp_path: Path) -> None:
    """Of the file, of states and of what comes at each step."""

    class State(NamedTuple):
        work: jax.Array
        h: jax.Array

    def equations(carry: Any, x: Any, h: Any, *, m: Any, y: Any) -> Any:
        new = jnp.tanh(x.a + h.a) * m
        return State(carry.h, new), new + y

    cell = jaxrnn.gate_cell(gates=("a",), carry=State)(equations)(3)
    made = jaxrnn.export_c(cell, cell.init(jax.random.key(0), 2), tmp_path / "int.c")
    assert made.name == "int_"
    assert "int__step(int_ *m, const float *x, const float *m_, const float *y_, float *y);" in made.path.read_text()
    done = ran([CC, *STRICT, "-c", "int.c"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
