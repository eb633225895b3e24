"""ConvLSTMCell in place of flax.linen's: whole films in RNN, by linen, by NNX and by `scan`, in float64."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as fl
from flax import nnx as fx

import jaxrnn
import jaxrnn.linen as L
import jaxrnn.nnx as N
from tests.modules.weights import assert_close, assert_same_bits, conv_convert, randomised, set_params

T, B, D, H = 4, 3, 2, 3
SPACE, WINDOW = {1: (5,), 2: (4, 3), 3: (2, 3, 2)}, {1: (3,), 2: (3, 2), 3: (2, 1, 3)}
LENGTHS = jnp.array([4, 1, 3])
F64: Any = {"dtype": jnp.float64, "param_dtype": jnp.float64}
FLAGS: dict[str, Any] = {"forward": {}, "kept order": {"reverse": True, "keep_order": True}}


def film(axes: int, *batch: int) -> Any:
    return jnp.asarray(np.random.default_rng(1).normal(size=(*batch, T, *SPACE[axes], D)))


def grids(axes: int, *batch: int) -> Any:
    draw = np.random.default_rng(2)
    return tuple(jnp.asarray(draw.normal(size=(*batch, *SPACE[axes], H))) for _ in "ch")


def valid(ys: Any, lengths: Any) -> Any:
    """Zero in the padding, where Flax leaves what its loop computed."""
    there = jnp.arange(T)[None] < lengths[:, None]
    return jnp.where(there.reshape(B, T, *[1] * (ys.ndim - 2)), ys, 0.0)


@pytest.mark.parametrize(
    ("axes", "flags", "ragged"),
    [(1, "forward", True), (2, "forward", False), (2, "kept order", True), (3, "forward", True)],
)
@pytest.mark.parametrize("whose", ["ours", "flax's"])
def test_in_rnn(axes: int, flags: str, ragged: bool, whose: str) -> None:
    """Our cell, in our RNN and in Flax's, against Flax's in Flax's: outputs, the final carry, all gradients."""
    options = FLAGS[flags] | {"return_carry": True}
    lengths = LENGTHS if ragged else jnp.full(B, T)
    theirs = fl.RNN(fl.ConvLSTMCell(H, WINDOW[axes], **F64), **options)
    mine = (L if whose == "ours" else fl).RNN(L.ConvLSTMCell(H, WINDOW[axes], **F64), **options)
    xs, carry = film(axes, B), grids(axes, B)
    params = randomised(theirs.init(jax.random.key(0), xs)["params"]["cell"])
    weights = np.random.default_rng(3).normal(size=(B, T, *SPACE[axes], H))

    def run(module: Any) -> Any:
        def loss(params: Any, xs: Any, carry: Any) -> Any:
            given = {"seq_lengths": lengths} if ragged else {}
            final, ys = module.apply({"params": {"cell": params}}, xs, initial_carry=carry, **given)
            ys = valid(ys, lengths)
            return (ys * weights).sum() + sum((a * a).sum() for a in final), (final, ys)

        return jax.jit(jax.grad(loss, argnums=(0, 1, 2), has_aux=True))

    wanted, values = run(theirs)(params, xs, carry)
    got, ours = run(mine)(conv_convert(params), xs, carry)
    assert_close(ours, values)
    turned = conv_convert(wanted[0]) | {"bias": conv_convert(wanted[0])["bias"].at[1].add(-1.0)}
    halved = {**turned, "bias": turned["bias"] / 2}  # each of Flax's two biases has the whole gradient
    assert_close([got[0][name] for name in halved], list(halved.values()))
    assert_close(got[1:], wanted[1:])


@pytest.mark.parametrize("batch", [(), (B,), (2, B)])
def test_nnx_linen_and_scan_are_one(batch: tuple[int, ...]) -> None:
    xs = film(2, *batch)
    cell = N.ConvLSTMCell(D, H, kernel_size=(3, 2), peepholes=True, rngs=fx.Rngs(0), **F64)
    params = randomised(fx.to_pure_dict(fx.state(cell, fx.Param)))
    set_params(cell, params)
    module = L.RNN(L.ConvLSTMCell(H, (3, 2), peepholes=True, **F64), return_carry=True)
    in_nnx = N.RNN(cell, return_carry=True)(xs)
    in_linen = module.apply({"params": {"cell": params}}, xs)
    assert_same_bits(in_nnx, in_linen)
    carry, ys = jaxrnn.scan(cell.functional, params, jnp.moveaxis(xs, len(batch), 0))
    assert_close((tuple(carry), jnp.moveaxis(ys, 0, len(batch))), in_nnx)
    window = jaxrnn.convolution((3, 2))
    options = {"input": window, "recurrent": window, "peepholes": True}
    assert cell.functional == jaxrnn.lstm(H, **options, **F64)


def test_what_makes_the_grid_smaller_is_the_inputs() -> None:
    cell = N.ConvLSTMCell(D, H, kernel_size=(3, 2), strides=(2, 1), padding="VALID", rngs=fx.Rngs(0))
    assert cell.initialize_carry((B, 5, 4, D))[0].shape == (B, 2, 3, H)
    assert N.RNN(cell)(jnp.ones((B, T, 5, 4, D))).shape == (B, T, 2, 3, H)
    before = N.ConvLSTMCell(D, H, kernel_size=(3,), padding=((2, 0),), rngs=fx.Rngs(0))
    xs = jnp.ones((T, 6, D))
    seen = N.RNN(before)(xs) - N.RNN(before)(xs.at[:, 3].add(1.0))
    assert not bool(seen[:, :3].any())
    assert bool(seen[0, 3:6].all())


WRONG = [
    ("kernel_size", dict(kernel_size=(3, 3, 3, 3))),
    ("kernel_size[1]", dict(kernel_size=(3, 0))),
    ("strides", dict(strides=(2,))),
    ("padding", dict(padding="CAUSAL")),
    ("padding", dict(padding=((1, 1),))),
    ("padding[0]", dict(padding=((-1, 1), (0, 0)))),
]


@pytest.mark.parametrize(("named", "options"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.usefixtures("unchecked")
def test_wrong_sizes(named: str, options: Any) -> None:
    given = {"kernel_size": (3, 3)} | options
    calls = (
        lambda: N.ConvLSTMCell(D, H, rngs=fx.Rngs(0), **given),
        lambda: L.ConvLSTMCell(H, **given).initialize_carry(jax.random.key(0), (B, 4, 4, D)),
    )
    for call in calls:
        with pytest.raises((TypeError, ValueError)) as error:
            call()
        assert str(error.value).startswith(f"`{named}` must be ")


def test_the_window_says_the_forms() -> None:
    for form in ("input", "recurrent"):
        with pytest.raises(ValueError, match=f"`{form}` must be left out"):
            N.ConvLSTMCell(D, H, kernel_size=3, rngs=fx.Rngs(0), **{form: jaxrnn.diagonal})
    with pytest.raises(TypeError, match="kernel_size"):
        N.ConvLSTMCell(D, H, rngs=fx.Rngs(0))
