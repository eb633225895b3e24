"""Functional layers from the arguments that Flax's modules take, and their carries in Flax's form."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import (
    check_batch,
    check_choice,
    check_features,
    check_flag,
    check_function,
    check_key,
    check_rate,
    check_size,
    check_symbols,
)
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.hints import hint
from jaxrnn.base.typing import Activation, Array, Carry, Initializer, Params, PRNGKeyArray
from jaxrnn.cells.elman import elman
from jaxrnn.cells.lstm import lstm
from jaxrnn.compose.bidirectional import bidirectional
from jaxrnn.compose.stack import stack
from jaxrnn.core.carries import like, plain
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import Layer
from jaxrnn.flax_common.signatures import FLAX_NAMES, options_of
from jaxrnn.forms.convolution import check_sizes, convolution

DRAWS = "an initialiser (key, shape, dtype) -> array"


def make_cell(factory: Callable[..., Cell], features: int, argument: str, options: Mapping[str, Any]) -> Cell:
    """A cell from a factory of jaxrnn and the arguments that Flax's cells take (`gate_fn`, `activation_fn`, ...)."""
    features = check_size(features, argument)
    ours = {theirs: name for name, theirs in FLAX_NAMES.items()}
    core = {p.name: ours.get(p.name, p.name) for p in options_of(factory)}
    for name, value in options.items():
        if name in getattr(factory, "settles", ()):
            fail(name, f"left out, since other arguments of {factory.__name__} say it", value)
        if name not in core:
            raise TypeError(f"unexpected argument {name!r}. {hint(name, 'nnx', core)}".strip())
        if name in FLAX_NAMES.values() and not callable(value):
            fail(name, "a function of one array", value, kind=TypeError)
    given = {core[name]: value for name, value in options.items()}
    if "activation" in given and "output_activation" in core:  # Flax's LSTM has one function for both
        given.setdefault("output_activation", given["activation"])
    return factory(features, **given)


def simple(size: int, *, activation: Activation = jax.nn.tanh, residual: bool = False, **common: Any) -> Cell:
    """Flax's SimpleCell, whose `residual` adds the state inside the activation."""
    check_flag(residual, "residual")
    return elman(size, activation=activation, residual="inside" if residual else False, **common)


def conv_lstm(
    size: int,
    *,
    kernel_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "SAME",
    **options: Any,
) -> Cell:
    """Flax's ConvLSTMCell: an LSTM on a grid of as many axes as the window has."""
    window = check_sizes(kernel_size, "kernel_size")
    steps = check_sizes(1 if strides is None else strides, "strides", len(window))
    if isinstance(padding, str):
        padding = check_choice(padding.lower(), "padding", ("same", "valid"))
    alike = convolution(window, padding=padding)
    state = alike if alike.keeps_positions else convolution(window)
    return lstm(size, input=convolution(window, strides=steps, padding=padding), recurrent=state, **options)


conv_lstm.settles = ("input", "recurrent")  # type: ignore[attr-defined]
conv_lstm.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [p for p in inspect.signature(conv_lstm).parameters.values() if p.kind is not p.VAR_KEYWORD]
    + [p for p in inspect.signature(lstm).parameters.values() if p.name != "size"]
)


def make_layers(cell: Cell, num_layers: int, both_ways: bool, merge: Any, dropout: float) -> Layer:
    """`num_layers` of a cell on top of each other, each in one direction or both, with dropout between them."""
    num_layers = check_size(num_layers, "num_layers")
    both_ways = check_flag(both_ways, "bidirectional")
    rate = check_rate(dropout, "dropout")
    if rate and num_layers == 1:
        fail("dropout", "0 for a single layer, since it acts between layers", dropout, "See `jaxrnn.input_dropout`.")
    both = bidirectional(cell, merge=merge)
    if not both_ways and merge != "concat":
        fail("merge", "left out unless bidirectional=True", merge)
    layer = both if both_ways else cell
    return layer if num_layers == 1 else stack([layer] * num_layers, dropout=rate)


