"""xLSTM's sLSTM layer and block against a loop in plain Python: lengths, masks, resets, both ways, streams."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from tests import oracle
from tests.laws.programs import GENERAL
from tests.oracles.slstm_block import block, layer

T, B = 7, 3
TOLERANCE = 1e-10
MASK = np.ones((T, B), bool)
MASK[[0, 2, 3, 6, 6], [0, 0, 0, 0, 1]] = False  # longer gaps than none, and at both ends
RESETS = np.zeros((T, B), bool)
RESETS[[2, 5, 1, 2, 0], [0, 0, 1, 1, 2]] = True  # on a gap, at a step, one after the other, at once
STEPS: dict[str, dict[str, Any]] = {
    "all": {},
    "lengths": dict(lengths=np.array([7, 0, 2])),
    "mask": dict(mask=MASK),
    "resets": dict(resets=RESETS, lengths=np.array([7, 7, 3])),
    "everything": dict(mask=MASK, resets=RESETS, segments=np.cumsum(RESETS[::-1], 0), lengths=np.array([7, 6, 5])),
}
LAYERS = {
    "layer": (jaxrnn.slstm_layer(6, heads=2), layer),
    "layer without convolution": (jaxrnn.slstm_layer(6, heads=3, window=0), layer),
    "layer of one head, window of two": (jaxrnn.slstm_layer(5, heads=1, window=2), layer),
    "block": (jaxrnn.slstm_block(6, heads=2, window=3, feed_forward=5), block),
    "block without feed-forward": (jaxrnn.slstm_block(6, heads=2, window=1, feed_forward=None), block),
}
INNER = {"conv_kernel", "conv_bias", "norm"}


def flat(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters by the oracle's names."""
    named: dict[str, Any] = {}
    if "layer" in params:
        named, params = {"before": params["norm"]} | flat_feed(params), params["layer"]
    return named | params["slstm"] | {n: a for n, a in params.items() if n in INNER}


def flat_feed(params: dict[str, Any]) -> dict[str, Any]:
    names = {"after": "norm", "up": "up_kernel", "down": "down_kernel"}
    fed = params.get("feed_forward")
    return {} if fed is None else {ours: fed[theirs] for ours, theirs in names.items()}


def flat_carry(carry: Any) -> tuple[Any, ...]:
    return (*carry.cell, carry.window)


@cache
def drawn(name: str) -> Any:
    """Random parameters, inputs, carry and what resets lead to; normalisers are positive."""
    one, _ = LAYERS[name]
    rng = np.random.default_rng(len(name))
    params = jax.tree.map(lambda p: rng.normal(size=p.shape), one.declare(one.output_size))
    some = jax.tree.map(lambda a: rng.normal(size=a.shape), one.initial_carry((B,)))
    carry, fresh = (some._replace(cell=some.cell._replace(n=abs(some.cell.n) + k)) for k in (0.5, 1.0))
    return params, rng.normal(size=(T, B, one.output_size)), carry, fresh


def weighted(final: tuple[Any, ...], ys: Any) -> Any:
    """One number of all outputs."""
    rng = np.random.default_rng(9)
    return sum((rng.normal(size=a.shape) * a).sum() for a in (*final, ys))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", LAYERS)
def test_outputs(name: str, steps: str, reverse: bool) -> None:
    is_as_in_a_loop(name, steps, reverse)


@pytest.mark.parametrize("backend", GENERAL)
@pytest.mark.parametrize("name", ["layer", "block"])
def test_every_backend(name: str, backend: str) -> None:
    is_as_in_a_loop(name, "everything", False, backend=backend)


def is_as_in_a_loop(name: str, steps: str, reverse: bool, **options: Any) -> None:
    one, equations = LAYERS[name]
    params, xs, carry, fresh = drawn(name)
    given = options_of(steps, reverse, fresh)
    final, ys = jaxrnn.scan(one, params, xs, carry, chunk=3, **given, **options)
    if "reset_carry" in given:
        given["reset_carry"] = flat_carry(fresh)
    expected, wanted = oracle.scan(equations, flat(params), xs, flat_carry(carry), **given)
    for got, want in zip((*flat_carry(final), ys), (*expected, wanted), strict=True):
        np.testing.assert_allclose(got, want, TOLERANCE, TOLERANCE)


