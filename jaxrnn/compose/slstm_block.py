r"""xLSTM's sLSTM block: the layer on a residual stream, with a norm before it, and a gated feed-forward layer after it.

    y = x + slstm_layer(norm(x))
    z = y + (gelu(u_0) * u_1) @ down_kernel     with u = norm(y) @ up_kernel

Papers:
    Beck et al., xLSTM: extended long short-term memory, NeurIPS 2024 (arXiv:2405.04517), figure 10.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np

from jaxrnn.base.checks import check_number, check_rate, check_size
from jaxrnn.base.errors import fail
from jaxrnn.base.made import remembered
from jaxrnn.base.typing import Array, Carry, Params, PRNGKeyArray
from jaxrnn.compose.features import dropped, feed_forward, normalised
from jaxrnn.compose.slstm_layer import SLSTMLayer, slstm_layer
from jaxrnn.compose.wrappers import Wrapper, check_same_size, floats
from jaxrnn.core.layer import entry
from jaxrnn.core.parameter import Parameter
from jaxrnn.engine.masks import clean
from jaxrnn.engine.sequence import Call, key_of_part
from jaxrnn.functions.initializers import Normal, ones

MULTIPLE = 64  # of which the units of a feed-forward layer are one, where a ratio gives their number


@dataclass(frozen=True, repr=False)
class SLSTMBlock(Wrapper):
    """Made by `slstm_block`. `units` is the size F of the feed-forward layer, 0 without one."""

    units: int = 0  # F, of the feed-forward layer; 0: none
    dropout: float = 0.0  # of what is added to the inputs
    blocks: int = 1  # how many stand on each other: `down_kernel` starts smaller by this

    @property
    def noisy(self) -> bool:
        return (self.units > 0 and self.dropout > 0) or super().noisy

    def declare(self, inputs: int) -> dict[str, Any]:
        check_same_size(self.layer, inputs)
        layer = self.layer.declare(inputs)
        dtype = layer["norm"].dtype
        norm = Parameter((inputs,), ones, dtype=dtype)
        if not self.units:
            return {"norm": norm, "layer": layer}
        up, down = Normal(sqrt(2 / (5 * inputs))), Normal(2 / self.blocks / sqrt(inputs))
        return {
            "norm": norm,
            "layer": layer,
            "feed_forward": {
                "norm": norm,
                "up_kernel": Parameter((inputs, 2, self.units), up, dtype=dtype),
                "down_kernel": Parameter((self.units, inputs), down, dtype=dtype),
            },
        }

    def inner_params(self, params: Params) -> Params:
        return entry(params, "layer")

    def apply(self, run: Callable[..., Any], call: Call, reverse: bool) -> tuple[Carry, Any]:
        params, sequence, *_, rng = call
        xs = floats(clean(sequence.valid, sequence.xs))
        inner = call._replace(
            params=self.inner_params(params),
            sequence=sequence._replace(xs=normalised(xs, params["norm"])),
            rng=key_of_part(rng, 0),
        )
        carry, ys = run(self.layer, inner, reverse)
        return carry, clean(sequence.valid, self._rest(params, xs, ys, rng, sequence.t))

    def one_step(
        self, params: Params, carry: Carry, x: Array, rng: PRNGKeyArray | None, step: Any, per_step: dict[str, Any]
    ) -> tuple[Carry, Array]:
        read, key = normalised(floats(x), params["norm"]), key_of_part(rng, 0)
        carry, y = self.layer.one_step(self.inner_params(params), carry, read, key, step, per_step)
        return carry, self._rest(params, x, y, rng, step)

    def _rest(self, params: Params, xs: Array, ys: Array, rng: Any, t: Any) -> Array:
        ys = xs.astype(ys.dtype) + ys
        if not self.units:
            return ys
        p = params["feed_forward"]
        fed = feed_forward(normalised(ys, p["norm"]), p["up_kernel"], p["down_kernel"])
        return ys + dropped(fed, self.dropout, key_of_part(rng, 1), t)


@remembered
def slstm_block(
    size: int,
    *,
    heads: int = 4,
    window: int = 4,
    dropout: float = 0.0,
    feed_forward: int | float | None = 4 / 3,
    feed_forward_dropout: float = 0.0,
    blocks: int = 1,
    forget: str = "sigmoid",
    depth: float = 0.0,
    dtype: Any = None,
    param_dtype: Any = None,
    carry_dtype: Any = None,
) -> SLSTMBlock:
    """`slstm_layer` on a residual stream, between a norm and a gated feed-forward layer; blocks are stacked.

        y = x + slstm_layer(norm(x)),  z = y + (gelu(u_0) * u_1) @ down_kernel  with  u = norm(y) @ up_kernel

    Parameters: `norm [H]`, `layer`, those of `slstm_layer`, and `feed_forward` with `norm [H]`, `up_kernel [H, 2, F]`
    and `down_kernel [F, H]`.

    Args:
        size: H, the features of the stream.
        heads, window, dropout: see `jaxrnn.slstm_layer`.
        feed_forward: F as an integer; as another number F / H, and F the next multiple of 64; None for none.
        feed_forward_dropout: the probability of dropping what the feed-forward layer adds, in [0, 1); only with `rng`.
        blocks: how many stand on each other: `down_kernel` starts smaller by this. `depth` is this block's place.
        forget, depth, dtype, param_dtype, carry_dtype: see `jaxrnn.slstm`.

    Returns:
        A Layer with the carry of `slstm_layer`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    Paper: Beck et al., xLSTM: extended long short-term memory, NeurIPS 2024, figure 10.

    >>> import jax, jaxrnn
    >>> layer = jaxrnn.stack([jaxrnn.slstm_block(8, blocks=2), jaxrnn.slstm_block(8, blocks=2, depth=1.0)])
    >>> params = layer.init(jax.random.key(0), inputs=8)
    >>> carry, ys = jaxrnn.scan(layer, params, jax.numpy.ones((7, 2, 8)), lengths=jax.numpy.array([7, 3]))
    >>> ys.shape, params["layer_0"]["feed_forward"]["up_kernel"].shape
    ((7, 2, 8), (8, 2, 64))
    """
    dtypes = dict(dtype=dtype, param_dtype=param_dtype, carry_dtype=carry_dtype)
    layer = slstm_layer(size, heads=heads, window=window, dropout=dropout, forget=forget, depth=depth, **dtypes)
    rate = check_rate(feed_forward_dropout, "feed_forward_dropout")
    units = 0 if feed_forward is None else _units(layer, feed_forward)
    return SLSTMBlock(layer, units, rate, check_size(blocks, "blocks"))


def _units(layer: SLSTMLayer, given: Any) -> int:
    """F, as it is given or by its ratio to H."""
    expected = "None, a positive integer, or a positive number, the ratio to size"
    if isinstance(given, (int, np.integer)) and not isinstance(given, bool):
        return check_size(given, "feed_forward")
    ratio = check_number(given, "feed_forward", expected)
    if ratio <= 0:
        fail("feed_forward", expected, given)
    return check_size(MULTIPLE * ceil(ratio * layer.output_size / MULTIPLE), "feed_forward")
