"""A layer that runs from the last step to the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxrnn.base.errors import fail
from jaxrnn.base.made import remembered
from jaxrnn.base.typing import Carry
from jaxrnn.compose.wrappers import Wrapper
from jaxrnn.core.layer import Layer
from jaxrnn.engine.sequence import Call


class Reverse(Wrapper):
    """Made by `reverse`."""

    def apply(self, run: Callable[..., Any], call: Call, reverse: bool) -> tuple[Carry, Any]:
        return run(self.layer, call, not reverse)

    @property
    def stepless(self) -> Layer | None:
        return self


@remembered
def reverse(layer: Layer) -> Layer:
    """The same layer, run from each row's last valid step to its first; outputs stay in the order of the inputs.

    Args:
        layer: any Layer.

    Returns:
        A Layer with the same parameters and carry.

    Raises:
        TypeError: `layer` is not a Layer.

    >>> import jax, jaxrnn
    >>> layer = jaxrnn.stack([jaxrnn.gru(4), jaxrnn.reverse(jaxrnn.gru(4))])
    >>> params = layer.init(jax.random.key(0), inputs=3)
    >>> carry, ys = jaxrnn.scan(layer, params, jax.numpy.ones((5, 2, 3)))
    >>> ys.shape
    (5, 2, 4)
    """
    if not isinstance(layer, Layer):
        fail("layer", "a jaxrnn Layer", layer, kind=TypeError)
    return Reverse(layer)
