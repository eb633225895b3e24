"""The sLSTM modules: the protocol of RNN around the functional layers, in NNX and in linen."""

from __future__ import annotations

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrnn
import jaxrnn.linen
from jaxrnn.flax_common import arguments
from jaxrnn.nnx import RNN, Bidirectional, SLSTMBlock, SLSTMLayer
from jaxrnn.nnx.layers import SETTINGS

B, T, H = 2, 7, 6
XS = np.random.default_rng(0).normal(size=(B, T, H))
LENGTHS = np.array([7, 4])
KINDS: dict[str, Any] = {"layer": (SLSTMLayer, jaxrnn.slstm_layer), "block": (SLSTMBlock, jaxrnn.slstm_block)}


def made(kind: str, **options: Any) -> Any:
    """A module whose parameters are all drawn, also those that start at zero or one."""
    module = KINDS[kind][0](H, heads=2, rngs=nnx.Rngs(0), **options)
    rng = np.random.default_rng(1)
    state = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), nnx.state(module, nnx.Param))
    nnx.update(module, state)
    return module


def close(got: Any, want: Any) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-12, 1e-12), got, want)


@pytest.mark.parametrize("kind", KINDS)
def test_a_module_is_its_functional_layer(kind: str) -> None:
    module = made(kind)
    assert module.functional == KINDS[kind][1](H, heads=2)
    dirty = np.where((np.arange(T) < LENGTHS[:, None])[..., None], XS, np.nan)
    carry, ys = module(dirty, seq_lengths=LENGTHS, return_carry=True)
    want = jaxrnn.scan(module.functional, module.params, XS.swapaxes(0, 1), lengths=LENGTHS)
    close((carry, ys), (want[0], want[1].swapaxes(0, 1)))
    assert not ys[1, 4:].any()


@pytest.mark.parametrize("kind", KINDS)
def test_streams_in_pieces_and_in_steps_are_the_whole(kind: str) -> None:
    module = made(kind)
    whole = module(XS, return_carry=True)
    carry, first = module(XS[:, :2], return_carry=True)
    carry, rest = module(XS[:, 2:], initial_carry=carry, return_carry=True)
    close((carry, np.concatenate([first, rest], 1)), whole)
    kept = made(kind, stateful=True)
    close(jnp.stack([kept.step(XS[:, t]) for t in range(T)], 1), whole[1])
    kept.reset_state()
    close(jnp.concatenate([kept(XS[:, :3]), kept(XS[:, 3:])], 1), whole[1])


def test_flags_resets_and_segments() -> None:
    module = made("block")
    ys = module(XS)
    close(module(XS.swapaxes(0, 1), time_major=True).swapaxes(0, 1), ys)
    backward = module(XS[:, ::-1], reverse=True, keep_order=True)
    close(backward[:, ::-1], ys)
    resets = np.broadcast_to(np.arange(T) == 3, (B, T))
    apart = jnp.concatenate([module(XS[:, :3]), module(XS[:, 3:])], 1)
    close(module(XS, resets=resets), apart)
    close(module(XS, segments=resets.cumsum(1)), apart)
    assert np.abs(apart - ys).max() > 0.1


def test_gradients_reach_every_parameter() -> None:
    module = made("block")
    slopes = nnx.grad(lambda module: (module(XS, seq_lengths=LENGTHS) ** 2).sum())(module)
    leaves = jax.tree.leaves_with_path(nnx.to_pure_dict(nnx.state(slopes)))
    assert len(leaves) == 10
    for path, slope in leaves:
        assert np.isfinite(slope).all(), path
        assert np.abs(slope).max() > 1e-6, path


def test_dropout_follows_train_and_eval() -> None:
    module = made("block", dropout=0.5, feed_forward_dropout=0.5)
    assert not np.allclose(module(XS), module(XS))
    close(module(XS, rngs=jax.random.key(0)), module(XS, rngs=jax.random.key(0)))
    module.eval()
    close(module(XS), module(XS))
    close(module(XS), made("block")(XS))


def test_stacked_and_both_ways() -> None:
    layer = jaxrnn.stack(
        [jaxrnn.slstm_block(H, heads=2, blocks=2), jaxrnn.slstm_block(H, heads=2, blocks=2, depth=1.0)]
    )
    stacked = RNN(layer, H, rngs=nnx.Rngs(0))
    assert stacked(XS, seq_lengths=LENGTHS).shape == (B, T, H)
    both = Bidirectional(made("layer"), made("layer"))
    assert both(XS, seq_lengths=LENGTHS).shape == (B, T, 2 * H)


def test_linen_has_the_same_numbers_and_names() -> None:
    module = made("block")
    rnn = jaxrnn.linen.RNN(module.functional, return_carry=True)
    drawn = jax.tree.map(jnp.shape, rnn.init(jax.random.key(0), XS)["params"])
    assert drawn == jax.tree.map(jnp.shape, module.params)
    close(rnn.apply({"params": module.params}, XS), module(XS, return_carry=True))


@pytest.mark.parametrize("kind", KINDS)
def test_signatures_show_every_option(kind: str) -> None:
    module, factory = KINDS[kind]
    own = {name: p.default for name, p in inspect.signature(factory).parameters.items() if name != "size"}
    shown = {name: p.default for name, p in inspect.signature(module).parameters.items()}
    assert own.items() <= shown.items()
    assert shown.keys() == own.keys() | SETTINGS.keys() | {"features", "rngs"}
    assert all(name in module.__doc__ for name in own)
    listed = getattr(arguments, f"{module.__name__}Arguments").__annotations__
    assert listed.keys() == own.keys() | SETTINGS.keys()


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="windows"):
        SLSTMBlock(H, heads=2, windows=3, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="`heads` must be a divisor of size, 6"):
        SLSTMBlock(H, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="inputs"):
        made("layer")(XS[..., :5])
    kept = made("layer", stateful=True)
    kept(XS)
    with pytest.raises(ValueError, match="batch axes"):
        kept(XS[:1])
