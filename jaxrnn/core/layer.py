"""What every layer has: declared parameters, an initial carry, and checks of both.

A `Layer` runs under `jaxrnn.scan`. `jaxrnn.Cell` is the layer that the engine schedules; the composed layers of
`jaxrnn.compose` hand their parts back to the engine through the `run` that `apply` receives.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Iterable, Iterator, Mapping
from inspect import getattr_static
from typing import Any

import jax
import numpy as np

from jaxrnn.base.checks import (
    check_array,
    check_batch,
    check_features,
    check_key,
    check_size,
    check_symbols,
    check_time,
    is_axis,
    is_traced,
)
from jaxrnn.base.dtypes import FLOATS, check_dtype, is_float, is_integer, is_numeric
from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.base.placement import automatic, of_results, place
from jaxrnn.base.typing import Array, ArrayLike, Axis, Carry, Params, PRNGKeyArray
from jaxrnn.core.parameter import Parameter
from jaxrnn.core.prepared import prepared, without_prepared

MOST = 2**40  # numbers of one parameter: XLA may compile without end for what nobody can hold


class Layer(abc.ABC):
    """A recurrent layer: static, hashable, without arrays of its own.

    A subclass has no `init`, `step` or `accepted` of its own: a layer that holds it asks what these are made of
    (`declare`, `one_step`, `asked` and `masks`). What it does over a sequence, `apply`, and at one step, `one_step`, it
    says both or neither.
    """

    made = ""  # how one would type it; `jaxrnn.base.made` sets it, and a changed copy is without

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_own(cls, Layer, ("init", "step", "accepted"), "layers that hold it ask what this is made of")
        said = {"apply", "one_step", "stepless"} & vars(cls).keys()
        if said in ({"apply"}, {"one_step"}) and all(hasattr(super(cls, cls), n) for n in ("apply", "one_step")):
            expected = "a class with both `apply` and `one_step`, or neither: `scan` runs the one, `step` the other"
            fail(cls.__name__, expected, Said(f"one with {said.pop()!r} alone"), kind=TypeError)

    def __repr__(self) -> str:
        return self.made or f"{type(self).__name__}({', '.join(map(repr, self.parts))}, ...)"

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
    def carry_shapes(self, batch: tuple[Axis, ...]) -> Carry:
        """The carry with a shape tuple in place of each array."""

    @abc.abstractmethod
    def initial_carry(self, batch: tuple[Axis, ...], params: Params | None = None, dtype: Any = None) -> Carry:
        """The carry before the first step, for batch axes `batch`."""

    @abc.abstractmethod
    def pack(self, carry: Any, argument: str = "carry") -> Carry:
        """`carry` as this layer's own type: plain tuples by position, named ones by name, a single state bare."""

    @property
    def parts(self) -> tuple[Layer, ...]:
        """The layers inside; none for a cell."""
        return ()

    @property
    def axes(self) -> int:
        """The number of axes *S of inputs, states and outputs, `[*B, *S, ...]`, over which products mix."""
        return max((part.axes for part in self.parts), default=0)

    @property
    def grids(self) -> frozenset[tuple[Any, ...]]:
        """The sizes *S of positions for which cells inside have vectors that differ from one to the other."""
        return frozenset().union(*(part.grids for part in self.parts))

    def state_axes(self, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        """The axes of the state before its units, for inputs `[*axes, D]`: (*B, *S)."""
        return self.parts[0].state_axes(axes) if self.parts else axes

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
    def masks(self) -> dict[str, tuple[int, ...]]:
        """One row's shape of each mask of the cells' noise, by name: bools that may be given as per-step inputs."""
        return {name: shape for part in self.parts for name, shape in part.masks.items()}

    @property
    def accepted(self) -> frozenset[str]:
        """Names of the per-step inputs that may be given: those asked for, and masks of the cells' noise."""
        return self.asked | frozenset(self.masks)

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
        for path, parameter in jax.tree.leaves_with_path(declared):
            if not is_traced(key) and math.prod(parameter.shape) > MOST:  # traced, it may be for the shapes alone
                fail(f"params{jax.tree_util.keystr(path)}", f"of {MOST:,} numbers or fewer", Said(str(parameter.shape)))
        leaves, treedef = jax.tree.flatten(declared)
        keys = jax.random.split(key, max(len(leaves), 1))
        return jax.tree.unflatten(treedef, [p.init(k, p.shape, p.dtype) for p, k in zip(leaves, keys, strict=False)])

    def prepare(self, params: Params) -> Params:
        """Parameters for many steps: kernels that are functions of what is held (`jaxrnn.forms`) are made of it once.

        `scan` does so by itself, and `step` each time anew; what this returns is taken by both. Without such kernels
        the parameters are returned as they are.

        Args:
            params: the layer's parameters.

        Returns:
            A dict with a `jaxrnn.forms.Kernel` in place of the arrays that hold such a kernel.

        Raises:
            ValueError, TypeError: `params` do not fit the layer; the message names what does not.

        >>> import jax, jaxrnn
        >>> cell = jaxrnn.elman(4, recurrent=jaxrnn.forms.orthogonal())
        >>> params = cell.prepare(cell.init(jax.random.key(0), inputs=3))
        >>> carry, y = cell.step(params, cell.initial_carry((2,)), jax.numpy.ones((2, 3)))
        >>> y.shape
        (2, 4)
        """
        check_params(self, params)
        return prepared(self.declare(self.input_size(params)), params)

    @property
    def stepless(self) -> Layer | None:
        """The layer in here that needs the whole sequence and so has no single step, if there is one."""
        return next((part.stepless for part in self.parts if part.stepless is not None), None)

    def step(
        self,
        params: Params,
        carry: Carry,
        x: ArrayLike,
        *,
        rng: PRNGKeyArray | None = None,
        step: Any = 0,
        per_step: Mapping[str, ArrayLike] | None = None,
    ) -> tuple[Carry, Array]:
        """One step, pure: `partial(cell.step, params)` goes into `jax.lax.scan`.

        On a CPU a cell's step of up to eight rows is one call of the native backend, where that runs the cell; its
        derivatives are those of the equations. On a mesh with explicit axes the carry lies afterwards as it lay before.

        Args:
            params: the layer's parameters.
            carry: the carry before the step, arrays `[*B, H]`.
            x: the input `[*B, D]`, or integers `[*B]` that pick rows of the kernel (equal to one-hot inputs).
            rng: a PRNG key for dropout and zoneout; None runs without noise.
            step: the absolute time of this step, so that streamed noise is that of the whole sequence.
            per_step: arrays `[*B, ...]` that the equations ask for by name.

        Returns:
            `(carry, y)`: the carry after the step, and the output `[*B, output_size]`.

        Raises:
            ValueError, TypeError: an argument does not fit the layer, and the message names it; or the layer needs the
                whole sequence.

        >>> import jax, jaxrnn
        >>> cell = jaxrnn.gru(4)
        >>> params = cell.init(jax.random.key(0), inputs=3)
        >>> carry, y = cell.step(params, cell.initial_carry((2,)), jax.numpy.ones((2, 3)))
        >>> y.shape
        (2, 4)
        """
        if self.stepless is not None:
            name = type(self.stepless).__name__.lower()
            raise TypeError(f"{name} has no single step: it needs the whole sequence. Use `jaxrnn.scan`.")
        check_params(self, params)
        check_features(x, self.input_size(params), "x")
        check_symbols(x, self.input_size(params), "x")
        batch = x.shape if is_integer(x.dtype) else x.shape[:-1]
        check_axes(self, batch, x, "x")
        carry = check_carry(self, carry, self.state_axes(batch))
        given = check_per_step(self, per_step, batch[: len(batch) - self.axes])
        check_time(step, "step")
        if rng is not None:
            check_key(rng, "rng")
        at = place(x)[: len(batch)]
        arguments = (params, carry, x, rng, step, given)
        return automatic(self.one_step, arguments, of_results(params, carry, at, at))

    def one_step(
        self, params: Params, carry: Carry, x: Array, rng: PRNGKeyArray | None, step: Any, per_step: dict[str, Any]
    ) -> tuple[Carry, Array]:
        """`step` of arguments that are checked."""
        raise NotImplementedError


def refuse_own(kind: type, base: type, names: Iterable[str], why: str, hint: str = "") -> None:
    """A subclass with something of its own under one of these names, which would be bypassed."""
    for name in names:
        if getattr_static(kind, name) is not getattr_static(base, name):
            fail(f"{kind.__name__}.{name}", f"that of `{base.__name__}`: {why}", Said("another"), hint, kind=TypeError)


def check_params(layer: Layer, params: Any, argument: str = "params") -> None:
    """Every declared array is there, with its shape and a floating dtype, and nothing else is."""
    if not isinstance(params, dict):
        fail(argument, "a dict of arrays, as `init` returns", params, kind=TypeError)
    check_declared(layer.declare(layer.input_size(params)), params, argument)


def check_axes(layer: Layer, axes: tuple[Axis, ...], given: Any, argument: str) -> None:
    """Inputs have the axes along which the layer's products mix."""
    if len(axes) < layer.axes:
        fail(argument, f"of {layer.axes} axes *S of positions before its features, as the convolutions have", given)
    size = layer.state_axes(axes)
    if any(isinstance(n, int) and n < 1 for n in size[len(size) - layer.axes :]):
        fail(argument, "of positions that hold the window of the convolution", given)
    check_grid(layer, size, given, argument)


def check_grid(layer: Layer, size: tuple[Axis, ...], given: Any, argument: str) -> None:
    """The state's axes `size` end in the positions that the layer has vectors for."""
    for grid in layer.grids:
        if size[len(size) - layer.axes :] != grid:
            fail(argument, f"such that states have positions {grid}, for which {layer!r} has vectors", given)


def check_declared(declarations: dict[str, Any], params: Any, argument: str = "params") -> None:
    """`check_params` for what has declarations, nested as the parameters are, and is no layer."""
    for name, declared, value in _pairs(argument, declarations, params):
        check_array(value, name, f"an array of shape {declared.shape}")
        if value.shape != declared.shape:
            fail(name, f"an array of shape {declared.shape}", value)
        if declared.exact and value.dtype != declared.dtype:
            fail(name, f"an array of {declared.dtype.name}", value, kind=TypeError)
        if not declared.exact and not is_float(value.dtype):
            fail(name, f"an array of one of {FLOATS}", value, kind=TypeError)


def check_initial(layer: Layer, batch: Any, params: Any, dtype: Any) -> tuple[tuple[Axis, ...], Any]:
    """The arguments of `initial_carry`; the batch axes and the dtype in canonical form."""
    batch, dtype = check_batch(batch), check_dtype(dtype, "dtype")
    if params is not None:
        check_params(layer, params)
    return batch, dtype


def entry(params: Params, name: str, argument: str = "params") -> Any:
    """`params[name]`, or an error that names the missing entry."""
    if not isinstance(params, dict):
        fail(argument, "a dict of arrays, as `init` returns", params, kind=TypeError)
    if name not in params:
        fail(argument, f"a dict with an entry {name!r}", params)
    return params[name]


def _pairs(path: str, declared: dict[str, Any], given: Any) -> Iterator[tuple[str, Parameter, Any]]:
    """Declared parameters beside the given arrays; an error names what is missing or too much."""
    if not isinstance(given, dict):
        fail(path, "a dict of arrays, as `init` returns", given, kind=TypeError)
    declared, given = without_prepared(path, declared, given)
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


def check_carry(layer: Layer, carry: Any, batch: tuple[Axis, ...], argument: str = "carry") -> Carry:
    """`carry` in the layer's own type, with every array of the right shape and one floating dtype."""
    carry = layer.pack(carry, argument)
    shapes = layer.carry_shapes(batch)
    arrays = jax.tree.structure(shapes, is_leaf=is_shape).flatten_up_to(carry)  # type: ignore[attr-defined]
    for (path, shape), array in zip(jax.tree.leaves_with_path(shapes, is_leaf=is_shape), arrays, strict=True):
        name = argument + jax.tree_util.keystr(path)
        check_array(array, name, f"an array of shape {shape}")
        if array.shape != shape:
            fail(name, f"of shape {shape} (batch axes {batch} as the inputs have them, time not among them)", array)
        if not is_float(array.dtype):
            fail(name, f"an array of one of {FLOATS}", array, kind=TypeError)
    return carry


def check_per_step(layer: Layer, given: Mapping[str, Any] | None, axes: tuple[Axis, ...]) -> dict[str, Any]:
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
        check_array(array, f"per_step[{name!r}]")
        if not is_numeric(array.dtype):
            fail(f"per_step[{name!r}]", "an array", array, kind=TypeError)
        if array.shape[: len(axes)] != axes:
            fail(f"per_step[{name!r}]", f"of shape {axes}, then any", array)
        if name in layer.masks and (array.shape != (*axes, *layer.masks[name]) or array.dtype != np.bool_):
            fail(f"per_step[{name!r}]", f"bools of shape {(*axes, *layer.masks[name])}", array)
    return given


def is_shape(node: Any) -> bool:
    """Whether a node of `carry_shapes` is a leaf."""
    return type(node) is tuple and all(map(is_axis, node))
