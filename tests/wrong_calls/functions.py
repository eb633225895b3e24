"""Right calls of activations, initialisers, regularisers and constraints."""

from __future__ import annotations

import numpy as np

from jaxrnn.functions import activations, constraints, initializers, regularizers
from tests.wrong_calls.calls import Call
from tests.wrong_calls.core import GRU, KEY, D, H, params_of

W = np.ones((D, H), np.float32)
RULE = {"kernel": regularizers.L2()}
DRAWN = dict(key="key", shape="tuple", dtype="dtype")
PER_GATE = initializers.PerGate((initializers.zeros,) * 3)


CALLS = {
    f"activations.{name}": Call(getattr(activations, name), lambda: dict(x=W))
    for name in ("keras2_hard_sigmoid", "gelu", "leaky_relu", "tanh_shrink", "soft_shrink", "hard_shrink", "sparsemax")
} | {
    "activations.get_activation": Call(
        activations.get_activation,
        lambda: dict(identifier="tanh", argument="activation"),
        dict(identifier="None | str | function"),
        known_as=dict(identifier=("activation",)),
        without={"argument": "a word for the message"},
    ),
    "initializers.Constant": Call(initializers.Constant, lambda: dict(value=1.0)),
    "initializers.Uniform": Call(initializers.Uniform, lambda: dict(scale=1.0)),
    "initializers.Normal": Call(initializers.Normal, lambda: dict(deviation=1.0)),
    "initializers.Chrono": Call(initializers.Chrono, lambda: dict(signs=(0, 1, 0), t_max=10.0), dict(signs="tuple")),
    "initializers.PerGate": Call(initializers.PerGate, lambda: dict(inits=(initializers.zeros,)), dict(inits="tuple")),
    "initializers.Between": Call(initializers.Between, lambda: dict(low=0.0, high=1.0), known_as=dict(low=("high",))),
    "initializers.GlorotDiagonal": Call(initializers.GlorotDiagonal),
    "initializers.PowerLaw": Call(initializers.PowerLaw, lambda: dict(depth=0.0, heads=1)),
    "initializers.orthogonal": Call(initializers.orthogonal, lambda: dict(key=KEY, shape=(D, H)), DRAWN),
    "regularizers.L1": Call(regularizers.L1),
    "regularizers.L2": Call(regularizers.L2),
    "regularizers.L1L2": Call(regularizers.L1L2),
    "regularizers.OrthogonalRegularizer": Call(regularizers.OrthogonalRegularizer),
    "regularizers.penalty": Call(
        regularizers.penalty,
        lambda: dict(params=params_of(GRU), regularizers=RULE),
        dict(params="dict", regularizers="dict"),
    ),
    "constraints.NonNeg": Call(constraints.NonNeg),
    "constraints.UnitNorm": Call(constraints.UnitNorm, types=dict(axis="int | tuple | list")),
    "constraints.MinMaxNorm": Call(
        constraints.MinMaxNorm,
        types=dict(axis="int | tuple | list"),
        known_as=dict(min_value=("max_value",)),  # the greatest must not be below it
    ),
    "constraints.MaxNorm": Call(constraints.MaxNorm, types=dict(axis="int | tuple | list")),
    "constraints.constrain": Call(constraints.constrain, lambda: dict(constraints=RULE), dict(constraints="dict")),
}
for rule in ("L1", "L2", "L1L2", "OrthogonalRegularizer"):
    CALLS[f"regularizers.{rule}.__call__"] = Call(getattr(regularizers, rule)().__call__, lambda: dict(w=W))
for rule in ("NonNeg", "UnitNorm", "MinMaxNorm", "MaxNorm"):
    CALLS[f"constraints.{rule}.__call__"] = Call(getattr(constraints, rule)().__call__, lambda: dict(w=W))
for init in (
    initializers.Constant(1.0),
    initializers.Normal(1.0),
    initializers.Uniform(1.0),
    initializers.Between(0.0, 1.0),
    initializers.GlorotDiagonal(),
    initializers.PowerLaw(0.5, 1),
    initializers.Chrono((0, 1, 0), 9.0),
    PER_GATE,
):
    CALLS[f"initializers.{type(init).__name__}.__call__"] = Call(
        init.__call__, lambda: dict(key=KEY, shape=(D, 3, H)), DRAWN
    )
