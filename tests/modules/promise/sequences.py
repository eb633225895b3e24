"""What is promised of RNN and Bidirectional."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import linen as fl
from flax import nnx as fx

import jaxrnn.linen as L
import jaxrnn.nnx as N
from tests.modules.promise.cells import carry_of, nnx_pair
from tests.modules.promise.inputs import F64, LENGTHS, VALID, XS, B, D, H, T
from tests.modules.weights import (
    LINEN,
    assert_close,
    assert_same_bits,
    randomised,
)
from tests.promotion import default_promotion


def nnx_rnns(name: str = "LSTMCell", **options: Any) -> list[Any]:
    return [lib.RNN(cell, **options) for lib, cell in zip((fx, N), nnx_pair(name), strict=True)]


def nnx_same(call: Any = None, **options: Any) -> list[Any]:
    """`options` to the constructor, `call` to the call; then the other way round."""
    results = []
    for build, given in ((options, call or {}), ({}, (call or {}) | options)):
        if not build and set(given) - set(inspect.signature(fx.RNN.__call__).parameters):
            continue
        theirs, mine = (rnn(XS, **given) for rnn in nnx_rnns(**build))
        assert jax.tree.structure(theirs) == jax.tree.structure(mine)
        assert_close(mine, theirs)
        results.append(mine)
    return results


def linen_same(call: Any = None, **options: Any) -> None:
    theirs, mine = (lib.RNN(lib.LSTMCell(H, **F64), **options) for lib in (fl, L))
    params = randomised(theirs.init(jax.random.key(0), XS)["params"])
    wanted = theirs.apply({"params": params}, XS, **(call or {}))
    ours = {"params": {"cell": LINEN["lstm"].convert(params["cell"])}}
    got = mine.apply(ours, XS, **(call or {}))
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    assert_close(got, wanted)


def padded(same: Callable[..., Any]) -> None:
    same({"initial_carry": carry_of("LSTM"), "return_carry": True})
    results = [rnn(XS, seq_lengths=LENGTHS) for rnn in nnx_rnns(return_carry=True, reverse=True)]
    assert_close(*((carry, jnp.where(VALID, outputs, 0.0)) for carry, outputs in results[::-1]))


def zeroed() -> None:
    theirs, mine = (rnn(XS, seq_lengths=LENGTHS) for rnn in nnx_rnns())
    assert_close(mine, jnp.where(VALID, theirs, 0.0))
    assert float(abs(theirs - mine).max()) > 0
    holes, start, gradients = jnp.where(VALID, XS, jnp.nan), carry_of("LSTM"), []
    for rnn in nnx_rnns(rngs=False):
        graph, params = fx.split(rnn, fx.Param)

        def loss(params: Any, graph: Any = graph) -> Any:
            outputs = fx.merge(graph, params)(holes, seq_lengths=LENGTHS, initial_carry=start)
            return jnp.where(VALID, outputs, 0.0).sum()

        gradients.append(jax.tree.leaves(jax.grad(loss)(params)))
    assert any(bool(jnp.isnan(a).any()) for a in gradients[0])
    assert all(bool(jnp.isfinite(a).all()) for a in gradients[1])


def empty_rows() -> None:
    none, start = jnp.array([4, 0, 4]), carry_of("LSTM")
    theirs, mine = (rnn(XS, seq_lengths=none, initial_carry=start)[0] for rnn in nnx_rnns(return_carry=True))
    assert_same_bits(mine[0][1], start[0][1])
    assert float(abs(theirs[0][1] - start[0][1]).max()) > 0.01


def integers() -> None:
    theirs, mine = nnx_rnns()
    with default_promotion():
        theirs(jnp.ones((B, T, D), int))
    for refused in (lambda: mine(jnp.ones((B, T, D), int)), lambda: jax.jit(mine)(jnp.ones((B, T, D), int))):
        with pytest.raises(ValueError, match="`inputs` must be floats where there is a feature axis"):
            refused()
    linen = L.RNN(L.LSTMCell(H, in_features=D))
    with pytest.raises(ValueError, match="`inputs` must be floats where there is a feature axis"):
        linen.init(jax.random.key(0), jnp.ones((B, T, D), int))
    assert mine(jnp.array([[0, 1, 1]])).shape == (1, 3, H)


def in_loops(**options: Any) -> None:
    for rnn, other in zip(nnx_rnns(**options), nnx_rnns(), strict=True):
        assert_close(rnn(XS), other(XS))


@pytest.mark.filterwarnings("ignore::UserWarning")
def drawn_carries() -> None:
    """`rngs` of the module or of the call draws what Flax's draws."""
    normal = jax.nn.initializers.normal()
    for given in (lambda: True, lambda: fx.Rngs(3)):
        rnns = []
        for lib, cell in zip((fx, N), nnx_pair("LSTMCell", carry_init=normal), strict=True):
            rnns.append(lib.RNN(cell, rngs=given(), return_carry=True))
        assert_close(rnns[1](XS), rnns[0](XS))
        assert_close(rnns[1](XS, rngs=fx.Rngs(9)), rnns[0](XS, rngs=fx.Rngs(9)))


