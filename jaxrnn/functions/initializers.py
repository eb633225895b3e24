"""Initialisers of whole parameters, built from one initialiser a gate.

A recurrent kernel is orthogonal gate by gate. Drawing a fused `[H, 4H]` matrix orthogonally, as some libraries do,
starts every gate at half the intended gain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import sequential_vmap

from jaxrnn.base.checks import check_batch, check_function, check_hashable, check_key, check_number, check_size
from jaxrnn.base.dtypes import check_dtype, promote
from jaxrnn.base.errors import fail, nearest
from jaxrnn.base.typing import Array, Initializer

zeros = jax.nn.initializers.zeros
ones = jax.nn.initializers.ones
glorot_uniform = jax.nn.initializers.glorot_uniform()
he_uniform = jax.nn.initializers.he_uniform()

INITIALIZER = "an initialiser (key, shape, dtype) -> array"


def orthogonal(key: Array, shape: tuple[int, ...], dtype: Any = float) -> Array:
    """An orthogonal matrix; drawn in float32 at least and rounded once, since QR has no half-precision form.

    Args:
        key: a PRNG key.
        shape: of the matrix, `[R, H]`; of more axes, of the matrix whose last axis is the last of them.
        dtype: of the array.

    Returns:
        An array `shape`; its columns are orthonormal, or its rows, where these are fewer.

    Raises:
        TypeError, ValueError: `key` is no PRNG key, `shape` has fewer than two axes, or `dtype` is not one of floats.

    >>> from jaxrnn.functions.initializers import orthogonal
    >>> import jax, numpy as np
    >>> q = orthogonal(jax.random.key(0), (4, 4), np.float32)
    >>> bool(abs(q @ q.T - np.eye(4, dtype=np.float32)).max() < 1e-6)
    True
    """
    shape, dtype = _checked(key, shape, dtype)
    if len(shape) < 2:
        fail("shape", "[..., R, H]", shape)
    one = promote(dtype, jnp.float32)
    # Below `vmap`, as over seeds, one after the other: XLA's CPU shares the matrices of a batched QR among its threads,
    # and waits for ever where two such products wait for each other's (JAX 0.10.2, two cores).
    return sequential_vmap(lambda key: jax.nn.initializers.orthogonal()(key, shape, one))(key).astype(dtype)


@dataclass(frozen=True)
class Constant:
    """Every entry `value`; equal by value, unlike `jax.nn.initializers.constant`.

    >>> from jaxrnn.functions.initializers import Constant
    >>> Constant(1.0) == Constant(1.0)
    True
    """

    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", check_number(self.value, "value", "a number"))

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        shape, dtype = _checked(key, shape, dtype)
        return jnp.full(shape, self.value, dtype)


@dataclass(frozen=True)
class Uniform:
    """Entries drawn uniformly within [-scale, scale); equal by value, unlike `jax.nn.initializers.uniform`.

    >>> from jaxrnn.functions.initializers import Uniform
    >>> Uniform(0.1) == Uniform(0.1)
    True
    """

    scale: float

    def __post_init__(self) -> None:
        scale = check_number(self.scale, "scale", "a number, zero or more")
        if scale < 0:
            fail("scale", "a number, zero or more", self.scale)
        object.__setattr__(self, "scale", scale)

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = float) -> Array:
        shape, dtype = _checked(key, shape, dtype)
        return jax.random.uniform(key, shape, dtype, -self.scale, self.scale)


@dataclass(frozen=True)
class Normal:
    """Entries drawn from a normal distribution of mean 0; equal by value, unlike `jax.nn.initializers.normal`.

    >>> from jaxrnn.functions.initializers import Normal
    >>> Normal(0.1) == Normal(0.1)
    True
    """

    deviation: float  # standard

    def __post_init__(self) -> None:
        deviation = check_number(self.deviation, "deviation", "a number, zero or more")
        if deviation < 0:
            fail("deviation", "a number, zero or more", self.deviation)
        object.__setattr__(self, "deviation", deviation)

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = float) -> Array:
        shape, dtype = _checked(key, shape, dtype)
        return self.deviation * jax.random.normal(key, shape, dtype)


@dataclass(frozen=True)
class Between:
    """Entries drawn uniformly within [low, high).

    >>> from jaxrnn.functions.initializers import Between
    >>> Between(0.0, 1.0) == Between(0.0, 1.0)
    True
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        low, high = check_number(self.low, "low", "a number"), check_number(self.high, "high", "a number above `low`")
        if not low < high:
            fail("high", f"a number above `low`, {low}", self.high)
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = float) -> Array:
        shape, dtype = _checked(key, shape, dtype)
        return jax.random.uniform(key, shape, dtype, self.low, self.high)