def options_of(steps: str, reverse: bool, fresh: Any) -> dict[str, Any]:
    starts = {"reset_carry": fresh} if "resets" in STEPS[steps] else {}
    return STEPS[steps] | dict(reverse=reverse) | starts


@pytest.mark.parametrize(
    ("name", "steps", "reverse"),
    [("layer", "everything", False), ("layer", "mask", True), ("block", "resets", False), ("block", "all", True)],
)
def test_gradients_of_all_that_is_given(name: str, steps: str, reverse: bool) -> None:
    """Every parameter, input, carry and what resets lead to, by complex steps."""
    one, equations = LAYERS[name]
    params, xs, carry, fresh = drawn(name)

    def ours(params: Any, xs: Any, carry: Any, fresh: Any) -> Any:
        final, ys = jaxrnn.scan(one, params, xs, carry, chunk=3, **options_of(steps, reverse, fresh))
        return weighted(flat_carry(final), ys)

    slopes = jax.jit(jax.grad(ours, (0, 1, 2, 3)))(params, xs, carry, fresh)
    got = {f"param {n}": a for n, a in flat(slopes[0]).items()} | {"xs": slopes[1]}
    states = {"carry": slopes[2], "fresh": slopes[3]}
    got |= {f"{n} {k}": a for n, c in states.items() for k, a in enumerate(flat_carry(c))}

    def theirs(a: dict[str, Any]) -> Any:
        of = {n.removeprefix("param "): v for n, v in a.items() if n.startswith("param ")}
        start, after = (tuple(a[f"{n} {k}"] for k in range(5)) for n in ("carry", "fresh"))
        return weighted(*oracle.scan(equations, of, a["xs"], start, **options_of(steps, reverse, after)))

    arrays = {f"param {n}": a for n, a in flat(params).items()} | {"xs": xs}
    arrays |= {f"{n} {k}": a for n, c in {"carry": carry, "fresh": fresh}.items() for k, a in enumerate(flat_carry(c))}
    for key, want in oracle.complex_step(theirs, arrays).items():
        np.testing.assert_allclose(got[key], want, TOLERANCE, TOLERANCE, err_msg=key)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("name", ["layer", "block"])
def test_padding_changes_no_bit(name: str, value: float) -> None:
    one, _ = LAYERS[name]
    params, xs, carry, fresh = drawn(name)
    valid = STEPS["everything"]["mask"] & (np.arange(T)[:, None] < STEPS["everything"]["lengths"])

    @jax.jit
    def program(params: Any, xs: Any, carry: Any, weights: Any) -> Any:
        def run(*given: Any) -> Any:
            return jaxrnn.scan(one, *given, reset_carry=fresh, **STEPS["everything"])

        outputs, pull = jax.vjp(run, params, xs, carry)
        return outputs, pull((outputs[0], weights))

    dirty = np.where(valid[..., None], xs, value)
    weights = np.ones((T, B, one.output_size))
    clean = program(params, xs, carry, weights)
    spoiled = program(params, dirty, carry, np.where(valid[..., None], weights, value))
    jax.tree.map(np.testing.assert_array_equal, clean, spoiled)
    assert not np.any(np.asarray(clean[0][1])[~valid])


@pytest.mark.parametrize("name", LAYERS)
def test_pieces_and_single_steps_are_the_whole(name: str) -> None:
    """Shorter pieces than the window, too."""
    one, _ = LAYERS[name]
    params, xs, carry, _ = drawn(name)
    whole, ys = jaxrnn.scan(one, params, xs, carry)
    state, parts = carry, []
    for piece in (xs[:2], xs[2:3], xs[3:3], xs[3:]):
        state, part = jaxrnn.scan(one, params, piece, state)
        parts.append(part)
    stepped, single = carry, []
    for x in xs:
        stepped, y = one.step(params, stepped, x)
        single.append(y)
    for got in ((state, jnp.concatenate(parts)), (stepped, jnp.stack(single))):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-12, 1e-12), got, (whole, ys))


