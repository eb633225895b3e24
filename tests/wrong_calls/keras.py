"""Right calls of `jaxrnn.keras`."""

from __future__ import annotations

import jaxrnn.keras as K
from tests.wrong_calls.calls import Call
from tests.wrong_calls.core import D, H
from tests.wrong_calls.module_arguments import SEQUENCE, STATE, X, rngs

PARTS = ("kernel", "recurrent", "bias")
IDENTIFIERS = {f"{part}_initializer": "str | dict | function | array" for part in PARTS}
IDENTIFIERS |= {
    f"{part}_{kind}": "str | dict | function | None" for part in PARTS for kind in ("regularizer", "constraint")
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


ON_GRIDS = dict.fromkeys(("kernel_size", "strides", "dilation_rate"), "int | tuple | list")


def keras_calls() -> dict[str, Call]:
    calls = {}
    for name in ("LSTM", "GRU", "SimpleRNN"):
        for made in (name, f"{name}Cell"):
            calls[made] = Call(getattr(K, made), lambda: dict(units=H, in_features=D, rngs=rngs()), OF_KERAS)
            calls[f"{made}, dropout"] = Call(
                getattr(K, made), lambda: dict(units=H, dropout=0.5, seed=1, in_features=D, rngs=rngs()), OF_KERAS
            )
        layer, keeps = (getattr(K, name)(H, in_features=D, rngs=rngs(), stateful=keeps) for keeps in (False, True))
        cell = getattr(K, f"{name}Cell")(H, in_features=D, rngs=rngs())
        states = [STATE] * (2 if name == "LSTM" else 1)
        calls[f"{name}.__call__"] = Call(layer.__call__, lambda: dict(inputs=X), SEQUENCE)
        calls[f"{name}.reset_state"] = Call(keeps.reset_state)
        calls[f"{name}.set_weights"] = Call(
            layer.set_weights, lambda layer=layer: dict(weights=layer.get_weights()), SEQUENCE
        )
        calls[f"{name}Cell.__call__"] = Call(
            cell.__call__,
            lambda states=states: dict(inputs=X[:, 0], states=states),
            SEQUENCE,
            known_as=dict(inputs=("states",)),
        )
    for name in ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"):
        calls[name] = Call(
            getattr(K, name), lambda: dict(filters=H, kernel_size=2, in_features=D, rngs=rngs()), OF_KERAS | ON_GRIDS
        )
    stacked = lambda: [K.GRUCell(H, in_features=D, rngs=rngs()), K.GRUCell(H, in_features=H, rngs=rngs())]  # noqa: E731
    calls["StackedRNNCells"] = Call(K.StackedRNNCells, lambda: dict(cells=stacked()), OF_KERAS)
    calls["StackedRNNCells.__call__"] = Call(
        K.StackedRNNCells(stacked()).__call__,
        lambda: dict(inputs=X[:, 0], states=[[STATE], [STATE]]),
        SEQUENCE,
        known_as=dict(inputs=("states",)),
    )
    calls["RNN"] = Call(K.RNN, lambda: dict(cell=stacked()), OF_KERAS, known_as=dict(cell=("cells",)))
    both = lambda: dict(layer=K.GRU(H, in_features=D, rngs=rngs()), rngs=rngs())  # noqa: E731
    calls["Bidirectional"] = Call(K.Bidirectional, both, OF_KERAS)
    calls["Bidirectional.__call__"] = Call(K.Bidirectional(**both()).__call__, lambda: dict(inputs=X), SEQUENCE)
    keeps = K.Bidirectional(K.GRU(H, in_features=D, rngs=rngs(), stateful=True), rngs=rngs())
    calls["Bidirectional.reset_state"] = Call(keeps.reset_state)
    calls["Bidirectional.reset_states"] = Call(keeps.reset_states)
    model = K.GRU(H, in_features=D, rngs=rngs(), kernel_regularizer="l2", kernel_constraint="non_neg")
    for name in ("losses", "constrain"):
        calls[name] = Call(getattr(K, name), lambda: dict(model=model))
    return {f"keras.{name}": call for name, call in calls.items()}


CALLS = keras_calls()
