"""Cells with a step or a start of their own, and cells of other people: our RNN runs what Flax's RNN runs.

The reference is Flax's own RNN around the same cell, or a loop of the cell's calls.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as fl
from flax import nnx as fx

import jaxrnn
import jaxrnn.keras as K
import jaxrnn.linen as L
import jaxrnn.nnx as N
from tests.modules.weights import LINEN, assert_close, assert_same_bits, randomised
from tests.promotion import default_promotion

T, B, D, H = 4, 3, 2, 3
LENGTHS = jnp.array([4, 1, 3])
XS = jnp.asarray(np.random.default_rng(0).normal(size=(B, T, D)))
START = tuple(jnp.asarray(a) for a in np.random.default_rng(1).normal(size=(2, B, H)))


class Doubled(N.LSTMCell):
    """A step of its own, which puts the tuple together anew."""

    def __call__(self, carry: Any, inputs: Any) -> Any:
        (c, h), y = super().__call__(carry, inputs)
        return (c, 0.5 * h), 2 * y


class Started(N.GRUCell):
    """A start of its own."""

    def initialize_carry(self, input_shape: Any, rngs: Any = None, carry_init: Any = None) -> Any:
        return jnp.full((*input_shape[:-1], self.hidden_features), 0.5)


class LinenDoubled(L.LSTMCell):
    def __call__(self, carry: Any, inputs: Any) -> Any:
        (c, h), y = super().__call__(carry, inputs)
        return (c, 0.5 * h), 2 * y


class LinenStarted(L.GRUCell):
    @fl.nowrap
    def initialize_carry(self, rng: Any, input_shape: Any) -> Any:
        return jnp.full((*input_shape[:-1], self.features), 0.5)


def at_valid(outputs: Any) -> Any:
    return jnp.where((jnp.arange(T)[None] < LENGTHS[:, None])[..., None], outputs, 0.0)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", [Doubled, Started])
def test_nnx_overrides_run_as_in_flaxs_rnn(kind: Any, reverse: bool) -> None:
    cell = kind(D, H, rngs=fx.Rngs(0))
    mine = N.RNN(cell, return_carry=True, reverse=reverse)
    assert mine.functional is None  # the module says so
    carry, outputs = mine(XS, seq_lengths=LENGTHS)
    wanted = fx.RNN(cell, return_carry=True, reverse=reverse)(XS, seq_lengths=LENGTHS)
    assert_close((carry, outputs), (wanted[0], at_valid(wanted[1])))
    plain = N.RNN(kind.__mro__[1](D, H, rngs=fx.Rngs(0)))
    assert plain.functional is not None
    assert float(abs(plain(XS) - mine(XS)[1]).max()) > 0.01


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", [LinenDoubled, LinenStarted])
def test_linen_overrides_run_as_in_flaxs_rnn(kind: Any, reverse: bool) -> None:
    mine, theirs = (library.RNN(kind(H), return_carry=True, reverse=reverse) for library in (L, fl))
    assert mine.functional is None
    variables = mine.init(jax.random.key(0), XS)
    assert_same_bits(variables, theirs.init(jax.random.key(0), XS))
    wanted = theirs.apply(variables, XS, seq_lengths=LENGTHS)
    assert_close(mine.apply(variables, XS, seq_lengths=LENGTHS), (wanted[0], at_valid(wanted[1])))


def test_an_initialize_carry_of_the_instance_counts() -> None:
    cell = N.GRUCell(D, H, rngs=fx.Rngs(0))
    rnn = N.RNN(cell)
    ones = lambda shape, rngs=None: jnp.ones((*shape[:-1], H))  # noqa: E731
    wanted = rnn(XS, initial_carry=jnp.ones((B, H)))
    cell.initialize_carry = ones
    assert rnn.functional is None
    assert_close(rnn(XS), wanted)


ENGINE_ONLY: dict[str, Any] = {
    "mask": jnp.ones((B, T), bool),
    "resets": jnp.zeros((B, T), bool),
    "segments": jnp.zeros((B, T), int),
    "reset_carry": START,
    "per_step": {"times": XS},
    "start_step": 0,
    "deterministic": True,
}
STEP_ONLY = {"per_step": {"times": XS[:, 0]}, "start_step": 0, "deterministic": False}
SETTINGS: dict[str, Any] = {"chunk": 2, "backend": "reference", "deterministic": True}


def refused(name: str) -> Any:
    return pytest.raises(ValueError, match=f"`{name}` must be left out for a cell that does not run on jaxrnn's engine")


@pytest.mark.parametrize("kind", [Doubled, fx.LSTMCell])
def test_what_only_the_engine_does_is_refused_by_name(kind: Any) -> None:
    """In a call, in a step and in settings, also where a carry is kept already; what has an effect has it."""
    cell = kind(D, H, rngs=fx.Rngs(0), param_dtype=jnp.float64)
    rnn = N.RNN(cell, stateful=True)
    for kept in (None, START):
        rnn.state.set_value(kept)
        for name, value in ENGINE_ONLY.items():
            with refused(name):
                rnn(XS, **{name: value})
        for name, value in STEP_ONLY.items():
            with refused(name):
                rnn.step(XS[:, 0], **{name: value})
        for run, xs in ((rnn, XS), (rnn.step, XS[:, 0])):
            with pytest.raises(TypeError, match=r"`rngs` must be an nnx\.Rngs or"):
                run(xs, rngs=jax.random.key(0))
        assert_same_bits(rnn.state.get_value(), kept)
    for name, value in SETTINGS.items():
        for run in (lambda rnn: rnn(XS), lambda rnn: rnn.step(XS[:, 0])):
            with refused(name):
                run(N.RNN(cell, stateful=True, **{name: value}))
    quiet = N.RNN(cell, stateful=True)
    quiet.eval()  # sets it everywhere, in the cell too
    assert_close(quiet.step(XS[:, 0]), cell(cell.initialize_carry((B, D), fx.Rngs(0)), XS[:, 0])[1])


@pytest.mark.parametrize("kind", [LinenDoubled, fl.LSTMCell])
def test_what_only_the_engine_does_is_refused_by_name_in_linen(kind: Any) -> None:
    cell = kind(H, param_dtype=jnp.float64)
    rnn = L.RNN(cell, stateful=True)
    first = rnn.init(jax.random.key(0), XS)

    def run(rnn: Any, variables: Any, method: str, **given: Any) -> Any:
        inputs = XS if method == "__call__" else XS[:, 0]
        return rnn.apply(variables, inputs, method=method, mutable=["carry"], **given)

    for variables in (first, first | {"carry": {"state": START}}):
        for name, value in ENGINE_ONLY.items():
            with refused(name):
                run(rnn, variables, "__call__", **{name: value})
        for name, value in (STEP_ONLY | {"rng": jax.random.key(0)}).items():
            with refused(name):
                run(rnn, variables, "step", **{name: value})
        for name, value in SETTINGS.items():
            for method in ("__call__", "step"):
                with refused(name):
                    run(L.RNN(cell, stateful=True, **{name: value}), variables, method)


@pytest.mark.parametrize("kind", [Doubled, Started])
def test_gradients_of_overrides(kind: Any) -> None:
    """As of a loop of calls."""
    cell = kind(D, H, rngs=fx.Rngs(0))
    graph, params, rest = fx.split(cell, fx.Param, ...)

    def of_rnn(params: Any) -> Any:
        return (N.RNN(fx.merge(graph, params, rest))(XS) ** 2).sum()

    def of_loop(params: Any) -> Any:
        cell = fx.merge(graph, params, rest)
        carry, total = cell.initialize_carry((B, D)), 0.0
        for t in range(T):
            carry, y = cell(carry, XS[:, t])
            total += (y**2).sum()
        return total

    assert_close(jax.jit(jax.grad(of_rnn))(params), jax.jit(jax.grad(of_loop))(params))


def test_streams_of_an_overridden_cell() -> None:
    """Dropout in a subclass, one mask a call by `broadcast_rngs`, as Flax's RNN has it."""

    class Dropped(N.LSTMCell):
        def __init__(self, rngs: fx.Rngs) -> None:
            super().__init__(D, H, rngs=rngs, keep_rngs=True)
            self.drop = fx.Dropout(0.5, rng_collection="held", rngs=rngs)

        def __call__(self, carry: Any, inputs: Any) -> Any:
            carry, y = super().__call__(carry, inputs)
            return carry, self.drop(jnp.ones_like(y))

    outputs = []
    for library in (N, fx):
        model = library.RNN(Dropped(fx.Rngs(0, held=1)), broadcast_rngs="held")
        outputs.append((model(XS), model(XS)))
        assert int(model.cell.drop.rngs.count[...]) == 2
    assert_same_bits(*outputs)
    first, second = outputs[0]
    assert bool((first == first[:, :1]).all())
    assert bool((first != second).any())


