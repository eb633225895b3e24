"""Wrong calls say so before anything is computed: argument, expected, got."""

from __future__ import annotations

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrnn
from jaxrnn import dynamics

pytestmark = pytest.mark.usefixtures("unchecked")
CELL = jaxrnn.gru(4)
PARAMS = CELL.init(jax.random.key(0), inputs=3)
XS = np.zeros((5, 2, 3), np.float32)
BOTH = jaxrnn.bidirectional(CELL)
OURS = dict(layer=CELL, params=PARAMS, xs=XS)
POINT = dict(layer=CELL, params=PARAMS, x=np.zeros(3, np.float32))
FOUR = ("gradient_norms", "memory_lengths", "lyapunov", "gate_saturation")


@pytest.mark.parametrize("name", FOUR)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(layer="gru"), "`layer` must be a jaxrnn Layer"),
        (dict(layer=nnx.Linear(2, 2, rngs=nnx.Rngs(0)), params=None), "`layer` must be a jaxrnn Layer"),
        (dict(params={}), "`params"),
        (dict(xs=XS[..., :2]), "`xs` must be of shape"),
        (dict(xs=XS[:0]), "`xs` must be of one step"),
        (dict(carry=np.zeros((3, 4))), "`carry"),
        (dict(lengths=np.array([6, 1])), "`lengths` must be between"),
        (dict(dtype="int8"), "`dtype` must be"),
        (dict(per_step={"times": XS}), "`per_step` must be"),
    ],
)
def test_what_all_take(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        getattr(dynamics, name)(**OURS | given)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("gradient_norms", dict(layer=BOTH, params=BOTH.init(jax.random.key(0), 3)), "from step to step"),
        ("gradient_norms", dict(loss=3), "`loss` must be a function"),
        ("gradient_norms", dict(loss=lambda ys: ys), "`loss` must be a function of outputs"),
        ("gradient_norms", dict(loss=jnp.sum, directions=3), "`directions` must be left out"),
        ("gradient_norms", dict(directions=0), "`directions` must be a positive"),
        ("memory_lengths", dict(level=1.0), "`level` must be a number in"),
        ("lyapunov", dict(count=5), "`count` must be 4 or less"),
        ("lyapunov", dict(every=0), "`every` must be a positive"),
        ("lyapunov", dict(skip=5), "`skip` must be less than T = 5"),
        ("gate_saturation", dict(low=0.9, high=0.1), "`low and high` must be such"),
    ],
)
def test_what_one_takes(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        getattr(dynamics, name)(**OURS | given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(x=np.zeros((2, 3))), "`x` must be one input"),
        (dict(starts=0), "`starts` must be a positive"),
        (dict(starts=(np.zeros((3, 5)),)), "`carry"),
        (dict(tolerance=-1.0), "`tolerance` must be a positive"),
        (dict(distance=0.0), "`distance` must be a positive"),
        (dict(steps=0), "`steps` must be a positive"),
    ],
)
def test_fixed_points(given: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        dynamics.fixed_points(**POINT | given)


def test_figures_want_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in dynamics.__all__:
        if name.startswith("draw_"):
            with pytest.raises(TypeError, match=r"`found` must be what `jaxrnn\.dynamics"):
                getattr(dynamics, name)(3)
    found = dynamics.spectra(CELL, PARAMS)
    with pytest.raises(ValueError, match="`axes` must be 3 axes"):
        dynamics.draw_spectra(found, axes=[1])
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install \"jaxrnn\[train\]\""):
        dynamics.draw_spectra(found)


def test_a_figure_of_no_fixed_point() -> None:
    """No start of a network that adds 1 to its state at each step leads anywhere: two empty panels."""
    cell = jaxrnn.elman(2, activation=lambda a: a, use_bias=False)
    params = dict(kernel=np.ones((1, 1, 2), np.float32), recurrent_kernel=np.eye(2, dtype=np.float32)[:, None])
    found = dynamics.fixed_points(cell, params, np.ones(1, np.float32), 3, steps=2)
    assert len(found.residuals) == 0
    figure = dynamics.draw_fixed_points(found)
    assert figure.axes[0].get_title() == "0 fixed points"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(per_step=[1]), "`per_step` must be a dict of arrays by name, got"),
        (dict(per_step={"t": 1.0}), r"`per_step\['t'\]` must be an array, got 1.0"),
        (dict(x=None), "`x` must be an array, got None"),
        (dict(x=np.zeros(3, object)), "`x` must be an array of numbers"),
    ],
)
def test_inputs_of_fixed_points(given: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        dynamics.fixed_points(**POINT | given)
