"""Mixture densities: a readout whose outputs are the parameters of a density over the next point of a pen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_floats, check_key, check_number, check_size
from jaxrnn.base.dtypes import promote
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, ArrayLike, Float, PRNGKeyArray
from jaxrnn.decode.stepper import is_distribution
from jaxrnn.programs.serialized import serialized

# Beyond these an outlier's squared distance or its gradient would leave float32.
LOG_DEVIATION, CORRELATION = 10.0, 1 - 1e-5


@serialized
class Mixture(NamedTuple):
    """A density over points (x, y, end) by `mixture_density`: K Gaussians in the plane, a coin for a stroke's end."""

    log_weights: Array  # [..., K]
    means: Array  # [..., 2, K]
    log_deviations: Array  # [..., 2, K]
    correlations: Array  # [..., K], within (-1, 1)
    end: Array  # [...], the logit of end = 1


@dataclass(frozen=True)
class MixtureDensity:
    """Made by `mixture_density`: static and hashable, without parameters."""

    components: int  # K, Gaussians

    @property
    def size(self) -> int:
        """Outputs that the readout must have: six a component, and one."""
        return 6 * self.components + 1

    def split(self, outputs: Float[ArrayLike, "*_ O"]) -> Mixture:
        """The density that outputs [..., size] stand for, in float32 at least.

        Raises:
            TypeError, ValueError: If it isn't a floating array of that size.
        """
        check_floats(outputs, "outputs", f"a floating array [..., {self.size}]")
        if outputs.ndim < 1 or outputs.shape[-1] != self.size:
            fail("outputs", f"of shape [..., {self.size}], 1 and 6 for each of {self.components} components", outputs)
        k, outputs = self.components, jnp.asarray(outputs, promote(outputs.dtype, jnp.float32))
        planes = outputs[..., 1 + k : 1 + 5 * k].reshape(*outputs.shape[:-1], 4, k)
        return Mixture(
            log_weights=jax.nn.log_softmax(outputs[..., 1 : 1 + k]),
            means=planes[..., :2, :],
            log_deviations=jnp.clip(planes[..., 2:, :], -LOG_DEVIATION, LOG_DEVIATION),
            correlations=jnp.clip(jnp.tanh(outputs[..., 1 + 5 * k :]), -CORRELATION, CORRELATION),
            end=outputs[..., 0],
        )

    def log_density(self, mixture: Mixture, point: Float[ArrayLike, "*_ C"]) -> Array:
        """log p(x, y, end) [...] of points [..., 3], in nats; the last of the three numbers is 0 or 1."""
        point = _points(point, _checked(mixture), 3)
        end, logit = point[..., 2], mixture.end
        coin = end * jax.nn.log_sigmoid(logit) + (1 - end) * jax.nn.log_sigmoid(-logit)
        return self.log_density_of_place(mixture, point[..., :2]) + coin

    def log_density_of_place(self, mixture: Mixture, place: Float[ArrayLike, "*_ C"]) -> Array:
        """log p(x, y) [...] of places [..., 2], whether or not a stroke ends there."""
        place = _points(place, _checked(mixture), 2)
        z = (place[..., None] - mixture.means) * jnp.exp(-mixture.log_deviations)
        # y by itself and x given y: a sum of squares, so that nothing cancels near a correlation of one.
        rest = (1 - mixture.correlations) * (1 + mixture.correlations)
        x, y = z[..., 0, :], z[..., 1, :]
        distance = jnp.square(x - mixture.correlations * y) / rest + jnp.square(y)
        scale = mixture.log_deviations.sum(-2) + 0.5 * jnp.log(rest) + math.log(2 * math.pi)
        return jax.nn.logsumexp(mixture.log_weights - scale - 0.5 * distance, axis=-1)

    def sample(self, key: PRNGKeyArray, mixture: Mixture, bias: Any = 0.0) -> Array:
        """Draw points [..., 3]; NaN where the mixture is no density: NaN in it, or weights that are no distribution.

        Args:
            key: a PRNG key.
            mixture: as `split` returns it.
            bias: b of Graves 2013, section 5.4: likelier components are preferred and deviations shrink,
                weights ~ weights^(1 + b), deviations e^-b. 0 draws from the density itself; the larger, the neater.

        Raises:
            TypeError, ValueError: If the bias is no number, or negative.
        """
        check_key(key, "key")
        _checked(mixture)
        if not isinstance(bias, jax.core.Tracer):
            check_number(bias, "bias", "a number of 0 or more")
            if bias < 0:
                fail("bias", "a number of 0 or more", bias)
        bias = jnp.asarray(bias, mixture.end.dtype)
        which, where, ends = jax.random.split(key, 3)
        k = jax.random.categorical(which, mixture.log_weights * (1 + bias))[..., None]
        means, logs = (
            jnp.take_along_axis(a, k[..., None], -1)[..., 0] for a in (mixture.means, mixture.log_deviations)
        )
        r = jnp.take_along_axis(mixture.correlations, k, -1)[..., 0]
        z = jax.random.normal(where, means.shape, means.dtype)
        x = r * z[..., 1] + jnp.sqrt((1 - r) * (1 + r)) * z[..., 0]
        place = means + jnp.exp(logs - bias) * jnp.stack([x, z[..., 1]], -1)
        end = jax.random.bernoulli(ends, jax.nn.sigmoid(mixture.end))
        points = jnp.concatenate([place, end[..., None].astype(place.dtype)], -1)
        return jnp.where(_is_density(mixture)[..., None], points, jnp.nan)


