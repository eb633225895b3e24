"""What torch's and Keras's users type: every row of the table, in every interface, names what it is called here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flax import nnx as fx

import jaxrnn
import jaxrnn.keras as K
import jaxrnn.linen as L
import jaxrnn.nnx as N
from jaxrnn.base.hints import NONE, TABLE

pytestmark = pytest.mark.usefixtures("unchecked")

CALLS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "functions": lambda given: jaxrnn.lstm(4, **given),
    "nnx": lambda given: N.LSTMCell(3, 4, rngs=fx.Rngs(0), **given),
    "linen": lambda given: L.LSTMCell(4, **given),
    "keras": lambda given: K.LSTM(4, in_features=3, rngs=fx.Rngs(0), **given),
}
WORDS = [
    (interface, word, getattr(row, interface))
    for interface in CALLS
    for row in TABLE
    for word in row.elsewhere.split()
    if getattr(row, interface).strip("`") != word and getattr(row, interface)
]
TAKEN = {"nnx": {"in_features", "hidden_features"}, "linen": {"features", "in_features"}, "keras": {"dropout"}}


@pytest.mark.parametrize(("interface", "word", "here"), WORDS)
def test_word(interface: str, word: str, here: str) -> None:
    if word in TAKEN.get(interface, ()):
        return
    with pytest.raises(TypeError) as caught:
        CALLS[interface]({word: 3})
    message = str(caught.value)
    assert f"argument {word!r}" in message
    name = here.strip("`")
    if here.startswith(NONE):
        assert "There is none here: " in message
    elif not name.isidentifier() or name in ("size", "use_bias", "activation", "activation_fn", "gate_fn", "units"):
        assert f"Here it is {here}." in message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jaxrnn.lstm(hidden_size=4), "lstm() has no argument 'hidden_size'. Here it is `size`."),
        (lambda: jaxrnn.gru(units=4), "gru() has no argument 'units'. Here it is `size`."),
        (
            lambda: N.LSTM(input_size=3, hidden_size=4, rngs=fx.Rngs(0)),
            "LSTM() has no argument 'input_size'. Here it is `in_features`.",
        ),
        (
            lambda: N.GRUCell(units=4, rngs=fx.Rngs(0)),
            "GRUCell() has no argument 'units'. Here it is `hidden_features`.",
        ),
        (lambda: L.LSTM(num_units=4), "LSTM() has no argument 'num_units'. Here it is `features`."),
        (
            lambda: L.RNN(L.GRUCell(3), return_state=True),
            "RNN() has no argument 'return_state'. Here it is `return_carry`.",
        ),
        (lambda: K.LSTM(hidden_size=4), "LSTM() has no argument 'hidden_size'. Here it is `units`."),
        (
            lambda: N.LSTM(3, 4, peephole=True, rngs=fx.Rngs(0)),
            "unexpected argument 'peephole'. Did you mean 'peepholes'?",
        ),
        (
            lambda: jaxrnn.scan(jaxrnn.gru(3), {}, None, sequence_length=3),
            "scan() has no argument 'sequence_length'. Here it is `lengths` of `jaxrnn.scan`.",
        ),
    ],
)
def test_before_python_misses_what_the_word_stands_for(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message


def test_a_users_cell_and_a_subclass_have_their_own_words() -> None:
    class Mine(N.LSTMCell):
        def __init__(self, hidden_size: int, rngs: fx.Rngs) -> None:
            super().__init__(3, hidden_size, rngs=rngs)

    assert Mine(hidden_size=4, rngs=fx.Rngs(0)).hidden_features == 4

    @jaxrnn.gate_cell(gates=("h",), carry=jaxrnn.ElmanCarry)
    def mine(carry: Any, x: Any, h: Any, *, bias: float = 0.0) -> Any:
        new = x.h + h.h + bias
        return jaxrnn.ElmanCarry(new), new

    assert mine(4, bias=1.0).size == 4
    with pytest.raises(TypeError, match=r"mine\(\) has no argument 'units'. Here it is `size`."):
        mine(units=4)