def overridden(kind: type, base: type) -> frozenset[str]:
    """What a subclass has of its own that the engine does not run: its step, or its start."""
    names = ("__call__", "initialize_carry")
    return frozenset(name for name in names if getattr(kind, name) is not getattr(base, name))


def is_cell(cell: Any) -> bool:
    """Whether Flax's RNN can call it as a cell: it says how many axes its features have."""
    return callable(cell) and not isinstance(cell, type) and hasattr(type(cell), "num_feature_axes")


def check_deterministic(module: Any, given: bool | None) -> bool:
    """Whether to run without noise; None stands for the module's own setting."""
    return check_flag(module.deterministic if given is None else given, "deterministic")


# ---------------------------------------------------------------- carries and single steps


def to_flax(carry: Carry) -> Any:
    """A layer's carry as modules show it: with its names, but a single state as a bare array."""
    if not isinstance(carry, tuple):
        return carry
    parts = [to_flax(part) for part in carry]
    if not hasattr(carry, "_fields"):
        return tuple(parts)
    return parts[0] if len(parts) == 1 else type(carry)(*parts)


def check_carry_init(carry_init: Any) -> None:
    if carry_init is not None:
        check_function(carry_init, "carry_init", DRAWS)


def initial_carry(
    layer: Layer, params: Params | None, input_shape: Any, carry_init: Initializer | None, keys: Callable[[int], Any]
) -> Any:
    """A layer's carry before the first step, in Flax's form; a `carry_init` draws it, with `keys(number)`."""
    check_batch(input_shape, "input_shape")
    if not input_shape:
        fail("input_shape", "(*B, D), the shape of one step's inputs", input_shape)
    carry = plain(layer.initial_carry(layer.state_axes(input_shape[:-1]), params))
    if carry_init is None:
        return carry
    check_carry_init(carry_init)
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
    features = layer.input_size(params)
    check_features(inputs, features, "inputs")
    packed = layer.pack(carry)
    rows = next(iter(jax.tree.leaves(packed)), None)  # of None or an empty dict there is none: `step` names it
    if jnp.issubdtype(inputs.dtype, jnp.integer) and inputs.ndim == getattr(rows, "ndim", 0) > 0:
        refuse_values(inputs, features)
    check_symbols(inputs, features, "inputs")
    if rng is not None:
        check_key(rng, "rng")
    if layer.noisy and not deterministic and rng is None:
        text = "Pass rng and step, or deterministic=True; our RNN draws noise for a whole sequence."
        fail("rng", "given for one step of a cell with noise", Said("None"), text)
    named = {} if per_step is None else {"per_step": per_step}
    new, y = layer.step(params, packed, inputs, rng=None if deterministic else rng, step=step, **named)
    return like(carry, new, layer.pack), y


def refuse_values(inputs: Any, features: int) -> None:
    """Integers are symbols, without a feature axis; these have one, it seems, and would be read as something else."""
    if inputs.shape[-1:] == (features,):
        text = f"Cast numbers to floats, or pass symbols without an axis of D = {features} features."
        fail("inputs", "floats where there is a feature axis, since integers stand for one-hot inputs", inputs, text)


def promoted(promote: Any, dtype: Any, inputs: Any, params: Params) -> tuple[Any, Params]:
    """Inputs and parameters as a `promote_dtype` of Flax's makes them: those of either product together."""
    sides: dict[bool, dict[str, Any]] = {True: {}, False: {}}
    for name, value in params.items():
        sides[name in ("kernel", "bias")][name] = value
    symbols = jnp.issubdtype(inputs.dtype, jnp.integer)
    arrays = promote((*(() if symbols else (inputs,)), *sides[True].values()), dtype=dtype)
    if not symbols:
        inputs, *arrays = arrays
    recurrent = promote(tuple(sides[False].values()), dtype=dtype)
    new = dict(zip(sides[True], arrays, strict=True)) | dict(zip(sides[False], recurrent, strict=True))
    return inputs, {name: new[name] for name in params}
