"""Flax (linen and NNX), haiku and equinox, live in float64: values and every gradient, both ways."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import jaxrnn
from jaxrnn import interop
from tests.interop.compare import LENGTHS, D, H, T, close, compare, inputs, randomised, saved_runs
from tests.promotion import default_promotion

F64 = dict(param_dtype=np.float64, dtype=np.float64)


def in_flax_form(carry: Any) -> Any:
    return tuple(carry) if len(carry) > 1 else carry[0]


# ---------------------------------------------------------------- Flax, linen

LINEN = {
    "LSTMCell": (linen.LSTMCell(H, **F64), jaxrnn.lstm(H)),
    "OptimizedLSTMCell": (linen.OptimizedLSTMCell(H, **F64), jaxrnn.lstm(H)),
    "GRUCell": (linen.GRUCell(H, **F64), jaxrnn.gru(H)),
    "SimpleCell": (linen.SimpleCell(H, **F64), jaxrnn.elman(H)),
    "SimpleCell, residual": (linen.SimpleCell(H, residual=True, **F64), jaxrnn.elman(H, residual="inside")),
}


def linen_run(module: Any) -> Any:
    rnn = linen.RNN(module, time_major=True, return_carry=True)

    def theirs(weights: Any, xs: Any, carry: Any) -> Any:
        variables = weights if "params" in weights else {"params": {"cell": weights}}
        return rnn.apply(variables, xs, initial_carry=in_flax_form(carry))

    return theirs


@pytest.mark.parametrize("name", LINEN)
def test_linen(name: str) -> None:
    module, cell = LINEN[name]
    xs, _ = inputs(cell)
    weights = randomised(linen.RNN(module, time_major=True).init(jax.random.key(0), xs))
    known = {"layer": cell} if "residual" in name else {}  # which no array shows
    compare(linen_run(module), weights, cell, "flax.linen", **known)
    saved_runs(linen_run(module), weights["params"]["cell"], cell, "flax.linen")


def test_linen_both_ways_with_lengths() -> None:
    one = lambda: linen.RNN(linen.GRUCell(H, **F64), time_major=True)  # noqa: E731
    both = linen.Bidirectional(one(), one(), time_major=True, return_carry=True)
    layer = jaxrnn.bidirectional(jaxrnn.gru(H))
    xs, _ = inputs(layer)
    weights = randomised(both.init(jax.random.key(0), xs))

    def theirs(weights: Any, xs: Any, carry: Any) -> Any:
        given = tuple(in_flax_form(c) for c in carry)
        final, ys = both.apply(weights, xs, initial_carry=given, seq_lengths=LENGTHS)
        valid = (jnp.arange(T)[:, None] < LENGTHS)[..., None]
        return final, jnp.where(valid, ys, 0.0)  # Flax leaves junk in the padding

    compare(theirs, weights, layer, "flax.linen", dict(lengths=LENGTHS))


# ---------------------------------------------------------------- Flax, NNX

NNX = {
    "LSTMCell": (nnx.LSTMCell, {}, jaxrnn.lstm(H)),
    "LSTMCell, relu": (
        nnx.LSTMCell,
        dict(activation_fn=jax.nn.relu),
        jaxrnn.lstm(H, activation=jax.nn.relu, output_activation=jax.nn.relu),
    ),
    "OptimizedLSTMCell": (nnx.OptimizedLSTMCell, {}, jaxrnn.lstm(H)),
    "GRUCell": (nnx.GRUCell, {}, jaxrnn.gru(H)),
    "SimpleCell": (nnx.SimpleCell, {}, jaxrnn.elman(H)),
    "SimpleCell, residual": (nnx.SimpleCell, dict(residual=True), jaxrnn.elman(H, residual="inside")),
}


def nnx_run(module: Any) -> Any:
    graph, params, rest = nnx.split(module, nnx.Param, ...)

    def theirs(weights: Any, xs: Any, carry: Any) -> Any:
        state = jax.tree.map(lambda a: a, params)
        nnx.replace_by_pure_dict(state, weights)
        rnn = nnx.merge(graph, state, rest)
        return jax.lax.scan(lambda c, x: rnn(c, x), in_flax_form(carry), xs)

    return theirs


def plain(module: Any) -> Any:
    return nnx.to_pure_dict(nnx.state(module, nnx.Param))


@pytest.mark.parametrize("name", NNX)
def test_nnx(name: str) -> None:
    make, options, cell = NNX[name]
    module = make(D, H, rngs=nnx.Rngs(0), **options, **F64)
    weights = randomised(plain(module))
    compare(nnx_run(module), weights, cell, "flax.nnx", layer=cell)
    which = name.partition(",")[0]
    saved_runs(nnx_run(module), weights, cell, "flax.nnx", cell=which)
    assert interop.load(nnx.RNN(module, rngs=nnx.Rngs(0))).layer == cell


def test_nnx_live_both_ways_inside_a_model() -> None:
    class Model(nnx.Module):
        def __init__(self) -> None:
            rnns = [nnx.RNN(nnx.GRUCell(D, H, rngs=nnx.Rngs(i), **F64), rngs=nnx.Rngs(0)) for i in (0, 1)]
            self.encoder = nnx.Bidirectional(*rnns, rngs=nnx.Rngs(0))
            self.head = nnx.Linear(2, 2, rngs=nnx.Rngs(0))

    model = Model()
    layer, params = interop.load(model, prefix="encoder")
    assert layer == jaxrnn.bidirectional(jaxrnn.gru(H))
    xs, _ = inputs(layer)
    with default_promotion():
        wanted = model.encoder(jnp.swapaxes(xs, 0, 1))
    close(jaxrnn.scan(layer, params, xs)[1], np.swapaxes(wanted, 0, 1))
    with pytest.raises(ValueError, match="no 'decoder'"):
        interop.load(model, prefix="decoder")


def test_nnx_gru_has_no_inner_bias() -> None:
    cell = jaxrnn.gru(H)
    params = randomised(cell.init(jax.random.key(0), D))
    with pytest.raises(ValueError, match=r"`recurrent_bias` must be zero for flax\.nnx GRUCell"):
        interop.save(cell, params, "flax.nnx")


# ---------------------------------------------------------------- haiku


def haiku_run(make: Any) -> tuple[Any, Any]:
    hk = pytest.importorskip("haiku")

    def forward(xs: Any, carry: Any) -> Any:
        core = make(hk)
        given = hk.LSTMState(hidden=carry.h, cell=carry.c) if hasattr(carry, "c") else carry.h
        ys, final = hk.dynamic_unroll(core, xs, given)
        return ((final.cell, final.hidden) if hasattr(carry, "c") else final), ys

    transformed = hk.without_apply_rng(hk.transform(forward))
    return transformed.init, transformed.apply


HAIKU = {
    "LSTM": (lambda hk: hk.LSTM(H), jaxrnn.lstm(H)),
    "GRU": (lambda hk: hk.GRU(H), jaxrnn.gru(H, reset_after=False)),
    "VanillaRNN": (lambda hk: hk.VanillaRNN(H), jaxrnn.elman(H, activation=jax.nn.relu)),
    "VanillaRNN(double_bias=False)": (
        lambda hk: hk.VanillaRNN(H, double_bias=False),
        jaxrnn.elman(H, activation=jax.nn.relu),
    ),
}
HAIKU_MODULE = {"LSTM": "lstm", "GRU": "gru", "VanillaRNN": "vanilla_rnn"}


@pytest.mark.filterwarnings("ignore")  # haiku's own
@pytest.mark.parametrize("name", HAIKU)
def test_haiku(name: str) -> None:
    make, cell = HAIKU[name]
    init, apply = haiku_run(make)
    xs, carry = inputs(cell)
    with default_promotion():
        weights = randomised(init(jax.random.key(0), xs, carry))
    compare(apply, weights, cell, "haiku")
    module = HAIKU_MODULE[name.partition("(")[0]]

    def theirs(tree: Any, xs: Any, carry: Any) -> Any:
        return apply(tree, xs, carry)

    params = randomised(cell.init(jax.random.key(0), D), 5)
    saved = interop.save(cell, params, "haiku", cell=name, prefix=module)
    assert jax.tree.structure(saved) == jax.tree.structure(weights)
    with default_promotion():
        close(theirs(saved, xs, carry), jaxrnn.scan(cell, params, xs, carry))


def test_haiku_with_another_forget_bias() -> None:
    weights = {"lstm/linear": {"w": np.ones((D + H, 4 * H)), "b": np.zeros(4 * H)}}
    for given, wanted in ((None, 1.0), (0.0, 0.0), (2.5, 2.5)):
        bias = interop.load(weights, "haiku", forget_bias=given).params["bias"]
        np.testing.assert_array_equal(bias, np.array([0, wanted, 0, 0])[:, None] * np.ones(H))


# ---------------------------------------------------------------- equinox


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ["LSTMCell", "GRUCell"])
def test_equinox(name: str, bias: bool) -> None:
    eqx = pytest.importorskip("equinox")
    module = getattr(eqx.nn, name)(D, H, use_bias=bias, dtype=np.float64, key=jax.random.key(0))
    cell = (jaxrnn.lstm if name == "LSTMCell" else jaxrnn.gru)(H, use_bias=bias)
    names = [n for n in ("weight_ih", "weight_hh", "bias", "bias_n") if getattr(module, n, None) is not None]
    weights = randomised({n: getattr(module, n) for n in names})

    def theirs(weights: Any, xs: Any, carry: Any) -> Any:
        with_weights = eqx.tree_at(lambda m: [getattr(m, n) for n in names], module, [weights[n] for n in names])

        def step(state: Any, x: Any) -> Any:
            given = (state.h, state.c) if hasattr(state, "c") else state.h
            new = jax.vmap(with_weights)(x, given)
            new = type(state)(new[1], new[0]) if hasattr(state, "c") else type(state)(new)
            return new, new.h

        return jax.lax.scan(step, carry, xs)

    compare(theirs, weights, cell, "equinox", layer=cell)
    saved_runs(theirs, weights, cell, "equinox")
    assert interop.load(module).layer == cell


def test_equinox_refuses_what_it_lacks() -> None:
    layer = jaxrnn.stack([jaxrnn.gru(H)] * 2)
    with pytest.raises(ValueError, match="a model of equinox names its layers itself"):
        interop.save(layer, layer.init(jax.random.key(0), D), "equinox")
