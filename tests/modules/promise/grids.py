"""What is promised of linen's convolutional LSTM."""

from __future__ import annotations

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from flax import linen as fl

import jaxrnn.linen as L
from tests.modules.promise.inputs import F64, B, D, H, rng
from tests.modules.weights import (
    assert_close,
    assert_same_bits,
    conv_convert,
    randomised,
)

FILM = jnp.asarray(rng.normal(size=(B, 4, 5, D)))
GRID = (jnp.asarray(rng.normal(size=(B, 4, 5, H))), jnp.asarray(rng.normal(size=(B, 4, 5, H))))


def conv_step(*args: Any, **options: Any) -> tuple[Any, Any]:
    kinds = {} if len(args) > 4 else F64  # where they are not among the positions
    theirs, mine = (lib.ConvLSTMCell(H, *args, **(kinds | options)) for lib in (fl, L))
    params = randomised(theirs.init(jax.random.key(0), GRID, FILM)["params"])
    wanted = theirs.apply({"params": params}, GRID, FILM)
    got = mine.apply({"params": conv_convert(params)}, GRID, FILM)
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    assert_close(got, wanted)
    return theirs, mine


def conv_sizes() -> None:
    for window in ((3, 3), (2, 3), (1, 1)):
        theirs, mine = conv_step(window)
        assert (mine.features, mine.kernel_size) == (theirs.features, theirs.kernel_size)
        assert mine.num_feature_axes == theirs.num_feature_axes


def conv_padding() -> None:
    for padding in ("SAME", ((2, 0), (1, 1)), ((0, 2), (2, 0))):
        conv_step((3, 3), padding=padding)
    smaller(padding="VALID")
    for padding in ("CIRCULAR", 1):
        fl.ConvLSTMCell(H, (3, 3), padding=padding).init(jax.random.key(0), GRID, FILM)
        with pytest.raises((TypeError, ValueError), match="padding"):
            L.ConvLSTMCell(H, (3, 3), padding=padding).init(jax.random.key(0), GRID, FILM)


def smaller(**options: Any) -> None:
    """Where Flax makes the state smaller each step, ours is the input's convolution beside the state's."""
    theirs, mine = (lib.ConvLSTMCell(H, (3, 3), **(F64 | options)) for lib in (fl, L))
    carry = mine.initialize_carry(jax.random.key(0), FILM.shape)
    with pytest.raises(TypeError, match="incompatible shapes"):
        theirs.init(jax.random.key(0), theirs.initialize_carry(jax.random.key(0), FILM.shape), FILM)
    assert mine.init_with_output(jax.random.key(0), carry, FILM)[0][1].shape == carry[0].shape


def conv_biases() -> None:
    for use_bias in (True, False):
        theirs, mine = (lib.ConvLSTMCell(H, (3, 3), use_bias=use_bias, **F64) for lib in (fl, L))
        params = randomised(theirs.init(jax.random.key(0), GRID, FILM)["params"])
        bias = conv_convert(params)["bias"]
        assert ("bias" in mine.init(jax.random.key(0), GRID, FILM)["params"]) == use_bias
        full = L.ConvLSTMCell(H, (3, 3), **F64).apply({"params": conv_convert(params)}, GRID, FILM)
        assert_close(full, theirs.apply({"params": params}, GRID, FILM))
        if not use_bias:
            assert_close(bias, jnp.zeros((4, H)).at[1].set(1.0))


def conv_precision() -> None:
    low = jnp.bfloat16
    options = {"dtype": low, "param_dtype": low, "carry_init": jax.nn.initializers.zeros}
    outputs = []
    for lib in (fl, L):
        cell = lib.ConvLSTMCell(H, (3, 3), **options)
        carry = cell.initialize_carry(jax.random.key(0), FILM.shape)
        new, y = cell.init_with_output(jax.random.key(0), carry, FILM.astype(low))[0]
        outputs.append((y.dtype, carry[0].dtype, new[0].dtype))
    assert outputs == [(low,) * 3, (low, jnp.float32, jnp.float32)]
    assert L.ConvLSTMCell(H, (3, 3), param_dtype=low).init(jax.random.key(0), GRID, FILM)["params"]["bias"].dtype == low


def conv_initial() -> None:
    normal = jax.nn.initializers.normal()
    cells = [lib.ConvLSTMCell(H, (3, 3), carry_init=normal, **F64) for lib in (fl, L)]
    assert_same_bits(*(cell.initialize_carry(jax.random.key(5), FILM.shape) for cell in cells))


def conv_positions() -> None:
    theirs, ours = (list(inspect.signature(lib.ConvLSTMCell).parameters) for lib in (fl, L))
    assert ours[: len(theirs)] == theirs
    draws = jax.nn.initializers.normal()
    theirs, mine = conv_step((3, 3), None, "SAME", True, jnp.float64, jnp.float64, draws)
    assert mine.carry_init is theirs.carry_init is draws


def conv_start() -> None:
    """4 x 9 x 64 x 64 numbers a kernel: what they vary by is known to a percent."""
    size, lecun = 64, jax.nn.initializers.lecun_normal()
    given = ((1, 4, 4, size),) * 2
    made = []
    for lib, options in ((fl, {}), (L, dict(kernel_init=lecun, recurrent_kernel_init=lecun)), (L, {})):
        cell = lib.ConvLSTMCell(size, (3, 3), **options)
        params = cell.init(jax.random.key(0), tuple(map(jnp.zeros, given)), jnp.zeros(given[0]))["params"]
        made.append(params if lib is L else conv_convert(params))
    flax, same, ours = made
    for name in ("kernel", "recurrent_kernel"):
        assert abs(float(same[name].std() / flax[name].std()) - 1) < 0.02
        assert abs(float(abs(ours[name]).max() / abs(flax[name]).max()) - 1) > 0.05
    assert_close(same["bias"], flax["bias"])
    assert_close(ours["bias"], flax["bias"])


def conv_names() -> None:
    params = L.ConvLSTMCell(H, (3, 2)).init(jax.random.key(0), GRID, FILM)["params"]
    assert {name: a.shape for name, a in params.items()} == {
        "kernel": (3, 2, D, 4, H),
        "recurrent_kernel": (3, 2, H, 4, H),
        "bias": (4, H),
    }
    assert set(fl.ConvLSTMCell(H, (3, 2)).init(jax.random.key(0), GRID, FILM)["params"]) == {"ih", "hh"}


def conv_in_parent() -> None:
    class Model(fl.Module):
        library: Any

        @fl.compact
        def __call__(self, carry: Any, x: Any) -> Any:
            return self.library.ConvLSTMCell(H, (3, 3), name="mine")(carry, x)

    for lib in (fl, L):
        assert set(Model(lib).init(jax.random.key(0), GRID, FILM)["params"]) == {"mine"}
