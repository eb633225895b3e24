"""Right calls of the modules: `jaxrnn.nnx`, `jaxrnn.linen`, `jaxrnn.keras`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.nnx
import numpy as np

import jaxrnn
import jaxrnn.keras as K
import jaxrnn.linen as L
import jaxrnn.nnx as N
from tests.wrong_calls.calls import Call, annotations
from tests.wrong_calls.core import COMMON, GRU, KEY, B, D, H, T

X = np.ones((B, T, D), np.float32)
STATE = np.zeros((B, H), np.float32)
FLAX = {"activation": "activation_fn", "gate_activation": "gate_fn"}
SETTINGS = dict(sharding="dict | None", state_axes="dict | None", broadcast_rngs="Any", rngs="Rngs | bool")
SEQUENCE = dict(
    inputs="array",
    initial_carry="array | tuple | list | None",
    reset_carry="array | tuple | list | None",
    rngs="key | None",
    init_key="key | None",
    start_step="int",
    step="int",
    per_step="dict | None",
    mask="array | None",
    resets="array | None",
    segments="array | None",
    rng="key | None",
    carry="array | tuple | list",
    batch="tuple | None",
    input_shape="tuple",
    weights="list",
    initial_state="array | tuple | list | None",
    states="array | tuple | list",
)
FACTORIES: dict[str, Callable[..., Any]] = {"LSTM": jaxrnn.lstm, "GRU": jaxrnn.gru, "Elman": jaxrnn.elman}
OWN = {"unroll": "LSTM's engine arranges its own steps"}


def rngs() -> flax.nnx.Rngs:
    return flax.nnx.Rngs(0)


def options_of(factory: Callable[..., Any], more: dict[str, str] | None = None) -> dict[str, str]:
    """The options of a factory under Flax's names."""
    found = annotations(factory) | COMMON | (more or {})
    return {FLAX.get(name, name): text for name, text in found.items() if name != "size"}


def nnx_calls() -> dict[str, Call]:
    settings = {name: text for name, text in annotations(N.RNN).items() if name not in ("cell", "in_features")}
    right = lambda: dict(in_features=D, hidden_features=H, rngs=rngs())  # noqa: E731
    calls = {}
    for name, factory in FACTORIES.items():
        more = options_of(factory)
        types = SETTINGS | COMMON | dict(merge="str | function | None", carry_init="function | None", rngs="Rngs")
        without = dict(state_axes="of Flax cells", broadcast_rngs="of Flax cells")
        calls[name] = Call(getattr(N, name), right, types, settings | more, without=without)
        calls[f"{name}Cell"] = Call(getattr(N, f"{name}Cell"), right, types, more)
        calls |= methods(name, getattr(N, name)(D, H, rngs=rngs(), stateful=True), inputs=X)
        calls |= methods(f"{name}Cell", cell := getattr(N, f"{name}Cell")(D, H, rngs=rngs()), inputs=X[:, 0])
        calls[f"{name}Cell.initialize_carry"] = Call(
            cell.initialize_carry, lambda: dict(input_shape=(B, D)), SEQUENCE | dict(rngs="Rngs | None")
        )
    calls["RNN"] = Call(
        N.RNN, lambda: dict(cell=N.LSTMCell(D, H, rngs=rngs())), SETTINGS | dict(cell="Layer"), without=without
    )
    calls["RNN, of a layer"] = Call(
        N.RNN,
        lambda: dict(cell=GRU, in_features=D, rngs=rngs()),
        SETTINGS | dict(cell="Layer", rngs="Rngs"),
        without=without,
    )
    calls["CellModule"] = Call(
        N.CellModule, lambda: dict(cell=GRU, in_features=D, rngs=rngs()), SETTINGS | dict(rngs="Rngs")
    )
    two = lambda: dict(forward_rnn=N.GRU(D, H, rngs=rngs()), backward_rnn=N.GRU(D, H, rngs=rngs()))  # noqa: E731
    calls["Bidirectional"] = Call(
        N.Bidirectional, two, SETTINGS | dict(forward_rnn="RNN", backward_rnn="RNN", merge_fn="str | function | None")
    )
    calls |= methods("Bidirectional", N.Bidirectional(**two()), inputs=X)
    return {f"nnx.{name}": call for name, call in calls.items()}


def methods(name: str, module: Any, **inputs: Any) -> dict[str, Call]:
    """Calls of a module, and of its methods."""
    if "Cell" in name:
        carry = module.initialize_carry((B, D))
        return {f"{name}.__call__": Call(module.__call__, lambda: dict(carry=carry, **inputs), SEQUENCE)}
    calls = {f"{name}.__call__": Call(module.__call__, lambda: inputs, SEQUENCE)}
    if name != "Bidirectional":
        calls[f"{name}.reset_state"] = Call(module.reset_state, types=SEQUENCE)
        calls[f"{name}.set_view"] = Call(module.set_view)
    return calls


def linen_call(module: Callable[..., Any], right: Callable[[], Any], types: dict[str, str], inputs: Any = X) -> Call:
    def run(**given: Any) -> Any:
        made = module(**given)
        if hasattr(made, "initialize_carry"):
            return made.init(KEY, made.initialize_carry(KEY, (B, D)), inputs)
        return made.init(KEY, inputs)

    types = SETTINGS | COMMON | dict(carry_init="function | None") | types
    without = dict(parent="Flax's", name="Flax's")
    without |= dict.fromkeys(("variable_axes", "variable_broadcast", "variable_carry", "split_rngs"), "of Flax cells")
    return Call(module, right, types, known_as=dict(in_features=("inputs",)), made_by=run, without=without)