@dataclass(frozen=True)
class GlorotDiagonal:
    """Entries drawn from a normal distribution of deviation 1 / sqrt(H): what Glorot's is for a matrix `[H, H]`, of
    which these are the diagonal.

    Paper: Danieli et al., ParaRNN, arXiv:2510.21450, appendix C.1.

    >>> from jaxrnn.functions.initializers import GlorotDiagonal
    >>> GlorotDiagonal() == GlorotDiagonal()
    True
    """

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = float) -> Array:
        shape, dtype = _checked(key, shape, dtype, least=1)
        return jax.random.normal(key, shape, dtype) / np.sqrt(shape[-1]).astype(dtype)


@dataclass(frozen=True)
class PowerLaw:
    """Forget biases of an sLSTM: 5 - 12 (k / (E - 1))^(0.3 + 1.3 depth) at unit k of each head of E units.

    `depth` is where the block stands in a stack, from 0, the first, to 1, the last. What is forgotten is spread over
    the units, in early blocks towards short memories.

    Paper: Beck et al., xLSTM, NeurIPS 2024; the numbers are those of the authors' code.

    >>> import jax
    >>> from jaxrnn.functions.initializers import PowerLaw
    >>> PowerLaw(0.0, 1)(jax.random.key(0), (3,)).round(2).tolist()
    [5.0, -4.75, -7.0]
    """

    depth: float  # in [0, 1]
    heads: int  # H is their number times E

    def __post_init__(self) -> None:
        depth = check_number(self.depth, "depth", "a number in [0, 1]")
        if not 0 <= depth <= 1:
            fail("depth", "a number in [0, 1]", self.depth)
        object.__setattr__(self, "depth", depth)
        object.__setattr__(self, "heads", check_size(self.heads, "heads"))

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = float) -> Array:
        shape, dtype = _checked(key, shape, dtype, least=1)
        units = shape[-1] // self.heads
        along = np.arange(units) / max(units - 1, 1)
        bias = 5 - 12 * along ** (0.3 + 1.3 * self.depth)
        return jnp.broadcast_to(jnp.asarray(np.tile(bias, self.heads), dtype), shape)


@dataclass(frozen=True)
class PerGate:
    """Initialise an array with a gate axis (the last but one) gate by gate, each with a key of its own.

    Draws happen in float32 at least and are rounded once, since QR has no half-precision form.

    >>> import jax
    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.initializers import PerGate
    >>> init = PerGate((jax.nn.initializers.zeros, jax.nn.initializers.ones))
    >>> init(jax.random.key(0), (2, 3), jnp.float32).tolist()  # [G, H]
    [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """

    inits: tuple[Initializer, ...]  # one a gate

    def __post_init__(self) -> None:
        if not isinstance(self.inits, tuple) or not self.inits:
            fail("inits", "a tuple of initialisers, one a gate", self.inits, kind=TypeError)
        for i, init in enumerate(self.inits):
            check_function(init, f"inits[{i}]", INITIALIZER)

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        shape, dtype = _checked(key, shape, dtype)
        _check_gates(shape, len(self.inits))
        wide = promote(dtype, jnp.float32)
        one = (*shape[:-2], shape[-1])
        matrix = one if len(one) > 1 else (1, *one)  # a bias as a one-row matrix: orthogonal and glorot need two axes
        keys = jax.random.split(key, len(self.inits))
        gates = [init(k, matrix, wide) for init, k in zip(self.inits, keys, strict=True)]
        for drawn in gates:
            if not isinstance(drawn, jax.Array) or drawn.shape != matrix:
                fail("initialiser", f"a function that returns an array of shape {matrix}", drawn, kind=TypeError)
        return jnp.stack([g.reshape(one) for g in gates], axis=-2).astype(dtype)


