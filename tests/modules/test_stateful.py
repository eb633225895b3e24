"""`stateful=True`: chunks of a stream give what the whole gives, and another batch size raises (TRAPS 54, 55)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as fl
from flax import nnx as fx

import jaxrnn
import jaxrnn.linen
import jaxrnn.nnx
from tests.modules.weights import assert_close, assert_same_bits, params_of

T, B, D, H = 6, 2, 2, 3


def inputs(batch: int = B) -> Any:
    return jnp.asarray(np.random.default_rng(0).normal(size=(batch, T, D)))


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "Elman"])
def test_two_halves_are_the_whole(kind: str) -> None:
    build = getattr(jaxrnn.nnx, kind)
    whole = build(D, H, num_layers=2, rngs=fx.Rngs(0))(inputs())
    module = build(D, H, num_layers=2, stateful=True, rngs=fx.Rngs(0))
    halves = [module(part) for part in jnp.split(inputs(), 2, axis=1)]
    assert_close(jnp.concatenate(halves, axis=1), whole)
    module.reset_state()
    assert_close(module(inputs()), whole)


def test_both_directions_keep_their_own_carry() -> None:
    """Forward goes on where it stopped; backward starts each chunk from its own carry of the chunk before."""
    module = jaxrnn.nnx.GRU(D, H, bidirectional=True, stateful=True, return_carry=True, rngs=fx.Rngs(0))
    first, second = jnp.split(inputs(), 2, axis=1)
    carry, _ = module(first)
    assert_same_bits(module.state.get_value(), carry)
    got = module(second)
    fresh = jaxrnn.nnx.GRU(D, H, bidirectional=True, return_carry=True, rngs=fx.Rngs(0))
    assert_same_bits(got, fresh(second, initial_carry=carry))


def test_bidirectional_module() -> None:
    one = lambda: jaxrnn.nnx.RNN(jaxrnn.nnx.LSTMCell(D, H, rngs=fx.Rngs(0)), stateful=True)  # noqa: E731
    module = jaxrnn.nnx.Bidirectional(one(), one())
    first = module(inputs())
    assert bool((module(inputs()) != first).any())
    module.reset_state()
    assert_same_bits(module(inputs()), first)


@pytest.mark.parametrize("cell", ["ours", "flax"])
def test_another_batch_size_raises_and_names_both(cell: str) -> None:
    library = jaxrnn.nnx if cell == "ours" else fx
    module = jaxrnn.nnx.RNN(library.LSTMCell(D, H, rngs=fx.Rngs(0)), stateful=True)
    module(inputs().astype(jnp.float32) if cell == "flax" else inputs())
    with pytest.raises(ValueError, match=r"`inputs` must be of batch axes \(2,\).*got inputs of batch axes \(3,\)"):
        module(inputs(3))
    module.reset_state()
    assert module(inputs(3).astype(jnp.float32) if cell == "flax" else inputs(3)).shape == (3, T, H)


def test_under_jit_and_grad() -> None:
    """The state comes out of transforms; with `reset_state(batch)` nothing is traced twice."""
    module = jaxrnn.nnx.LSTM(D, H, stateful=True, rngs=fx.Rngs(0))
    eager = jaxrnn.nnx.LSTM(D, H, stateful=True, rngs=fx.Rngs(0))
    traces = []

    @fx.jit
    def step(module: Any, xs: Any) -> Any:
        traces.append(None)
        return fx.grad(lambda m: (m(xs) ** 2).sum())(module)

    module.reset_state((B,))
    for _ in range(3):
        gradient = step(module, inputs())
        eager(inputs())
    assert len(traces) == 1
    assert_close(module.state.get_value(), eager.state.get_value())
    assert set(fx.to_pure_dict(fx.state(gradient, fx.Param))) == {"kernel", "recurrent_kernel", "bias"}


def test_state_is_no_parameter_and_survives_split_and_merge() -> None:
    module = jaxrnn.nnx.GRU(D, H, stateful=True, rngs=fx.Rngs(0))
    module(inputs())
    graph, params, state = fx.split(module, fx.Param, jaxrnn.nnx.RecurrentState)
    assert set(fx.to_pure_dict(params)) == {"bias", "kernel", "recurrent_bias", "recurrent_kernel"}
    fresh = jax.tree.map(lambda a: a, (params, state))  # variables of their own
    assert_same_bits(fx.merge(graph, *fresh)(inputs()), module(inputs()))


def test_linen_keeps_it_in_the_carry_collection() -> None:
    module = jaxrnn.linen.LSTM(H, num_layers=2, stateful=True)
    variables = module.init(jax.random.key(0), inputs(1))  # the batch size of init does not bind
    whole = jaxrnn.linen.LSTM(H, num_layers=2).apply({"params": variables["params"]}, inputs())
    halves = []
    for part in jnp.split(inputs(), 2, axis=1):
        ys, kept = module.apply(variables, part, mutable=["carry"])
        halves.append(ys)
        variables |= kept
    assert_close(jnp.concatenate(halves, axis=1), whole)
    with pytest.raises(ValueError, match=r"`inputs` must be of batch axes \(2,\).*got inputs of batch axes \(3,\)"):
        module.apply(variables, inputs(3), mutable=["carry"])
    _, kept = module.apply(variables, method="reset_state", mutable=["carry"])
    assert_close(module.apply(variables | kept, inputs(), mutable=["carry"])[0], whole)
    _, kept = module.apply(variables, (3,), method="reset_state", mutable=["carry"])
    assert jax.tree.map(jnp.shape, kept["carry"]["state"]) == 2 * (jaxrnn.LSTMCarry((3, H), (3, H)),)
    with pytest.raises(ValueError, match="`mutable` must be a list with 'carry'"):
        module.apply(variables, inputs())


def test_a_learned_carry_starts_the_stream() -> None:
    options: Any = {"learn_carry": True, "carry_init": jax.nn.initializers.normal()}
    module = jaxrnn.nnx.GRU(D, H, stateful=True, rngs=fx.Rngs(0), **options)
    whole = jaxrnn.nnx.GRU(D, H, rngs=fx.Rngs(0), **options)
    assert float(abs(params_of(module)["initial_h"]).min()) > 0
    assert_close(module(inputs()), whole(inputs()))
    module.reset_state((B,))
    assert_close(module(inputs()), whole(inputs()))


def test_linen_resets_to_the_carry_that_a_shared_cell_learned() -> None:
    """The cell's parameters stand where its owner put it, not under the RNN."""

    class Model(fl.Module):
        def setup(self) -> None:
            self.shared = jaxrnn.linen.GRUCell(H, learn_carry=True, carry_init=jax.nn.initializers.normal())
            self.rnn = jaxrnn.linen.RNN(self.shared, stateful=True)

        def __call__(self, xs: Any) -> Any:
            return self.rnn(xs)

        def reset(self, batch: Any) -> None:
            self.rnn.reset_state(batch)

    model = Model()
    variables = model.init(jax.random.key(0), inputs())
    _, kept = model.apply(variables, (B,), method="reset", mutable=["carry"])
    learned = variables["params"]["shared"]["initial_h"]
    assert_same_bits(kept["carry"]["rnn"]["state"], jnp.broadcast_to(learned[None], (B, H)))


