"""The network of forecasts: an encoder over the past, and of each step ahead quantiles or a distribution.

    h[t] = cell(h[t-1], input[t])
    o[t, k] = W gelu(U h[t] + V ahead[t, k] + b[k]) + A[k] ahead[t, k],    k = 1 .. horizon

or, with a decoder, W d[t, k] + A[k] ahead[t, k] with d[t, k] = cell(d[t, k-1], [h[t], ahead[t, k]]). Forecasts begin at
many steps t of one pass over a sequence, as in the forking sequences of Wen et al. 2017 (arXiv:1711.11053). Quantiles
do not cross: each is as much above the one below it as a softplus says.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from jaxrnn.base.typing import ArrayLike
from jaxrnn.compose import stack
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import Layer
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.forecast.options import ModelOptions
from jaxrnn.tasks.shared.dense import dense, dense_init, dropout
from jaxrnn.tasks.shared.first_parameters import first_parameters
from jaxrnn.tasks.shared.sequence_cells import CELLS
from jaxrnn.train.named_axes import Named, Place, along_inputs
from jaxrnn.train.task import Carry, Params

NARROW = -2.0  # softplus of which is 0.13: what quantiles are apart, in deviations, at first


@dataclass(frozen=True)
class Forecaster:
    """The network for F numbers a step, G a step ahead, and h of these."""

    model: ModelOptions
    inputs: int
    ahead: int
    horizon: int

    @cached_property
    def layer(self) -> Layer:
        """The encoder."""
        cells = [CELLS[self.model.cell](self.model.hidden) for _ in range(self.model.layers)]
        return stack(cells, dropout=self.model.dropout)

    @cached_property
    def decoder(self) -> Cell:
        """What goes through the steps ahead."""
        return CELLS[self.model.cell](self.model.hidden)

    @cached_property
    def levels(self) -> np.ndarray:
        """The levels of the quantiles, [Q]."""
        return np.arange(1, self.model.quantiles + 1) / (self.model.quantiles + 1)

    @property
    def outputs(self) -> int:
        """Numbers of each step ahead."""
        return {"quantiles": self.model.quantiles, "normal": 2, "student": 3}[self.model.output]

    def init(self, key: jax.Array) -> Params:
        """Parameters {"rnn", "state", "ahead", "horizon", "linear", "readout"}; with a decoder "decoder" for three."""
        rnn, state, ahead, readout = jax.random.split(key, 4)
        H, G = self.model.hidden, self.ahead
        if self.model.decoder == "recurrent":
            head = {"decoder": first_parameters(self.decoder, state, H + G, self.model.cell)}
        else:
            head = {
                "state": dense_init(state, H, H),
                "ahead": dense_init(ahead, G, H),
                "horizon": {"bias": jnp.zeros((self.horizon, H))},
            }
        bias = jnp.where(jnp.arange(self.outputs) == self._centre, 0.0, NARROW if self.outputs > 3 else 0.0)
        return head | {
            "rnn": first_parameters(self.layer, rnn, self.inputs, self.model.cell),
            "linear": {"kernel": jnp.zeros((self.horizon, G, 1))},
            "readout": dense_init(readout, H, self.outputs) | {"bias": bias},
        }

    def named_axes(self, inputs: list[Place], ahead: list[Place]) -> Named:
        """Of the parameters, by what stands in a step and in a step ahead."""
        found = along_inputs(self.layer, inputs, "rnn") | {"linear/kernel": {1: ahead}}
        if self.model.decoder != "recurrent":
            return found | {"ahead/kernel": {0: ahead}}
        states = [Place(f"state {n}") for n in range(self.model.hidden)]
        return found | along_inputs(self.decoder, [*ahead, *states], "decoder")

    @property
    def _centre(self) -> int:
        """Which output is the median."""
        return self.outputs // 2 if self.model.output == "quantiles" else 0

    def read(self, params: Params, inputs: jax.Array, lengths: ArrayLike, rng: jax.Array | None = None) -> jax.Array:
        """The encoder's outputs [T, B, H] of inputs [B, T, F]."""
        return scan(self.layer, params["rnn"], jnp.moveaxis(inputs, 0, 1), lengths=lengths, rng=rng)[1]

    def step(self, params: Params, carry: Carry, inputs: jax.Array) -> tuple[Carry, jax.Array]:
        """One step of the encoder, inputs [B, F]."""
        return self.layer.step(params["rnn"], carry, inputs)

    def forecast(self, params: Params, state: jax.Array, ahead: jax.Array, rng: jax.Array | None = None) -> jax.Array:
        """Quantiles, or what a distribution is given by: [N, h, O] of states [N, H] and ahead [N, h, G]."""
        state_key, head_key = (None, None) if rng is None else jax.random.split(rng)
        state = dropout(state_key, state, self.model.dropout)
        if self.model.decoder == "recurrent":
            states = jnp.broadcast_to(state[:, None], (*ahead.shape[:2], state.shape[-1]))
            xs = jnp.moveaxis(jnp.concatenate([ahead, states], -1), 0, 1)
            hs = jnp.moveaxis(scan(self.decoder, params["decoder"], xs)[1], 0, 1)
        else:
            hs = dense(params["state"], state)[:, None] + dense(params["ahead"], ahead)
            hs = jax.nn.gelu(hs + jnp.broadcast_to(params["horizon"]["bias"], hs.shape))
        out = dense(params["readout"], dropout(head_key, hs, self.model.dropout))
        centre = jnp.einsum("nkg,kgo->nko", ahead, params["linear"]["kernel"])
        centre += out[..., self._centre, None]
        rest = jax.nn.softplus(out)
        if self.model.output != "quantiles":
            return jnp.concatenate([centre, rest[..., 1:2] + 1e-3, rest[..., 2:] + 2], -1)
        above, below = rest[..., self._centre + 1 :], rest[..., : self._centre]
        under = centre - jnp.flip(jnp.cumsum(jnp.flip(below, -1), -1), -1)
        return jnp.concatenate([under, centre, centre + jnp.cumsum(above, -1)], -1)

    def quantiles(self, outputs: np.ndarray) -> np.ndarray:
        """Quantiles [..., Q] of what `forecast` gives."""
        outputs = np.asarray(outputs, np.float64)
        if self.model.output == "quantiles":
            return outputs
        place, width = outputs[..., :1], outputs[..., 1:2]
        if self.model.output == "normal":
            return place + width * stats.norm.ppf(self.levels)
        return place + width * stats.t.ppf(self.levels, outputs[..., 2:])


def quantile_loss(values: jax.Array, quantiles: jax.Array, levels: np.ndarray) -> jax.Array:
    """Twice the pinball loss of values [...] and quantiles [..., Q], mean over the levels."""
    below = values[..., None] - quantiles
    level = jnp.broadcast_to(jnp.asarray(levels, below.dtype), below.shape)
    return 2 * jnp.maximum(level * below, (level - 1) * below).mean(-1)


def log_likelihood(z: jax.Array, out: jax.Array) -> jax.Array:
    """Of z [...] under distributions [..., 2], normal, or [..., 3], Student's t: place, width, degrees of freedom."""
    place, width = out[..., 0], out[..., 1]
    if out.shape[-1] == 2:
        return jax.scipy.stats.norm.logpdf(z, place, width)
    return jax.scipy.stats.t.logpdf(z, out[..., 2], place, width)
