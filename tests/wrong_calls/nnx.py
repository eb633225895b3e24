"""Right calls of `jaxrnn.nnx`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import jaxrnn.nnx as N
from jaxrnn.cells import elman, lstm
from jaxrnn.flax_common.layers import simple
from tests.wrong_calls.calls import Call, annotations
from tests.wrong_calls.core import COMMON, GRU, B, D, H
from tests.wrong_calls.module_arguments import FACTORIES, SEQUENCE, SETTINGS, STATE, WINDOW, X, options_of, rngs

METADATA = dict.fromkeys(("kernel_metadata", "recurrent_kernel_metadata", "bias_metadata"), "dict")  # of any names
OF_CELLS = METADATA | dict(carry_init="function | None", rngs="Rngs")


def first_step(module: Callable[..., Any]) -> Callable[..., Any]:
    """One step of a module that has kept nothing yet."""
    return lambda **given: module(D, H, rngs=rngs(), stateful=True).step(**given)


def nnx_calls() -> dict[str, Call]:
    settings = {name: text for name, text in annotations(N.RNN).items() if name not in ("cell", "in_features")}
    right = lambda: dict(in_features=D, hidden_features=H, rngs=rngs())  # noqa: E731
    calls = {}
    simples = {name: text for name, text in (options_of(elman) | options_of(simple)).items() if name != "leak"}
    calls["SimpleCell"] = Call(N.SimpleCell, right, SETTINGS | COMMON | OF_CELLS, simples)
    grids = {n: text for n, text in (options_of(lstm) | WINDOW).items() if n not in ("input", "recurrent")}
    calls["ConvLSTMCell"] = Call(
        N.ConvLSTMCell, lambda: right() | dict(kernel_size=2), SETTINGS | COMMON | OF_CELLS | WINDOW, grids
    )
    for name, factory in FACTORIES.items():
        more = options_of(factory)
        types = SETTINGS | COMMON | OF_CELLS | dict(merge="str | function | None")
        without = dict(state_axes="of Flax cells", broadcast_rngs="of Flax cells")
        calls[name] = Call(getattr(N, name), right, types, settings | more, without=without)
        calls[f"{name}Cell"] = Call(getattr(N, f"{name}Cell"), right, types, more)
        layer, keeps = (getattr(N, name)(D, H, rngs=rngs(), stateful=keeps) for keeps in (False, True))
        cell = getattr(N, f"{name}Cell")(D, H, rngs=rngs())
        calls[f"{name}.__call__"] = Call(layer.__call__, lambda: dict(inputs=X), SEQUENCE)
        calls[f"{name}.reset_state"] = Call(keeps.reset_state, types=SEQUENCE)
        calls[f"{name}.set_view"] = Call(keeps.set_view)
        calls[f"{name}.step"] = Call(
            keeps.step, lambda: dict(inputs=X[:, 0]), SEQUENCE, made_by=first_step(getattr(N, name))
        )
        carry = cell.initialize_carry((B, D))
        calls[f"{name}Cell.__call__"] = Call(
            cell.__call__,
            lambda carry=carry: dict(carry=carry, inputs=X[:, 0]),
            SEQUENCE,
            known_as=dict(inputs=("carry",)),
        )
        calls[f"{name}Cell.initialize_carry"] = Call(
            cell.initialize_carry,
            lambda: dict(input_shape=(B, D)),
            SEQUENCE | dict(rngs="Rngs | None"),
            known_as=dict(carry_init=("rngs",)),  # which it draws from
        )
    for name in ("SLSTMLayer", "SLSTMBlock"):
        composed = lambda: dict(features=8, rngs=rngs())  # noqa: E731
        of_these = SETTINGS | COMMON | dict(forget="str", rngs="Rngs")
        calls[name] = Call(getattr(N, name), composed, of_these, known_as=dict(features=("heads",)), without=without)
    calls["RNN"] = Call(
        N.RNN, lambda: dict(cell=N.LSTMCell(D, H, rngs=rngs())), SETTINGS | dict(cell="Layer"), without=without
    )
    calls["RNN, of a layer"] = Call(
        N.RNN,
        lambda: dict(cell=GRU, in_features=D, rngs=rngs()),
        SETTINGS | dict(cell="Layer", rngs="Rngs"),
        without=without,
    )
    state = STATE.astype(np.float64)
    scanned = N.ScannedRNN(D, H, rngs=rngs())
    calls["ScannedRNN"] = Call(
        N.ScannedRNN,
        lambda: dict(in_features=D, hidden_features=H, rngs=rngs()),
        SETTINGS | dict(rngs="Rngs"),
        without=dict(cell="in place of a size", in_features="with it", hidden_features="with it"),
    )
    calls["ScannedRNN.__call__"] = Call(
        scanned.__call__,
        lambda: dict(carry=state, x=(X.swapaxes(0, 1), np.zeros(X.shape[1::-1], bool))),
        dict(carry="array", x="tuple"),
        known_as=dict(carry=("initial_carry",), x=("ins", "resets", "carry")),
    )
    sizes = lambda: dict(batch_size=B, hidden_size=H)  # noqa: E731
    calls["ScannedRNN.initialize_carry"] = Call(scanned.initialize_carry, sizes)
    calls["CellModule"] = Call(
        N.CellModule, lambda: dict(cell=GRU, in_features=D, rngs=rngs()), SETTINGS | dict(rngs="Rngs")
    )
    two = lambda: dict(forward_rnn=N.GRU(D, H, rngs=rngs()), backward_rnn=N.GRU(D, H, rngs=rngs()))  # noqa: E731
    calls["Bidirectional"] = Call(
        N.Bidirectional, two, SETTINGS | dict(forward_rnn="RNN", backward_rnn="RNN", merge_fn="str | function | None")
    )
    kept = N.Bidirectional(*(N.GRU(D, H, rngs=rngs(), stateful=True) for _ in range(2)))
    calls["Bidirectional.reset_state"] = Call(kept.reset_state, types=SEQUENCE)
    calls["Bidirectional.__call__"] = Call(N.Bidirectional(**two()).__call__, lambda: dict(inputs=X), SEQUENCE)
    return {f"nnx.{name}": call for name, call in calls.items()}


CALLS = nnx_calls()
