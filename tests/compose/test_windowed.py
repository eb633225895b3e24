"""Layers that read a window of inputs: the QRNN of width W against NumPy, every kind of step, and its gradients."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from tests import oracle
from tests.compose.test_slstm_block import STEPS, B, T, weighted
from tests.oracles.linear import qrnn

D, H = 3, 5
TOLERANCE = 1e-10


def by_hand(p: dict[str, Any], carry: tuple[Any, ...], x: Any) -> Any:
    """Bradbury et al. 2017, section 2.1, as it stands: z_t = tanh(W^1 x_(t-W+1) + ... + W^W x_t), so for each gate."""
    c, seen = carry
    inputs = np.concatenate([seen, x])
    (c,), y = qrnn(p, (c,), inputs)
    return (c, inputs[D:]), y


def drawn(window: int) -> Any:
    layer = jaxrnn.windowed(jaxrnn.qrnn(H), window=window, inputs=D)
    rng = np.random.default_rng(window)
    params = jax.tree.map(lambda p: rng.normal(size=p.shape), layer.declare(D))
    carry, fresh = (jax.tree.map(lambda a: rng.normal(size=a.shape), layer.initial_carry((B,))) for _ in range(2))
    return layer, params, rng.normal(size=(T, B, D)), carry, fresh


def flat(carry: Any) -> tuple[Any, ...]:
    return carry.layer.c, carry.window


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("window", "steps"), [(2, "all"), (3, "everything"), (4, "mask"), (1, "everything")])
def test_outputs_and_every_gradient(window: int, steps: str, reverse: bool) -> None:
    layer, params, xs, carry, fresh = drawn(window)
    options = STEPS[steps] | dict(reverse=reverse)
    resets = "resets" in STEPS[steps]

    def ours(params: Any, xs: Any, carry: Any, fresh: Any) -> Any:
        given = {"reset_carry": fresh} if resets else {}
        final, ys = jaxrnn.scan(layer, params, xs, carry, chunk=3, **options, **given)
        return weighted(flat(final), ys)

    value, slopes = jax.jit(jax.value_and_grad(ours, (0, 1, 2, 3)))(params, xs, carry, fresh)

    def theirs(a: dict[str, Any]) -> Any:
        start, after = ((a[f"{n} c"], a[f"{n} window"]) for n in ("carry", "fresh"))
        given = {"reset_carry": after} if resets else {}
        p = {"kernel": a["kernel"], "bias": a["bias"]}
        return weighted(*oracle.scan(by_hand, p, a["xs"], start, **options, **given))

    def named(params: Any, xs: Any, carry: Any, fresh: Any) -> dict[str, Any]:
        states = {"carry": flat(carry), "fresh": flat(fresh)}
        parts = {f"{n} {k}": a for n, c in states.items() for k, a in zip(("c", "window"), c, strict=True)}
        return {**params, "xs": xs, **parts}

    arrays = named(params, xs, carry, fresh)
    np.testing.assert_allclose(value, theirs(arrays), TOLERANCE)
    got = named(*slopes)
    for key, want in oracle.complex_step(theirs, arrays).items():
        np.testing.assert_allclose(got[key], want, TOLERANCE, TOLERANCE, err_msg=key)


def test_pieces_steps_and_what_is_beside() -> None:
    layer, params, xs, carry, _ = drawn(3)
    whole, ys = jaxrnn.scan(layer, params, xs, carry)
    state, parts, stepped, single = carry, [], carry, []
    for piece in (xs[:1], xs[1:2], xs[2:2], xs[2:]):
        state, part = jaxrnn.scan(layer, params, piece, state)
        parts.append(part)
    for x in xs:
        stepped, y = layer.step(params, stepped, x)
        single.append(y)
    for got in ((state, jnp.concatenate(parts)), (stepped, jnp.stack(single))):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-12, 1e-12), got, (whole, ys))
    both = jaxrnn.stack([layer, jaxrnn.residual(jaxrnn.min_gru(H))])
    _, ys = jaxrnn.scan(both, both.init(jax.random.key(0), D), xs, lengths=np.array([7, 3, 0]))
    assert np.isfinite(ys).all()
    assert not np.any(ys[3:, 1])


def test_nan_in_padding_reaches_no_gradient() -> None:
    layer, params, xs, carry, _ = drawn(3)
    lengths = np.array([7, 2, 0])
    inside = np.arange(T)[:, None] < lengths
    dirty = np.where(inside[..., None], xs, np.nan)
    slope = jax.jit(jax.grad(lambda p, x: (jaxrnn.scan(layer, p, x, carry, lengths=lengths)[1] ** 2).sum(), (0, 1)))
    jax.tree.map(np.testing.assert_array_equal, slope(params, xs), slope(params, dirty))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: jaxrnn.windowed("qrnn", window=2, inputs=3), "`layer` must be a jaxrnn Layer"),
        (lambda: jaxrnn.windowed(jaxrnn.qrnn(3), window=0, inputs=3), "`window` must be"),
        (lambda: jaxrnn.windowed(jaxrnn.qrnn(3), window=2, inputs=3).init(jax.random.key(0), 4), "`inputs` must be 3"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_what_does_not_fit_is_refused(make: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        make()
