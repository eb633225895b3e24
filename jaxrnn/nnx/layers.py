"""LSTM, GRU and Elman: one or more layers over a sequence, from the arguments of Flax's cells."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Unpack

from jaxrnn.cells.elman import elman
from jaxrnn.cells.gru import gru
from jaxrnn.cells.lstm import lstm
from jaxrnn.flax_common.arguments import ElmanLayersArguments, GRULayersArguments, LSTMLayersArguments
from jaxrnn.flax_common.layers import make_cell, make_layers
from jaxrnn.nnx.parameters import Rngs
from jaxrnn.nnx.rnn import RNN

# What `RNN` takes beside the layer.
SETTINGS = {
    name: setting
    for name, setting in inspect.signature(RNN.__init__).parameters.items()
    if setting.kind is setting.KEYWORD_ONLY and name != "rngs"
}


class _NamedLayers(RNN):
    """One or more layers of one cell, made from the arguments of Flax's cells."""

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        merge: Any = "concat",
        dropout: float = 0.0,
        rngs: Rngs,
        **options: Any,
    ):
        settings = {name: options.pop(name) for name in SETTINGS if name in options}
        cell = make_cell(self._factory, hidden_features, "hidden_features", options)
        layer = make_layers(cell, num_layers, bidirectional, merge, dropout)
        super().__init__(layer, in_features, rngs=rngs, **settings)

    @classmethod
    def _arguments(cls) -> list[inspect.Parameter]:
        return [*super()._arguments(), *SETTINGS.values()]


class LSTM(_NamedLayers):
    """Layers of `jaxrnn.lstm` over a sequence.

    Takes `(in_features, hidden_features, *, num_layers=1, bidirectional=False, merge="concat", dropout=0.0, rngs)`,
    with dropout between layers; the options of `LSTMCell`; and the settings of `RNN` (`time_major`, `return_carry`,
    `stateful`, ...). Parameters and carries are nested as those of `jaxrnn.stack` and `jaxrnn.bidirectional`; a single
    layer in one direction is not nested.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.nnx import LSTM
    >>> lstm = LSTM(3, 4, num_layers=2, bidirectional=True, dropout=0.1, rngs=nnx.Rngs(0))
    >>> lstm(jnp.ones((2, 7, 3))).shape, lstm.layer_1.backward.kernel.shape
    ((2, 7, 8), (8, 4, 4))
    """

    _factory = staticmethod(lstm)
    if TYPE_CHECKING:

        def __init__(
            self, in_features: int, hidden_features: int, *, rngs: Rngs, **options: Unpack[LSTMLayersArguments]
        ) -> None: ...


class GRU(_NamedLayers):
    """Layers of `jaxrnn.gru` over a sequence; arguments as for `LSTM`.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.nnx import GRU
    >>> GRU(3, 4, rngs=nnx.Rngs(0))(jnp.ones((2, 7, 3))).shape
    (2, 7, 4)
    """

    _factory = staticmethod(gru)
    if TYPE_CHECKING:

        def __init__(
            self, in_features: int, hidden_features: int, *, rngs: Rngs, **options: Unpack[GRULayersArguments]
        ) -> None: ...


class Elman(_NamedLayers):
    """Layers of `jaxrnn.elman` over a sequence; arguments as for `LSTM`.

    >>> import jax, jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.nnx import Elman
    >>> Elman(3, 4, activation_fn=jax.nn.relu, rngs=nnx.Rngs(0))(jnp.ones((2, 7, 3))).shape
    (2, 7, 4)
    """

    _factory = staticmethod(elman)
    if TYPE_CHECKING:

        def __init__(
            self, in_features: int, hidden_features: int, *, rngs: Rngs, **options: Unpack[ElmanLayersArguments]
        ) -> None: ...
