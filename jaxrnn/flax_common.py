"""What the nnx and linen modules share: the call protocol of Flax's RNN, in front of `jaxrnn.scan`.

Modules are batch-major by default and speak of `inputs`, `seq_lengths` and `initial_carry`; the engine is time-major.
`open_call` checks a call and turns its arrays to time-major, `run_layer` runs it, `close_call` turns outputs back.
Nothing here computes a step: that is `jaxrnn.scan`, or the Flax cell's own call inside `held_step`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrnn.cell import Cell, check_features
from jaxrnn.compose import BidirectionalCarry, bidirectional, stack
from jaxrnn.compose.bidirectional import MERGES
from jaxrnn.engine.masks import clean, valid_steps
from jaxrnn.engine.scan import scan
from jaxrnn.errors import fail, nearest
from jaxrnn.gate_cell import Common
from jaxrnn.layer import Layer, check_batch, check_carry, check_flag, check_rate, check_size
from jaxrnn.step import guard, select
from jaxrnn.typing import Array, Carry, Initializer, Params, PRNGKeyArray

Sharding = Mapping[str, tuple[str | None, ...]]  # axis names by parameter name

FLAX_NAMES = {"activation": "activation_fn", "gate_activation": "gate_fn"}  # options that Flax's cells name otherwise


class SequenceOptions(TypedDict, total=False):
    """What a call takes beyond Flax's protocol, as `jaxrnn.scan` does; arrays in the layout of the inputs.

    mask: bool `[*B, T]`. resets: bool `[*B, T]`. segments: integers `[*B, T]`. reset_carry: a carry. per_step: arrays
    `[*B, T, ...]` by name. start_step: an integer.
    """

    mask: Array | None
    resets: Array | None
    segments: Array | None
    reset_carry: Any
    per_step: Mapping[str, Array] | None
    start_step: Any


class Flags(NamedTuple):
    """Flax's four flags; in a call, None stands for the module's own setting."""

    return_carry: bool | None
    time_major: bool | None
    reverse: bool | None
    keep_order: bool | None

    def resolve(self, module: Any) -> Flags:
        """With the settings of `module` where the call gave none."""
        resolved = {name: getattr(module, name) if flag is None else flag for name, flag in self._asdict().items()}
        check_flags(**resolved)
        return Flags(**resolved)


class Call(NamedTuple):
    """One call of a sequence module, checked, with every array time-major."""

    xs: Array  # [T, *B, *features]
    batch: tuple[int, ...]
    lengths: Array | None  # [*B]
    options: dict[str, Any]
    flags: Flags


# ---------------------------------------------------------------- functional layers from Flax's arguments


def make_cell(factory: Callable[..., Cell], features: int, argument: str, options: Mapping[str, Any]) -> Cell:
    """A cell from a factory of jaxrnn and the arguments that Flax's cells take (`gate_fn`, `activation_fn`, ...)."""
    check_size(features, argument)
    own = [p.name for p in inspect.signature(factory).parameters.values() if p.kind is p.KEYWORD_ONLY]
    core = {FLAX_NAMES.get(name, name): name for name in (*own, *Common.__annotations__)}
    for name, value in options.items():
        if name not in core:
            raise TypeError(f"unexpected argument {name!r}. {nearest(name, core)}".strip())
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


def noisy(layer: Layer) -> bool:
    """Whether any part of a layer draws random masks."""
    own = getattr(layer, "noises", ()) or getattr(layer, "dropout", 0) or getattr(layer, "rate", 0)
    return bool(own) or any(noisy(part) for part in layer.parts)


def merge_function(merge: Any) -> Callable[[Array, Array], Any]:
    """A function of both directions' outputs, from a function or one of the names that `jaxrnn.bidirectional` knows."""
    if callable(merge):
        return merge
    if merge not in MERGES:
        fail("merge_fn", f"a function of two arrays, or one of {tuple(MERGES)}", merge, nearest(merge, MERGES))
    return MERGES[merge]


def check_sharding(declared: Mapping[str, Any], sharding: Sharding | None) -> Sharding:
    """Axis names for parameters that exist, one name or None an axis."""
    if sharding is None:
        return {}
    if not isinstance(sharding, Mapping):
        fail("sharding", "a dict from parameter name to axis names", sharding, kind=TypeError)
    axes = _axes_by_name(declared)
    for name, names in sharding.items():
        if name not in axes:
            fail("sharding", f"keyed by parameters out of {sorted(axes)}", repr(name), nearest(name, axes))
        if not isinstance(names, tuple) or len(names) != axes[name]:
            fail(f"sharding[{name!r}]", f"a tuple of {axes[name]} axis names, each a string or None", names)
    return sharding


def _axes_by_name(declared: Mapping[str, Any]) -> dict[str, int]:
    axes: dict[str, int] = {}
    for name, inner in declared.items():
        axes |= _axes_by_name(inner) if isinstance(inner, dict) else {name: len(inner.shape)}
    return axes


# ---------------------------------------------------------------- carries


