"""Masks, lengths, resets and segments: every small pattern against the text of law 5, and the traps by name."""

from __future__ import annotations

from functools import cache
from itertools import combinations, pairwise, product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.engine.masks import reset_steps, valid_steps
from jaxrnn.engine.sequence import Sequence
from tests import oracle
from tests.laws.programs import DIRECTIONS, GENERAL, assert_close

T, D, H = 5, 2, 3
CELL = jaxrnn.gru(H)
BITS = np.array(list(product([False, True], repeat=T)))  # all patterns of T bits


def expected_resets(valid: Any, resets: Any, segments: Any, reverse: bool) -> Any:
    """`oracle.starts_fresh` at every valid step."""
    fresh = np.zeros(valid.shape, bool)
    for b in range(valid.shape[1]):
        steps = [t for t in range(len(valid)) if valid[t, b]]
        before = None
        for t in reversed(steps) if reverse else steps:
            fresh[t, b] = oracle.starts_fresh(t, before, b, resets, segments, reverse)
            before = t
    return fresh


def engine_resets(valid: Any, resets: Any, segments: Any, reverse: bool) -> Any:
    given = (None if a is None else jnp.asarray(a) for a in (resets, segments))
    empty = jnp.zeros((T, valid.shape[1], D))
    return reset_steps(Sequence(empty, jnp.arange(T), None if valid.all() else jnp.asarray(valid), *given, {}), reverse)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_pattern_of_mask_and_flags(direction: str) -> None:
    valid, resets = (np.array(a).T for a in zip(*product(BITS, BITS), strict=True))
    actual = engine_resets(valid, resets, None, DIRECTIONS[direction])
    np.testing.assert_array_equal(actual, expected_resets(valid, resets, None, DIRECTIONS[direction]))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_pattern_of_mask_and_segments(direction: str) -> None:
    ids = np.array(list(product([4, 9], repeat=T)), np.int32)
    valid, segments = (np.array(a).T for a in zip(*product(BITS, ids), strict=True))
    actual = engine_resets(valid, None, segments, DIRECTIONS[direction])
    np.testing.assert_array_equal(actual, expected_resets(valid, None, segments, DIRECTIONS[direction]))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_flags_and_segments_together(direction: str) -> None:
    rng = np.random.default_rng(0)
    valid, resets = rng.random((2, T, 500)) < np.array([0.7, 0.2])[:, None, None]
    segments = np.cumsum(rng.random((T, 500)) < 0.3, axis=0)
    actual = engine_resets(valid, resets, segments, DIRECTIONS[direction])
    np.testing.assert_array_equal(actual, expected_resets(valid, resets, segments, DIRECTIONS[direction]))