def linen_method(module: Any, method: Callable[..., Any], right: Callable[[], Any], *arguments: Any) -> Call:
    variables = module.init(KEY, *arguments)
    return Call(method, right, SEQUENCE, made_by=lambda **given: module.apply(variables, **given))


def linen_calls() -> dict[str, Call]:
    calls = {}
    for name in FACTORIES:
        layer, cell = getattr(L, name), getattr(L, f"{name}Cell")
        calls[name] = linen_call(layer, lambda: dict(features=H), dict(merge="str | function | None"))
        calls[f"{name}Cell"] = linen_call(cell, lambda: dict(features=H), {}, X[:, 0])
        calls[f"{name}.__call__"] = linen_method(layer(H), layer.__call__, lambda: dict(inputs=X), X)
        carry = cell(H).initialize_carry(KEY, (B, D))
        calls[f"{name}Cell.__call__"] = linen_method(
            cell(H), cell.__call__, lambda carry=carry: dict(carry=carry, inputs=X[:, 0]), carry, X[:, 0]
        )
        calls[f"{name}Cell.initialize_carry"] = Call(
            cell(H).initialize_carry, lambda: dict(rng=KEY, input_shape=(B, D)), SEQUENCE | dict(rng="any")
        )
    calls["RNN"] = linen_call(L.RNN, lambda: dict(cell=L.LSTMCell(H)), dict(cell="Layer"))
    calls["RNN, of a layer"] = linen_call(L.RNN, lambda: dict(cell=GRU), dict(cell="Layer"))
    calls["CellModule"] = linen_call(L.CellModule, lambda: dict(cell=GRU), {}, X[:, 0])
    both = L.Bidirectional(L.GRU(H), L.GRU(H))
    calls["Bidirectional"] = linen_call(
        L.Bidirectional,
        lambda: dict(forward_rnn=L.GRU(H), backward_rnn=L.GRU(H)),
        dict(merge_fn="str | function | None", forward_rnn="RNN", backward_rnn="RNN"),
    )
    calls["Bidirectional.__call__"] = linen_method(both, L.Bidirectional.__call__, lambda: dict(inputs=X), X)
    return {f"linen.{name}": call for name, call in calls.items()}


IDENTIFIERS = {
    name: text
    for kind, text in dict(
        initializer="str | dict | function | array",
        regularizer="str | dict | function | None",
        constraint="str | dict | function | None",
    ).items()
    for name in (f"{part}_{kind}" for part in ("kernel", "recurrent", "bias"))
    for text in [text]
}
OF_KERAS = IDENTIFIERS | dict(
    activation="None | str | function",
    recurrent_activation="None | str | function",
    activity_regularizer="str | dict | function | None",
    rngs="Rngs",
    dtype="dtype | str | None",
    use_cudnn="str | bool",
    cells="list | tuple",
    cell="list | tuple",
    weights="None",
    layer="RNN",
)


def keras_calls() -> dict[str, Call]:
    calls = {}
    for name in ("LSTM", "GRU", "SimpleRNN"):
        for made in (name, f"{name}Cell"):
            calls[made] = Call(getattr(K, made), lambda: dict(units=H, in_features=D, rngs=rngs()), OF_KERAS)
        layer = getattr(K, name)(H, in_features=D, rngs=rngs(), stateful=True)
        cell = getattr(K, f"{name}Cell")(H, in_features=D, rngs=rngs())
        states = [STATE] * (2 if name == "LSTM" else 1)
        calls[f"{name}.__call__"] = Call(layer.__call__, lambda: dict(inputs=X), SEQUENCE)
        calls[f"{name}.reset_state"] = Call(layer.reset_state)
        calls[f"{name}.set_weights"] = Call(
            layer.set_weights, lambda layer=layer: dict(weights=layer.get_weights()), SEQUENCE
        )
        calls[f"{name}Cell.__call__"] = Call(
            cell.__call__, lambda states=states: dict(inputs=X[:, 0], states=states), SEQUENCE
        )
    stacked = lambda: [K.GRUCell(H, in_features=D, rngs=rngs()), K.GRUCell(H, in_features=H, rngs=rngs())]  # noqa: E731
    calls["StackedRNNCells"] = Call(K.StackedRNNCells, lambda: dict(cells=stacked()), OF_KERAS)
    calls["StackedRNNCells.__call__"] = Call(
        K.StackedRNNCells(stacked()).__call__, lambda: dict(inputs=X[:, 0], states=[[STATE], [STATE]]), SEQUENCE
    )
    calls["RNN"] = Call(K.RNN, lambda: dict(cell=stacked()), OF_KERAS)
    both = lambda: dict(layer=K.GRU(H, in_features=D, rngs=rngs()), rngs=rngs())  # noqa: E731
    calls["Bidirectional"] = Call(K.Bidirectional, both, OF_KERAS)
    calls["Bidirectional.__call__"] = Call(K.Bidirectional(**both()).__call__, lambda: dict(inputs=X), SEQUENCE)
    model = K.GRU(H, in_features=D, rngs=rngs(), kernel_regularizer="l2", kernel_constraint="non_neg")
    for name in ("losses", "constrain"):
        calls[name] = Call(getattr(K, name), lambda: dict(model=model))
    return {f"keras.{name}": call for name, call in calls.items()}


CALLS = nnx_calls() | linen_calls() | keras_calls()
