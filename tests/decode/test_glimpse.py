"""DRAW's filters against loops in NumPy: places, filters, reading, writing, and their gradients."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.decode.glimpse import Filters, filterbank, place, read, write

# (N, height, width): more filters than pixels, one filter, one pixel, a picture that is not square
SIZES = [(3, 7, 5), (1, 6, 4), (5, 4, 9), (2, 1, 1), (4, 4, 4)]


def reference(parameters, size, height, width):
    """Section 3.2 for one row, filter by filter and pixel by pixel."""
    x, y, log_variance, log_stride, log_intensity = parameters
    variance, intensity = np.exp(log_variance), np.exp(log_intensity)
    centres = {"x": (width + 1) / 2 * (x + 1), "y": (height + 1) / 2 * (y + 1)}
    stride = 0 if size == 1 else (max(width, height) - 1) / (size - 1) * np.exp(log_stride)
    filters = {}
    for axis, pixels in (("x", width), ("y", height)):
        rows = np.zeros((size, pixels))
        for i in range(1, size + 1):
            mean = centres[axis] + (i - size / 2 - 0.5) * stride
            for a in range(1, pixels + 1):
                rows[i - 1, a - 1] = np.exp(-((a - mean) ** 2) / (2 * variance))
            rows[i - 1] /= rows[i - 1].sum()
        filters[axis] = rows
    return filters["x"], filters["y"], intensity


def draw_parameters(*batch, seed=0):
    return np.random.default_rng(seed).normal(size=(*batch, 5)) * [0.5, 0.5, 0.7, 0.5, 0.5]


@pytest.mark.parametrize(("size", "height", "width"), SIZES)
def test_filters_reading_and_writing_equal_numpy(size, height, width):
    draw = np.random.default_rng(1)
    parameters = draw_parameters(2, 3)
    images, patches = draw.normal(size=(2, 3, height, width)), draw.normal(size=(2, 3, size, size))
    filters = filterbank(parameters, size, (height, width))
    seen, written = read(filters, images), write(filters, patches)
    for row in np.ndindex(2, 3):
        x, y, intensity = reference(parameters[row], size, height, width)
        np.testing.assert_allclose(filters.x[row], x, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(filters.y[row], y, rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(seen[row], intensity * y @ images[row] @ x.T, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(written[row], y.T @ patches[row] @ x / intensity, rtol=1e-10, atol=1e-13)


def test_without_batch_axes_and_with_none_in_the_batch():
    one, image = draw_parameters(), np.ones((6, 5))
    filters = filterbank(one, 3, (6, 5))
    x, y, intensity = reference(one, 3, 6, 5)
    np.testing.assert_allclose(read(filters, image), intensity * y @ image @ x.T, rtol=1e-12)
    none = filterbank(np.zeros((0, 5)), 3, (6, 5))
    assert read(none, np.zeros((0, 6, 5))).shape == (0, 3, 3)


@pytest.mark.parametrize("size", [1, 2, 9])
def test_what_is_written_with_one_filter_a_pixel_is_what_was_read(size):
    """Zoom and place of the whole picture, filters narrower than a pixel; the intensity cancels."""
    parameters = np.array([0.0, 0.0, -9.0, 0.0, 0.8])
    filters = filterbank(parameters, size, (size, size))
    image = np.random.default_rng(0).normal(size=(size, size))
    np.testing.assert_allclose(write(filters, read(filters, image)), image, atol=1e-12)


def test_a_grid_slides_and_zooms_as_its_numbers_say():
    """A third of the picture's width apart, around pixel (row 4, column 7) of 9 by 9: by the paper's units."""
    parameters = jnp.array([7 / 5 - 1, 4 / 5 - 1, -9.0, np.log(1 / 4), 0.0])
    at = place(parameters, 3, (9, 9))
    np.testing.assert_allclose([at.x, at.y, at.stride, at.intensity], [7, 4, 1, 1], rtol=1e-12)
    image = np.arange(81.0).reshape(9, 9)
    np.testing.assert_allclose(read(filterbank(parameters, 3, (9, 9)), image), image[2:5, 5:8], atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [10.0, 1e3, 1e8])
def test_filters_far_away_or_extreme_are_finite_and_sum_to_one(scale, dtype):
    signs = np.array(np.meshgrid(*[[-1, 0, 1]] * 5)).reshape(5, -1).T
    parameters = jnp.asarray(signs * scale, dtype)
    image = jnp.ones((len(signs), 8, 6), dtype)

    def total(parameters):
        filters = filterbank(parameters, 3, (8, 6))
        return (write(filters, read(filters, image))).sum(), filters

    (_, filters), gradient = jax.value_and_grad(total, has_aux=True)(parameters)
    for rows in filters[:2]:
        assert rows.dtype == dtype
        np.testing.assert_allclose(rows.sum(-1), 1, rtol=1e-5)
    assert np.isfinite(gradient).all()


def test_gradients_equal_finite_differences():
    draw = np.random.default_rng(3)
    parameters, image, weights = draw_parameters(2), draw.normal(size=(2, 5, 6)), draw.normal(size=(2, 5, 6))

    def value(parameters, image):
        filters = filterbank(parameters, 3, (5, 6))
        return (write(filters, jnp.tanh(read(filters, image))) * weights).sum()

    def numpy(parameters, image):
        total = 0.0
        for row in range(2):
            x, y, intensity = reference(parameters[row], 3, 5, 6)
            total += (y.T @ np.tanh(intensity * y @ image[row] @ x.T) @ x / intensity * weights[row]).sum()
        return total

    found = jax.grad(value, argnums=(0, 1))(parameters, image)
    for position, array in enumerate((parameters, image)):
        for index in np.ndindex(array.shape):
            step = np.zeros_like(array)
            step[index] = 1e-5
            up, down = ([parameters, image] for _ in range(2))
            up[position], down[position] = array + step, array - step
            expected = (numpy(*up) - numpy(*down)) / 2e-5
            np.testing.assert_allclose(found[position][index], expected, rtol=1e-6, atol=1e-8)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: filterbank(np.zeros((2, 4)), 3, (5, 6)), "`parameters` must be of shape [*B, 5], got float64[2,4]"),
        (lambda f: filterbank(np.zeros((2, 5), int), 3, (5, 6)), "`parameters` must be a floating array [*B, 5], got"),
        (lambda f: filterbank(np.zeros(5), 0, (5, 6)), "`size` must be a positive integer, got 0"),
        (lambda f: filterbank(np.zeros(5), 3, (5, 0)), "`image[1]` must be a positive integer, got 0"),
        (lambda f: filterbank(np.zeros(5), 3, 28), "`image` must be (height, width), got 28"),
        (lambda f: read(f, np.zeros((2, 6, 5))), "`image` must be of shape (2, 5, 6), as the filters have it, got"),
        (lambda f: read(f, [1.0]), "`image` must be a floating array [*B, height, width], got"),
        (lambda f: read(f._asdict(), np.zeros((2, 5, 6))), "`filters` must be Filters, as `filterbank` returns them"),
        (lambda f: write(f, np.zeros((2, 2, 3))), "`patch` must be of shape (2, 3, 3), as the filters have it, got"),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    filters = filterbank(np.zeros((2, 5)), 3, (5, 6))
    assert isinstance(filters, Filters)
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        call(filters)
