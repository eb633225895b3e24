"""Every module shown, taken apart, copied, saved and put together again by Flax's own operations, one table of each."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
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
from tests.modules.weights import assert_same_bits

T, B, D, H = 3, 2, 3, 4
XS = np.random.default_rng(0).normal(size=(B, T, D))


def rngs() -> fx.Rngs:
    return fx.Rngs(0)


class Doubled(N.GRUCell):
    """A cell with a step of its own."""

    def __call__(self, carry: Any, inputs: Any) -> Any:
        carry, y = super().__call__(carry, inputs)
        return carry, 2 * y


def layers(**options: Any) -> Any:
    return N.LSTM(D, H, rngs=rngs(), **options)


# Sequence modules of NNX, and of jaxrnn.keras: each is called with XS.
SEQUENCES: dict[str, Callable[[], Any]] = {
    "LSTM": layers,
    "LSTM, two layers": lambda: layers(num_layers=2, dropout=0.5, deterministic=True),
    "LSTM, both ways": lambda: layers(bidirectional=True),
    "LSTM, two layers both ways": lambda: layers(num_layers=2, bidirectional=True, time_major=False),
    "GRU": lambda: N.GRU(D, H, rngs=rngs()),
    "Elman": lambda: N.Elman(D, H, rngs=rngs()),
    "RNN of a cell module": lambda: N.RNN(N.LSTMCell(D, H, rngs=rngs()), return_carry=True),
    "RNN of a cell with a step of its own": lambda: N.RNN(Doubled(D, H, rngs=rngs())),
    "RNN of a Layer": lambda: N.RNN(jaxrnn.stack([jaxrnn.lstm(H), jaxrnn.gru(2)]), D, rngs=rngs()),
    "Bidirectional": lambda: N.Bidirectional(*(N.RNN(N.GRUCell(D, H, rngs=rngs())) for _ in range(2))),
    "keras LSTM": lambda: K.LSTM(H, in_features=D, rngs=rngs()),
    "keras GRU": lambda: K.GRU(H, in_features=D, rngs=rngs(), return_sequences=True, return_state=True),
    "keras SimpleRNN": lambda: K.SimpleRNN(H, in_features=D, rngs=rngs(), go_backwards=True),
    "keras RNN": lambda: K.RNN([K.LSTMCell(H, in_features=D, rngs=rngs()), N.GRUCell(H, 2, rngs=rngs())]),
    "keras Bidirectional": lambda: K.Bidirectional(K.LSTM(H, in_features=D, rngs=rngs()), rngs=rngs()),
}
# Cells: each with the arguments of its call.
CELLS: dict[str, tuple[Callable[[], Any], Any]] = {
    "CellModule": (lambda: N.CellModule(jaxrnn.lstm(H, peepholes=True), D, rngs=rngs()), (np.zeros((B, H)),) * 2),
    "LSTMCell": (lambda: N.LSTMCell(D, H, rngs=rngs(), keep_rngs=True), (np.zeros((B, H)),) * 2),
    "GRUCell": (lambda: N.GRUCell(D, H, rngs=rngs()), np.zeros((B, H))),
    "SimpleCell": (lambda: N.SimpleCell(D, H, residual=True, rngs=rngs()), np.zeros((B, H))),
    "ElmanCell": (lambda: N.ElmanCell(D, H, leak=0.5, rngs=rngs()), np.zeros((B, H))),
    "keras LSTMCell": (lambda: K.LSTMCell(H, in_features=D, rngs=rngs()), [np.zeros((B, H))] * 2),
    "keras GRUCell": (lambda: K.GRUCell(H, in_features=D, rngs=rngs()), [np.zeros((B, H))]),
}
MODULES: dict[str, tuple[Callable[[], Any], tuple[Any, ...]]] = {n: (make, (XS,)) for n, make in SEQUENCES.items()}
for name, (make, state) in CELLS.items():
    MODULES[name] = (make, (XS[:, 0], state) if "keras" in name else (state, XS[:, 0]))


def shown(module: Any, *args: Any) -> Any:
    assert type(module).__name__ in repr(module)
    assert type(module).__name__ in str(module)
    fx.display(module)
    return module


def tabulated(module: Any, *args: Any) -> Any:
    """A table, and a module that is after it what it was before: Flax replaces methods for a while.

    Not in Flax's tree mode, where its tables trace the flags that one module calls another with.
    """
    if os.environ.get("NNX_GRAPH_MODE", "true").lower() in ("false", "0"):
        return module
    table = fx.tabulate(module, *args, console_kwargs={"width": 300})
    assert type(module).__name__ in table
    sizes = [v.get_value().size for _, v in fx.to_flat_state(fx.state(module, fx.Param))]
    assert f"{sum(sizes):,}" in table
    return module


def merged(module: Any, *args: Any) -> Any:
    graph, state = fx.split(module)
    assert graph == fx.graphdef(module)
    return fx.merge(graph, jax.tree.map(lambda a: a, state))


def updated(module: Any, *args: Any) -> Any:
    """The state of one module in another of other values."""
    other = fx.clone(module)
    fx.update(other, jax.tree.map(lambda a: a + 1 if jnp.issubdtype(a.dtype, jnp.floating) else a, fx.state(other)))
    fx.update(other, fx.state(module))
    return other


def restored(module: Any, *args: Any, folder: Path) -> Any:
    orbax = pytest.importorskip("orbax.checkpoint")
    state = fx.state(module, fx.Param)
    with orbax.StandardCheckpointer() as saver:
        saver.save(folder / "state", state)
        saver.wait_until_finished()
        back = saver.restore(folder / "state", jax.tree.map(jnp.zeros_like, state))
    other = fx.clone(module)
    fx.update(other, jax.tree.map(jnp.zeros_like, state))
    fx.update(other, back)
    return other


OPERATIONS: dict[str, Callable[..., Any]] = {
    "repr, print, display": shown,
    "tabulate": tabulated,
    "split and merge": merged,
    "clone": lambda module, *args: fx.clone(module),
    "state and update": updated,
    "deepcopy": lambda module, *args: copy.deepcopy(module),
    "train and eval": lambda module, *args: module.train() or module.eval() or module,
}


@pytest.mark.parametrize("name", MODULES)
def test_nnx(name: str, tmp_path: Path) -> None:
    make, args = MODULES[name]
    wanted = make()(*args)
    for title, operation in (OPERATIONS | {"saved by Orbax": lambda *a: restored(*a, folder=tmp_path)}).items():
        try:
            got = operation(make(), *args)(*args)
        except Exception as error:
            raise AssertionError(f"{title}: {error}") from error
        assert_same_bits(got, wanted)


LINEN: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "LSTM": (L.LSTM(H), (XS,)),
    "LSTM, two layers both ways": (L.LSTM(H, num_layers=2, bidirectional=True), (XS,)),
    "GRU": (L.GRU(H, return_carry=True), (XS,)),
    "Elman": (L.Elman(H), (XS,)),
    "RNN of a cell module": (L.RNN(L.LSTMCell(H), return_carry=True), (XS,)),
    "RNN of a Layer": (L.RNN(jaxrnn.stack([jaxrnn.lstm(H), jaxrnn.gru(2)])), (XS,)),
    "Bidirectional": (L.Bidirectional(L.RNN(L.GRUCell(H)), L.RNN(L.GRUCell(H))), (XS,)),
    "CellModule": (L.CellModule(jaxrnn.lstm(H)), ((np.zeros((B, H)),) * 2, XS[:, 0])),
    "LSTMCell": (L.LSTMCell(H), ((np.zeros((B, H)),) * 2, XS[:, 0])),
    "GRUCell": (L.GRUCell(H), (np.zeros((B, H)), XS[:, 0])),
    "SimpleCell": (L.SimpleCell(H, residual=True), (np.zeros((B, H)), XS[:, 0])),
    "ElmanCell": (L.ElmanCell(H), (np.zeros((B, H)), XS[:, 0])),
}


@pytest.mark.parametrize("name", LINEN)
def test_linen(name: str) -> None:
    module, args = LINEN[name]
    assert type(module).__name__ in repr(module)
    table = fl.tabulate(module, jax.random.key(0), console_kwargs={"width": 300})(*args)
    assert type(module).__name__ in table
    assert "recurrent_kernel" in table
    variables = module.init(jax.random.key(0), *args)
    wanted = module.apply(variables, *args)
    assert module.clone() == module
    for other in (module.clone(), copy.deepcopy(module)):
        assert_same_bits(other.apply(variables, *args), wanted)
    bound = module.bind(variables)
    assert_same_bits(bound(*args), wanted)
    assert type(module).__name__ in repr(bound)