STREAMS = {
    "LSTM": lambda **o: jaxrnn.nnx.LSTM(D, H, num_layers=2, rngs=fx.Rngs(0), **o),
    "cell module": lambda **o: jaxrnn.nnx.RNN(jaxrnn.nnx.GRUCell(D, H, rngs=fx.Rngs(0)), **o),
    "learned carry": lambda **o: jaxrnn.nnx.GRU(D, H, learn_carry=True, rngs=fx.Rngs(0), **o),
    "flax's cell": lambda **o: jaxrnn.nnx.RNN(fx.LSTMCell(D, H, rngs=fx.Rngs(0), param_dtype=jnp.float64), **o),
}


@pytest.mark.parametrize("name", STREAMS)
def test_steps_are_the_whole(name: str) -> None:
    wanted = STREAMS[name]()(inputs())
    module = STREAMS[name](stateful=True)
    module(inputs()[:, :2])
    got = [module.step(inputs()[:, t]) for t in range(2, T)]  # going on where a call ended
    assert_close(jnp.stack(got, 1), wanted[:, 2:])
    module.reset_state()
    assert_close(jnp.stack([module.step(inputs()[:, t]) for t in range(T)], 1), wanted)
    with pytest.raises(ValueError, match=r"`inputs` must be of batch axes \(2,\).*got inputs of batch axes \(3,\)"):
        module.step(inputs(3)[:, 0])


