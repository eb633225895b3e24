"""What every layer has: declared parameters, an initial carry, and checks of both.

A `Layer` runs under `jaxrnn.scan`. `jaxrnn.cell.Cell` is the layer that the engine schedules; the composed layers of
`jaxrnn.compose` hand their parts back to the engine through the `run` that `apply` receives.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.checks import check_key, check_size
from jaxrnn.dtypes import FLOATS, is_float
from jaxrnn.errors import Said, fail, nearest
from jaxrnn.typing import Array, Carry, Initializer, Params, PRNGKeyArray


@dataclass(frozen=True)
class Parameter:
    """Declares one array. `shape` may hold the symbols D, G, H, P until `resolve` replaces them by numbers.

    Roles: `input` arrays make the projection of x, `recurrent` arrays multiply a state (`recur`), `unit` arrays reach
    the equations as `theta`, `carry` arrays are a learned initial carry.
    """

    shape: tuple[str | int, ...]
    init: Initializer
    role: str = "unit"
    dtype: Any = None

    def resolve(self, sizes: dict[str, int], dtype: Any) -> Parameter:
        """The same declaration with every symbol replaced by its size."""
        return replace(self, shape=tuple(sizes[s] if isinstance(s, str) else s for s in self.shape), dtype=dtype)


class Layer(abc.ABC):
    """A recurrent layer: static, hashable, without arrays of its own."""

    @property
    @abc.abstractmethod
    def output_size(self) -> int:
        """Features of one output."""

    @abc.abstractmethod
    def declare(self, inputs: int) -> dict[str, Any]:
        """The parameters for inputs of this size: name -> `Parameter`, nested as the layers are."""

    @abc.abstractmethod
    def input_size(self, params: Params) -> int:
        """The number D of input features that `params` were made for."""

    @abc.abstractmethod
    def carry_shapes(self, batch: tuple[int, ...]) -> Carry:
        """The carry with a shape tuple in place of each array."""

    @abc.abstractmethod
    def initial_carry(self, batch: tuple[int, ...], params: Params | None = None, dtype: Any = None) -> Carry:
        """The carry before the first step, for batch axes `batch`."""

    @abc.abstractmethod
    def pack(self, carry: Any, argument: str = "carry") -> Carry:
        """`carry` as this layer's own type: plain tuples by position, named ones by name, a single state bare."""

    @property
    def parts(self) -> tuple[Layer, ...]:
        """The layers inside; none for a cell."""
        return ()

    @property
    def noisy(self) -> bool:
        """Whether the layer draws random masks where a key is given."""
        return any(part.noisy for part in self.parts)

    @property
    def learns_carry(self) -> bool:
        """Whether an initial carry is among the parameters."""
        return any(part.learns_carry for part in self.parts)

    @property
    def asked(self) -> frozenset[str]:
        """Names of the per-step inputs that must be given."""
        return frozenset().union(*(part.asked for part in self.parts))

    @property
    def accepted(self) -> frozenset[str]:
        """Names of the per-step inputs that may be given: those asked for, and masks of the cells' noise."""
        return frozenset().union(*(part.accepted for part in self.parts))

    def init(self, key: PRNGKeyArray, inputs: int) -> dict[str, Any]:
        """Draw all parameters.

        Args:
            key: a PRNG key.
            inputs: D, the number of input features (or of symbols, for integer inputs).

        Returns:
            A dict name -> array, nested as the layer is.

        Raises:
            ValueError: `key` is not one PRNG key, or `inputs` is not a positive integer.
        """
        check_key(key, "key")
        check_size(inputs, "inputs")
        declared = self.declare(inputs)
        leaves, treedef = jax.tree.flatten(declared)
        keys = jax.random.split(key, max(len(leaves), 1))
        return jax.tree.unflatten(treedef, [p.init(k, p.shape, p.dtype) for p, k in zip(leaves, keys, strict=False)])

    def step(
        self, params: Params, carry: Carry, x: Array, *, rng: PRNGKeyArray | None = None, step: Any = 0
    ) -> tuple[Carry, Array]:
        """One step, where the layer has one."""
        raise TypeError(
            f"{type(self).__name__.lower()} has no single step: it needs the whole sequence. Use `jaxrnn.scan`."
        )


