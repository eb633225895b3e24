"""Right calls of `jaxrnn.linen`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import jaxrnn.linen as L
from jaxrnn import GRUCarry
from tests.wrong_calls.calls import Call
from tests.wrong_calls.core import COMMON, GRU, KEY, B, D, H, T
from tests.wrong_calls.module_arguments import FACTORIES, SEQUENCE, SETTINGS, STATE, WINDOW, X


def linen_call(module: Callable[..., Any], right: Callable[[], Any], types: dict[str, str], inputs: Any = X) -> Call:
    def run(**given: Any) -> Any:
        made = module(**given)
        if hasattr(made, "initialize_carry"):
            return made.init(KEY, made.initialize_carry(KEY, inputs.shape), inputs)
        return made.init(KEY, inputs)

    types = SETTINGS | COMMON | dict(carry_init="function | None") | types
    without = dict(parent="Flax's", name="Flax's")
    without |= dict.fromkeys(("variable_axes", "variable_broadcast", "variable_carry", "split_rngs"), "of Flax cells")
    known_as = dict(in_features=("inputs",), learn_carry=("initialize_carry",))  # which a module without parameters has
    return Call(module, right, types, known_as=known_as, made_by=run, without=without)


def linen_method(module: Any, method: Callable[..., Any], right: Callable[[], Any], *arguments: Any) -> Call:
    variables = module.init(KEY, *arguments)
    return Call(
        method,
        right,
        SEQUENCE,
        known_as=dict(inputs=("carry",)),
        made_by=lambda **given: module.apply(variables, **given),
    )


def resetting(module: Any) -> Call:
    """Of a module that keeps its carry."""
    return keeping(module, "reset_state", dict)


def keeping(module: Any, method: str, right: Callable[[], Any]) -> Call:
    """Of a method that changes the carry which a module keeps."""
    variables = module.init(KEY, X)

    def run(**given: Any) -> Any:
        return module.apply(variables, **given, method=method, mutable=["carry"])

    return Call(getattr(module, method), right, SEQUENCE, made_by=run)


def linen_calls() -> dict[str, Call]:
    calls = {}
    for name in FACTORIES:
        layer, cell = getattr(L, name), getattr(L, f"{name}Cell")
        calls[name] = linen_call(layer, lambda: dict(features=H), dict(merge="str | function | None"))
        calls[f"{name}Cell"] = linen_call(cell, lambda: dict(features=H), {}, X[:, 0])
        calls[f"{name}.__call__"] = linen_method(layer(H), layer.__call__, lambda: dict(inputs=X), X)
        calls[f"{name}.reset_state"] = resetting(layer(H, stateful=True))
        calls[f"{name}.step"] = keeping(layer(H, stateful=True), "step", lambda: dict(inputs=X[:, 0]))
        carry = cell(H).initialize_carry(KEY, (B, D))
        calls[f"{name}Cell.__call__"] = linen_method(
            cell(H), cell.__call__, lambda carry=carry: dict(carry=carry, inputs=X[:, 0]), carry, X[:, 0]
        )
        calls[f"{name}Cell.initialize_carry"] = Call(
            cell(H).initialize_carry, lambda: dict(rng=KEY, input_shape=(B, D)), SEQUENCE | dict(rng="any")
        )
    calls["SimpleCell"] = linen_call(L.SimpleCell, lambda: dict(features=H), {}, X[:, 0])
    sizes = lambda: dict(features=H, kernel_size=2)  # noqa: E731
    calls["ConvLSTMCell"] = linen_call(L.ConvLSTMCell, sizes, WINDOW, X)
    calls["RNN"] = linen_call(L.RNN, lambda: dict(cell=L.LSTMCell(H)), dict(cell="Layer"))
    calls["RNN, of a layer"] = linen_call(L.RNN, lambda: dict(cell=GRU), dict(cell="Layer"))
    state = STATE.astype(np.float64)
    episode = X.swapaxes(0, 1), np.zeros((T, B), bool)
    scanned = L.ScannedRNN()
    variables = scanned.init(KEY, state, episode)
    calls["ScannedRNN"] = Call(
        L.ScannedRNN,
        lambda: dict(cell=GRU),
        dict(cell="Layer | None"),
        made_by=lambda **given: L.ScannedRNN(**given).init(KEY, GRUCarry(state), episode),
        without=dict(parent="Flax's", name="Flax's"),
    )
    calls["ScannedRNN.__call__"] = Call(
        scanned.__call__,
        lambda: dict(carry=state, x=episode),
        dict(carry="array", x="tuple"),
        known_as=dict(carry=("initial_carry",), x=("ins", "resets", "carry")),
        made_by=lambda **given: scanned.apply(variables, **given),
    )
    sizes_of = lambda: dict(batch_size=B, hidden_size=H)  # noqa: E731
    calls["ScannedRNN.initialize_carry"] = Call(scanned.initialize_carry, sizes_of)
    calls["CellModule"] = linen_call(L.CellModule, lambda: dict(cell=GRU), {}, X[:, 0])
    both = L.Bidirectional(L.GRU(H), L.GRU(H))
    calls["Bidirectional.reset_state"] = resetting(
        L.Bidirectional(L.GRU(H, stateful=True), L.GRU(H, stateful=True)),
    )
    calls["Bidirectional"] = linen_call(
        L.Bidirectional,
        lambda: dict(forward_rnn=L.GRU(H), backward_rnn=L.GRU(H)),
        dict(merge_fn="str | function | None", forward_rnn="RNN", backward_rnn="RNN"),
    )
    calls["Bidirectional.__call__"] = linen_method(both, L.Bidirectional.__call__, lambda: dict(inputs=X), X)
    return {f"linen.{name}": call for name, call in calls.items()}


CALLS = linen_calls()
