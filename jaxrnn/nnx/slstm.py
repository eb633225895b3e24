"""xLSTM's sLSTM layer and block over a sequence."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Unpack

from jaxrnn.base.checks import check_size
from jaxrnn.compose.slstm_block import slstm_block
from jaxrnn.compose.slstm_layer import slstm_layer
from jaxrnn.flax_common.arguments import SLSTMBlockArguments, SLSTMLayerArguments
from jaxrnn.nnx.layers import SETTINGS
from jaxrnn.nnx.parameters import Rngs
from jaxrnn.nnx.rnn import RNN


class _Composed(RNN):
    """A composed layer, from the options of what makes it."""

    def __init__(self, features: int, *, dropout: float = 0.0, rngs: Rngs, **options: Any):
        settings = {name: options.pop(name) for name in SETTINGS if name in options}
        check_size(features, "features")
        layer = type(self)._factory(features, dropout=dropout, **options)
        super().__init__(layer, features, rngs=rngs, **settings)

    @classmethod
    def _arguments(cls) -> list[inspect.Parameter]:
        if not hasattr(cls, "_factory"):
            return []
        own = inspect.signature(cls._factory).parameters.values()
        return [*(p for p in own if p.kind is p.KEYWORD_ONLY), *SETTINGS.values()]


class SLSTMLayer(_Composed):
    """`jaxrnn.slstm_layer`: sLSTM heads behind a causal convolution, each of them normed.

        v = silu(convolution(x)),  h = slstm(i, f from v; g, o from x),  y = norm * (h - mean) / sqrt(variance + 1e-5)

    Takes `(features, *, heads=4, window=4, dropout=0.0, rngs)`, the options below, and the settings of `RNN`
    (`time_major`, `return_carry`, `stateful`, ...). The carry is `SLSTMLayerCarry(cell, window)`: the last inputs are
    part of it, so that pieces with the carry handed over, and single steps, are the whole. The convolution sees the
    steps that count, and never what is behind a reset.

    Raises:
        TypeError, ValueError: an argument is of the wrong type or out of range; the message names it.

    Paper: Beck et al., xLSTM: extended long short-term memory, NeurIPS 2024, figure 10.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.nnx import SLSTMLayer
    >>> layer = SLSTMLayer(8, heads=2, return_carry=True, rngs=nnx.Rngs(0))
    >>> carry, ys = layer(jnp.ones((2, 7, 8)), seq_lengths=jnp.array([7, 5]))
    >>> ys.shape, carry.window.shape, layer.conv_kernel.shape
    ((2, 7, 8), (2, 24), (4, 8))
    """

    _factory = staticmethod(slstm_layer)  # type: ignore[assignment]
    if TYPE_CHECKING:

        def __init__(self, features: int, *, rngs: Rngs, **options: Unpack[SLSTMLayerArguments]) -> None: ...


class SLSTMBlock(_Composed):
    """`jaxrnn.slstm_block`: the layer on a residual stream, and a gated feed-forward layer after it.

        y = x + SLSTMLayer(norm(x)),  z = y + (gelu(u_0) * u_1) @ down_kernel  with  u = norm(y) @ up_kernel

    Takes `(features, *, heads=4, window=4, dropout=0.0, feed_forward=4 / 3, rngs)`, the options below, and the settings
    of `RNN`; carries as `SLSTMLayer`. Several on each other are `RNN(jaxrnn.stack([jaxrnn.slstm_block(...)]), ...)`.

    Raises:
        TypeError, ValueError: an argument is of the wrong type or out of range; the message names it.

    Paper: Beck et al., xLSTM: extended long short-term memory, NeurIPS 2024, figure 10.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.nnx import SLSTMBlock
    >>> block, xs = SLSTMBlock(8, stateful=True, rngs=nnx.Rngs(0)), jnp.ones((2, 7, 8))
    >>> ys = jnp.stack([block.step(xs[:, t]) for t in range(7)], axis=1)
    >>> block.reset_state()
    >>> bool(jnp.allclose(ys, block(xs), atol=1e-6)), block.feed_forward.up_kernel.shape
    (True, (8, 2, 64))
    """

    _factory = staticmethod(slstm_block)  # type: ignore[assignment]
    if TYPE_CHECKING:

        def __init__(self, features: int, *, rngs: Rngs, **options: Unpack[SLSTMBlockArguments]) -> None: ...
