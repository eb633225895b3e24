"""Functional layers from the arguments that Flax's modules take, and their carries in Flax's form."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax

from jaxrnn.cell import Cell
from jaxrnn.checks import check_batch, check_features, check_flag, check_rate, check_size
from jaxrnn.compose.bidirectional import bidirectional
from jaxrnn.compose.stack import stack
from jaxrnn.errors import Said, fail, nearest
from jaxrnn.gate_cell import Common
from jaxrnn.layer import Layer
from jaxrnn.typing import Array, Carry, Initializer, Params, PRNGKeyArray

Sharding = Mapping[str, tuple[str | None, ...]]  # axis names by parameter name

FLAX_NAMES = {"activation": "activation_fn", "gate_activation": "gate_fn"}  # options that Flax's cells name otherwise


def make_cell(factory: Callable[..., Cell], features: int, argument: str, options: Mapping[str, Any]) -> Cell:
    """A cell from a factory of jaxrnn and the arguments that Flax's cells take (`gate_fn`, `activation_fn`, ...)."""
    check_size(features, argument)
    own = [p.name for p in inspect.signature(factory).parameters.values() if p.kind is p.KEYWORD_ONLY]
    core = {FLAX_NAMES.get(name, name): name for name in (*own, *Common.__annotations__)}
    for name, value in options.items():
        if name not in core:
            raise TypeError(f"unexpected argument {name!r}. {nearest(FLAX_NAMES.get(name, name), core)}".strip())
        if name in FLAX_NAMES.values() and not callable(value):
            fail(name, "a function of one array", value, kind=TypeError)
    given = {core[name]: value for name, value in options.items()}
    if "activation" in given and "output_activation" in own:  # Flax's LSTM has one function for both
        given.setdefault("output_activation", given["activation"])
    return factory(features, **given)


def make_layers(cell: Cell, num_layers: int, both_ways: bool, merge: Any, dropout: float) -> Layer:
    """`num_layers` of a cell on top of each other, each in one direction or both, with dropout between them."""
    check_size(num_layers, "num_layers")
    check_flag(both_ways, "bidirectional")
    check_rate(dropout, "dropout")
    if dropout and num_layers == 1:
        fail("dropout", "0 for a single layer, since it acts between layers", dropout, "See `jaxrnn.input_dropout`.")
    layer = bidirectional(cell, merge=merge) if both_ways else cell
    return layer if num_layers == 1 else stack([layer] * num_layers, dropout=dropout)


def check_sharding(declared: Mapping[str, Any], sharding: Sharding | None) -> Sharding:
    """Axis names for parameters that exist, one name or None an axis."""
    if sharding is None:
        return {}
    if not isinstance(sharding, Mapping):
        fail("sharding", "a dict from parameter name to axis names", sharding, kind=TypeError)
    axes = _axes_by_name(declared)
    for name, names in sharding.items():
        if name not in axes:
            fail("sharding", f"keyed by parameters out of {sorted(axes)}", name, nearest(name, axes))
        if not isinstance(names, tuple) or len(names) != axes[name]:
            fail(f"sharding[{name!r}]", f"a tuple of {axes[name]} axis names, each a string or None", names)
    return sharding


def _axes_by_name(declared: Mapping[str, Any]) -> dict[str, int]:
    axes: dict[str, int] = {}
    for name, inner in declared.items():
        axes |= _axes_by_name(inner) if isinstance(inner, dict) else {name: len(inner.shape)}
    return axes


# ---------------------------------------------------------------- carries and single steps


def to_flax(carry: Carry, like: Any = None) -> Any:
    """A carry in the form of `like`, which came in; else in Flax's form, where a single state is a bare array."""
    if like is not None:
        return jax.tree.unflatten(jax.tree.structure(like), jax.tree.leaves(carry))
    if not isinstance(carry, tuple):
        return carry
    parts = [to_flax(part) for part in carry]
    if not hasattr(carry, "_fields"):
        return tuple(parts)
    return parts[0] if len(parts) == 1 else type(carry)(*parts)


def initial_carry(
    layer: Layer, params: Params | None, input_shape: Any, carry_init: Initializer | None, keys: Callable[[int], Any]
) -> Any:
    """A layer's carry before the first step, in Flax's form; a `carry_init` draws it, with `keys(number)`."""
    check_batch(input_shape, "input_shape")
    if not input_shape:
        fail("input_shape", "(*B, D), the shape of one step's inputs", input_shape)
    carry = to_flax(layer.initial_carry(input_shape[:-1], params))
    if carry_init is None:
        return carry
    if not callable(carry_init):
        fail("carry_init", "an initialiser (key, shape, dtype) -> array", carry_init, kind=TypeError)
    arrays, form = jax.tree.flatten(carry)
    drawn = [carry_init(key, a.shape, a.dtype) for key, a in zip(keys(len(arrays)), arrays, strict=True)]
    return jax.tree.unflatten(form, drawn)


def step_layer(
    layer: Layer,
    params: Params,
    carry: Any,
    inputs: Array,
    deterministic: bool,
    rng: PRNGKeyArray | None,
    *,
    step: Any,
    per_step: Mapping[str, Array] | None,
) -> tuple[Any, Array]:
    """One step of a functional layer; the carry leaves in the form in which it came."""
    check_features(inputs, layer.input_size(params), "inputs")
    check_flag(deterministic, "deterministic")
    if layer.noisy and not deterministic and rng is None:
        hint = "Pass rng and step, or deterministic=True; our RNN draws noise for a whole sequence."
        fail("rng", "given for one step of a cell with noise", Said("None"), hint)
    named = {} if per_step is None else {"per_step": per_step}
    new, y = layer.step(params, layer.pack(carry), inputs, rng=None if deterministic else rng, step=step, **named)
    return to_flax(new, carry), y
