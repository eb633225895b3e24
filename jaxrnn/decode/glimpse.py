"""Glimpses of a picture: a grid of Gaussian filters that reads a small patch at any place and zoom, and writes one.

    patch = intensity F_y image F_x^T,    image = F_y^T patch F_x / intensity

Gregor et al. 2015, DRAW: A recurrent neural network for image generation (arXiv:1502.04623), section 3.2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.checks import check_floats, check_size
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, ArrayLike, Float
from jaxrnn.programs.serialized import serialized

PARAMETERS = 5
LIMIT = 2 * float(np.log(1000))  # of the logarithms: beyond a deviation of 1/1000 or of 1000 pixels nothing changes


@serialized
class Place(NamedTuple):
    """Where a grid of N x N filters lies; pixels are counted from 1, as in the paper. Arrays `[*B]`."""

    x: Array  # its centre, across
    y: Array  # and down
    variance: Array  # of each Gaussian, in pixels squared
    stride: Array  # between the centres of neighbouring Gaussians, in pixels
    intensity: Array


@serialized
class Filters(NamedTuple):
    """The filters of a grid; each row sums to one."""

    x: Array  # [*B, N, width]
    y: Array  # [*B, N, height]
    intensity: Array  # [*B]


def place(parameters: Float[ArrayLike, "*B 5"], size: int, image: tuple[int, int]) -> Place:
    """Where the grid lies that five numbers describe: (x, y, log variance, log stride, log intensity).

    x' = (width + 1) / 2 (x + 1),    y' = (height + 1) / 2 (y + 1)
    stride' = (max(height, width) - 1) / (N - 1) exp(log stride)

    so that five zeros are a grid over the whole picture with filters one pixel wide.

    Args:
        parameters: `[*B, 5]`; logarithms are clipped where a float32 would overflow.
        size: N, the filters across and down.
        image: (height, width) in pixels.

    Returns:
        The Place, arrays `[*B]`.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    >>> import jax.numpy as jnp
    >>> whole = place(jnp.zeros(5), size=3, image=(9, 5))
    >>> float(whole.x), float(whole.y), float(whole.stride)
    (3.0, 5.0, 4.0)
    """
    _check_array(parameters, "parameters", f"[*B, {PARAMETERS}]")
    if parameters.shape[-1:] != (PARAMETERS,):
        fail("parameters", f"of shape [*B, {PARAMETERS}]", parameters)
    size = check_size(size, "size")
    if not isinstance(image, tuple) or len(image) != 2:
        fail("image", "(height, width)", image, kind=TypeError)
    height, width = (check_size(pixels, f"image[{i}]") for i, pixels in enumerate(image))
    x, y, *logarithms = jnp.moveaxis(jnp.asarray(parameters), -1, 0)
    variance, stride, intensity = (jnp.exp(jnp.clip(value, -LIMIT, LIMIT)) for value in logarithms)
    widest = (max(height, width) - 1) / max(size - 1, 1)  # a single filter has no neighbour
    return Place((width + 1) / 2 * (x + 1), (height + 1) / 2 * (y + 1), variance, widest * stride, intensity)


def filterbank(parameters: Float[ArrayLike, "*B 5"], size: int, image: tuple[int, int]) -> Filters:
    """The Gaussian filters of a grid, one row a filter.

    F_x[i, a] = exp(-(a - mu[i])^2 / (2 variance)) / Z[i],    mu[i] = x' + (i - N / 2 - 1 / 2) stride'

    with i = 1..N and pixels a = 1..width; Z makes a row sum to one, also where a filter lies outside the picture: it
    then sees the border.

    Args:
        parameters: `[*B, 5]`, see `place`.
        size: N, the filters across and down.
        image: (height, width) in pixels.

    Returns:
        Filters: x `[*B, N, width]`, y `[*B, N, height]`, intensity `[*B]`.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    >>> import jax.numpy as jnp
    >>> sharp = jnp.array([0.0, 0.0, -9.0, 0.0, 0.0])  # a filter on every pixel, nearly as narrow as one
    >>> filters = filterbank(sharp, size=4, image=(4, 4))
    >>> bool(jnp.allclose(filters.x, jnp.eye(4)))
    True
    """
    at = place(parameters, size, image)
    stride, variance = at.stride[..., None], at.variance[..., None, None]

    def along(centre: Array, pixels: int) -> Array:
        means = centre[..., None] + stride * _row(np.arange(1, size + 1) - size / 2 - 0.5, stride)
        distance = _row(np.arange(1, pixels + 1), variance) - means[..., None]
        # A softmax is this very normalisation, and has no 0 / 0 far from the picture.
        return jax.nn.softmax(-distance * distance / (2 * variance))

    return Filters(along(at.x, image[1]), along(at.y, image[0]), at.intensity)


def read(filters: Filters, image: Float[ArrayLike, "*B height width"]) -> Float[Array, "*B N N"]:
    """The patch that filters see: intensity F_y image F_x^T.

    Args:
        filters: of `filterbank`, with the image's batch axes.
        image: `[*B, height, width]`.

    Returns:
        `[*B, N, N]`.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    >>> import jax.numpy as jnp
    >>> filters = filterbank(jnp.zeros((2, 5)), size=3, image=(28, 28))
    >>> read(filters, jnp.ones((2, 28, 28))).shape
    (2, 3, 3)
    """
    _check_filters(filters)
    _check_array(image, "image", "[*B, height, width]")
    _check_shape(image, "image", filters, filters.y.shape[-1], filters.x.shape[-1])
    rows = jnp.einsum("...nh,...hw->...nw", filters.y, image)
    return filters.intensity[..., None, None] * jnp.einsum("...nw,...mw->...nm", rows, filters.x)


def write(filters: Filters, patch: Float[ArrayLike, "*B N N"]) -> Float[Array, "*B height width"]:
    """The picture that a patch makes: F_y^T patch F_x / intensity.

    Args:
        filters: of `filterbank`, with the patch's batch axes.
        patch: `[*B, N, N]`.

    Returns:
        `[*B, height, width]`.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    >>> import jax.numpy as jnp
    >>> filters = filterbank(jnp.zeros((2, 5)), size=3, image=(28, 28))
    >>> write(filters, jnp.ones((2, 3, 3))).shape
    (2, 28, 28)
    """
    _check_filters(filters)
    _check_array(patch, "patch", "[*B, N, N]")
    _check_shape(patch, "patch", filters, filters.y.shape[-2], filters.x.shape[-2])
    columns = jnp.einsum("...nm,...mw->...nw", patch, filters.x)
    return jnp.einsum("...nh,...nw->...hw", filters.y, columns) / filters.intensity[..., None, None]


def _row(values: np.ndarray, like: Array) -> Array:
    """Numbers along the last axis, in the rank and dtype of another array."""
    return jnp.asarray(values, like.dtype).reshape(*(1,) * (like.ndim - 1), -1)


def _check_filters(filters: Any) -> None:
    if not isinstance(filters, Filters):
        fail("filters", "Filters, as `filterbank` returns them", filters, kind=TypeError)
    for name, array in zip(Filters._fields, filters, strict=True):
        _check_array(array, f"filters.{name}", "as `filterbank` returns it")
    batch = filters.intensity.shape
    for name, array in (("x", filters.x), ("y", filters.y)):
        if array.ndim != len(batch) + 2 or array.shape[:-2] != batch:
            fail(f"filters.{name}", f"of shape {(*batch, 'N', 'pixels')}, as the intensity has it", array)


def _check_array(array: Any, argument: str, axes: str) -> None:
    check_floats(array, argument, f"a floating array {axes}")


def _check_shape(array: ArrayLike, argument: str, filters: Filters, *last: int) -> None:
    expected = (*filters.intensity.shape, *last)
    if array.shape != expected:
        fail(argument, f"of shape {expected}, as the filters have it", array)