class Duck(fx.Module):
    """No subclass of Flax's cells, and no `initialize_carry`; counts the steps in its carry, for all rows together."""

    num_feature_axes = 1

    def __init__(self, rngs: fx.Rngs) -> None:
        self.dense = fx.Linear(D + H, H, param_dtype=jnp.float64, rngs=rngs)

    def __call__(self, carry: Any, inputs: Any) -> Any:
        h, steps = carry
        h = jnp.tanh(self.dense(jnp.concatenate([inputs, h], -1))) * (1 + steps)
        return (h, steps + 1), h


class LinenDuck(fl.Module):
    num_feature_axes = 1

    @fl.compact
    def __call__(self, carry: Any, inputs: Any) -> Any:
        h = jnp.tanh(fl.Dense(carry.shape[-1], param_dtype=jnp.float64)(jnp.concatenate([inputs, carry], -1)))
        return h, (h, -h)


def test_duck_typed_cells() -> None:
    cell, start = Duck(fx.Rngs(0)), (jnp.ones((B, H)), jnp.zeros(()))
    for options in ({}, {"reverse": True}):
        wanted = fx.RNN(cell, return_carry=True, **options)(XS, initial_carry=start)
        assert_close(N.RNN(cell, return_carry=True, **options)(XS, initial_carry=start), wanted)
    outputs = fx.RNN(cell)(XS, initial_carry=start, seq_lengths=LENGTHS)
    assert_close(N.RNN(cell)(XS, initial_carry=start, seq_lengths=LENGTHS), at_valid(outputs))
    mine, theirs = L.RNN(LinenDuck()), fl.RNN(LinenDuck())
    variables = theirs.init(jax.random.key(0), XS, initial_carry=jnp.ones((B, H)))
    wanted = theirs.apply(variables, XS, initial_carry=jnp.ones((B, H)))
    assert_close(mine.apply(variables, XS, initial_carry=jnp.ones((B, H))), wanted)


