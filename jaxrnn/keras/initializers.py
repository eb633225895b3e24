"""Keras's initial distributions. They are drawn for Keras's own matrices, with all gates side by side: `[D, G H]`.

Everything outside `jaxrnn.keras` initialises each gate by itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod, sqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.checks import check_choice, check_number, check_real
from jaxrnn.base.dtypes import promote
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Array, Initializer
from jaxrnn.functions.initializers import INITIALIZER, ones, zeros
from jaxrnn.functions.initializers import Constant as ConstantValue
from jaxrnn.keras.identifiers import check_seed, get

TRUNCATED_STD = 0.87962566103423978  # of a standard normal that is cut off at two


def _check_numbers(initializer: Any, *names: str) -> None:
    """Settings that are numbers become floats."""
    for name in names:
        object.__setattr__(initializer, name, check_number(getattr(initializer, name), name, "a number"))


@dataclass(frozen=True)
class Seeded:
    """An initialiser that draws. With a `seed` it draws the same whenever it is called, as Keras's do."""

    seed: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", check_seed(self.seed))

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        return self.draw(key if self.seed is None else jax.random.key(self.seed), shape, dtype)

    def draw(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class RandomNormal(Seeded):
    """N(mean, stddev^2)."""

    mean: float = 0.0
    stddev: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_numbers(self, "mean", "stddev")

    def draw(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        return self.mean + self.stddev * jax.random.normal(key, shape, dtype)


@dataclass(frozen=True, kw_only=True)
class TruncatedNormal(RandomNormal):
    """N(mean, stddev^2), redrawn beyond two standard deviations (of the normal that is cut)."""

    def draw(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        return self.mean + self.stddev * jax.random.truncated_normal(key, -2.0, 2.0, shape, dtype)


@dataclass(frozen=True, kw_only=True)
class RandomUniform(Seeded):
    """U(minval, maxval)."""

    minval: float = -0.05
    maxval: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_numbers(self, "minval", "maxval")

    def draw(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        return jax.random.uniform(key, shape, dtype, self.minval, self.maxval)


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many numbers each result of a product reads, and how many each number takes part in.

    Of `[*W, D, H]` the window counts; a bias counts as both.
    """
    window = prod(shape[:-2])
    return window * shape[-2 if len(shape) > 1 else 0], window * shape[-1]


@dataclass(frozen=True, kw_only=True)
class VarianceScaling(Seeded):
    """Variance scale / fan: uniform within sqrt(3 scale / fan), or a normal, truncated or not.

    >>> matrix = VarianceScaling(mode="fan_avg", distribution="uniform")(jax.random.key(0), (2, 4))
    >>> bool((abs(matrix) < 1).all())
    True
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_numbers(self, "scale")
        if self.scale <= 0:
            fail("scale", "a positive number", self.scale)
        check_choice(self.mode, "mode", ("fan_in", "fan_out", "fan_avg"))
        known = ("truncated_normal", "untruncated_normal", "uniform", "normal")
        check_choice(self.distribution, "distribution", known)

    def draw(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        std = sqrt(self.scale / max(1.0, fan))
        if self.distribution == "uniform":
            return sqrt(3) * std * jax.random.uniform(key, shape, dtype, -1.0, 1.0)
        if self.distribution == "untruncated_normal":
            return std * jax.random.normal(key, shape, dtype)
        return std / TRUNCATED_STD * jax.random.truncated_normal(key, -2.0, 2.0, shape, dtype)


@dataclass(frozen=True, kw_only=True)
class Orthogonal(Seeded):
    """Orthogonal rows, or columns where there are more rows, of the whole matrix: `[H, 4 H]` has H orthogonal rows.

    Each gate's own `[H, H]` block is therefore not orthogonal, and has half the gain.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_numbers(self, "gain")

    def draw(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        if len(shape) < 2:
            fail("orthogonal", "used for an array of two axes or more", Said(f"shape {shape}"))
        return jax.nn.initializers.orthogonal(self.gain)(key, shape, dtype)


@dataclass(frozen=True)
class Identity:
    """gain on the diagonal of a matrix, zero elsewhere."""

    gain: float = 1.0

    def __post_init__(self) -> None:
        _check_numbers(self, "gain")

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        if len(shape) != 2:
            fail("identity", "used for an array of two axes", Said(f"shape {shape}"))
        return self.gain * jnp.eye(*shape, dtype=dtype)


@dataclass(frozen=True)
class KerasFunction:
    """A function of (shape, dtype), as Keras has it, where ours take (key, shape, dtype)."""

    function: Callable[..., Any]

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        return jnp.asarray(self.function(shape, dtype=jnp.dtype(dtype).name))


@dataclass(frozen=True, eq=False)
class Values:
    """A given array."""

    values: Any

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
        return jnp.asarray(self.values, dtype)


def constant(value: float = 0.0) -> Initializer:
    """Every entry `value`."""
    return ConstantValue(check_number(value, "value", "a number"))


def _scaled(scale: float, mode: str, distribution: str) -> Callable[..., Initializer]:
    return partial(VarianceScaling, scale=scale, mode=mode, distribution=distribution)


FACTORIES: dict[str, Callable[..., Initializer]] = {
    "Constant": constant,
    "GlorotNormal": _scaled(1.0, "fan_avg", "truncated_normal"),
    "GlorotUniform": _scaled(1.0, "fan_avg", "uniform"),
    "HeNormal": _scaled(2.0, "fan_in", "truncated_normal"),
    "HeUniform": _scaled(2.0, "fan_in", "uniform"),
    "Identity": Identity,
    "LecunNormal": _scaled(1.0, "fan_in", "truncated_normal"),
    "LecunUniform": _scaled(1.0, "fan_in", "uniform"),
    "Ones": lambda: ones,
    "Orthogonal": Orthogonal,
    "RandomNormal": RandomNormal,
    "RandomUniform": RandomUniform,
    "TruncatedNormal": TruncatedNormal,
    "VarianceScaling": VarianceScaling,
    "Zeros": lambda: zeros,
}
ALIASES = {
    "IdentityInitializer": "Identity",
    "OrthogonalInitializer": "Orthogonal",
    "normal": "RandomNormal",
    "one": "Ones",
    "uniform": "RandomUniform",
    "zero": "Zeros",
}


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


INITIALIZERS = (
    FACTORIES
    | {_snake(name): make for name, make in FACTORIES.items()}
    | {alias: FACTORIES[name] for alias, name in ALIASES.items()}
)


def get_initializer(identifier: Any, argument: str) -> Initializer:
    """A function of (key, shape, dtype), from anything that Keras takes for one, a function of its kind included."""
    if isinstance(identifier, (jax.Array, np.ndarray)):
        return Values(check_real(identifier, argument))
    made = get(identifier, INITIALIZERS, argument)
    if made is None:
        fail(argument, f"an initialiser, or its name out of {sorted(FACTORIES)}", Said("None"))
    try:
        first = next(iter(inspect.signature(made).parameters), None)
    except ValueError:  # some that are written in C have none
        fail(argument, INITIALIZER, identifier, kind=TypeError)
    return KerasFunction(made) if first == "shape" else made


def draw(init: Initializer, key: Array, shape: tuple[int, ...], dtype: Any, argument: str) -> Array:
    """An array from an initialiser, drawn in float32 at least and rounded once."""
    drawn = init(key, shape, promote(dtype, jnp.float32))
    if not isinstance(drawn, (jax.Array, np.ndarray)) or drawn.shape != shape:
        fail(argument, f"an initialiser that returns an array of shape {shape}", drawn)
    return jnp.asarray(check_real(drawn, argument), dtype)