@pytest.mark.parametrize("given", ["resets", "segments", "both"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_every_pattern_where_all_steps_count(direction: str, given: str) -> None:
    ids = np.array(list(product([4, 9], repeat=T)), np.int32)
    resets, segments = (np.array(a).T for a in zip(*product(BITS, ids), strict=True))
    marks = (resets if given != "segments" else None, segments if given != "resets" else None)
    valid = np.ones((T, len(BITS) * len(ids)), bool)
    actual = engine_resets(valid, *marks, DIRECTIONS[direction])
    np.testing.assert_array_equal(actual, expected_resets(valid, *marks, DIRECTIONS[direction]))


def test_flags_are_a_change_of_segment() -> None:
    """But for the first step, which only a flag restarts: its predecessor is in the call before."""
    resets = BITS.T.copy()
    by_flags, by_segments = (
        engine_resets(np.ones_like(resets), *given, False) for given in ((resets, None), (None, np.cumsum(resets, 0)))
    )
    np.testing.assert_array_equal(by_flags[1:], by_segments[1:])
    np.testing.assert_array_equal(by_flags[0], resets[0])
    assert not by_segments[0].any()


def test_lengths_are_the_mask_of_the_first_steps() -> None:
    lengths = np.arange(-2, T + 3)
    expected = np.array([[t < n for n in lengths] for t in range(T)])
    np.testing.assert_array_equal(valid_steps(T, jnp.asarray(lengths), None), expected)
    mask = BITS[: len(lengths)].T
    np.testing.assert_array_equal(valid_steps(T, jnp.asarray(lengths), jnp.asarray(mask)), expected & mask)
    assert valid_steps(T, None, None) is None


@pytest.fixture(scope="module")
def params() -> Any:
    rng = np.random.default_rng(1)
    return {name: rng.standard_normal(p.shape) for name, p in CELL.declare(D).items()}


def inputs(*batch: int) -> Any:
    return np.random.default_rng(2).standard_normal((T, *batch, D))


@pytest.mark.parametrize(
    "given",
    [names for k in range(1, 5) for names in combinations(("lengths", "mask", "resets", "segments"), k)],
    ids="+".join,
)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_any_subset_of_arguments(params: Any, given: tuple[str, ...], direction: str) -> None:
    """Each argument alone and with every other; what is not given is None, not neutral."""
    rng, B = np.random.default_rng(3), 4
    everything = dict(
        lengths=np.array([5, 3, 0, 4]),
        mask=rng.random((T, B)) < 0.7,
        resets=rng.random((T, B)) < 0.3,
        segments=np.cumsum(rng.random((T, B)) < 0.4, 0),
    )
    arguments = {name: everything[name] for name in given}
    xs, carry = inputs(B), jaxrnn.GRUCarry(np.random.default_rng(4).standard_normal((B, H)))
    actual = jaxrnn.scan(CELL, params, xs, carry, reverse=DIRECTIONS[direction], **arguments)
    expected = oracle.scan(
        oracle.gru,
        params,
        xs,
        tuple(carry),
        reset_carry=(np.zeros((B, H)),),
        reverse=DIRECTIONS[direction],
        **arguments,
    )
    assert_close(actual, expected)


@pytest.mark.parametrize("backend", GENERAL)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_trap_16_packed_segments_are_runs_of_their_own(params: Any, direction: str, backend: str) -> None:
    """Two sequences in one row, by flags and by segments, in both directions: as two calls give them."""
    reverse, cut = DIRECTIONS[direction], 2
    xs = inputs()
    options = dict(reverse=reverse, backend=backend)
    parts = [jaxrnn.scan(CELL, params, xs[at], **options)[1] for at in (slice(0, cut), slice(cut, T))]
    for given in (dict(resets=np.arange(T) == cut), dict(segments=(np.arange(T) >= cut).astype(int))):
        _, ys = jaxrnn.scan(CELL, params, xs, **given, **options)
        assert_close(ys, np.concatenate(parts))


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("backend", GENERAL)
def test_trap_17_a_reset_forgets_inf_and_nan(params: Any, backend: str, bad: float) -> None:
    """A spoilt carry ends at the reset, in values and in the gradient of what comes after."""
    xs, spoilt = inputs(), jaxrnn.GRUCarry(np.full(H, bad))
    resets = np.arange(T) == 2

    def tail(params: Any, carry: Any, xs: Any) -> Any:
        return jaxrnn.scan(CELL, params, xs, carry, resets=resets, backend=backend)[1][2:]

    alone = jaxrnn.scan(CELL, params, xs[2:], backend=backend)[1]
    assert_close(tail(params, spoilt, xs), alone)
    first = jaxrnn.scan(CELL, params, xs, spoilt, resets=np.arange(T) == 0, backend=backend)[1]
    assert_close(first, jaxrnn.scan(CELL, params, xs, backend=backend)[1])


def test_trap_18_a_reset_acts_on_its_own_step(params: Any) -> None:
    """The step that is flagged starts fresh, not the one after and not the one before."""
    xs = inputs()
    fresh = [CELL.step(params, CELL.initial_carry(()), x)[1] for x in xs]
    plain = jaxrnn.scan(CELL, params, xs)[1]
    for k in range(T):
        ys = jaxrnn.scan(CELL, params, xs, resets=np.arange(T) == k)[1]
        assert_close(ys[:k], plain[:k])
        assert_close(ys[k], fresh[k])


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_traps_8_to_10_padding_may_stand_anywhere(params: Any, direction: str) -> None:
    """Left, right or in the middle: valid outputs and final carry are those of the row without padding."""
    xs, reverse = inputs()[:3], DIRECTIONS[direction]
    carry, ys = jaxrnn.scan(CELL, params, xs, reverse=reverse)
    for places in ([0, 1, 2], [2, 3, 4], [0, 2, 4], [1, 2, 4]):
        padded, mask = np.full((T, D), np.nan), np.zeros(T, bool)
        padded[places], mask[places] = xs, True
        last, out = jaxrnn.scan(CELL, params, padded, mask=mask, reverse=reverse)
        assert_close((last, out[np.array(places)]), (carry, ys))
        assert not np.any(np.asarray(out)[~mask])


def test_trap_5_lengths_without_use_of_the_carry(params: Any) -> None:
    """The gradient exists when only the outputs are used, and when only the carry is."""
    xs, lengths = inputs(3), np.array([5, 2, 0])

    def ragged(p: Any) -> tuple[Any, Any]:
        carry, ys = jaxrnn.scan(CELL, p, xs, lengths=lengths)
        return (ys**2).sum(), carry.h.sum()

    def one_by_one(p: Any) -> tuple[Any, Any]:
        rows = [jaxrnn.scan(CELL, p, xs[:n, b])[1] for b, n in enumerate(lengths) if n]
        return sum((ys**2).sum() for ys in rows), sum(ys[-1].sum() for ys in rows)

    assert_close(*jax.jit(lambda p: tuple(jax.jacrev(f)(p) for f in (ragged, one_by_one)))(params))


def test_trap_13_outputs_need_not_be_the_first_state() -> None:
    """Masking a cell whose output is neither state, of another size than the cell state."""
    cell = jaxrnn.lstm(4, projection=2)
    rng = np.random.default_rng(7)
    given = {name: rng.standard_normal(p.shape) for name, p in cell.declare(D).items()}
    xs, lengths = inputs(3), np.array([5, 2, 0])
    carry, ys = jaxrnn.scan(cell, given, xs, lengths=lengths)
    expected = oracle.scan(oracle.lstm, given, xs, (np.zeros((3, 4)), np.zeros((3, 2))), lengths=lengths)
    assert_close((carry, ys), expected)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint32, np.uint64])