def linen_keys() -> None:
    normal = jax.nn.initializers.normal()
    theirs, mine = (lib.RNN(lib.LSTMCell(H, carry_init=normal, **F64)) for lib in (fl, L))
    params = randomised(theirs.init(jax.random.key(0), XS)["params"])
    ours = {"params": {"cell": LINEN["lstm"].convert(params["cell"])}}
    for given in ({}, {"init_key": jax.random.key(4)}):
        assert_close(mine.apply(ours, XS, **given), theirs.apply({"params": params}, XS, **given))


def linen_lifted(**options: Any) -> None:
    """Of the scan of a cell that the engine does not run; ours take them without effect."""
    variables = fl.RNN(fl.GRUCell(H, **F64)).init(jax.random.key(0), XS)
    wanted = fl.RNN(fl.GRUCell(H, **F64), **options).apply(variables, XS)
    assert_close(L.RNN(fl.GRUCell(H, **F64), **options).apply(variables, XS), wanted)
    cell = L.RNN(L.GRUCell(H, **F64), **options)
    assert cell.init_with_output(jax.random.key(0), XS)[0].shape == wanted.shape


def both_ways(**options: Any) -> Callable[[], None]:
    """Flax's Bidirectional and ours, over rows of other lengths."""

    def check() -> None:
        call = {"seq_lengths": LENGTHS} | options.pop("call", {})
        results = []
        for place in range(2):
            rnns = [nnx_rnns()[place], nnx_rnns(name="GRUCell")[place]]
            module = (fx, N)[place].Bidirectional(*rnns, **options)
            time_major = options.get("time_major", False)
            results.append(module(jnp.swapaxes(XS, 0, 1) if time_major else XS, **call))
        valid = jnp.swapaxes(VALID, 0, 1) if options.get("time_major") else VALID
        theirs, mine = results
        if options.get("return_carry"):
            assert_close(mine[0], theirs[0])
            theirs, mine = theirs[1], mine[1]
        assert_close(mine, jax.tree.map(lambda a: jnp.where(valid, a, 0.0), theirs))

    return check


def linen_both_ways(call: Any = None, **options: Any) -> None:
    theirs, mine = (
        lib.Bidirectional(*(lib.RNN(lib.GRUCell(H, **F64)) for _ in range(2)), **options) for lib in (fl, L)
    )
    inputs = jnp.swapaxes(XS, 0, 1) if options.get("time_major") else XS
    params = randomised(theirs.init(jax.random.key(0), inputs)["params"])
    ours = {side: {"cell": LINEN["gru"].convert(p["cell"])} for side, p in params.items()}
    wanted = theirs.apply({"params": params}, inputs, **(call or {}))
    assert_close(mine.apply({"params": ours}, inputs, **(call or {})), wanted)


def shared_twice() -> None:
    rnns = nnx_rnns()
    fx.Bidirectional(rnns[0], rnns[0])(XS)
    with pytest.raises(ValueError, match="`backward_rnn` must be another module"):
        N.Bidirectional(rnns[1], rnns[1])


def reversed_both_ways() -> None:
    fx.Bidirectional(*(nnx_rnns()[0] for _ in range(2)))(XS, reverse=True)
    with pytest.raises(ValueError, match="`reverse` must be left out for Bidirectional"):
        N.Bidirectional(*(nnx_rnns()[1] for _ in range(2)))(XS, reverse=True)
