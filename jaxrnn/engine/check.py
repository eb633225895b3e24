"""The one check of the engine's public entries: every argument, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrnn.base.checks import (
    check_choice,
    check_features,
    check_flag,
    check_key,
    check_numbers,
    check_symbols,
    check_time,
    is_traced,
)
from jaxrnn.base.dtypes import is_float, is_integer
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.hints import hint
from jaxrnn.base.reports import report
from jaxrnn.base.typing import ArrayLike, Axis
from jaxrnn.core.layer import Layer, check_axes, check_carry, check_grid, check_params, check_per_step
from jaxrnn.engine.masks import valid_steps
from jaxrnn.engine.registry import BACKENDS
from jaxrnn.engine.sequence import Call, Given


class Arguments(NamedTuple):
    """The keyword arguments of `scan`, with its defaults."""

    lengths: Any = None
    mask: Any = None
    resets: Any = None
    segments: Any = None
    reset_carry: Any = None
    reverse: Any = False
    chunk: Any = None
    rng: Any = None
    start_step: Any = 0
    per_step: Any = None
    projected: Any = False
    backend: Any = "auto"

    @staticmethod
    def of(given: Mapping[str, Any]) -> Arguments:
        """From a dict; an unknown name is an error."""
        for name in given:
            if name not in Arguments._fields:
                raise TypeError(f"unexpected argument {name!r}. {hint(name, 'functions', Arguments._fields)}".strip())
        return Arguments(**given)


def check_scan(layer: Any, params: Any, xs: Any, carry: Any, given: Arguments) -> Call:
    """Check a call of `scan`; returns it in the engine's form."""
    if not isinstance(layer, Layer):
        fail("cell", "a jaxrnn Layer, such as jaxrnn.lstm(128)", layer, kind=TypeError)
    check_params(layer, params)
    for name in ("reverse", "projected"):
        check_flag(getattr(given, name), name)
    check_choice(given.backend, "backend", ("auto", *BACKENDS))
    check_chunk(given.chunk)
    if given.rng is not None:
        check_key(given.rng, "rng")
    xs = check_numbers(xs, "xs")
    axes = _check_xs(layer, params, xs, given.projected)
    T, batch = xs.shape[0], axes[: len(axes) - layer.axes]
    state = axes if given.projected else layer.state_axes(axes)
    carry = None if carry is None else check_carry(layer, carry, state)
    reset_carry = given.reset_carry
    if reset_carry is not None:
        if given.resets is None and given.segments is None:
            fail("reset_carry", "left out without resets and segments", reset_carry)
        reset_carry = check_carry(layer, reset_carry, state, "reset_carry")
    lengths = check_lengths(given.lengths, T, batch)
    mask = _per_step(given.mask, "mask", (T, *batch), np.bool_, "bool, true where a step counts")
    resets = _per_step(given.resets, "resets", (T, *batch), np.bool_, "bool, true where a new sequence starts")
    segments = distinct(_per_step(given.segments, "segments", (T, *batch), np.integer, "integer ids"))
    if not given.projected:
        check_symbols(xs, layer.input_size(params), "xs", partial(valid_steps, T), lengths, mask)
    check_time(given.start_step, "start_step")
    per_step = check_per_step(layer, given.per_step, (T, *batch))
    sequence = Given(xs, given.start_step, lengths, mask, resets, segments, per_step)
    return Call(dict(params), sequence, carry, reset_carry, given.rng)


def _check_xs(layer: Layer, params: Any, xs: ArrayLike, projected: bool) -> tuple[Axis, ...]:
    """The axes of xs between time and features, once its rank, dtype and features fit."""
    axes = _axes_of(layer, params, xs, projected)
    if projected:
        check_grid(layer, axes, xs, "xs")
    else:
        check_axes(layer, axes, xs, "xs")
    return axes


def _axes_of(layer: Layer, params: Any, xs: ArrayLike, projected: bool) -> tuple[Axis, ...]:
    if projected:
        gates = getattr(layer, "gates", None)
        if gates is None or layer.reads:  # type: ignore[attr-defined]
            expected = "False but for a Cell whose inputs are projected before its equations see them"
            fail("projected", expected, projected)
        tail = (len(gates), layer.size)  # type: ignore[attr-defined]
        if xs.ndim < 3 or xs.shape[-2:] != tail or not is_float(xs.dtype):
            fail("xs", f"floats of shape [T, *B, G, H] with (G, H) = {tail}, as `cell.project` returns", xs)
        return xs.shape[1:-2]
    if xs.dtype == np.bool_:
        fail("xs", "floats [T, *B, D] or integers [T, *B]", xs, kind=TypeError)
    if is_integer(xs.dtype):
        if xs.ndim < 1:
            fail("xs", "integers of shape [T, *B]", xs)
        return xs.shape[1:]
    if xs.ndim < 2:
        fail("xs", "of shape [T, *B, D]: time first, features last", xs)
    check_features(xs, layer.input_size(params), "xs")
    return xs.shape[1:-1]


def check_chunk(chunk: Any) -> None:
    if chunk is None or (isinstance(chunk, str) and chunk == "sqrt"):
        return
    if isinstance(chunk, bool) or not isinstance(chunk, (int, np.integer)):
        fail("chunk", 'None, "sqrt", or a positive number of steps', chunk, kind=TypeError)
    if chunk < 1:
        fail("chunk", 'None, "sqrt", or a positive number of steps', chunk)


def check_lengths(
    lengths: Any, T: Axis, batch: tuple[Axis, ...], argument: str = "lengths", inputs: str = "xs"
) -> ArrayLike | None:
    """Integers `[*B]` in [0, T]. Traced ones are clipped to it, and reported under `jaxrnn.checkify`."""
    if lengths is None:
        return None
    lengths = check_numbers(lengths, argument)
    if not is_integer(lengths.dtype):
        fail(argument, "integers", lengths, kind=TypeError)
    if lengths.shape != batch:
        fail(argument, f"of shape {batch}, the batch axes of {inputs}", lengths)
    if lengths.dtype.itemsize < 4:
        lengths = lengths.astype(np.int32)  # T need not fit into int8
    expected = f"between 0 and T = {T}"
    if is_traced(lengths):
        within = lambda lengths: ((lengths >= 0) & (lengths <= T)).all()  # noqa: E731
        report(within, (lengths,), f"`{argument}` must be {expected}, got {{lengths}}", lengths=lengths)
    elif not ((np.asarray(lengths) >= 0) & (np.asarray(lengths) <= T)).all():
        fail(argument, expected, Said(str(np.asarray(lengths).tolist())))
    return lengths


def distinct(segments: Any) -> Any:
    """Ids of 64 bits, such as hashes, counted from 0 where JAX would cut them to 32 and make two of them one."""
    if not isinstance(segments, np.ndarray) or segments.dtype.itemsize < 8 or not segments.size:
        return segments
    held = np.iinfo(jax.dtypes.canonicalize_dtype(segments.dtype))
    if held.min <= segments.min() and segments.max() <= held.max:
        return segments
    return np.unique(segments, return_inverse=True)[1].reshape(segments.shape).astype(np.int32)


def _per_step(value: Any, argument: str, shape: tuple[Axis, ...], kind: Any, expected: str) -> ArrayLike | None:
    if value is None:
        return None
    value = check_numbers(value, argument)
    if not jax.dtypes.issubdtype(value.dtype, kind):
        fail(argument, expected, value, kind=TypeError)
    if value.shape != shape:
        fail(argument, f"of shape [T, *B] = {shape}", value)
    return value
