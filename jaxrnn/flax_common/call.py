"""One call of a sequence module: Flax's protocol in front of `jaxrnn.scan`.

Modules are batch-major by default and speak of `inputs`, `seq_lengths` and `initial_carry`; the engine is time-major.
`open_call` checks a call and turns its arrays to time-major, `run_layer` runs it (or `flax_common.lifted`, where the
engine does not), and `close_call` turns the outputs back.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrnn.base.checks import check_choice, check_features, check_flag, check_numbers, check_size, check_symbols
from jaxrnn.base.dtypes import is_integer
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.hints import hint
from jaxrnn.base.placement import automatic, place
from jaxrnn.base.typing import Array, ArrayLike, Axis, Carry, Params, PRNGKeyArray
from jaxrnn.core.layer import Layer, check_carry, check_per_step
from jaxrnn.engine.check import check_chunk, check_lengths, distinct
from jaxrnn.engine.masks import valid_steps
from jaxrnn.engine.registry import BACKENDS
from jaxrnn.engine.scan import scan
from jaxrnn.flax_common.layers import refuse_values


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
    """Flax's four flags."""

    return_carry: bool
    time_major: bool
    reverse: bool
    keep_order: bool


class Call(NamedTuple):
    """One call of a sequence module, checked, with every array time-major."""

    xs: Array  # [T, *B, *features]
    batch: tuple[Axis, ...]
    lengths: ArrayLike | None  # [*B]
    options: dict[str, Any]
    flags: Flags


def check_flags(**flags: Any) -> None:
    """Each a bool."""
    for name, flag in flags.items():
        check_flag(flag, name)


def resolve_flags(module: Any, **given: bool | None) -> Flags:
    """The flags of a call; None stands for the module's own setting."""
    flags = {name: getattr(module, name, False) if flag is None else flag for name, flag in given.items()}
    check_flags(**flags)
    return Flags(**flags)


def feature_axes(layer: Layer, inputs: Any) -> int:
    """How many axes of a layer's inputs come after time and batch: features (none for integers, which stand for one-hot
    inputs), and the positions of convolutions."""
    return layer.axes + int(not is_integer(getattr(inputs, "dtype", float)))


def axes_of(inputs: Any) -> tuple[Axis, ...]:
    """The axes of a layer's inputs before their features."""
    return inputs.shape if is_integer(inputs.dtype) else inputs.shape[:-1]


def check_lifting(**settings: Any) -> None:
    """Settings of Flax's lifted scan: dicts by collection, looked at whether or not a cell comes that needs them."""
    for name, value in settings.items():
        if not isinstance(value, Mapping):
            fail(name, "a dict by collection, as Flax's RNN takes it", value, kind=TypeError)


def check_plan(unroll: Any, chunk: Any, backend: Any) -> None:
    """How a module runs: settings that its calls share."""
    check_size(unroll, "unroll")
    check_chunk(chunk)
    check_choice(backend, "backend", ("auto", *BACKENDS))


def open_call(
    layer: Layer | None,
    flags: Flags,
    inputs: Any,
    seq_lengths: Any,
    options: Mapping[str, Any],
    features: int,
    size: int | None,
) -> Call:
    """Check a call's arrays and turn them to time-major.

    `features` counts the axes after batch and time, `size` is D, None where it is not known yet.
    """
    inputs = check_numbers(inputs, "inputs")
    if inputs.dtype == np.bool_ and layer is not None:
        fail("inputs", "floats, or integers that stand for one-hot inputs", inputs, kind=TypeError)
    if layer is not None and not features and size is not None and inputs.ndim > 2:
        refuse_values(inputs, size)
    layout = "[T, *B" if flags.time_major else "[*B, T"
    if inputs.ndim < 1 + features:
        fail("inputs", f"of shape {layout}{', D' * features}]", inputs)
    axes = inputs.shape[: inputs.ndim - features]
    batch, T = (axes[1:], axes[0]) if flags.time_major else (axes[:-1], axes[-1])
    lengths = check_lengths(seq_lengths, T, batch, "seq_lengths", "inputs")
    given = _check_options(options, axes, layout)
    if layer is not None:
        given["per_step"] = check_per_step(layer, given.get("per_step"), axes)
    if "segments" in given:
        given["segments"] = distinct(given["segments"])
    for name in ("mask", "resets", "segments", "per_step"):
        if name in given:
            given[name] = jax.tree.map(lambda a: _to_time_major(a, batch, flags), given[name])
    return Call(_to_time_major(inputs, batch, flags), batch, lengths, given, flags)


