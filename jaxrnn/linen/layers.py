"""LSTM, GRU and Elman: one or more layers over a sequence, from the arguments of Flax's cells."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

from jaxrnn.core.layer import Layer
from jaxrnn.flax_common.layers import make_layers
from jaxrnn.linen.options import ElmanOptions, GRUOptions, LSTMOptions
from jaxrnn.linen.rnn import SequenceModule


class _NamedLayers(SequenceModule):
    """One or more layers of one cell, made from the arguments of Flax's cells."""

    _: KW_ONLY
    time_major: bool = False
    return_carry: bool = False
    reverse: bool = False
    keep_order: bool = False
    unroll: int = 1
    num_layers: int = 1
    bidirectional: bool = False
    merge: Any = "concat"
    dropout: float = 0.0

    @property
    def functional(self) -> Layer:
        return make_layers(self.make_cell(), self.num_layers, self.bidirectional, self.merge, self.dropout)


class LSTM(_NamedLayers, LSTMOptions):
    """Layers of `jaxrnn.lstm` over a sequence.

    Takes `(features, *, num_layers=1, bidirectional=False, merge="concat", dropout=0.0)`, with dropout between layers;
    the options of `LSTMCell`; and the attributes of `RNN` (`time_major`, `return_carry`, `stateful`, ...). Parameters
    and carries are nested as those of `jaxrnn.stack` and `jaxrnn.bidirectional`; a single layer in one direction is not
    nested.

    >>> import jax, jax.numpy as jnp
    >>> from jaxrnn.linen import LSTM
    >>> lstm, inputs = LSTM(4, num_layers=2, bidirectional=True), jnp.ones((2, 7, 3))
    >>> variables = lstm.init(jax.random.key(0), inputs)
    >>> lstm.apply(variables, inputs).shape, variables["params"]["layer_1"]["backward"]["kernel"].shape
    ((2, 7, 8), (8, 4, 4))
    """


class GRU(_NamedLayers, GRUOptions):
    """Layers of `jaxrnn.gru` over a sequence; arguments as for `LSTM`.

    >>> import jax, jax.numpy as jnp
    >>> from jaxrnn.linen import GRU
    >>> GRU(4).init_with_output(jax.random.key(0), jnp.ones((2, 7, 3)))[0].shape
    (2, 7, 4)
    """


class Elman(_NamedLayers, ElmanOptions):
    """Layers of `jaxrnn.elman` over a sequence; arguments as for `LSTM`.

    >>> import jax, jax.numpy as jnp
    >>> from jaxrnn.linen import Elman
    >>> Elman(4, activation_fn=jax.nn.relu).init_with_output(jax.random.key(0), jnp.ones((2, 7, 3)))[0].shape
    (2, 7, 4)
    """
