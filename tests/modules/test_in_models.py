"""Modules inside Flax models: training, split and merge, abstract initialisation, sharding metadata."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as fl
from flax import nnx as fx

import jaxrnn
import jaxrnn.linen
import jaxrnn.nnx
from tests.modules.weights import assert_close, assert_same_bits, params_of

T, B, D, H = 8, 4, 3, 4


def data() -> tuple[Any, Any]:
    """Is the sum of a row's first feature, over its valid steps, positive?"""
    rng = np.random.default_rng(0)
    xs, lengths = rng.normal(size=(B, T, D)), rng.integers(2, T + 1, B)
    labels = [int(x[:n, 0].sum() > 0) for x, n in zip(xs, lengths, strict=True)]
    return (jnp.asarray(xs, jnp.float32), jnp.asarray(lengths)), jnp.asarray(labels)


class Model(fx.Module):
    """Convolution over time, LSTM, dense."""

    def __init__(self, rngs: fx.Rngs) -> None:
        self.conv = fx.Conv(D, H, kernel_size=(3,), rngs=rngs)
        options: Any = {"num_layers": 2, "dropout": 0.1, "param_dtype": jnp.float32}
        self.lstm = jaxrnn.nnx.LSTM(H, H, return_carry=True, rngs=rngs, **options)
        self.dense = fx.Linear(H, 2, rngs=rngs)

    def __call__(self, xs: Any, lengths: Any) -> Any:
        carry, _ = self.lstm(self.conv(xs), seq_lengths=lengths)
        return self.dense(carry[-1].h)


def test_an_nnx_model_learns() -> None:
    (xs, lengths), labels = data()
    model = Model(fx.Rngs(0))
    optimizer = fx.Optimizer(model, optax.adam(0.03), wrt=fx.Param)
    traces = []

    def loss_of(params: Any, graph: Any, rest: Any) -> Any:
        logits = fx.merge(graph, params, rest)(xs, lengths)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    @fx.jit
    def step(model: Model, optimizer: Any) -> Any:
        traces.append(None)
        graph, params, rest = fx.split(model, fx.Param, ...)  # counts and keys of noise are integers
        loss, gradient = fx.value_and_grad(loss_of)(params, graph, rest)
        with jax.numpy_dtype_promotion("standard"):  # optax counts steps in integers
            optimizer.update(model, gradient)
        return loss

    losses = [float(step(model, optimizer)) for _ in range(40)]
    assert len(traces) == 1
    assert min(losses[-5:]) < 0.3 * losses[0]
    model.eval()
    assert (model(xs, lengths).argmax(-1) == labels).all()


def test_a_linen_model_learns() -> None:
    (xs, lengths), labels = data()

    class LinenModel(fl.Module):
        @fl.compact
        def __call__(self, xs: Any, lengths: Any) -> Any:
            options: Any = {"features": H, "param_dtype": jnp.float32, "return_carry": True}
            h, _ = jaxrnn.linen.GRU(**options)(fl.Conv(H, (3,))(xs), seq_lengths=lengths)
            return fl.Dense(2)(h)

    model, optimizer = LinenModel(), optax.adam(0.03)
    params = model.init(jax.random.key(0), xs, lengths)["params"]
    assert set(params["GRU_0"]) == {"kernel", "recurrent_kernel", "bias", "recurrent_bias"}

    def loss_of(params: Any) -> Any:
        logits = model.apply({"params": params}, xs, lengths)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    @jax.jit
    def step(params: Any, state: Any) -> Any:
        loss, gradient = jax.value_and_grad(loss_of)(params)
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state, loss

    state, losses = optimizer.init(params), []
    for _ in range(40):
        params, state, loss = step(params, state)
        losses.append(float(loss))
    assert losses[-1] < 0.3 * losses[0]


def test_split_merge_clone_and_state() -> None:
    module, (xs, _) = jaxrnn.nnx.LSTM(D, H, bidirectional=True, rngs=fx.Rngs(0)), data()[0]
    graph, state = fx.split(module)
    wanted = module(xs)
    assert_same_bits(fx.merge(graph, state)(xs), wanted)
    assert_same_bits(fx.clone(module)(xs), wanted)
    assert graph == fx.split(jaxrnn.nnx.LSTM(D, H, bidirectional=True, rngs=fx.Rngs(1)))[0]  # equal by value
    assert_same_bits(jax.jit(lambda s, x: fx.merge(graph, s)(x))(state, xs), fx.jit(lambda m, x: m(x))(module, xs))