@pytest.mark.parametrize("traced", [False, True], ids=["concrete", "traced"])
def test_lengths_of_every_integer_dtype(params: Any, traced: bool, dtype: Any) -> None:
    """Also of those that cannot hold T."""
    xs, lengths = np.random.default_rng(8).standard_normal((300, 3, D)), np.array([100, 0, 17])

    def run(lengths: Any) -> Any:
        return jaxrnn.scan(CELL, params, xs, lengths=lengths)

    assert_close((jax.jit(run) if traced else run)(lengths.astype(dtype)), run(lengths))


@jaxrnn.gate_cell(gates=("a",), carry=jaxrnn.ElmanCarry)
def scaled(carry: Any, x: Any, recur: Any, theta: Any, *, gain: Any) -> Any:
    """Multiplies what comes of a per-step input."""
    h = jnp.tanh(x.a + recur(carry.h * gain).a)
    return jaxrnn.ElmanCarry(h), h


@pytest.mark.parametrize("backend", GENERAL)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_per_step_inputs_in_padding_reach_no_kernel(backend: str, value: float) -> None:
    """The gradient of a kernel is what was multiplied times a cotangent of zero."""
    rng, cell, lengths = np.random.default_rng(5), scaled(H), jnp.array([5, 2])
    params = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), cell.init(jax.random.key(0), D))
    xs, gain = rng.normal(size=(T, 2, D)), rng.normal(size=(T, 2, H))

    @jax.jit
    def gradient(gain: Any) -> Any:
        def loss(params: Any) -> Any:
            options = dict(lengths=lengths, per_step={"gain": gain}, backend=backend)
            return (jaxrnn.scan(cell, params, xs, **options)[1] ** 2).sum()

        return jax.grad(loss)(params)

    spoilt = gain.copy()
    spoilt[2:, 1] = value
    for a, b in zip(jax.tree.leaves(gradient(spoilt)), jax.tree.leaves(gradient(gain)), strict=True):
        np.testing.assert_array_equal(a, b)


@jaxrnn.gate_cell(gates=("a", "b"), carry=jaxrnn.ElmanCarry)
def divided(carry: Any, x: Any, recur: Any, theta: Any) -> Any:
    """Multiplies what is NaN where inputs are zero, as they are taken to be in padding."""
    h = jnp.tanh(x.a + recur(carry.h * x.b / jnp.abs(x.b), gates=("a",)).a)
    return jaxrnn.ElmanCarry(h), h