def test_integers_and_bools_of_a_duck_typed_cell() -> None:
    """Inputs are the cell's own business where the engine does not read them."""

    class Ids(fx.Module):
        num_feature_axes = 0

        def __call__(self, carry: Any, ids: Any) -> Any:
            return carry + ids, carry

    for ids in (jnp.array([[1, 2, 3]]), jnp.array([[True, False, True]])):
        with default_promotion():
            wanted = fx.RNN(Ids(), return_carry=True)(ids, initial_carry=jnp.array([0]))
            assert_same_bits(N.RNN(Ids(), return_carry=True)(ids, initial_carry=jnp.array([0])), wanted)


class Seq2seq(fl.Module):
    """An encoder, and a decoder whose own cell feeds back what it drew: no `initialize_carry`, a carry of its own."""

    library: Any
    cells: Any

    @fl.compact
    def __call__(self, xs: Any, ys: Any) -> Any:
        class Decoder(fl.RNNCellBase):
            cells: Any
            features: int
            num_feature_axes = 1

            @fl.compact
            def __call__(self, carry: Any, x: Any) -> Any:
                state, last = carry
                state, y = self.cells.LSTMCell(self.features, param_dtype=jnp.float64)(state, x + last)
                logits = fl.Dense(D, param_dtype=jnp.float64)(y)
                drawn = jax.nn.one_hot(jax.random.categorical(self.make_rng("draws"), logits), D, dtype=jnp.float64)
                return (state, drawn), (logits, drawn)

        cell = self.cells.LSTMCell(H, param_dtype=jnp.float64)
        state, _ = self.library.RNN(cell, return_carry=True, name="encoder")(xs, seq_lengths=LENGTHS)
        decoder = Decoder(self.cells, features=D)  # of another width than the carry that comes
        rnn = self.library.RNN(decoder, split_rngs={"params": False, "draws": True}, name="decoder")
        return rnn(ys, initial_carry=(state, ys[:, 0]))


