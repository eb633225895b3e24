"""The ridge readout: beside NumPy's, in pieces as whole, with lengths, masks and washout, NaN in padding, float32."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.compose import Moments
from tests.oracles.memories import ridge

T, B, D, H, GOALS = 21, 3, 2, 7, 2
KEY = jax.random.key(0)
CELL = jaxrnn.esn(H, connectivity=0.5, leak=0.4)
PARAMS = CELL.init(KEY, D)
XS = np.asarray(jax.random.normal(KEY, (T, B, D)))
TARGETS = np.asarray(jax.random.normal(jax.random.key(1), (T, B, GOALS))) + 5
LENGTHS = np.array([T, 9, 0])
MASK = np.asarray(jax.random.bernoulli(jax.random.key(2), 0.7, (T, B)))


def expected(valid: Any, washout: int = 0, penalty: float = 0.1) -> Any:
    """By all states at once."""
    _, ys = jaxrnn.scan(CELL, PARAMS, XS, mask=valid)
    fitted = valid & (np.cumsum(valid, 0) > washout)
    return ridge(np.asarray(ys)[fitted], TARGETS[fitted], penalty)


def same(readout: Any, truth: Any, tolerance: float = 1e-10) -> None:
    for a, b in zip(readout, truth, strict=True):
        np.testing.assert_allclose(a, b, tolerance, tolerance)


@pytest.mark.parametrize("block", [1, 4, 100])
@pytest.mark.parametrize("washout", [0, 3])
def test_it_is_the_ridge_regression(block: int, washout: int) -> None:
    lengths = np.arange(T)[:, None] < LENGTHS
    for options, valid in (
        ({}, np.ones((T, B), bool)),
        ({"lengths": LENGTHS}, lengths),
        ({"mask": MASK}, MASK),
        ({"lengths": LENGTHS, "mask": MASK}, lengths & MASK),
    ):
        carry, readout = jaxrnn.fit_readout(
            CELL, PARAMS, XS, TARGETS, penalty=0.1, washout=washout, block=block, **options
        )
        same(readout, expected(valid, washout))
        np.testing.assert_allclose(carry.h, jaxrnn.scan(CELL, PARAMS, XS, mask=valid)[0].h, 1e-12, 1e-12)


def test_what_is_in_the_padding_counts_nowhere() -> None:
    options: dict[str, Any] = dict(lengths=LENGTHS, mask=MASK, penalty=0.1, block=4)
    clean = jaxrnn.fit_readout(CELL, PARAMS, XS, TARGETS, **options)
    padding = ~(MASK & (np.arange(T)[:, None] < LENGTHS))[..., None]
    dirty = jaxrnn.fit_readout(CELL, PARAMS, *(np.where(padding, np.nan, a) for a in (XS, TARGETS)), **options)
    for a, b in zip(jax.tree.leaves(clean), jax.tree.leaves(dirty), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [jnp.int4, jnp.uint4, jnp.int8, np.uint16, np.int64], ids=lambda d: np.dtype(d).name)
def test_lengths_of_any_integers(dtype: Any) -> None:
    """T is beyond what four bits hold."""
    xs, targets = (np.concatenate([a, a, a]) for a in (XS, TARGETS))
    lengths = jnp.asarray([0, 3, 7], dtype)
    _, readout = jaxrnn.fit_readout(CELL, PARAMS, xs, targets, penalty=0.1, lengths=lengths)
    _, ys = jaxrnn.scan(CELL, PARAMS, xs)
    valid = np.arange(3 * T)[:, None] < np.array([0, 3, 7])
    same(readout, ridge(np.asarray(ys)[valid], targets[valid], 0.1))


def test_pieces_and_batches_are_as_the_whole() -> None:
    _, whole = jaxrnn.fit_readout(CELL, PARAMS, XS, TARGETS, penalty=0.1, washout=3)
    carry, moments = jaxrnn.readout_moments(CELL, PARAMS, XS[:8], TARGETS[:8], washout=3)
    _, moments = jaxrnn.readout_moments(CELL, PARAMS, XS[8:], TARGETS[8:], carry, before=moments)
    same(jaxrnn.solve_readout(moments, H, 0.1), whole)
    parts = [jaxrnn.readout_moments(CELL, PARAMS, XS[:, b], TARGETS[:, b], washout=3)[1] for b in range(B)]
    same(jaxrnn.solve_readout(parts[2].joined(parts[0]).joined(parts[1]), H, 0.1), whole)
    nothing = jaxrnn.readout_moments(CELL, PARAMS, XS[:0], TARGETS[:0])[1]
    same(jaxrnn.solve_readout(nothing.joined(moments), H, 0.1), whole)
    assert float(nothing.steps) == 0
    same(jaxrnn.solve_readout(nothing, H), (np.zeros((H, GOALS)), np.zeros(GOALS)))


def test_times_and_symbols_and_other_layers() -> None:
    cell = jaxrnn.stack([jaxrnn.cfc(H), jaxrnn.gru(5)])
    params, times = cell.init(KEY, D), np.abs(XS[..., 0])
    _, readout = jaxrnn.fit_readout(cell, params, XS, TARGETS, penalty=0.1, per_step={"dt": times}, block=4)
    _, ys = jaxrnn.scan(cell, params, XS, per_step={"dt": times})
    same(readout, ridge(np.asarray(ys).reshape(-1, 5), TARGETS.reshape(-1, GOALS), 0.1))
    symbols = (XS[..., 0] > 0).astype(np.int32)
    _, readout = jaxrnn.fit_readout(CELL, PARAMS, symbols, TARGETS, penalty=0.1)
    _, ys = jaxrnn.scan(CELL, PARAMS, symbols)
    same(readout, ridge(np.asarray(ys).reshape(-1, H), TARGETS.reshape(-1, GOALS), 0.1))


def test_under_jit_and_differentiated_by_the_targets() -> None:
    fit = lambda targets: jaxrnn.fit_readout(CELL, PARAMS, XS, targets, penalty=0.1)[1].kernel  # noqa: E731
    np.testing.assert_allclose(jax.jit(fit)(TARGETS), fit(TARGETS), 1e-10, 1e-10)
    _, moved = jax.jvp(fit, (TARGETS,), (TARGETS,))
    np.testing.assert_allclose(moved, fit(TARGETS), 1e-9, 1e-9, err_msg="linear in them")


def test_float32_keeps_its_digits_beside_a_large_mean() -> None:
    params = {name: a.astype(jnp.float32) for name, a in PARAMS.items()}
    xs, targets = XS.astype(np.float32), (TARGETS + 1000).astype(np.float32)
    _, readout = jaxrnn.fit_readout(CELL, params, xs, targets, penalty=0.1, block=4)
    assert readout.kernel.dtype == jnp.float32
    kernel, bias = expected(np.ones((T, B), bool))
    same(readout, (kernel, bias + 1000), 2e-3)


def test_constant_outputs_are_not_read() -> None:
    still = jax.tree.map(jnp.zeros_like, PARAMS)
    _, readout = jaxrnn.fit_readout(CELL, still, XS, TARGETS, penalty=0)
    same(readout, (np.zeros((H, GOALS)), TARGETS.reshape(-1, GOALS).mean(0)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(targets=TARGETS[:-1]), r"`targets` must be an array \(21, 3, 'O'\)"),
        (dict(targets=TARGETS[..., 0]), "`targets` must be an array"),
        (dict(penalty=-1.0), "`penalty` must be a number, zero or more"),
        (dict(washout=-1), "`washout` must be an integer, zero or more"),
        (dict(block=0), "`block` must be a positive integer"),
        (dict(layer=3), "`layer` must be a jaxrnn Layer"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_calls(options: dict[str, Any], message: str) -> None:
    given = dict(layer=CELL, params=PARAMS, xs=XS, targets=TARGETS) | options
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        jaxrnn.fit_readout(**given)


def test_moments_of_too_few_numbers() -> None:
    moments = Moments(jnp.zeros(()), jnp.zeros(3), jnp.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"^`outputs` must be fewer than 3"):
        jaxrnn.solve_readout(moments, 3)