def test_the_convolution_does_not_look_across_a_reset() -> None:
    """After it all is as in a sequence of its own; without it, it is not."""
    one, _ = LAYERS["layer"]
    params, xs, _, _ = drawn("layer")
    resets = np.arange(T) == 3
    flags = np.broadcast_to(resets[:, None], (T, B))
    _, ys = jaxrnn.scan(one, params, xs, resets=flags)
    _, alone = jaxrnn.scan(one, params, xs[3:])
    np.testing.assert_allclose(ys[3:], alone, 1e-12, 1e-12)
    assert np.abs(jaxrnn.scan(one, params, xs)[1][3:] - alone).max() > 0.1


def test_dropout_is_of_the_absolute_time_and_off_without_a_key() -> None:
    one = jaxrnn.slstm_block(6, heads=2, dropout=0.5, feed_forward=5, feed_forward_dropout=0.3)
    params, xs, carry, _ = drawn("block")
    params = jax.tree.map(lambda p: np.ones(p.shape), one.declare(6))
    carry, key = one.initial_carry((B,)), jax.random.key(0)
    _, ys = jaxrnn.scan(one, params, xs, carry, rng=key)
    state, first = jaxrnn.scan(one, params, xs[:3], carry, rng=key)
    _, rest = jaxrnn.scan(one, params, xs[3:], state, rng=key, start_step=3)
    np.testing.assert_allclose(jnp.concatenate([first, rest]), ys, 1e-12, 1e-12)
    stepped = one.step(params, state, xs[3], rng=key, step=3)[1]
    np.testing.assert_allclose(stepped, ys[3], 1e-12, 1e-12)
    plain = jaxrnn.scan(one, params, xs, carry)[1]
    assert np.abs(ys - plain).max() > 0.01
    assert not np.allclose(jaxrnn.scan(one, params, xs, carry, rng=jax.random.key(1))[1], ys)


@pytest.mark.parametrize("name", ["layer", "block"])
def test_any_batch_axes_and_none(name: str) -> None:
    one, _ = LAYERS[name]
    params, xs, carry, _ = drawn(name)
    _, ys = jaxrnn.scan(one, params, xs, carry)
    rowless = jaxrnn.scan(one, params, xs[:, 0], jax.tree.map(lambda a: a[0], carry))[1]
    np.testing.assert_allclose(rowless, ys[:, 0], 1e-12, 1e-12)
    two = jaxrnn.scan(one, params, xs[:, :, None], jax.tree.map(lambda a: a[:, None], carry), mask=MASK[:, :, None])
    np.testing.assert_allclose(two[1][:, :, 0], jaxrnn.scan(one, params, xs, carry, mask=MASK)[1], 1e-12, 1e-12)
    none = jaxrnn.scan(one, params, xs[:, :0], lengths=np.zeros(0, int), resets=np.zeros((T, 0), bool))
    assert none[1].shape == (T, 0, 6)
    empty, _ = jaxrnn.scan(one, params, xs[:0], carry, lengths=np.zeros(B, int), resets=np.zeros((0, B), bool))
    jax.tree.map(np.testing.assert_array_equal, empty, carry)


def test_bfloat16_streams_as_the_whole() -> None:
    """Inputs go into the window and come out as they were."""
    one = jaxrnn.slstm_block(8, dtype=jnp.bfloat16, feed_forward=None)
    params = one.init(jax.random.key(0), 8)
    xs = jax.random.normal(jax.random.key(1), (T, B, 8), jnp.bfloat16)
    carry, ys = jaxrnn.scan(one, params, xs)
    assert ys.dtype == jnp.bfloat16
    assert carry.window.dtype == carry.cell.c.dtype
    state, first = jaxrnn.scan(one, params, xs[:2])
    _, rest = jaxrnn.scan(one, params, xs[2:], state)
    np.testing.assert_array_equal(jnp.concatenate([first, rest]), ys)


