"""Cells x forms: every backend equals the oracle on the dense kernels that a form stands for; and the laws of cells.

One program a pair and backend serves all cases, so that a pair costs one compilation. The quick suite runs a drawn few
of the pairs on a backend each, the slow suite the others on the backends that differ most, `-m sweep` the rest.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn import forms
from tests import oracle
from tests.forms.pairs import CARRIERS, GRIDS, PAIRS, D, H, arrays, cotangents
from tests.laws.programs import GENERAL, assert_close, to_numpy
from tests.table import CASES, B, T

DECLINED = {*GRIDS, *(row for row in PAIRS if row.endswith("recurrent a user's own"))}  # natively: no matrices
QUICK, SLOW = 12, 40  # programs; drawn by their names


def drawn() -> list[Any]:
    """(pair, backend), of which some run quickly, some slowly, and all in a sweep."""
    found = [(row, b) for row in PAIRS for b in GENERAL if not (b == "native" and row in DECLINED)]
    order = sorted(found, key=lambda at: zlib.crc32(",".join(at).encode()))
    marks = dict.fromkeys(order[:QUICK], ()) | dict.fromkeys(order[QUICK : QUICK + SLOW], pytest.mark.slow)
    return [pytest.param(*at, marks=marks.get(at, pytest.mark.sweep)) for at in found]


@cache
def program(row: str, backend: str, reverse: bool) -> Any:
    """(arrays, steps, cotangents) -> (outputs, gradients)."""
    cell = PAIRS[row].cell

    def run(args: Any, steps: Any, cotangent: Any) -> Any:
        def forward(args: Any) -> Any:
            more = dict(reset_carry=args["reset_carry"], reverse=reverse, backend=backend, chunk=4)
            return jaxrnn.scan(cell, args["params"], args["xs"], args["carry"], **steps._asdict(), **more)

        outputs, pull = jax.vjp(forward, args)
        return outputs, pull(cotangent)[0]

    return jax.jit(run)


@cache
def truth(row: str, reverse: bool, case: str) -> Any:
    """The oracle's outputs and gradients."""
    args, weights = arrays(row), cotangents(row)
    names = [("params", n) for n in args["params"]] + ["xs", *(("carry", i) for i in range(len(args["carry"])))]

    def run(flat: dict[Any, Any]) -> Any:
        params = {n: flat["params", n] for n in args["params"]}
        carry = tuple(flat["carry", i] for i in range(len(args["carry"])))
        steps, start = CASES[case]._asdict(), tuple(args["reset_carry"])
        return oracle.scan(PAIRS[row].equations, params, flat["xs"], carry, reset_carry=start, reverse=reverse, **steps)

    def loss(flat: dict[Any, Any]) -> Any:
        carry, ys = run(flat)
        return sum((w * a).sum() for w, a in zip(weights[0], carry, strict=True)) + (weights[1] * ys).sum()

    flat = {n: args[n[0]][n[1]] if isinstance(n, tuple) else args[n] for n in names}
    gradient = oracle.complex_step(loss, flat)
    params = {n: gradient["params", n] for n in args["params"]}
    carry = tuple(gradient["carry", i] for i in range(len(args["carry"])))
    return run(flat), dict(params=params, xs=gradient["xs"], carry=carry)


@pytest.mark.parametrize(("row", "backend"), drawn())
def test_laws(row: str, backend: str) -> None:
    """1: the oracle's outputs and gradients. 3 and 4: padding reaches nothing, rows of length zero hold their carry."""
    reverse = zlib.crc32(row.encode()) % 2 == 1
    args, weights, run = arrays(row), cotangents(row), program(row, backend, reverse)
    outputs, gradients = to_numpy(run(args, CASES["everything"], weights))
    expected, slopes = truth(row, reverse, "everything")
    assert_close(outputs, expected)
    gradients.pop("reset_carry")
    assert_close(gradients, slopes)
    assert "frozen" in row or all(np.abs(a).max() > 1e-6 for a in jax.tree.leaves(slopes))

    steps = CASES["lengths"]
    valid = np.arange(T)[:, None] < steps.lengths
    clean = to_numpy(run(args, steps, weights))
    spoilt = np.where(valid.reshape(*valid.shape, *(1,) * (args["xs"].ndim - 2)), args["xs"], np.nan)
    dirty = to_numpy(run(args | {"xs": spoilt}, steps, weights))
    assert jax.tree.all(jax.tree.map(lambda a, b: a.tobytes() == b.tobytes(), clean, dirty))
    (final, ys), slope = clean
    assert not ys[:, 2].any()
    assert all((a[2] == b[2]).all() for a, b in zip(final, args["carry"], strict=True))
    assert all((a[2] == b[2]).all() for a, b in zip(slope["carry"], weights[0], strict=True))


