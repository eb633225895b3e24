"""The cell: gate equations, the arrays they need, and nothing about time.

A cell's update never touches its big matrices. It receives the projected input and is handed its recurrent product:

    update(carry, x, recur, theta, **per_step) -> (carry, y)

`x` is a named tuple with one array `[*B, H]` a gate (bias included), computed for all times at once outside the loop.
`recur(h, gates=None, kernel="recurrent_kernel")` is the product of a state with a recurrent kernel, one array a gate.
`theta` holds per-unit vectors by name, one row for each batch row. Everything that runs cells over time is in
`jaxrnn.engine`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import getattr_static
from types import FunctionType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.checks import check_features, check_symbols
from jaxrnn.base.dtypes import (
    check_carry_dtype,
    default_float,
    is_integer,
    promote,
    state_dtype,
)
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.placement import automatic, fitting, place
from jaxrnn.base.typing import Array, ArrayLike, Axis, Carry, Float, Params, PRNGKeyArray
from jaxrnn.core.aligned import check_aligned
from jaxrnn.core.called import called
from jaxrnn.core.carries import in_order
from jaxrnn.core.closures import still
from jaxrnn.core.kernels import (
    KERNEL,
    check_product,
    columns_of,
    held,
    inputs_of,
    is_elementwise,
    is_multiplied,
    kernel_of,
)
from jaxrnn.core.layer import Layer, check_initial, check_params, entry, refuse_own
from jaxrnn.core.parameter import Parameter
from jaxrnn.core.step import Rows, Step, check_result, repeat_rows, repeat_vectors, run_step
from jaxrnn.core.underivable import without_derivative
from jaxrnn.forms.dense import dense
from jaxrnn.forms.kernel import Kernel, by_columns
from jaxrnn.forms.quantized import holds_matrices

EQUATIONS = "a function of (carry, x, h) or (carry, x, recur, theta)"


@dataclass(frozen=True)
class Update:
    """Gate equations with their options bound: a closure that is equal by value, so equal cells share compilations."""

    equations: Callable[..., tuple[Carry, Array]]
    options: tuple[tuple[str, Any], ...] = ()

    def __call__(
        self, carry: Carry, x: Any, recur: Any, theta: dict[str, Any], **per_step: Array
    ) -> tuple[Carry, Array]:
        options = dict(self.options)
        given = {"carry": carry, "x": x, "recur": recur, "theta": theta}
        result = called(self.equations, "equations", EQUATIONS, given, options | per_step)
        return check_result(name_of(options.get("equations", self.equations)), result, carry)


def multiplied_by(v: Array, kernel: Kernel) -> Array:
    """`v` times all that a kernel stores."""
    return kernel.product(v)


def name_of(function: Any) -> str:
    """The name of a function, of one with arguments bound, or of the class of what is called like one."""
    return getattr(getattr(function, "func", function), "__name__", type(function).__name__)


@dataclass(frozen=True)
class Noise:
    """A random mask that the equations receive: true with `probability`; one a row (`fixed`) or a fresh one a step."""

    name: str
    probability: float
    size: str | int  # H, P or a number
    fixed: bool


@dataclass(frozen=True, repr=False)
class Cell(Layer):
    """A recurrent cell: static, hashable, equal by value, without arrays. `lstm`, `gru`, `gate_cell`, ... make them.

    A cell is its fields: backends and modules read these, and what was compiled for a cell serves every other of the
    same fields. So a subclass may add to it, but not replace a method or a property, which would then count in one
    place and not in another: that is a TypeError. A step of one's own is written as equations (`jaxrnn.gate_cell`).
    """

    name: str  # of the factory, such as "lstm"
    size: int  # H, units
    gates: tuple[str, ...]  # names of the gates, in their order
    carry_type: type  # a NamedTuple of arrays
    carry_sizes: tuple[str | int, ...]  # of each array of the carry: "H", "P", or a number
    update: Any  # an Update; in the engine, equations that were traced
    parameters: tuple[tuple[str, Parameter], ...]  # name and declaration of each array
    projection: int | None = None  # P, where outputs are projected
    noises: tuple[Noise, ...] = ()  # what is drawn anew at each step, such as masks
    per_step: tuple[str, ...] = ()  # names of what `scan` is given as `per_step`
    dtype: Any = None  # of products and outputs
    param_dtype: Any = None  # of parameters
    carry_dtype: Any = None  # of the carry, and of what is computed with it
    reads: bool = False  # the inputs themselves: then x holds them once a gate, and the equations multiply the kernel
    paper: str = field(default="", compare=False)  # where its equations come from

    def __init_subclass__(cls, **options: Any) -> None:
        members = {name: getattr_static(Cell, name) for name in dir(Cell) if not name.startswith("__")}
        methods = (name for name, member in members.items() if isinstance(member, FunctionType | property))
        remedy = "Write equations with `jaxrnn.gate_cell`; a loop of one's own goes into `jax.lax.scan`."
        refuse_own(cls, Cell, methods, "a cell is its fields, and runs by them alone", remedy)
        super().__init_subclass__(**options)

    def __repr__(self) -> str:
        return self.made or f"{self.name}({self.size}, ...)"

    # ---- what a layer has

    @property
    def output_size(self) -> int:
        return self.projection or self.size

    @property
    def axes(self) -> int:
        return max((p.form.axes for _, p in self.parameters if p.form is not None), default=0)

    @property
    def grids(self) -> frozenset[tuple[Any, ...]]:
        vectors = (p for _, p in self.parameters if p.role == "unit" and not self.reads)
        return frozenset(p.shape[1:-1] for p in vectors if len(p.shape) > 2)

    def state_axes(self, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        form = dict(self.parameters)[KERNEL].form
        return axes if form is None else form.positions(axes)

    @property
    def derivable(self) -> bool:
        """Whether all products have a derivative."""
        return all(p.form is None or p.form.derivable for _, p in self.parameters)

    @property
    def noisy(self) -> bool:
        return bool(self.noises)

    @property
    def learns_carry(self) -> bool:
        return any(p.role == "carry" for _, p in self.parameters)

    def declare(self, inputs: int) -> dict[str, Parameter]:
        sizes = self._sizes() | {"D": inputs}
        dtype = self.param_dtype or default_float()
        declared: dict[str, Parameter] = {}
        for name, p in self.parameters:
            declared |= held(name, p.resolve(sizes, dtype), self.gates)
        if self.made_for not in (None, inputs):
            hint = f"A {self.name} is told their number where it is made: by `inputs`, or if it has none, its size."
            fail("inputs", f"{self.made_for}, for which {self!r} was made", inputs, hint)
        return declared

    @property
    def made_for(self) -> int | None:
        """The number of inputs that the cell takes alone; None where it takes any."""
        inputs = dict(self.parameters)[KERNEL].shape[0]
        return inputs if isinstance(inputs, int) else None

    def input_size(self, params: Params) -> int:
        parameter = dict(self.parameters)[KERNEL]
        if parameter.form is not None:
            if not isinstance(params, dict):
                fail("params", "a dict of arrays, as `init` returns", params, kind=TypeError)
            return inputs_of(KERNEL, parameter, params)
        kernel = entry(params, KERNEL)
        if getattr(kernel, "ndim", 0) != 3:
            fail("params['kernel']", "an array of shape (D, G, H)", kernel)
        return kernel.shape[0]

    def carry_shapes(self, batch: tuple[Axis, ...]) -> Carry:
        return self.carry_type(*((*batch, self._size(s)) for s in self.carry_sizes))

    def initial_carry(self, batch: tuple[Axis, ...], params: Params | None = None, dtype: Any = None) -> Carry:
        """The carry before the first step: zeros, or the learned one.

        Args:
            batch: the batch axes *B, a tuple of sizes.
            params: the cell's parameters; needed only where the initial carry is learned. Given, they settle the dtype.
            dtype: of the carry. By default the cell's `carry_dtype`; else that of the parameters, float32 at least.

        Returns:
            The cell's carry, a NamedTuple of arrays `[*B, H]` (`[*B, P]` for a projected state).

        Raises:
            TypeError: `batch` is not a tuple of sizes, or `dtype` not a floating dtype.
            ValueError: the initial carry is learned and `params` is missing, or `params` do not fit the cell.
        """
        batch, dtype = check_initial(self, batch, params, dtype)
        if params is None:
            if self.learns_carry:
                fail("params", "given to initial_carry, since this cell learns its initial carry", Said("None"))
            dtype = dtype or self.carry_dtype_for(self.param_dtype or default_float())
        else:
            dtype = dtype or self.carry_dtype_for(self._kernel(KERNEL, params).dtype)
        shapes = self.carry_shapes(batch)
        if not self.learns_carry:
            return self.carry_type(*(jnp.zeros(s, dtype) for s in shapes))
        learned = (params[f"initial_{f}"] for f in shapes._fields)  # type: ignore[index]
        return self.carry_type(*(repeat_rows(a.astype(dtype), batch) for a in learned))

    def pack(self, carry: Any, argument: str = "carry") -> Carry:
        fields = len(self.carry_sizes)
        if fields == 1 and not isinstance(carry, tuple):
            carry = (carry,)
        if not isinstance(carry, tuple) or len(carry) != fields:
            fail(argument, self._carry_text(), carry, kind=TypeError)
        return self.carry_type(*in_order(carry, self.carry_type._fields, argument, self._carry_text()))  # type: ignore[attr-defined]

    def _carry_text(self) -> str:
        return f"a {self.carry_type.__name__}({', '.join(self.carry_type._fields)}) of arrays"  # type: ignore[attr-defined]

    # ---- one step

    def one_step(
        self, params: Params, carry: Carry, x: Array, rng: PRNGKeyArray | None, step: Any, per_step: dict[str, Any]
    ) -> tuple[Carry, Array]:
        if not self.derivable:
            params, carry, x, per_step = without_derivative(self.name, (params, carry, x, per_step))
        batch = jax.tree.leaves(carry)[0].shape[:-1]
        given = {name: a for name, a in per_step.items() if name in self.accepted}
        dtype = self.compute_dtype(params, x)
        check_carry_dtype(carry, dtype)
        check_aligned(self, given, batch, state_dtype(carry))
        rows = Rows(self.theta(params, batch, state_dtype(carry), rng), None)
        noise = self.draw(rng, step, batch)
        projected = not self.reads_densely or (is_integer(x.dtype) and not self.derivable)
        read = Step(self.projection_of(params, x) if projected else jnp.asarray(x), per_step=noise | given)
        carry, y = run_step(still(self), params, dtype, rows, carry, read, projected=projected)
        return carry, y.astype(dtype)

    # ---- the pieces that the engine arranges

    def project(self, params: Params, xs: ArrayLike) -> Float[Array, "*_ G H"]:
        """The input projection by itself, bias included: x @ kernel + bias for every gate.

        Args:
            params: the cell's parameters.
            xs: inputs `[..., D]`, or integers `[...]` that pick rows of the kernel.

        Returns:
            `[..., G, H]` in the cell's dtype; `jaxrnn.scan(..., projected=True)` takes it in place of xs.

        Raises:
            ValueError, TypeError: an argument does not fit the cell; the message names it.

        >>> import jax, jaxrnn
        >>> cell = jaxrnn.gru(4)
        >>> params = cell.init(jax.random.key(0), inputs=3)
        >>> cell.project(params, jax.numpy.ones((7, 2, 3))).shape
        (7, 2, 3, 4)
        """
        check_params(self, params)
        check_features(xs, self.input_size(params), "xs")
        check_symbols(xs, self.input_size(params), "xs")
        at = place(xs)[: xs.ndim - (not is_integer(xs.dtype))]
        units = place(self._kernel(KERNEL, params).arrays[-1])[-1]
        places = lambda mesh, z: fitting(mesh, (*at, None), units, z.shape[-1])  # noqa: E731
        return automatic(self.projection_of, (params, xs), places)

    def projection_of(
        self, params: Params, xs: ArrayLike, multiply: Callable[[Array, Kernel], Array] = multiplied_by
    ) -> Array:
        """`project` of arguments that are checked."""
        if not self.derivable:
            params, xs = without_derivative(self.name, (params, xs))
        dtype = self.compute_dtype(params, xs)
        kernel = self.input_kernel(params, dtype)
        if self.reads:
            x = jax.nn.one_hot(xs, kernel.inputs, dtype=dtype) if is_integer(xs.dtype) else jnp.asarray(xs, dtype)
            return jnp.broadcast_to(x[..., None, :], (*x.shape[:-1], len(self.gates), x.shape[-1]))
        z = kernel.read(jnp.asarray(xs)) if is_integer(xs.dtype) else multiply(jnp.asarray(xs, dtype), kernel)
        check_product(KERNEL, kernel, xs.shape if is_integer(xs.dtype) else xs.shape[:-1], z)
        z = by_columns(z, kernel.columns)  # type: ignore[arg-type]
        if self.has_input_bias:
            z = z + repeat_rows(self.input_bias(params, dtype), z.shape[:-2])
        return z

    def input_bias(self, params: Params, dtype: Any) -> Array:
        """The bias of the projection, `[G, H]`; zero at gates without one."""
        return by_columns(params["bias"].astype(dtype), columns_of("bias", dict(self.parameters)["bias"], self.gates))

    @property
    def reads_densely(self) -> bool:
        """Whether inputs are multiplied by one array `[D, G, H]`, and seen no other way."""
        return holds_matrices(dict(self.parameters)[KERNEL].form or dense) and not self.reads

    @property
    def has_input_bias(self) -> bool:
        """Whether the projection includes a bias."""
        bias = dict(self.parameters).get("bias")
        return bias is not None and bias.role == "input"

    def input_kernel(self, params: Params, dtype: Any) -> Kernel:
        """The kernel of the projection, in the dtype of products."""
        return self._kernel(KERNEL, params).astype(dtype)

    def _kernel(self, name: str, params: Params) -> Kernel:
        return kernel_of(name, dict(self.parameters)[name], self.gates, params)

    def compute_dtype(self, params: Params, xs: ArrayLike) -> Any:
        """The dtype of products: the cell's own, else what inputs and kernel promote to."""
        if self.dtype is not None:
            return self.dtype
        kernel = self._kernel(KERNEL, params).dtype
        return promote(xs.dtype, kernel) if not is_integer(xs.dtype) else kernel

    def carry_dtype_for(self, dtype: Any) -> Any:
        """The dtype of gates and carry: the cell's own, else that of the products, float32 at least."""
        return self.carry_dtype or promote(dtype, np.float32)

    def kernels(self, params: Params, dtype: Any) -> dict[str, Kernel]:
        """The recurrent kernels that backends multiply, in the dtype of products."""
        return {name: self._kernel(name, params).astype(dtype) for name, p in self.parameters if is_multiplied(p)}

    def kernel_shapes(self, dtype: Any) -> dict[str, Kernel]:
        """`kernels` of shapes alone."""
        return jax.eval_shape(lambda params: self.kernels(params, dtype), self._array_shapes(dtype))

    def theta_shapes(self, dtype: Any) -> dict[str, jax.ShapeDtypeStruct]:
        """Of one row's vectors."""
        return jax.eval_shape(lambda params: self.theta(params, (), dtype, None), self._array_shapes(dtype))

    def _array_shapes(self, dtype: Any) -> dict[str, jax.ShapeDtypeStruct]:
        declared = self.declare(self._any_inputs).items()
        return {n: jax.ShapeDtypeStruct(p.shape, p.dtype if p.exact else dtype) for n, p in declared}

    @property
    def _any_inputs(self) -> int:
        """A number of inputs that fits the input kernel."""
        if self.made_for is not None:
            return self.made_for
        return 1 if dict(self.parameters)[KERNEL].form is None else self.size

    @property
    def seen(self) -> int:
        """The numbers of x at each gate; where these are inputs, as many as the shapes of kernels have."""
        return self._any_inputs if self.reads else self.size

    def theta(self, params: Params, batch: tuple[Axis, ...], dtype: Any, rng: PRNGKeyArray | None) -> dict[str, Array]:
        """Per-unit vectors, and the masks that stay fixed over time, as one entry a batch row."""
        vectors = {n: self._of_units(params[n], p) for n, p in self.parameters if p.role == "unit"}
        vectors |= {n: self._kernel(n, params).arrays[0] for n, p in self.parameters if is_elementwise(p)}
        repeat = repeat_rows if self.reads else repeat_vectors  # what reads inputs has no positions
        units = {n: repeat(a.astype(dtype), batch) for n, a in vectors.items()}
        fixed = None if rng is None else jax.random.fold_in(rng, 2**32 - 1)  # apart from every time step's key
        return units | self._masks(fixed, batch, fixed=True)

    def _of_units(self, array: Array, parameter: Parameter) -> Array:
        """A vector, also where one number is for all units, unless vectors may be of inputs."""
        one = parameter.shape[-1] == 1 and not self.reads
        return jnp.broadcast_to(array, (*array.shape[:-1], self.size)) if one else array

    def draw(self, rng: PRNGKeyArray | None, t: Any, batch: tuple[Axis, ...]) -> dict[str, Array]:
        """The masks of step `t`: a function of rng and the absolute time alone."""
        if rng is None or all(n.fixed for n in self.noises):
            return {}
        return self._masks(jax.random.fold_in(rng, t), batch, fixed=False)

    @property
    def asked(self) -> frozenset[str]:
        return frozenset(self.per_step)

    @property
    def masks(self) -> dict[str, tuple[int, ...]]:
        return {n.name: self.mask_shape(n) for n in self.noises}

    def _masks(self, rng: PRNGKeyArray | None, batch: tuple[Axis, ...], *, fixed: bool) -> dict[str, Array]:
        if rng is None:
            return {}
        return {
            n.name: jax.random.bernoulli(jax.random.fold_in(rng, index), n.probability, (*batch, *self.mask_shape(n)))
            for index, n in enumerate(self.noises)
            if n.fixed == fixed
        }

    def mask_shape(self, noise: Noise) -> tuple[int]:
        """Of one row's mask."""
        return (self._size(noise.size),)

    def _size(self, size: str | int) -> int:
        return size if isinstance(size, int) else self._sizes()[size]

    def _sizes(self) -> dict[str, int]:
        return {"G": len(self.gates), "H": self.size, "P": self.output_size}
