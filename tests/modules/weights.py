"""Flax's cells beside ours: which of our parameters each of Flax's is. The same map turns gradients over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as fl
from flax import nnx as fx

import jaxrnn.linen
import jaxrnn.nnx

Tree = dict[str, Any]


class Pair(NamedTuple):
    """One cell in both libraries."""

    flax: Any
    ours: Any
    convert: Callable[[Tree], Tree]  # Flax's parameters, or gradients, as ours


def _stacked(tree: Tree, names: str, leaf: str) -> Any:
    return jnp.stack([tree[n][leaf] for n in names.split()], axis=-2)


def _nnx_lstm(p: Tree) -> Tree:
    h = "hi hf hg ho"
    kernels = {"kernel": _stacked(p, "ii if_ ig io", "kernel"), "recurrent_kernel": _stacked(p, h, "kernel")}
    return kernels | {"bias": _stacked(p, h, "bias")}


def _nnx_gru(p: Tree) -> Tree:
    def by_gate(a: Any) -> Any:
        return a.reshape(*a.shape[:-1], 3, a.shape[-1] // 3)

    kernels = {"kernel": by_gate(p["dense_i"]["kernel"]), "recurrent_kernel": by_gate(p["dense_h"]["kernel"])}
    return kernels | {"bias": by_gate(p["dense_i"]["bias"])}  # Flax has no recurrent_bias; ours stays zero


def _nnx_simple(p: Tree) -> Tree:
    i, h = p["dense_i"], p["dense_h"]
    return {"kernel": i["kernel"][:, None], "recurrent_kernel": h["kernel"][:, None], "bias": i["bias"][None]}


def _linen_lstm(p: Tree) -> Tree:
    return _nnx_lstm(p | {"if_": p["if"]})


def _linen_gru(p: Tree) -> Tree:
    i, h = "ir iz in", "hr hz hn"
    kernels = {"kernel": _stacked(p, i, "kernel"), "recurrent_kernel": _stacked(p, h, "kernel")}
    return kernels | {"bias": _stacked(p, i, "bias"), "recurrent_bias": p["hn"]["bias"]}


def _linen_simple(p: Tree) -> Tree:
    return _nnx_simple({"dense_i": p["i"], "dense_h": p["h"]})


def conv_convert(p: Tree) -> Tree:
    """Flax's ConvLSTMCell has gates i, g, f, o side by side, two biases that add up, and adds 1 to f at run time."""

    def by_gate(a: Any) -> Any:
        i, g, f, o = jnp.split(a, 4, axis=-1)
        return jnp.stack([i, f, g, o], axis=-2)

    kernels = {ours: by_gate(p[theirs]["kernel"]) for ours, theirs in (("kernel", "ih"), ("recurrent_kernel", "hh"))}
    none = jnp.zeros(p["ih"]["kernel"].shape[-1])
    bias = by_gate(p["ih"].get("bias", none) + p["hh"].get("bias", none))
    return kernels | {"bias": bias.at[1].add(1.0)}


NNX = {
    "lstm": Pair(fx.LSTMCell, jaxrnn.nnx.LSTMCell, _nnx_lstm),
    "gru": Pair(fx.GRUCell, jaxrnn.nnx.GRUCell, _nnx_gru),
    "elman": Pair(fx.SimpleCell, jaxrnn.nnx.ElmanCell, _nnx_simple),
}
LINEN = {
    "lstm": Pair(fl.LSTMCell, jaxrnn.linen.LSTMCell, _linen_lstm),
    "gru": Pair(fl.GRUCell, jaxrnn.linen.GRUCell, _linen_gru),
    "elman": Pair(fl.SimpleCell, jaxrnn.linen.ElmanCell, _linen_simple),
}


def randomised(tree: Any, seed: int = 0) -> Any:
    """The same tree with every array drawn anew: zero biases hide mistakes."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape), a.dtype), tree)


def params_of(module: fx.Module) -> Tree:
    """The parameters of an nnx module as nested dicts of arrays."""
    return fx.to_pure_dict(fx.state(module, fx.Param))


def set_params(module: fx.Module, params: Tree) -> None:
    """Write nested dicts of arrays into an nnx module's parameters; names that are not given keep their values."""
    for path, variable in fx.to_flat_state(fx.state(module, fx.Param)):
        node: Any = params
        for name in path:
            node = node.get(name) if node is not None else None
        if node is not None:
            variable.set_value(node)


def functional(module: fx.Module) -> Callable[..., Any]:
    """An nnx module as a function of its parameters: `(params, *args, **kwargs) -> what the module returns`."""
    graph, params, rest = fx.split(module, fx.Param, ...)

    def apply(values: Tree, *args: Any, **kwargs: Any) -> Any:
        fresh = jax.tree.map(lambda a: a, (params, rest))  # variables of this trace
        at = fx.merge(graph, *fresh)
        set_params(at, values)
        return at(*args, **kwargs)

    return apply


def assert_close(got: Any, wanted: Any, tolerance: float = 1e-10) -> None:
    """Trees of the same leaves, equal to the tolerance, absolute and relative."""
    got, wanted = jax.tree.leaves(got), jax.tree.leaves(wanted)
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def assert_same_bits(got: Any, wanted: Any) -> None:
    """Trees of the same structure, equal in every bit."""
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert a.dtype == b.dtype
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