@dataclass(frozen=True)
class Chrono:
    """Biases for memories that last up to `t_max` steps: b_keep = log(u), b_input = -b_keep, u ~ U(1, t_max - 1).

    `signs` holds one number a gate: +1 for the gate that keeps, -1 for the one that lets in, 0 for the rest.

    Paper: Tallec & Ollivier, Can recurrent neural networks warp time? ICLR 2018, section 3.

    >>> import jax
    >>> import jax.numpy as jnp
    >>> from jaxrnn.functions.initializers import Chrono
    >>> bias = Chrono((-1, 1), t_max=100.0)(jax.random.key(0), (2, 8), jnp.float32)
    >>> bool((bias[0] < 0).all() and (bias[1] > 0).all() and (bias[1] < jnp.log(99)).all())
    True
    """

    signs: tuple[int, ...]  # [G]
    t_max: float  # steps

    def __post_init__(self) -> None:
        if not isinstance(self.signs, tuple) or not self.signs or not all(map(_is_sign, self.signs)):
            fail("signs", "a tuple of -1, 0 and 1, one a gate", self.signs, kind=TypeError)
        object.__setattr__(self, "signs", tuple(map(int, self.signs)))
        object.__setattr__(self, "t_max", check_steps(self.t_max, "t_max"))

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        shape, dtype = _checked(key, shape, dtype)
        _check_gates(shape, len(self.signs))
        keep = jnp.log(jax.random.uniform(key, (1, shape[-1]), jnp.float32, 1.0, self.t_max - 1.0))
        signs = jnp.asarray(self.signs, jnp.float32)[:, None]
        return jnp.broadcast_to(signs * keep, shape).astype(dtype)


def check_steps(value: Any, argument: str) -> float:
    """T_max of the chrono initialisation."""
    steps = check_number(value, argument, "a number of steps, more than 2")
    if not steps > 2:
        fail(argument, "a number of steps, more than 2", value)
    return steps


def _is_sign(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and value in (-1, 0, 1)


def _checked(key: Any, shape: Any, dtype: Any, least: int = 0) -> tuple[tuple[int, ...], Any]:
    """Shape and dtype of what is to be drawn, which has that many axes at least."""
    check_key(key, "key")
    given, shape = shape, check_batch(shape, "shape")
    if len(shape) < least:
        fail("shape", "[..., R, H]" if least == 2 else "[..., H]", given)
    if dtype is None:
        fail("dtype", "a floating dtype", None, kind=TypeError)
    return shape, check_dtype(dtype, "dtype")


def _check_gates(shape: tuple[int, ...], gates: int) -> None:
    if len(shape) < 2 or shape[-2] != gates:
        fail("shape", f"[..., G, H] with G = {gates}", shape)


def per_gate(
    argument: str,
    given: Initializer | Mapping[str, Initializer] | None,
    gates: tuple[str, ...],
    default: Initializer,
    special: Mapping[str, Initializer] | None = None,
) -> PerGate:
    """One initialiser a gate, from a single one for all gates, or from a mapping that names some of them."""
    inits = dict.fromkeys(gates, default) | dict(special or {})
    if isinstance(given, Mapping):
        for gate in given:
            if gate not in inits:
                fail(argument, f"keyed by gates out of {gates}", gate, nearest(gate, gates))
        inits |= given
    elif given is not None:
        inits = dict.fromkeys(gates, given)
    for gate, init in inits.items():
        if not callable(init):
            fail(argument, f"{INITIALIZER}, or a dict of them by gate", init, f"Gate {gate!r}.", kind=TypeError)
        check_hashable(init, argument)
    return PerGate(tuple(inits[gate] for gate in gates))


__all__ = [
    "Between",
    "Chrono",
    "Constant",
    "GlorotDiagonal",
    "Normal",
    "PerGate",
    "PowerLaw",
    "Uniform",
    "glorot_uniform",
    "he_uniform",
    "ones",
    "orthogonal",
    "zeros",
]


def __dir__() -> list[str]:
    return __all__