def check_params(layer: Layer, params: Any, argument: str = "params") -> None:
    """Every declared array is there, with its shape and a floating dtype, and nothing else is."""
    if not isinstance(params, dict):
        fail(argument, "a dict of arrays, as `init` returns", params, kind=TypeError)
    for name, declared, value in _pairs(argument, layer.declare(layer.input_size(params)), params):
        if not isinstance(value, (jax.Array, np.ndarray)):
            fail(name, f"an array of shape {declared.shape}", value, kind=TypeError)
        if value.shape != declared.shape:
            fail(name, f"an array of shape {declared.shape}", value)
        if not is_float(value.dtype):
            fail(name, f"an array of one of {FLOATS}", value, kind=TypeError)


def entry(params: Params, name: str, argument: str = "params") -> Any:
    """`params[name]`, or an error that names the missing entry."""
    if not isinstance(params, dict):
        fail(argument, "a dict of arrays, as `init` returns", params, kind=TypeError)
    if name not in params:
        fail(argument, f"a dict with an entry {name!r}", params)
    return params[name]


def _pairs(path: str, declared: dict[str, Any], given: Any) -> Iterator[tuple[str, Parameter, Any]]:
    """Declared parameters beside the given arrays; an error names what is missing or too much."""
    for name, inner in declared.items():
        value = entry(given, name, path)
        at = f"{path}[{name!r}]"
        if isinstance(inner, dict):
            yield from _pairs(at, inner, value)
        else:
            yield at, inner, value
    for name in given:
        if name not in declared:
            fail(
                path,
                f"a dict with the entries {tuple(declared)}",
                Said(f"the unknown entry {name!r}"),
                nearest(name, declared),
            )


def check_carry(layer: Layer, carry: Any, batch: tuple[int, ...], argument: str = "carry") -> Carry:
    """`carry` in the layer's own type, with every array of the right shape and one floating dtype."""
    carry = layer.pack(carry, argument)
    shapes = layer.carry_shapes(batch)
    arrays = jax.tree.structure(shapes, is_leaf=is_shape).flatten_up_to(carry)  # type: ignore[attr-defined]
    for (path, shape), array in zip(jax.tree.leaves_with_path(shapes, is_leaf=is_shape), arrays, strict=True):
        name = argument + jax.tree_util.keystr(path)
        if not isinstance(array, (jax.Array, np.ndarray)):
            fail(name, f"an array of shape {shape}", array, kind=TypeError)
        if array.shape != shape:
            fail(name, f"of shape {shape} (batch axes {batch} as the inputs have them, time not among them)", array)
        if not is_float(array.dtype):
            fail(name, f"an array of one of {FLOATS}", array, kind=TypeError)
    return carry


def check_per_step(layer: Layer, given: Mapping[str, Any] | None, axes: tuple[int, ...]) -> dict[str, Any]:
    """The per-step inputs that the layer asks for, all of them and no others (masks of its noise may be given too).

    Their leading axes are `axes`: time and batch for a sequence, batch for a step.
    """
    if not isinstance(given, Mapping | None):
        fail("per_step", "a dict of arrays by name", given, kind=TypeError)
    given = dict(given or {})
    for name in given:
        if name not in layer.accepted:
            fail(
                "per_step",
                f"a dict with keys out of {sorted(layer.accepted)}",
                name,
                nearest(name, layer.accepted),
            )
    for name in sorted(layer.asked):
        if name not in given:
            fail("per_step", f"a dict with an entry {name!r}, which the equations ask for", given)
    for name, array in given.items():
        if not isinstance(array, (jax.Array, np.ndarray)) or not is_numeric(array.dtype):
            fail(f"per_step[{name!r}]", "an array", array, kind=TypeError)
        if array.shape[: len(axes)] != axes:
            fail(f"per_step[{name!r}]", f"of shape {axes}, then any", array)
    return given


def is_numeric(dtype: Any) -> bool:
    """Numbers or bools: no strings, objects, dates or PRNG keys."""
    return jnp.issubdtype(dtype, jnp.number) or dtype == jnp.bool_


def is_shape(node: Any) -> bool:
    """Whether a node of `carry_shapes` is a leaf."""
    return type(node) is tuple and all(isinstance(n, int) for n in node)