def mixture_density(components: int) -> MixtureDensity:
    """A mixture of bivariate Gaussians and a Bernoulli variable, as a readout of any recurrent layer,

        p(x, y, end) = sum_k w_k N(x, y | m_k, s_k, r_k) Bernoulli(end | e)
        w = softmax(outputs),   s = exp(outputs),   r = tanh(outputs),   e = sigmoid(output)

    Outputs are, in this order: the logit of `end`, then for all K components the logits of the weights, x and y of the
    means, logs of the deviations in x and in y, and correlations before tanh.

    Args:
        components: K, of the mixture.

    Returns:
        An object with `size`, `split`, `log_density`, `log_density_of_place` and `sample`.

    Raises:
        TypeError, ValueError: If `components` is no positive integer.

    Papers: Bishop, Mixture density networks, 1994. Graves, Generating sequences with recurrent neural networks, 2013
    (arXiv:1308.0850), equations 15 to 26.

    >>> import jax, jax.numpy as jnp
    >>> from jaxrnn.decode import mixture_density
    >>> density = mixture_density(20)
    >>> mixture = density.split(jnp.zeros((7, density.size)))  # 7 outputs of a readout
    >>> round(density.log_density(mixture, jnp.zeros((7, 3)))[0].item(), 3)  # log (1 / 2 pi) + log (1 / 2)
    -2.531
    >>> density.sample(jax.random.key(0), mixture, bias=1.0).shape
    (7, 3)
    """
    return MixtureDensity(check_size(components, "components"))


def _checked(mixture: Any) -> Mixture:
    """A Mixture whose arrays fit each other."""
    if not isinstance(mixture, Mixture):
        fail("mixture", "a Mixture, as `split` returns it", mixture, kind=TypeError)
    for name, array in zip(Mixture._fields, mixture, strict=True):
        check_floats(array, f"mixture.{name}", "a floating array")
    batch, k = mixture.end.shape, mixture.log_weights.shape[-1:]
    for name, axes in (("log_weights", k), ("means", (2, *k)), ("log_deviations", (2, *k)), ("correlations", k)):
        if getattr(mixture, name).shape != (*batch, *axes):
            fail(f"mixture.{name}", f"of shape {(*batch, *axes)}", getattr(mixture, name))
    return mixture


def _is_density(mixture: Mixture) -> Array:
    """Whether each mixture [...] is one; a draw from one that is not looks like any other."""
    broken = jnp.isnan(mixture.end) | jnp.isnan(mixture.correlations).any(-1)
    for places in (mixture.means, mixture.log_deviations):
        broken |= jnp.isnan(places).any((-2, -1))
    return is_distribution(mixture.log_weights) & ~broken


def _points(points: Any, mixture: Mixture, size: int) -> Array:
    """Points, one for each mixture, in its dtype."""
    name, shape = "point" if size == 3 else "place", (*mixture.end.shape, size)
    check_floats(points, name, f"a floating array {shape}")
    if points.shape != shape:
        fail(name, f"of shape {shape}, one for each mixture", points)
    return jnp.asarray(points, mixture.end.dtype)