def run_layer(
    layer: Layer, params: Params, call: Call, carry: Any, *, rng: PRNGKeyArray | None, chunk: Any, backend: str
) -> tuple[Carry, Any]:
    """Run a functional layer over a call's sequence, from `carry` or, where it is None, the layer's initial one."""
    inputs = layer.input_size(params)
    check_features(call.xs, inputs, "inputs")
    valid = partial(valid_steps, call.xs.shape[0])
    check_symbols(call.xs, inputs, "inputs", valid, call.lengths, call.options.get("mask"))
    if carry is not None:
        carry = check_carry(layer, carry, layer.state_axes(axes_of(call.xs)[1:]), "initial_carry")
    plan = dict(reverse=call.flags.reverse, chunk=chunk, backend=backend)
    return scan(layer, params, call.xs, carry, lengths=call.lengths, rng=rng, **plan, **call.options)


def close_call(call: Call, outputs: Any) -> Any:
    """Outputs in the layout and the order that the call asked for."""
    if call.flags.reverse and not call.flags.keep_order:
        flipped = lambda a: automatic(_flip, (a, call.lengths), lambda *_: place(a))  # noqa: E731
        outputs = jax.tree.map(flipped, outputs)
    return jax.tree.map(lambda a: a if call.flags.time_major else jnp.moveaxis(a, 0, len(call.batch)), outputs)


def check_kept(carry: Any, batch: tuple[Axis, ...], features: int = 1, exact: bool = True) -> None:
    """The carry that a stateful module kept fits these inputs' batch axes.

    `features` axes follow these, in the carry of a cell that is not ours perhaps more.
    """
    kept = jax.tree.leaves(carry)[0].shape
    rank = len(kept) - features
    if kept[: len(batch)] != batch or (rank != len(batch) and (exact or not batch)):
        wanted = f"of batch axes {kept[:rank]}, those of the carry that this stateful module keeps"
        fail("inputs", wanted, Said(f"inputs of batch axes {batch}"), "`reset_state()` forgets the carry.")


def check_first(inputs: Any, batch: tuple[Axis, ...]) -> None:
    """Without batch axes a stream's first call may as well be one step of a batch."""
    if batch == ():
        expected = "of shape [*B, T, D] with a batch axis, in the first call of a stateful module"
        text = f"One step of {inputs.shape[0]} rows goes into `step`; {inputs.shape[0]} steps of one row into a call "
        fail("inputs", expected, inputs, text + "after `reset_state(())`, which keeps a carry without batch axes.")


# ---------------------------------------------------------------- arrays


def _check_options(options: Mapping[str, Any], axes: tuple[Axis, ...], layout: str) -> dict[str, Any]:
    """The options that are given, with every array's batch and time axes those of the inputs."""
    for name in options:
        if name not in SequenceOptions.__annotations__:
            raise TypeError(
                f"unexpected argument {name!r}. {hint(name, 'nnx', SequenceOptions.__annotations__)}".strip()
            )
    given = {name: value for name, value in options.items() if value is not None}
    for name, kind in (("mask", np.bool_), ("resets", np.bool_), ("segments", np.integer)):
        if name in given:
            given[name] = value = check_numbers(given[name], name)
            if not jax.dtypes.issubdtype(value.dtype, kind):
                fail(name, "an array of integers" if kind is np.integer else "an array of bools", value, kind=TypeError)
            if value.shape != axes:
                fail(name, f"of shape {layout}] = {axes}, as the inputs have it", value)
    return given


def _to_time_major(array: ArrayLike, batch: tuple[Axis, ...], flags: Flags) -> Array:
    """What 32 bits do not hold stays out of range, where JAX would cut it to them before anybody has looked at it."""
    if isinstance(array, np.ndarray) and is_integer(array.dtype) and array.dtype.itemsize == 8:
        held = np.iinfo(jax.dtypes.canonicalize_dtype(array.dtype))
        array = np.clip(array, held.min, held.max)
    return jnp.asarray(array) if flags.time_major else jnp.moveaxis(array, len(batch), 0)


def _flip(array: Array, lengths: ArrayLike | None) -> Array:
    """Each row's valid steps in reverse order, padding where it was."""
    if lengths is None:
        return jnp.flip(array, 0)
    T = array.shape[0]
    t = lax.broadcasted_iota(jnp.int32, (T, *lengths.shape), 0)
    length = jnp.clip(lengths, 0, T).astype(jnp.int32)[None]
    index = jnp.where(t < length, length - 1 - t, t)
    return jnp.take_along_axis(array, index.reshape(*index.shape, *(1,) * (array.ndim - index.ndim)), axis=0)