def test_eval_shape_draws_nothing() -> None:
    abstract = fx.eval_shape(lambda: jaxrnn.nnx.LSTM(D, 10**6, rngs=fx.Rngs(0)))
    assert abstract.kernel.get_value() == jax.ShapeDtypeStruct((D, 4, 10**6), jnp.float64)


def test_functional_code_continues_from_a_module() -> None:
    module, (xs, _) = jaxrnn.nnx.GRU(D, H, num_layers=2, time_major=True, rngs=fx.Rngs(0)), data()[0]
    assert_close(jaxrnn.scan(module.functional, module.params, xs)[1], module(xs))
    assert jax.tree.structure(params_of(module)) == jax.tree.structure(module.params)


def test_dtypes() -> None:
    """bfloat16 products and outputs, float32 carry and parameters (TRAPS 51)."""
    (xs, _), options = data()[0], {"dtype": jnp.bfloat16, "param_dtype": jnp.float32}
    module = jaxrnn.nnx.RNN(jaxrnn.nnx.LSTMCell(D, H, rngs=fx.Rngs(0), **options), return_carry=True)
    (c, h), ys = module(xs.astype(jnp.bfloat16))
    assert (ys.dtype, c.dtype, h.dtype) == (jnp.bfloat16, jnp.float32, jnp.float32)
    assert module.cell.kernel.dtype == jnp.float32
    theirs = fx.RNN(module.cell, return_carry=True)(xs.astype(jnp.bfloat16))
    np.testing.assert_allclose(np.asarray(theirs[1], np.float32), np.asarray(ys, np.float32), atol=2**-7)


def test_sharding_metadata_is_opt_in() -> None:
    names = {"kernel": (None, None, "model"), "bias": (None, "model")}
    mesh = jax.make_mesh((2,), ("model",), axis_types=(jax.sharding.AxisType.Auto,))
    with jax.set_mesh(mesh):
        module = jaxrnn.nnx.LSTM(D, H, num_layers=2, sharding=names, rngs=fx.Rngs(0))
    assert module.layer_1.kernel.get_metadata("out_sharding") == names["kernel"]
    assert module.layer_0.kernel.get_value().sharding.spec == jax.P(None, None, "model")
    assert not module.layer_0.recurrent_kernel.has_metadata("out_sharding")
    xs = data()[0][0]
    plain = jaxrnn.nnx.LSTM(D, H, num_layers=2, rngs=fx.Rngs(0))
    with jax.set_mesh(mesh):
        assert_close(fx.jit(lambda m, x: m(x))(module, xs), plain(xs))
    linen = jaxrnn.linen.LSTM(H, num_layers=2, sharding=names)
    variables = linen.init(jax.random.key(0), xs)
    spec = fl.get_partition_spec(variables)["params"]["layer_1"]
    assert (spec["bias"], spec["recurrent_kernel"]) == (jax.P(None, "model"), jax.P())
    assert_same_bits(linen.apply(variables, xs), linen.apply(fl.meta.unbox(variables), xs))


@pytest.mark.parametrize("kind", ["nnx", "linen"])
def test_per_step_inputs_reach_a_users_cell(kind: str) -> None:
    def leaky(carry: Any, x: Any, h: Any, *, gain: Any) -> Any:
        new = jnp.tanh(x.a + h.a) * gain
        return jaxrnn.ElmanCarry(new), new

    cell = jaxrnn.gate_cell(gates=("a",), carry=jaxrnn.ElmanCarry)(leaky)(H)
    xs, gain = data()[0][0].astype(jnp.float64), jnp.asarray(np.random.default_rng(1).normal(size=(B, T, H)))
    params = cell.init(jax.random.key(0), inputs=D)
    wanted = jaxrnn.scan(cell, params, jnp.moveaxis(xs, 1, 0), per_step={"gain": jnp.moveaxis(gain, 1, 0)})[1]
    if kind == "nnx":
        module = jaxrnn.nnx.RNN(cell, D, rngs=fx.Rngs(0))
        fx.update(module, params)
        got = module(xs, per_step={"gain": gain})
    else:
        got = jaxrnn.linen.RNN(cell).apply({"params": params}, xs, per_step={"gain": gain})
    assert_close(got, jnp.moveaxis(wanted, 0, 1))
