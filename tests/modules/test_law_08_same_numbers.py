"""Law 8: linen, nnx and functional forms agree in every bit under one compilation, with the same parameter tree."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx as fx

import jaxrnn
import jaxrnn.linen
import jaxrnn.nnx
from tests.modules.weights import assert_same_bits, functional, params_of

T, B, D, H = 5, 3, 2, 3
LENGTHS = jnp.array([5, 0, 3])

# Arguments of `LSTM` and of its likes in both libraries, and the layer that they stand for.
LAYERS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "lstm": ("LSTM", {"peepholes": True}, jaxrnn.lstm(H, peepholes=True)),
    "gru": ("GRU", {"learn_carry": True}, jaxrnn.gru(H, learn_carry=True)),
    "elman": ("Elman", {"activation_fn": jax.nn.relu, "leak": 0.5}, jaxrnn.elman(H, activation=jax.nn.relu, leak=0.5)),
    "stack": (
        "LSTM",
        {"num_layers": 2, "bidirectional": True, "merge": "sum", "projection": 2},
        jaxrnn.stack([jaxrnn.bidirectional(jaxrnn.lstm(H, projection=2), merge="sum")] * 2),
    ),
}


def inputs() -> Any:
    return jnp.asarray(np.random.default_rng(0).normal(size=(B, T, D)))


@pytest.mark.parametrize("name", LAYERS)
def test_forward_and_gradient(name: str) -> None:
    kind, options, layer = LAYERS[name]
    in_nnx = functional(getattr(jaxrnn.nnx, kind)(D, H, rngs=fx.Rngs(0), return_carry=True, **options))
    in_linen = getattr(jaxrnn.linen, kind)(H, return_carry=True, **options)

    def core(params: Any, xs: Any) -> Any:
        carry, ys = jaxrnn.scan(layer, params, jnp.moveaxis(xs, 1, 0), lengths=LENGTHS, reverse=True)
        return carry, jnp.moveaxis(ys, 0, 1)

    call = {"seq_lengths": LENGTHS, "reverse": True, "keep_order": True}
    forms = {
        "functional": core,
        "nnx": lambda params, xs: in_nnx(params, xs, **call),
        "linen": lambda params, xs: in_linen.apply({"params": params}, xs, **call),
    }

    @jax.jit
    def all_forms(params: Any, xs: Any) -> Any:
        def one(run: Any) -> Any:
            def loss(params: Any, xs: Any) -> Any:
                carry, ys = run(params, xs)
                return sum((a**2).sum() for a in jax.tree.leaves((carry, ys))), (jax.tree.leaves(carry), ys)

            return jax.grad(loss, argnums=(0, 1), has_aux=True)(params, xs)

        return {form: one(run) for form, run in forms.items()}

    results = all_forms(layer.init(jax.random.key(1), inputs=D), inputs())
    assert float(abs(results["functional"][1][1]).sum()) > 0
    assert_same_bits(results["nnx"], results["functional"])
    assert_same_bits(results["linen"], results["functional"])


@pytest.mark.parametrize("name", LAYERS)
def test_parameter_tree(name: str) -> None:
    """Names, shapes, dtypes and nesting are the core's; nnx draws the core's values from the same key."""
    kind, options, layer = LAYERS[name]
    module = getattr(jaxrnn.nnx, kind)(D, H, rngs=fx.Rngs(params=7), **options)
    drawn = layer.init(fx.Rngs(params=7).params(), inputs=D)
    assert_same_bits(params_of(module), drawn)
    assert_same_bits(module.params, drawn)
    assert module.functional == layer
    variables = getattr(jaxrnn.linen, kind)(H, **options).init(jax.random.key(0), inputs())
    form = lambda tree: jax.tree.map(lambda a: (a.shape, a.dtype), tree)  # noqa: E731
    assert form(variables) == {"params": form(drawn)}


def test_cell_modules_take_one_step_of_the_core() -> None:
    cell, x = jaxrnn.lstm(H, coupled=True), inputs()[:, 0]
    module = jaxrnn.nnx.LSTMCell(D, H, coupled=True, rngs=fx.Rngs(0))
    start = cell.initial_carry((B,), module.params)
    wanted = cell.step(module.params, start, x)
    (c, h), y = module(module.initialize_carry((B, D)), x)  # without names, as Flax's cells have it
    assert_same_bits((jaxrnn.LSTMCarry(c, h), y), wanted)
    assert_same_bits(module(start, x), wanted)
    linen = jaxrnn.linen.LSTMCell(H, coupled=True)
    assert_same_bits(linen.apply({"params": module.params}, start, x), wanted)
    assert type(module((start.c, start.h), x)[0]) is tuple  # a plain tuple in, a plain tuple out


def test_one_state_is_a_bare_array() -> None:
    module = jaxrnn.nnx.GRUCell(D, H, rngs=fx.Rngs(0))
    h = module.initialize_carry((B, D))
    assert h.shape == (B, H)
    assert module(h, inputs()[:, 0])[0].shape == (B, H)
    carry, _ = jaxrnn.nnx.GRU(D, H, num_layers=2, bidirectional=True, rngs=fx.Rngs(0))(inputs(), return_carry=True)
    assert jax.tree.map(jnp.shape, carry) == 2 * (jaxrnn.BidirectionalCarry((B, H), (B, H)),)


def test_what_a_call_takes_beyond_flax() -> None:
    """mask, resets, segments, reset_carry, start_step: in the modules' layout, with the core's results."""
    rng = np.random.default_rng(3)
    mask, resets = (jnp.asarray(rng.random((B, T)) < p) for p in (0.7, 0.3))
    segments = jnp.asarray(rng.integers(0, 2, (B, T)))
    fresh = jnp.asarray(rng.normal(size=(B, H)))
    module = jaxrnn.nnx.GRU(D, H, rngs=fx.Rngs(0), return_carry=True, chunk=2, backend="reference")
    options: Any = {"mask": mask, "resets": resets, "segments": segments, "reset_carry": fresh, "start_step": 3}
    got = module(inputs(), **options)
    turned = {n: jnp.moveaxis(options[n], 1, 0) for n in ("mask", "resets", "segments")}
    layer = jaxrnn.gru(H)
    (h,), ys = jaxrnn.scan(
        layer, module.params, jnp.moveaxis(inputs(), 1, 0), **(options | turned | {"backend": "reference"})
    )
    assert_same_bits(got, (h, jnp.moveaxis(ys, 0, 1)))
    linen = jaxrnn.linen.GRU(H, return_carry=True, chunk=2, backend="reference")
    assert_same_bits(linen.apply({"params": module.params}, inputs(), **options), got)


def test_integer_inputs_are_one_hot() -> None:
    symbols = jnp.array([[0, 1, 1], [1, 0, 1]])
    module = jaxrnn.nnx.LSTM(D, H, rngs=fx.Rngs(0))
    np.testing.assert_allclose(module(symbols), module(jax.nn.one_hot(symbols, D, dtype=jnp.float64)), rtol=1e-12)
    linen = jaxrnn.linen.LSTM(H, in_features=D)
    variables = linen.init(jax.random.key(0), symbols)
    assert variables["params"]["kernel"].shape == (D, 4, H)
    assert_same_bits(linen.apply({"params": module.params}, symbols), module(symbols))
