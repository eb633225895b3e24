"""What a layer shows of itself is what one would type to make it; what `help` says of a factory is complete."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.cells import COLLECTION
from jaxrnn.core.factory import Common


class State(NamedTuple):
    h: jax.Array


@jaxrnn.gate_cell(gates=("f", "g"), carry=State)
def minimal(carry, x, h, *, activation=jax.nn.tanh, scale=1.0):
    """h' = f h + (1 - f) tanh(g)."""
    f = jax.nn.sigmoid(x.f + h.f)
    new = f * carry.h + scale * (1 - f) * activation(x.g + h.g)
    return State(new), new


NAMES = vars(jaxrnn) | vars(jax.nn) | vars(jax.nn.initializers) | {"minimal": minimal}
gru, lstm = jaxrnn.gru, jaxrnn.lstm
LAYERS = [
    ("lstm(128, peepholes=True)", lstm(128, peepholes=True)),
    ("lstm(128)", lstm(128, peepholes=False, activation=jax.nn.tanh)),
    ("gru(4, activation=relu, use_bias=False)", gru(4, use_bias=False, activation=jax.nn.relu)),
    ("gru(4, dtype='bfloat16')", gru(size=4, dtype=jnp.bfloat16)),
    ("elman(3, leak=0.5, kernel_init=ones)", jaxrnn.elman(3, leak=0.5, kernel_init=jax.nn.initializers.ones)),
    ("lstm(4, bias_init={'f': ones})", lstm(4, bias_init={"f": jax.nn.initializers.ones})),
    ("lstm_1997(4, truncated_gradient=True)", jaxrnn.lstm_1997(4, truncated_gradient=True)),
    ("minimal(8)", minimal(8)),
    ("minimal(8, scale=2.0, learn_carry=True)", minimal(8, scale=2.0, learn_carry=True)),
    ("stack([lstm(4), gru(4)], dropout=0.1)", jaxrnn.stack([lstm(4), gru(4)], dropout=0.1)),
    ("bidirectional(lstm(4))", jaxrnn.bidirectional(lstm(4))),
    ("bidirectional(lstm(4), gru(4), merge='sum')", jaxrnn.bidirectional(lstm(4), gru(4), merge="sum")),
    ("zoneout(lstm(4), h=0.1)", jaxrnn.zoneout(lstm(4), h=0.1)),
    ("recurrent_dropout(minimal(4), 0.25)", jaxrnn.recurrent_dropout(minimal(4), 0.25)),
    ("residual(reverse(gru(4)))", jaxrnn.residual(jaxrnn.reverse(gru(4)))),
    ("slstm_layer(8, window=0)", jaxrnn.slstm_layer(8, window=0, heads=4)),
    ("slstm_block(6, heads=2, feed_forward=None)", jaxrnn.slstm_block(6, heads=2, feed_forward=None)),
    ("highway(input_dropout(gru(4), 0.1))", jaxrnn.highway(jaxrnn.input_dropout(gru(4), 0.1))),
]


@pytest.mark.parametrize(("text", "layer"), LAYERS, ids=[text for text, _ in LAYERS])
def test_a_layer_shows_how_it_is_made(text: str, layer: jaxrnn.Layer) -> None:
    assert repr(layer) == text
    assert eval(text, dict(NAMES)) == layer  # the text is the tests' own


EQUAL = [
    lambda zero, one, no: lstm(4, forget_bias=zero, cell_clip=one),
    lambda zero, one, no: lstm(4, forget_bias=one, peepholes=no),
    lambda zero, one, no: jaxrnn.zoneout(gru(4), h=zero),
    lambda zero, one, no: jaxrnn.recurrent_dropout(gru(4), zero),
    lambda zero, one, no: jaxrnn.input_dropout(gru(4), rate=zero),
    lambda zero, one, no: jaxrnn.stack([gru(4)], dropout=zero, variational=no),
]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("make", EQUAL)
def test_equal_layers_show_themselves_as_equal(make: Callable[..., jaxrnn.Layer]) -> None:
    plain, others = make(0.0, 1.0, False), [make(0, 1, False), make(np.float32(0), np.int64(1), np.bool_(False))]
    assert all(other == plain for other in others)
    assert [repr(other) for other in others] == [repr(plain)] * 2


@pytest.mark.parametrize("name", COLLECTION)
def test_the_collection_shows_how_it_is_made(name: str) -> None:
    cell = COLLECTION[name](4)
    again = eval(repr(cell), dict(NAMES))
    assert (again, repr(again)) == (cell, repr(cell))
    assert len(repr(cell)) < 60


def test_a_changed_copy_does_not_show_what_it_was() -> None:
    assert repr(replace(gru(4), dtype=jnp.dtype("float16"))) == "gru(4, ...)"
    assert repr(replace(jaxrnn.stack([gru(4)]), variational=True)) == "Stack(gru(4), ...)"


def test_errors_show_a_cell_as_it_was_made() -> None:
    with pytest.raises(TypeError, match=r"got \[gru\(4\), 3\]\."):
        jaxrnn.stack([gru(4), 3])


@pytest.mark.parametrize("name", ["elman", "gru", "lstm", "lstm_1997"])
def test_help_is_complete(name: str) -> None:
    """Own options, those of all cells, the equations and the paper; no pointer to where they are."""
    factory = getattr(jaxrnn, name)
    said = inspect.getdoc(factory)
    own = [option for option in inspect.signature(factory).parameters if option != "common"]
    assert own[0] == "size"
    for option in (*own, *Common.__annotations__):
        assert any(f"{option}{mark}" in said for mark in (": ", ",", " ("))
    assert "head of this file" not in said
    assert "gate_cell.Common" not in said
    assert "h'" in said
    assert "Paper" in said


def test_help_of_a_cell_of_ones_own() -> None:
    said = inspect.getdoc(minimal)
    assert said.startswith("h' = f h + (1 - f) tanh(g).")
    assert all(option in said for option in Common.__annotations__)
    assert [*inspect.signature(minimal).parameters] == ["size", "activation", "scale", "common"]
