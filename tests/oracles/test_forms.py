"""Kernels of each form beside plain products, and convolutions beside SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage

from tests.oracles import forms
from tests.oracles.draws import STATE, H, normal


def test_heads():
    kernel, v = normal(2, 3, 5, 4), normal(6)
    expected = np.einsum("nr,nrgh->gnh", v.reshape(2, 3), kernel).reshape(5, 8)
    np.testing.assert_allclose(forms.times(v, forms.heads(kernel)), expected, 1e-13)


def test_diagonal_and_low_rank():
    kernel, down, up = normal(2, H), normal(H, 2), normal(2, 3, 5)
    np.testing.assert_allclose(forms.times(STATE, forms.diagonal(kernel)), kernel * STATE, 1e-13)
    np.testing.assert_allclose(
        forms.times(STATE, forms.low_rank(down, up)), np.einsum("r,rgh->gh", STATE @ down, up), 1e-13
    )


@pytest.mark.parametrize(("space", "window"), [((6,), (3,)), ((5, 4), (3, 2)), ((3, 4, 2), (1, 4, 3))])
def test_convolution_beside_scipy(space, window):
    """SciPy's centre of an even window is one place further than ours."""
    image, kernel = normal(*space, 2), normal(*window, 2, 3, 4)
    out = forms.convolve(image, kernel)
    shift = [-1 if w % 2 == 0 else 0 for w in window]
    for gate, feature in np.ndindex(3, 4):
        expected = sum(
            scipy.ndimage.correlate(image[..., c], kernel[..., c, gate, feature], mode="constant", origin=shift)
            for c in range(2)
        )
        np.testing.assert_allclose(out[gate, ..., feature], expected, 1e-12, 1e-12)