def split_carry(carry: Any) -> BidirectionalCarry:
    """The carries of both directions of a bidirectional module, from a pair or None."""
    if carry is None:
        return BidirectionalCarry(None, None)
    if not isinstance(carry, tuple) or len(carry) != 2:
        fail("initial_carry", "a pair (forward, backward) of carries", carry, kind=TypeError)
    return BidirectionalCarry(*carry)


def to_flax(carry: Carry, like: Any = None) -> Any:
    """A carry in the form of `like`, which came in; without one in Flax's form, where a single state is a bare array."""
    if like is not None:
        return jax.tree.unflatten(jax.tree.structure(like), jax.tree.leaves(carry))
    if not isinstance(carry, tuple):
        return carry
    parts = [to_flax(part) for part in carry]
    if not hasattr(carry, "_fields"):
        return tuple(parts)
    return parts[0] if len(parts) == 1 else type(carry)(*parts)


def check_flax_carry(carry: Any, expected: Any, argument: str) -> None:
    """A carry of the structure and shapes that a Flax cell's `initialize_carry` gives."""
    if jax.tree.structure(carry) != jax.tree.structure(expected):
        fail(argument, f"a carry like {_shapes(expected)}, as the cell's `initialize_carry` returns", carry, kind=TypeError)
    for array, wanted in zip(jax.tree.leaves(carry), jax.tree.leaves(expected), strict=True):
        if jnp.shape(array) != wanted.shape:
            fail(argument, f"a carry like {_shapes(expected)}, as the cell's `initialize_carry` returns", f"{_shapes(carry)}")


def check_kept(carry: Any, batch: tuple[int, ...], features: int) -> None:
    """The carry that a stateful module kept fits these inputs' batch axes."""
    kept = jax.tree.leaves(carry)[0].shape[:-features]
    if kept != batch:
        fail(
            "inputs",
            f"of batch axes {kept}, those of the carry that this stateful module keeps",
            f"inputs of batch axes {batch}",
            "`reset_state()` forgets the carry.",
        )


def _shapes(tree: Any) -> Any:
    return jax.tree.map(jnp.shape, tree)


# ---------------------------------------------------------------- one step


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
    if noisy(layer) and not deterministic and rng is None:
        hint = "Pass rng and step, or deterministic=True; our RNN draws noise for a whole sequence."
        fail("rng", "given for one step of a cell with noise", "None", hint)
    named = {} if per_step is None else {"per_step": per_step}
    new, y = layer.step(params, layer.pack(carry), inputs, rng=None if deterministic else rng, step=step, **named)
    return to_flax(new, carry), y


def initial_carry(
    layer: Layer, params: Params | None, input_shape: Any, carry_init: Initializer | None, keys: Callable[[int], Any]
) -> Any:
    """A layer's carry before the first step, in Flax's form; drawn where there is a `carry_init`, from `keys(number)`."""
    check_batch(input_shape, "input_shape")
    if not input_shape:
        fail("input_shape", "(*B, D), the shape of one step's inputs", input_shape)
    carry = to_flax(layer.initial_carry(input_shape[:-1], params))
    if carry_init is None:
        return carry
    if not callable(carry_init):
        fail("carry_init", "an initialiser (key, shape, dtype) -> array", carry_init, kind=TypeError)
    arrays, form = jax.tree.flatten(carry)
    return jax.tree.unflatten(form, [carry_init(key, a.shape, a.dtype) for key, a in zip(keys(len(arrays)), arrays, strict=True)])


# ---------------------------------------------------------------- one call


def check_flags(**flags: Any) -> None:
    """Each a bool."""
    for name, flag in flags.items():
        check_flag(flag, name)


def open_call(flags: Flags, inputs: Any, seq_lengths: Any, options: Mapping[str, Any], features: int) -> Call:
    """Check a call's arrays and turn them to time-major. `features`: how many axes the inputs have after batch and time."""
    inputs = _as_array(inputs, "inputs")
    if inputs.dtype == jnp.bool_:
        fail("inputs", "floats, or integers that stand for one-hot inputs", inputs, kind=TypeError)
    layout = "[T, *B" if flags.time_major else "[*B, T"
    if inputs.ndim < 1 + features:
        fail("inputs", f"of shape {layout}{', features' * (features > 0)}] with {features} feature axes", inputs)
    axes = inputs.shape[: inputs.ndim - features]
    batch, T = (axes[1:], axes[0]) if flags.time_major else (axes[:-1], axes[-1])
    for name in options:
        if name not in SequenceOptions.__annotations__:
            raise TypeError(f"unexpected argument {name!r}. {nearest(name, SequenceOptions.__annotations__)}".strip())
    given = dict(options)
    for name, kind in (("mask", jnp.bool_), ("resets", jnp.bool_), ("segments", jnp.integer)):
        if given.get(name) is not None:
            value = _as_array(given[name], name)
            if value.shape != axes:
                fail(name, f"of shape {layout}] = {axes}, as the inputs have it", value)
            if not jnp.issubdtype(value.dtype, kind):
                fail(name, "an array of integers" if kind is jnp.integer else "an array of bools", value, kind=TypeError)
            given[name] = _to_time_major(value, batch, flags)
    if isinstance(given.get("per_step"), Mapping):
        for name, value in given["per_step"].items():
            if jnp.shape(value)[: len(axes)] != axes:
                fail(f"per_step[{name!r}]", f"of shape {layout}, ...] with leading axes {axes}, as the inputs have them", value)
        given["per_step"] = {name: _to_time_major(jnp.asarray(a), batch, flags) for name, a in given["per_step"].items()}
    lengths = None if seq_lengths is None else _check_lengths(seq_lengths, T, batch)
    return Call(_to_time_major(inputs, batch, flags), batch, lengths, given, flags)


