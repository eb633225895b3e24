"""The one check of the engine's public entries: every argument, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import checkify

from jaxrnn.cell import check_features, check_symbols
from jaxrnn.checks import check_choice, check_flag, check_key, check_time
from jaxrnn.dtypes import is_float
from jaxrnn.engine.masks import valid_steps
from jaxrnn.engine.registry import BACKENDS
from jaxrnn.engine.sequence import Call, Sequence
from jaxrnn.errors import Said, fail
from jaxrnn.hints import hint
from jaxrnn.layer import Layer, check_carry, check_params, check_per_step, is_numeric
from jaxrnn.typing import Array, ArrayLike


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
    batch = _check_xs(layer, params, xs, given.projected)
    T = xs.shape[0]
    carry = None if carry is None else check_carry(layer, carry, batch)
    reset_carry = given.reset_carry
    if reset_carry is not None:
        if given.resets is None and given.segments is None:
            fail("reset_carry", "given with resets or segments", Said("it alone"))
        reset_carry = check_carry(layer, reset_carry, batch, "reset_carry")
    lengths = check_lengths(given.lengths, T, batch)
    mask = _per_step(given.mask, "mask", (T, *batch), jnp.bool_, "bool, true where a step counts")
    resets = _per_step(given.resets, "resets", (T, *batch), jnp.bool_, "bool, true where a new sequence starts")
    segments = _per_step(given.segments, "segments", (T, *batch), jnp.integer, "integer ids")
    valid = valid_steps(T, lengths, mask)
    if not given.projected:
        check_symbols(xs, layer.input_size(params), "xs", valid)
    flags = None if resets is None else jnp.cumsum(resets, axis=0, dtype=jnp.int32)
    check_time(given.start_step, "start_step")
    t = jnp.arange(T, dtype=jnp.int32) + jnp.asarray(given.start_step, jnp.int32)
    per_step = {name: jnp.asarray(a) for name, a in check_per_step(layer, given.per_step, (T, *batch)).items()}
    sequence = Sequence(jnp.asarray(xs), t, valid, flags, segments, per_step)
    return Call(dict(params), sequence, carry, reset_carry, given.rng)


def check_numbers(value: Any, argument: str) -> ArrayLike:
    """An array of floats, integers or bools, of JAX or NumPy."""
    if not isinstance(value, (jax.Array, np.ndarray)):
        fail(argument, "an array", value, kind=TypeError)
    if not is_numeric(value.dtype):
        fail(argument, "an array of numbers", value, kind=TypeError)
    return value


def _check_xs(layer: Layer, params: Any, xs: ArrayLike, projected: bool) -> tuple[int, ...]:
    """The batch axes of xs, once its rank, dtype and features fit."""
    if projected:
        gates = getattr(layer, "gates", None)
        if gates is None:
            fail("projected", "False for a composed layer: only a Cell projects its inputs", Said("True"))
        tail = (len(gates), layer.size)  # type: ignore[attr-defined]
        if xs.ndim < 3 or xs.shape[-2:] != tail or not is_float(xs.dtype):
            fail("xs", f"floats of shape [T, *B, G, H] with (G, H) = {tail}, as `cell.project` returns", xs)
        return xs.shape[1:-2]
    if xs.dtype == jnp.bool_:
        fail("xs", "floats [T, *B, D] or integers [T, *B]", xs, kind=TypeError)
    if jnp.issubdtype(xs.dtype, jnp.integer):
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
    lengths: Any, T: int, batch: tuple[int, ...], argument: str = "lengths", inputs: str = "xs"
) -> Array | None:
    """Integers `[*B]` in [0, T]. Traced ones are clipped to it, and reported under `checkify`."""
    if lengths is None:
        return None
    lengths = check_numbers(lengths, argument)
    if not jnp.issubdtype(lengths.dtype, jnp.integer):
        fail(argument, "integers", lengths, kind=TypeError)
    if lengths.shape != batch:
        fail(argument, f"of shape {batch}, the batch axes of {inputs}", lengths)
    if lengths.dtype.itemsize < 4:
        lengths = lengths.astype(np.int32)  # T need not fit into int8
    if isinstance(lengths, jax.core.Tracer):
        inside = jnp.all((lengths >= 0) & (lengths <= T))
        checkify.debug_check(
            inside, "`lengths` must be between 0 and T = {T}, got {lengths}", T=jnp.asarray(T), lengths=lengths
        )
    elif not ((np.asarray(lengths) >= 0) & (np.asarray(lengths) <= T)).all():
        fail(argument, f"between 0 and T = {T}", Said(str(np.asarray(lengths).tolist())))
    return jnp.asarray(lengths)


def _per_step(value: Any, argument: str, shape: tuple[int, ...], kind: Any, expected: str) -> Array | None:
    if value is None:
        return None
    value = check_numbers(value, argument)
    fits = value.dtype == jnp.bool_ if kind is jnp.bool_ else jnp.issubdtype(value.dtype, kind)
    if not fits:
        fail(argument, expected, value, kind=TypeError)
    if value.shape != shape:
        fail(argument, f"of shape [T, *B] = {shape}", value)
    return jnp.asarray(value)