def test_steps_of_symbols_and_of_noise() -> None:
    symbols, key = jnp.array([[0, 1, 1], [1, 0, 1]]), jax.random.key(3)
    layer = jaxrnn.zoneout(jaxrnn.lstm(H), c=0.5)
    whole = jaxrnn.nnx.RNN(layer, D, rngs=fx.Rngs(0))(symbols, rngs=key)
    module = jaxrnn.nnx.RNN(layer, D, stateful=True, rngs=fx.Rngs(0))
    assert_close(jnp.stack([module.step(symbols[:, t], rngs=key, start_step=t) for t in range(3)], 1), whole)
    module.eval()
    module.reset_state()
    quiet = jaxrnn.nnx.RNN(layer, D, deterministic=True, rngs=fx.Rngs(0))(symbols)
    assert_close(jnp.stack([module.step(symbols[:, t]) for t in range(3)], 1), quiet)


@pytest.mark.parametrize("cell", ["layers", "cell module", "flax's cell"])
def test_linen_steps_are_the_whole(cell: str) -> None:
    cells = {"cell module": jaxrnn.linen.LSTMCell(H), "flax's cell": fl.LSTMCell(H, param_dtype=jnp.float64)}
    options: Any = {"stateful": True}
    module = (
        jaxrnn.linen.LSTM(H, num_layers=2, **options) if cell == "layers" else jaxrnn.linen.RNN(cells[cell], **options)
    )
    variables = module.init(jax.random.key(0), inputs())
    wanted, _ = module.apply(variables, inputs(), mutable=["carry"])
    for t in range(T):
        y, kept = module.apply(variables, inputs()[:, t], method="step", mutable=["carry"])
        variables |= kept
        assert_close(y, wanted[:, t])
    with pytest.raises(ValueError, match="`step` must be called on variables that a call over a sequence initialised"):
        module.init(jax.random.key(0), inputs()[:, 0], method="step")


def test_one_step_of_a_batch_is_not_a_sequence() -> None:
    """Rows are not chained in time; both readings are named, and one row without a batch axis can be asked for."""
    module = jaxrnn.nnx.LSTM(D, H, stateful=True, rngs=fx.Rngs(0))
    for x in (inputs()[:, 0], jnp.array([0, 1])):
        with pytest.raises(ValueError, match=r"One step of 2 rows goes into `step`; 2 steps of one row into a call"):
            module(x)
    linen = jaxrnn.linen.LSTM(H, stateful=True)
    variables = linen.init(jax.random.key(0), inputs())
    with pytest.raises(ValueError, match=r"`inputs` must be of shape \[\*B, T, D\] with a batch axis"):
        linen.apply(variables, inputs()[:, 0], mutable=["carry"])
    module.reset_state(())
    fresh = jaxrnn.nnx.LSTM(D, H, rngs=fx.Rngs(0))
    assert_close(module(inputs()[0]), fresh(inputs()[0]))