@jaxrnn.gate_cell(gates=("a",), carry=jaxrnn.ElmanCarry)
def logarithmic(carry: Any, x: Any, recur: Any, theta: Any) -> Any:
    """Multiplies what is infinite where the state is zero."""
    h = jax.nn.sigmoid(x.a + recur(jnp.log(carry.h)).a)
    return jaxrnn.ElmanCarry(h), h


BEGINS = 0.5  # what rows start from
RAGGED = np.array([[0, 1, 1, 0, 1], [1, 1, 1, 0, 0], [1, 0, 1, 1, 1], [0, 0, 0, 0, 0]], bool).T


def _loss(args: Any, cell: Any, weights: Any, **options: Any) -> Any:
    params, xs, start = args
    start = jaxrnn.ElmanCarry(start)
    if options.get("mask") is not None:  # in padding the state is zero until a row begins
        zero = jax.tree.map(jnp.zeros_like, start)
        flags = RAGGED & (np.cumsum(RAGGED, 0) == 1)
        if options["reverse"]:  # the step at which a call begins has no flag
            start = jax.tree.map(lambda a: jnp.where(RAGGED.any(0)[:, None], a, 0), start)
        else:
            options, start = options | {"resets": flags, "reset_carry": start}, zero
    final, ys = jaxrnn.scan(cell, params, xs, start, **options)
    return (weights * ys).sum() + (final.h**2).sum()


@cache
def _derivatives(make: Any, backend: str | None, reverse: bool, order: int) -> Any:
    """By jvp and by vjp, of all rows on a backend; without one of each row's valid steps by themselves."""
    rng, cell = np.random.default_rng(6), make(H)
    params = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), cell.init(jax.random.key(0), D))
    params["bias"] = jnp.zeros_like(params["bias"])  # so that the projection is zero in padding
    args = params, rng.normal(size=(T, 4, D)), np.full((4, H), BEGINS)
    tangent, weights = jax.tree.map(lambda a: rng.normal(size=a.shape), args), rng.normal(size=(T, 4, H))

    def loss(args: Any) -> Any:
        if backend is not None:
            return _loss(args, cell, weights, mask=jnp.asarray(RAGGED), reverse=reverse, backend=backend)
        params, xs, start = args
        rows = [(np.flatnonzero(RAGGED[:, b]), slice(b, b + 1)) for b in range(3)]
        return sum(_loss((params, xs[t, b], start[b]), cell, weights[t, b], reverse=reverse) for t, b in rows)

    for _ in range(order - 1):
        loss = lambda args, loss=loss: jax.jvp(loss, (args,), (tangent,))[1]  # noqa: E731
    return jax.jit(lambda args: (jax.jvp(loss, (args,), (tangent,)), jax.grad(loss)(args)))(args)


@pytest.mark.parametrize("order", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("backend", [*GENERAL, pytest.param("newton", marks=pytest.mark.slow)])
@pytest.mark.parametrize("make", [divided, pytest.param(logarithmic, marks=pytest.mark.slow)])
def test_equations_that_are_no_numbers_in_padding(make: Any, backend: str, direction: str, order: int) -> None:
    """Derivatives are those of each row's valid steps by themselves."""
    of = DIRECTIONS[direction], order
    assert_close(_derivatives(make, backend, *of), _derivatives(make, None, *of))


def test_segments_may_be_hashes(params: Any) -> None:
    """Ids of 64 bits that are one in 32: each segment is a run of its own, whatever JAX makes of such numbers."""
    ids = np.array([[7, 7, 7 + 2**32, 7 + 2**32, 7 - 2**32], [1, 2**40, 2**40, 1, 1]]).T
    xs = np.random.default_rng(0).normal(size=(T, 2, D)).astype(np.float32)
    single = jax.tree.map(lambda a: np.asarray(a, np.float32), params)
    with jax.enable_x64(False):
        _, ys = jaxrnn.scan(CELL, single, xs, segments=ids)
        for b, cuts in ((0, (0, 2, 4, T)), (1, (0, 1, 3, T))):
            for begin, end in pairwise(cuts):
                alone = jaxrnn.scan(CELL, single, xs[begin:end, b])[1]
                np.testing.assert_allclose(ys[begin:end, b], alone, rtol=1e-5)