def test_sequence_to_sequence() -> None:
    """Flax's pattern with Flax's cells, with Flax's in our RNN, and with ours: the same draws, the same numbers."""
    keys = {"params": jax.random.key(0), "draws": jax.random.key(1)}
    draws = {"draws": jax.random.key(2)}
    theirs = Seq2seq(fl, fl)
    variables = {"params": randomised(theirs.init(keys, XS, XS)["params"])}
    wanted = theirs.apply(variables, XS, XS, rngs=draws)
    assert_close(Seq2seq(L, fl).apply(variables, XS, XS, rngs=draws), wanted)
    params, convert = variables["params"], LINEN["lstm"].convert
    decoder = params["Decoder_0"] | {"LSTMCell_0": convert(params["Decoder_0"]["LSTMCell_0"])}
    ours = {"params": {"LSTMCell_0": convert(params["LSTMCell_0"]), "Decoder_0": decoder}}
    assert jax.tree.map(jnp.shape, Seq2seq(L, L).init(keys, XS, XS)) == jax.tree.map(jnp.shape, ours)
    assert_close(Seq2seq(L, L).apply(ours, XS, XS, rngs=draws), wanted)


def test_carries_are_flaxs_and_come_back_as_they_were_given() -> None:
    """Code that puts `(c, h)` together runs in `lax.scan` from `initialize_carry`; names are taken, and returned."""
    cell = N.LSTMCell(D, H, rngs=fx.Rngs(0))
    plain = cell.initialize_carry((B, D))
    assert type(plain) is tuple

    def step(carry: Any, x: Any) -> Any:
        (c, h), y = cell(carry, x)
        return (c, h), y

    (c, h), ys = jax.lax.scan(step, plain, jnp.moveaxis(XS, 1, 0))
    rnn = N.RNN(cell, return_carry=True)
    carry, outputs = rnn(XS)
    assert type(carry) is tuple
    assert_close((carry, outputs), ((c, h), jnp.moveaxis(ys, 0, 1)))
    named = jaxrnn.LSTMCarry(*START)
    assert type(rnn(XS, initial_carry=named)[0]) is jaxrnn.LSTMCarry
    assert type(N.RNN(Doubled(D, H, rngs=fx.Rngs(0)), return_carry=True)(XS, initial_carry=named)[0]) is type(named)
    assert type(cell(named, XS[:, 0])[0]) is jaxrnn.LSTMCarry
    layers = N.LSTM(D, H, return_carry=True, rngs=fx.Rngs(0))
    assert type(layers(XS)[0]) is jaxrnn.LSTMCarry
    assert type(layers(XS, initial_carry=START)[0]) is tuple
    linen = L.RNN(L.LSTMCell(H), return_carry=True)
    assert type(linen.init_with_output(jax.random.key(0), XS)[0][0]) is tuple


@pytest.mark.parametrize("kind", ["LSTMCell", "GRUCell", "SimpleRNNCell"])
def test_keras_cells_with_a_step_of_their_own(kind: str) -> None:
    base = getattr(K, kind)

    class Doubled(base):
        def __call__(self, inputs: Any, states: Any, training: bool = False) -> Any:
            y, states = super().__call__(inputs, states, training)
            return 2 * y, [0.5 * state for state in states]

    cell = Doubled(H, in_features=D, rngs=fx.Rngs(0))
    mask = jnp.arange(T)[None] < LENGTHS[:, None]
    y, *states = K.RNN(cell, return_state=True)(XS, mask=mask)
    wanted = [jnp.zeros((B, H)) for _ in states]
    output = jnp.zeros((B, H))
    for t in range(T):
        new, after = cell(XS[:, t], wanted)
        held = mask[:, t, None]
        output = jnp.where(held, new, output)
        wanted = [jnp.where(held, a, b) for a, b in zip(after, wanted, strict=True)]
    assert_close((y, states), (output, wanted))
