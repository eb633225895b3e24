"""Convolutions by a rule of their own, beside JAX's: values, first and second derivatives, batches."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxrnn.forms.windows import Windows, convolve

DRAW = np.random.default_rng(3)
H, KERNEL = DRAW.normal(size=(3, 2, 7, 6, 2)), DRAW.normal(size=(3, 2, 2, 4))


@pytest.mark.parametrize("padding", ["SAME", "VALID", ((1, 2), (0, 3))])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 2)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 1)])
def test_derivatives_are_those_of_a_plain_convolution(strides: Any, dilation: Any, padding: Any) -> None:
    def ours(h: Any, kernel: Any) -> Any:
        return jnp.sin(convolve(Windows(strides, dilation, padding), h, kernel)).sum()

    def plain(h: Any, kernel: Any) -> Any:
        options = dict(rhs_dilation=dilation, dimension_numbers=("NXYC", "XYIO", "NXYC"))
        return jnp.sin(lax.conv_general_dilated(h.reshape(6, 7, 6, 2), kernel, strides, padding, **options)).sum()

    def derivatives(function: Any) -> Any:
        both = jax.value_and_grad(function, (0, 1))
        along = jax.jvp(both, (H, KERNEL), (0.3 * H + 1, 0.2 * KERNEL - 1))
        return along, jax.vmap(both, (0, None))(jnp.stack([H, 2 * H]), KERNEL), jax.hessian(function, 1)(H, KERNEL)

    for a, b in zip(*map(jax.tree.leaves, (derivatives(ours), derivatives(plain))), strict=True):
        np.testing.assert_allclose(a, b, 1e-11, 1e-11)


def test_a_kernels_gradient_in_a_loop_is_a_product_of_matrices() -> None:
    """XLA's other form of it takes fifty times as long there."""
    windows = Windows((1, 1), (1, 1), "SAME")

    def loss(kernel: Any) -> Any:
        step = lambda total, h: (total + convolve(windows, h, kernel).sum(), None)  # noqa: E731
        return lax.scan(step, 0.0, H)[0]

    text = jax.jit(jax.grad(loss)).lower(KERNEL).compile().as_text()
    assert not re.findall(r"dim_labels=f01b", text)
