"""Checks ask NumPy for what is static: exporters put functions of their own in the place of those of `jax.numpy`."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrnn
from jaxrnn.core import layer as layer_room
from jaxrnn.engine.check import Arguments, check_scan

T, B, D = 5, 2, 3
LAYER = jaxrnn.stack([jaxrnn.zoneout(jaxrnn.lstm(4), c=0.1), jaxrnn.residual(jaxrnn.gru(4, learn_carry=True))])


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes which functions of `jax.numpy` are called."""
    called: list[str] = []

    def noting(name: str, function: Any) -> Any:
        def note(*args: Any, **kwargs: Any) -> Any:
            called.append(name)
            return function(*args, **kwargs)

        return note

    for name, function in vars(jnp).items():
        if callable(function) and not isinstance(function, type) and not hasattr(function, "dtype"):
            monkeypatch.setattr(jnp, name, noting(name, function))
    return called


class Stop(Exception):
    """Raised where the checks of a step end."""


def stop(*arguments: Any) -> Any:
    raise Stop


def given() -> dict[str, Any]:
    return dict(
        lengths=np.array([5, 2]),
        mask=np.ones((T, B), bool),
        resets=np.zeros((T, B), bool),
        segments=np.zeros((T, B), np.int8),
        rng=jax.random.key(0),
        start_step=np.int32(3),
        per_step={"zoneout_c": np.ones((T, B, 4), bool)},
    )


@pytest.mark.parametrize("kind", ["NumPy", "JAX", "traced"])
@pytest.mark.parametrize("integers", [False, True], ids=["floats", "integers"])
def test_no_function_of_jax_numpy_is_called(
    replaced: list[str], monkeypatch: pytest.MonkeyPatch, kind: str, integers: bool
) -> None:
    layer = LAYER
    params, carry = layer.init(jax.random.key(0), D), layer.initial_carry((B,), layer.init(jax.random.key(0), D))
    xs = np.ones((T, B), int) if integers else np.ones((T, B, D))
    marks = given()
    static = {k: marks.pop(k) for k in ("rng",)}
    as_kind = {"NumPy": np.asarray}.get(kind, jnp.asarray)
    arguments = jax.tree.map(as_kind, (params, xs, carry, marks))
    monkeypatch.setattr(layer_room, "automatic", stop)
    assert replaced  # initialising and converting went through them

    def checks(params: Any, xs: Any, carry: Any, marks: Any) -> None:
        replaced.clear()
        check_scan(layer, params, xs, carry, Arguments.of(marks | static | {"reset_carry": carry}))
        per_step = {"zoneout_c": np.ones((B, 4), bool)}
        with pytest.raises(Stop):
            layer.step(params, carry, np.ones(B, int) if integers else np.ones((B, D)), per_step=per_step, step=3)
        assert replaced == []

    if kind == "traced":
        jax.make_jaxpr(checks)(*arguments)
    else:
        checks(*arguments)