def feature_axes(inputs: Any) -> int:
    """Feature axes of a jaxrnn layer's inputs: one, or none for integers, which stand for one-hot inputs."""
    return 0 if jnp.issubdtype(getattr(inputs, "dtype", float), jnp.integer) else 1


def run_layer(
    layer: Layer, params: Params, call: Call, carry: Any, *, rng: PRNGKeyArray | None, chunk: Any, backend: str
) -> tuple[Carry, Any]:
    """Run a functional layer over a call's sequence, from `carry` or, where it is None, the layer's initial one."""
    check_features(call.xs, layer.input_size(params), "inputs")
    if carry is not None:
        carry = check_carry(layer, carry, call.batch, "initial_carry")
    flags = dict(reverse=call.flags.reverse, chunk=chunk, backend=backend)
    return scan(layer, params, call.xs, carry, lengths=call.lengths, rng=rng, **flags, **call.options)


def close_call(call: Call, outputs: Any) -> Any:
    """Outputs in the layout and the order that the call asked for."""
    if call.flags.reverse and not call.flags.keep_order:
        outputs = jax.tree.map(lambda a: _flip(a, call.lengths), outputs)
    return jax.tree.map(lambda a: a if call.flags.time_major else jnp.moveaxis(a, 0, len(call.batch)), outputs)


# ---------------------------------------------------------------- Flax's cells


def check_flax_options(call: Call, chunk: Any, backend: str) -> None:
    """Flax's cells know what Flax's RNN knows; what only the engine does is an error."""
    engine_only = {"chunk": chunk, "backend": None if backend == "auto" else backend} | call.options
    for name, value in engine_only.items():
        if value is not None:
            fail(name, "left out for a Flax cell, which does not run on jaxrnn's engine", value, "Use a cell of jaxrnn.")


def held_inputs(call: Call) -> tuple[Array, Array | None]:
    """Per step what `held_step` reads: the input, zero in padding, and which rows count."""
    valid = valid_steps(call.xs.shape[0], call.lengths, None)
    return clean(valid, call.xs), valid


def held_step(cell: Callable[[Any, Array], tuple[Any, Array]], carry: Any, step: tuple[Array, Array | None]) -> tuple[Any, Array]:
    """A Flax cell's step, for rows that count; the others hold their carry, put out zero and let no derivative through."""
    x, valid = step
    new, y = cell(guard(valid, carry), x)
    if valid is None:
        return new, y
    return select(valid, new, carry), select(valid, y, jax.tree.map(jnp.zeros_like, y))


# ---------------------------------------------------------------- arrays


def _as_array(value: Any, argument: str) -> Array:
    if not isinstance(value, (jax.Array, np.ndarray)):
        fail(argument, "an array", value, kind=TypeError)
    if not (value.dtype == jnp.bool_ or jnp.issubdtype(value.dtype, jnp.integer) or jnp.issubdtype(value.dtype, jnp.floating)):
        fail(argument, "an array of floats or integers", value, kind=TypeError)
    return jnp.asarray(value)


def _to_time_major(array: Array, batch: tuple[int, ...], flags: Flags) -> Array:
    return array if flags.time_major else jnp.moveaxis(array, len(batch), 0)


def _check_lengths(seq_lengths: Any, T: int, batch: tuple[int, ...]) -> Array:
    lengths = _as_array(seq_lengths, "seq_lengths")
    if not jnp.issubdtype(lengths.dtype, jnp.integer):
        fail("seq_lengths", "integers", lengths, kind=TypeError)
    if lengths.shape != batch:
        fail("seq_lengths", f"of shape {batch}, the batch axes of the inputs", lengths)
    if not isinstance(lengths, jax.core.Tracer) and not bool(jnp.all((lengths >= 0) & (lengths <= T))):
        fail("seq_lengths", f"between 0 and T = {T}", str(np.asarray(lengths).tolist()))
    return lengths


def _flip(array: Array, lengths: Array | None) -> Array:
    """Each row's valid steps in reverse order, padding where it was."""
    if lengths is None:
        return jnp.flip(array, 0)
    T = array.shape[0]
    t = lax.broadcasted_iota(jnp.int32, (T, *lengths.shape), 0)
    length = jnp.clip(lengths, 0, T).astype(jnp.int32)[None]
    index = jnp.where(t < length, length - 1 - t, t)
    return jnp.take_along_axis(array, index.reshape(*index.shape, *(1,) * (array.ndim - index.ndim)), axis=0)