@pytest.mark.usefixtures("unchecked")
def test_sizes_of_the_feed_forward_layer() -> None:
    sizes = {4 / 3: 192, 1.3: 192, 1.0: 128, 5: 5, np.int64(7): 7}
    for given, size in sizes.items():
        params = jaxrnn.slstm_block(128, feed_forward=given).declare(128)
        assert params["feed_forward"]["down_kernel"].shape == (size, 128)
    assert "feed_forward" not in jaxrnn.slstm_block(128, feed_forward=None).declare(128)


def test_a_fresh_block_forgets_as_its_depth_says() -> None:
    """The convolution is as torch's, projections have deviation sqrt(2 / 5D), the last kernel is smaller by blocks."""
    one = jaxrnn.slstm_block(256, feed_forward=256, blocks=4, depth=1.0)
    params = jax.tree.map(np.asarray, one.init(jax.random.key(0), 256))
    layer = params["layer"]
    np.testing.assert_allclose(layer["slstm"]["kernel"].std(), np.sqrt(2 / (5 * 256)), rtol=0.02)
    np.testing.assert_allclose(params["feed_forward"]["up_kernel"].std(), np.sqrt(2 / (5 * 256)), rtol=0.02)
    np.testing.assert_allclose(params["feed_forward"]["down_kernel"].std(), 2 / 4 / np.sqrt(256), rtol=0.02)
    assert 0.45 < np.abs(layer["conv_kernel"]).max() <= 0.5
    np.testing.assert_array_equal(layer["norm"], 1)
    units = np.arange(64) / 63
    np.testing.assert_allclose(layer["slstm"]["bias"][1, :64], 5 - 12 * units**1.6)
    assert not layer["slstm"]["recurrent_kernel"].any()


WRONG = [
    (dict(heads=4), ValueError, "`heads` must be a divisor of size, 6, got 4"),
    (dict(heads=0), ValueError, "heads"),
    (dict(window=-1), ValueError, "`window` must be an integer, zero or more"),
    (dict(window=2.0), TypeError, "window"),
    (dict(dropout=1.0), ValueError, "dropout"),
    (dict(feed_forward=0), ValueError, "feed_forward"),
    (dict(feed_forward=-0.5), ValueError, "feed_forward"),
    (dict(feed_forward="4/3"), TypeError, "feed_forward"),
    (dict(feed_forward_dropout=-0.1), ValueError, "feed_forward_dropout"),
    (dict(blocks=0), ValueError, "blocks"),
    (dict(depth=2.0), ValueError, "depth"),
    (dict(forget="tanh"), ValueError, "forget"),
]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(("options", "kind", "text"), WRONG, ids=lambda v: str(v)[:30])
def test_wrong_options(options: dict[str, Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        jaxrnn.slstm_block(6, **{"heads": 2, **options})


def test_wrong_inputs() -> None:
    one = jaxrnn.slstm_layer(6, heads=2)
    with pytest.raises(ValueError, match="`inputs` must be 6"):
        one.init(jax.random.key(0), 5)
    params = one.init(jax.random.key(0), 6)
    with pytest.raises(ValueError, match="xs"):
        jaxrnn.scan(one, params, jnp.ones((T, B, 5)))
    with pytest.raises(TypeError, match="Embed integers first"):
        jaxrnn.scan(one, params, jnp.ones((T, B), int))
    with pytest.raises(TypeError, match="SLSTMLayerCarry"):
        jaxrnn.scan(one, params, jnp.ones((T, B, 6)), one.initial_carry((B,)).cell)
    with pytest.raises(ValueError, match="window"):
        jaxrnn.scan(one, params, jnp.ones((T, B, 6)), one.initial_carry((B,))._replace(window=jnp.zeros((B, 12))))