def test_peepholes_at_each_position_equal_the_oracle() -> None:
    """Of what the laws draw this row is always run: no other cell has vectors that differ between positions."""
    test_laws("lstm, peepholes at each position", "scheduled")


STEPPED = [
    "lstm, recurrent heads",
    "gru, input low rank",
    "elman, recurrent orthogonal",
    "three, recurrent only, heads",
]


@pytest.mark.parametrize("row", [*STEPPED, "lstm, strides", "lstm, peepholes at each position"])
def test_steps_and_pieces_make_the_sequence(row: str) -> None:
    """Law 2: step by step, on parameters as they are and as they are prepared, and in two halves."""
    args, cell = arrays(row), PAIRS[row].cell
    carry, ys = jaxrnn.scan(cell, args["params"], args["xs"], args["carry"])
    for params in (args["params"], cell.prepare(args["params"])):
        state, stepped = args["carry"], []
        for x in args["xs"]:
            state, y = cell.step(params, state, x)
            stepped.append(y)
        assert_close((state, jnp.stack(stepped)), (carry, ys))
    first, early = jaxrnn.scan(cell, args["params"], args["xs"][:2], args["carry"])
    assert_close(jaxrnn.scan(cell, cell.prepare(args["params"]), args["xs"][2:], first), (carry, ys[2:]))
    assert_close(early, ys[:2])


def test_forward_derivatives_where_a_gate_has_no_kernel() -> None:
    """Natively: these are taken of the projection as it stands."""
    row = "gru, input only"
    args, cell = arrays(row), PAIRS[row].cell
    run = lambda xs, backend: jaxrnn.scan(cell, args["params"], xs, args["carry"], backend=backend)  # noqa: E731
    moved = [jax.jvp(partial(run, backend=b), (args["xs"],), (np.cos(args["xs"]),))[1] for b in ("native", "reference")]
    assert_close(*moved)


SYMBOLIC = [
    "lstm, input heads",
    "gru, input low rank",
    "elman, input diagonal",
    "three, input shared",
    "gru, input only",
]


@pytest.mark.parametrize("row", SYMBOLIC)
@pytest.mark.parametrize("backend", GENERAL)
def test_symbols_pick_what_one_hot_vectors_do(row: str, backend: str) -> None:
    args, cell = arrays(row), PAIRS[row].cell
    symbols = np.random.default_rng(0).integers(0, D, (T, B))

    def both(xs: Any) -> Any:
        return jaxrnn.scan(cell, args["params"], xs, args["carry"], backend=backend)

    assert_close(both(symbols), both(np.eye(D)[symbols]))


@pytest.mark.parametrize("row", ["lstm, recurrent heads", "gru, recurrent low rank", "three, recurrent only, diagonal"])
def test_second_derivatives_equal_the_references(row: str) -> None:
    args, cell = arrays(row), PAIRS[row].cell
    tangent = jax.tree.map(lambda a: np.cos(np.arange(a.size)).reshape(a.shape), args)

    def loss(args: Any, backend: str) -> Any:
        carry, ys = jaxrnn.scan(cell, args["params"], args["xs"], args["carry"], backend=backend)
        return jnp.sum(jnp.square(ys)) + sum(jnp.sum(jnp.sin(a)) for a in carry)

    moved = {b: jax.jvp(jax.grad(lambda a, b=b: loss(a, b)), (args,), (tangent,)) for b in GENERAL}
    for backend in GENERAL:
        assert_close(moved[backend], moved["reference"])


def test_bfloat16_is_within_its_rounding() -> None:
    """Every form, once: numbers of 8 bits, sums of eight products, six steps of gates whose slope is at most 1."""
    for row in [r for r in PAIRS if r.startswith(("gru, recurrent", "gru, input", "gru, convolutions"))]:
        args, cell = arrays(row), PAIRS[row].cell
        narrow = jax.tree.map(lambda a: jnp.asarray(a, jnp.bfloat16), (args["params"], args["xs"]))
        exact = jaxrnn.scan(cell, args["params"], args["xs"])[1]
        rough = jaxrnn.scan(cell, *narrow)[1]
        assert rough.dtype == jnp.bfloat16
        assert float(jnp.abs(rough.astype(jnp.float64) - exact).max()) < 0.15, row


# ---------------------------------------------------------------- what does not fit

