"""Weight drop: what is dropped and what is not, shared by rows and times, and the gradient that flows."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from tests import oracle

CELL = jaxrnn.lstm(5)
KEY = jax.random.key(3)


def test_kept_entries_are_scaled_and_dropped_ones_zero():
    params = jaxrnn.gru(40).init(jax.random.key(0), inputs=3)
    dropped = jaxrnn.weight_drop(params, KEY, 0.3)
    before, after = np.asarray(params["recurrent_kernel"]), np.asarray(dropped["recurrent_kernel"])
    kept = after != 0
    np.testing.assert_allclose(after[kept], before[kept] / 0.7, rtol=1e-12)
    assert abs(kept.mean() - 0.7) < 4 * np.sqrt(0.21 / kept.size)
    assert all(dropped[name] is params[name] for name in params if name != "recurrent_kernel")


def test_every_layer_of_a_stack_has_masks_of_its_own():
    layer = jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.lstm(6)), jaxrnn.lstm(6)])
    params = layer.init(jax.random.key(0), inputs=6)
    dropped = jaxrnn.weight_drop(params, KEY, 0.5)
    masks = [
        np.asarray(leaf != 0).tobytes()
        for path, leaf in jax.tree.leaves_with_path(dropped)
        if jax.tree_util.keystr(path).endswith("['recurrent_kernel']")
    ]
    assert len(set(masks)) == 3


def test_one_mask_for_all_rows_and_times_and_its_gradient():
    """NumPy runs the same cell with the masked kernel: outputs, and the gradient by complex steps times the mask."""
    params = CELL.init(jax.random.key(0), inputs=2)
    xs = np.random.default_rng(0).normal(size=(7, 3, 2))
    mask = np.asarray(jaxrnn.weight_drop({"recurrent_kernel": jnp.ones((5, 4, 5))}, KEY, 0.4)["recurrent_kernel"])

    def loss(params):
        return jnp.square(jaxrnn.scan(CELL, jaxrnn.weight_drop(params, KEY, 0.4), xs)[1]).sum()

    given = {name: np.asarray(array) for name, array in params.items()}
    start = (np.zeros((3, 5)), np.zeros((3, 5)))

    def expected(arrays):
        masked = arrays | {"recurrent_kernel": arrays["recurrent_kernel"] * mask}
        return (oracle.scan(oracle.lstm, masked, xs, start)[1] ** 2).sum()

    value, gradient = jax.value_and_grad(loss)(params)
    np.testing.assert_allclose(value, expected(given), rtol=1e-12)
    for name, slopes in oracle.complex_step(expected, given).items():
        np.testing.assert_allclose(gradient[name], slopes, rtol=1e-9, atol=1e-11)
    assert (np.asarray(gradient["recurrent_kernel"])[mask == 0] == 0).all()


def test_equal_keys_drop_alike_and_rate_zero_nothing():
    params = CELL.init(jax.random.key(0), inputs=2)
    masked = [jaxrnn.weight_drop(params, jax.random.key(n), 0.5)["recurrent_kernel"] for n in (1, 1, 2)]
    np.testing.assert_array_equal(masked[0], masked[1])
    assert (masked[0] != masked[2]).any()
    whole = jax.jit(jaxrnn.weight_drop, static_argnums=2)(params, KEY, 0.0)
    np.testing.assert_array_equal(whole["recurrent_kernel"], params["recurrent_kernel"])


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (({"kernel": np.ones((2, 4, 5))}, KEY, 0.5), ValueError, "`params` must be a dict with an entry 'recurrent_k"),
        ((np.ones(3), KEY, 0.5), TypeError, "`params` must be a dict of arrays"),
        (({"recurrent_kernel": np.ones((5, 4, 5))}, 3, 0.5), TypeError, "`rng` must be one PRNG key"),
        (({"recurrent_kernel": np.ones((5, 4, 5))}, KEY, 1.0), ValueError, "`rate` must be a number in"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named(arguments, kind, message):
    with pytest.raises(kind, match=message):
        jaxrnn.weight_drop(*arguments)