WRONG = [
    (lambda: jaxrnn.lstm(6, recurrent=jaxrnn.heads(4)), "`recurrent` must be heads that divide 6 "),
    (lambda: jaxrnn.lstm(6, input=jaxrnn.heads(4)), "`input` must be heads that divide 6 "),
    (
        lambda: jaxrnn.lstm(6, input=jaxrnn.heads(3)).init(jax.random.key(0), 4),
        "`input` must be heads that divide 4 in",
    ),
    (lambda: jaxrnn.lstm(6, projection=4, recurrent=jaxrnn.heads(3)), "`recurrent` must be heads that divide 4 in"),
    (lambda: jaxrnn.lstm(6, projection=4, recurrent=jaxrnn.diagonal), "`recurrent` must be a form for 4 inputs and 6"),
    (
        lambda: jaxrnn.gru(4, recurrent=jaxrnn.low_rank(5)),
        "`recurrent` must be a rank of at most min(4 inputs, 4 units)",
    ),
    (
        lambda: jaxrnn.gru(4, recurrent=jaxrnn.only("i")),
        "`recurrent` must be a form that names gates out of ('r', 'z', ",
    ),
    (
        lambda: jaxrnn.gru(4, input=jaxrnn.shared(("r", "f"))),
        "`input` must be a form that names gates out of ('r', 'z'",
    ),
    (lambda: jaxrnn.gru(4, recurrent="heads"), "`recurrent` must be a form of kernels"),
    (
        lambda: jaxrnn.gru(4, recurrent=jaxrnn.convolution(3, strides=2)),
        "`recurrent` must be a convolution of stride 1",
    ),
    (lambda: jaxrnn.lstm(4, peepholes=True, spatial=(2, 2)), "`spatial` must be a size for each axis of the conv"),
    (lambda: jaxrnn.lstm(4, spatial=2, recurrent=jaxrnn.convolution(3)), "`spatial` must be None without peepholes"),
    (lambda: jaxrnn.lstm(4, peepholes=True, spatial=(2, 0)), "`spatial[1]` must be a positive integer"),
    (lambda: jaxrnn.convolution(3, padding=((1, 1), (1, 1))), "`padding` must be 'same', 'valid' or a pair"),
    (lambda: jaxrnn.convolution(3, padding=((1, -1),)), "`padding[0]` must be a positive integer"),
    (
        lambda: jaxrnn.gru(4, recurrent=jaxrnn.convolution(3, padding=((1, 0),))),
        "`recurrent` must be a convolution of stride 1 whose padding keeps",
    ),
    (lambda: jaxrnn.heads(0), "`count` must be a positive integer"),
    (lambda: jaxrnn.low_rank(2.5), "`rank` must be a positive integer"),
    (lambda: jaxrnn.only("a", "a"), "`gates` must be distinct names"),
    (lambda: jaxrnn.shared(("a",)), "`groups` must be tuples of names"),
    (lambda: jaxrnn.shared(("a", "b"), ("b", "c")), "`groups` must be tuples of names"),
    (lambda: jaxrnn.convolution((3, 3, 3, 3)), "`window` must be sizes of one to 3 axes"),
    (lambda: jaxrnn.convolution((3, 3), strides=(1,)), "`strides` must be a number, or one for each of 2 axes"),
    (lambda: jaxrnn.convolution(3, padding="full"), "`padding` must be one of"),
    (lambda: forms.antisymmetric(of=jaxrnn.diagonal), "`of` must be a form of matrices"),
    (lambda: forms.orthogonal("qr"), "`by` must be one of"),
    (lambda: forms.spectral_bound(-1.0), "`bound` must be a positive number"),
    (lambda: jaxrnn.only("a", of="dense"), "`of` must be a form of kernels, such as"),
]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("call", "message"), WRONG, ids=[m for _, m in WRONG])
def test_what_does_not_fit_is_refused(call: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        call()
    assert message in str(error.value)


@dataclass(frozen=True)
class Askew(forms.Form):
    """A user's form whose product has a mistake."""

    mistake: str

    def weights(self, inputs: int, gates: int | None, units: int, init: Any, argument: str) -> list[Any]:
        return [forms.Weight((inputs, gates or 1, units), init)]

    def inputs_of(self, shapes: Any) -> int:
        return shapes[0][0]

    def product(self, arrays: Any, h: Any) -> Any:
        y = jnp.tensordot(h, arrays[0], 1)
        wrong = {
            "no gates": y.sum(-2),
            "no rows": y.sum(0),
            "turned": y.swapaxes(-1, -2),
            "nothing": None,
            "two": (y, y),
        }
        return wrong[self.mistake]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("mistake", ["no gates", "no rows", "turned", "nothing", "two"])
@pytest.mark.parametrize("side", ["input", "recurrent"])
def test_a_product_of_another_shape_is_refused(side: str, mistake: str) -> None:
    form, name = Askew(mistake), {"input": "kernel", "recurrent": "recurrent_kernel"}[side]
    cell = jaxrnn.gru(5, **{side: form})
    params = cell.init(jax.random.key(0), inputs=5)
    calls = {b: partial(jaxrnn.scan, cell, params, np.ones((4, 2, 5)), backend=b) for b in ("reference", "scheduled")}
    calls["auto"] = partial(jaxrnn.scan, cell, params, np.ones((4, 2, 5)))
    for call in calls.values():
        with pytest.raises(ValueError, match=re.escape(f"`product of {form!r}` must be a function that")) as error:
            call()
        assert f"2, 3, 5) for {name!r}, arrays of shapes (5, 3, 5), and inputs of shape (" in str(error.value)
    with pytest.raises(ValueError, match=re.escape(f"`product of {form!r}`")):
        cell.step(params, cell.initial_carry((2,), params), np.ones((2, 5)))


def test_inputs_off_the_grid_are_refused() -> None:
    window = jaxrnn.convolution((3, 3))
    cell = jaxrnn.lstm(4, input=window, recurrent=window)
    params = cell.init(jax.random.key(0), inputs=2)
    with pytest.raises(ValueError, match=r"`xs` must be of 2 axes \*S of positions"):
        jaxrnn.scan(cell, params, np.ones((5, 3, 2)))
    with pytest.raises(ValueError, match=r"`lengths` must be of shape \(3,\)"):
        jaxrnn.scan(cell, params, np.ones((5, 3, 6, 6, 2)), lengths=np.ones((3, 6, 6), int))
    valid = jaxrnn.gru(4, input=jaxrnn.convolution((3, 3), padding="valid"), recurrent=window)
    with pytest.raises(ValueError, match="hold the window"):
        jaxrnn.scan(valid, valid.init(jax.random.key(0), inputs=2), np.ones((5, 3, 2, 2, 2)))


def test_peepholes_for_another_grid_are_refused() -> None:
    window = jaxrnn.convolution((3, 3))
    options = dict(input=jaxrnn.convolution((3, 3), padding="valid"), recurrent=window, peepholes=True)
    cell = jaxrnn.lstm(4, spatial=(2, 3), **options)
    params = cell.init(jax.random.key(0), inputs=2)
    assert params["peepholes"].shape == (3, 2, 3, 4)
    assert jaxrnn.scan(cell, params, np.ones((5, 3, 4, 5, 2)))[1].shape == (5, 3, 2, 3, 4)
    xs = np.ones((5, 3, 6, 5, 2))
    for layer in (cell, jaxrnn.bidirectional(cell)):
        with pytest.raises(ValueError, match=r"`xs` must be such that states have positions \(2, 3\)"):
            jaxrnn.scan(layer, layer.init(jax.random.key(0), inputs=2), xs)
    with pytest.raises(ValueError, match=r"`x` must be such that states have positions \(2, 3\)"):
        cell.step(params, cell.initial_carry((3, 4, 3)), xs[0])
    projected = cell.project(params, xs)
    with pytest.raises(ValueError, match=r"`xs` must be such that states have positions \(2, 3\)"):
        jaxrnn.scan(cell, params, projected, projected=True)


@pytest.mark.parametrize("padding", ["valid", ((2, 0), (0, 1)), ((1, 3), (2, 2))])
def test_zeros_before_and_after_each_axis(padding: Any) -> None:
    """As the input by itself, put between as many zeros."""
    h = np.random.default_rng(0).standard_normal((B, 4, 5, D))
    form, bare = (jaxrnn.convolution((3, 2), padding=p, strides=(2, 1)) for p in (padding, "valid"))
    kernel = np.random.default_rng(1).standard_normal((3, 2, D, 2, H))
    pads = ((0, 0),) * 2 if padding == "valid" else padding
    wanted = bare.product((kernel,), np.pad(h, ((0, 0), *pads, (0, 0))))
    assert_close(form.product((kernel,), h), wanted)
    assert (B, *wanted.shape[1:3]) == form.positions((B, 4, 5))


def test_prepared_kernels_of_another_cell_are_refused() -> None:
    mine, other = (jaxrnn.elman(n, recurrent=forms.orthogonal()) for n in (4, 5))
    prepared = other.prepare(other.init(jax.random.key(0), inputs=3))
    with pytest.raises(ValueError, match="recurrent_kernel"):
        jaxrnn.scan(
            mine, mine.init(jax.random.key(0), inputs=3) | {"recurrent_kernel": prepared["recurrent_kernel"]}, XS
        )


XS = np.ones((4, 2, 3))


def test_each_gate_and_head_starts_as_a_dense_one_does() -> None:
    """Orthogonal a gate and a head, glorot a gate; forget bias one."""
    params = jaxrnn.lstm(8, recurrent=jaxrnn.heads(2)).init(jax.random.key(0), inputs=3)
    for head in np.asarray(params["recurrent_kernel"]):
        for gate in range(4):
            np.testing.assert_allclose(head[:, gate] @ head[:, gate].T, np.eye(4), atol=1e-6)
    assert (params["bias"] == np.array([[0.0], [1.0], [0.0], [0.0]])).all()
    up = jaxrnn.gru(8, recurrent=jaxrnn.low_rank(3)).init(jax.random.key(0), inputs=3)
    np.testing.assert_allclose(up["recurrent_kernel_down"].T @ up["recurrent_kernel_down"], np.eye(3), atol=1e-6)
    window = jaxrnn.convolution((3, 3))
    grid = jaxrnn.gru(4, input=window, recurrent=window).init(jax.random.key(0), inputs=2)
    bound = np.sqrt(6 / (9 * (2 + 4)))
    assert float(jnp.abs(grid["kernel"]).max()) <= bound
    assert float(jnp.abs(grid["kernel"]).max()) > 0.9 * bound
    alone = jaxrnn.lstm(H, recurrent=jaxrnn.only("f"), recurrent_kernel_init={"f": jax.nn.initializers.ones})
    assert (alone.init(jax.random.key(0), inputs=D)["recurrent_kernel"] == 1).all()


def test_explain_says_which_form_a_backend_lacks() -> None:
    window = jaxrnn.convolution(3)
    assert "convolutions" in str(jaxrnn.explain(jaxrnn.gru(4, input=window, recurrent=window)))


# ---------------------------------------------------------------- multiplicative integration


def integrated(carrier: Any) -> Any:
    """The oracle of a cell whose gates integrate by products: x and h of each gate are put in their place."""

    def equations(p: dict[str, Any], carry: Any, x: Any) -> Any:
        # Kernels that make of (x) and (h) what stands in for them: the identity, on what is worked out here.
        names = ("alpha", "beta_input", "beta_state", "bias", "kernel", "recurrent_kernel")
        alpha, beta, gamma, bias, w, u = (p[n] for n in names)
        rest = {n: a for n, a in p.items() if n not in names}
        z = np.tensordot(x, w, 1)
        inputs = {"kernel": (beta * z + bias)[None], "bias": np.zeros_like(bias)}
        return carrier.equations(rest | inputs | {"recurrent_kernel": u * (alpha * z + gamma)}, carry, np.ones(1))

    return equations


@pytest.mark.parametrize("backend", GENERAL)
@pytest.mark.parametrize("carrier", ["lstm", "gru", "three"])
def test_multiplicative_integration_equals_the_oracle(carrier: str, backend: str) -> None:
    """Wu et al. 2016, equation (4). What multiplies a product's columns may as well multiply the kernel's."""
    cell = CARRIERS[carrier].factory(H, multiplicative=True)
    rng = np.random.default_rng(7)
    params = {name: rng.standard_normal(p.shape) for name, p in cell.declare(D).items()}
    xs = rng.standard_normal((T, B, D))
    carry = cell.carry_type(*(rng.standard_normal(s) for s in cell.carry_shapes((B,))))
    weights = [rng.standard_normal(a.shape) for a in (*carry, xs[..., :1] * np.ones(H))]

    def functional(outputs: Any) -> Any:
        return sum((w * a).sum() for w, a in zip(weights, (*outputs[0], outputs[1]), strict=True))

    def expected(p: dict[str, Any]) -> Any:
        return oracle.scan(integrated(CARRIERS[carrier]), p, xs, tuple(carry))

    def actual(p: dict[str, Any]) -> Any:
        return jaxrnn.scan(cell, p, xs, carry, backend=backend)

    assert_close(actual(params), expected(params))
    slopes = jax.jit(jax.grad(lambda p: functional(actual(p))))(params)
    assert_close(slopes, oracle.complex_step(lambda p: functional(expected(p)), params))
