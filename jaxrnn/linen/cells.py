"""Single-step cell modules, with the protocol of Flax's cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxrnn.base.checks import check_features, check_flag, check_size
from jaxrnn.base.dtypes import is_float
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.hints import Spelled
from jaxrnn.base.typing import Array, Axis, Initializer, Params, PRNGKeyArray
from jaxrnn.core.layer import Layer
from jaxrnn.flax_common.layers import check_carry_init, check_deterministic, initial_carry, step_layer
from jaxrnn.flax_common.variables import Sharding, check_sharding
from jaxrnn.linen.options import ConvLSTMOptions, ElmanOptions, GRUOptions, LSTMOptions, SimpleOptions


def declare(module: nn.Module, layer: Layer, inputs: Any, in_features: int | None, sharding: Sharding | None) -> Params:
    """A layer's parameters as linen's, nested as the functional ones; drawn where the module is initialised."""
    given = nn.meta.unbox(module.variables.get("params", {}))
    floats = is_float(getattr(inputs, "dtype", None))
    if given:
        in_features = layer.input_size(given)
        check_features(inputs, in_features, "inputs")
    elif in_features is not None:
        check_size(in_features, "in_features")
        check_features(inputs, in_features, "inputs")
    elif not floats or not inputs.ndim:
        fail(
            "in_features",
            "given to the module where the inputs are integers: it is their number of symbols",
            Said("None"),
        )
    else:
        in_features = inputs.shape[-1]
    declared = layer.declare(in_features)
    sharding = check_sharding(declared, sharding)
    return {name: module.param(name, partial(_draw, name, inner, sharding)) for name, inner in declared.items()}


def _draw(name: str, declared: Any, sharding: Sharding, key: PRNGKeyArray) -> Any:
    if isinstance(declared, dict):
        keys = jax.random.split(key, len(declared))
        return {n: _draw(n, inner, sharding, k) for (n, inner), k in zip(declared.items(), keys, strict=True)}
    value = declared.init(key, declared.shape, declared.dtype)
    return nn.Partitioned(value, names=sharding[name]) if name in sharding else value


def _split(key: PRNGKeyArray, number: int) -> Any:
    """As Flax's cells do."""
    return [key] if number == 1 else jax.random.split(key, number)


def noise_key(module: Any, layer: Layer, deterministic: bool | None) -> PRNGKeyArray | None:
    """A key from the `dropout` stream, for a layer with noise that is not deterministic."""
    if check_deterministic(module, deterministic) or not layer.noisy:
        return None
    if not module.has_rng("dropout") and not module.is_initializing():
        fail("rngs", "a dict with a `dropout` key, for a layer with noise", Said("none"), "Or pass deterministic=True.")
    return module.make_rng("dropout")


class SingleStep(Spelled, nn.RNNCellBase):
    """One step of a functional cell."""

    _interface = "linen"
    _: KW_ONLY
    in_features: int | None = None
    deterministic: bool = False
    sharding: Sharding | None = None

    @property
    def functional(self) -> Layer:
        """The functional cell."""
        raise NotImplementedError

    @property
    def initializer(self) -> Initializer | None:
        """What draws the initial carry, if it is drawn."""
        return self.carry_init

    def fitted(self, carry: Any, argument: str = "carry") -> Layer:
        """The functional cell for this carry."""
        return self.functional

    @nn.compact
    def functional_params(self, inputs: Array, layer: Layer | None = None) -> Params:
        """The parameters as `cell.step` and `jaxrnn.scan` take them, of `functional` unless another layer is given."""
        return declare(self, layer or self.functional, inputs, self.in_features, self.sharding)

    def __call__(
        self,
        carry: Any,
        inputs: Array,
        *,
        rng: PRNGKeyArray | None = None,
        step: Any = 0,
        per_step: Mapping[str, Array] | None = None,
        deterministic: bool | None = None,
    ) -> tuple[Any, Array]:
        """One step; see `jaxrnn.nnx.CellModule.__call__`."""
        layer = self.fitted(carry)
        params = self.functional_params(inputs, layer)
        deterministic = check_deterministic(self, deterministic)
        return step_layer(layer, params, carry, inputs, deterministic, rng, step=step, per_step=per_step)

    @nn.nowrap
    def initialize_carry(self, rng: PRNGKeyArray, input_shape: tuple[Axis, ...]) -> Any:
        """The carry before the first step.

        Args:
            rng: a key, used only where the carry is drawn (`carry_init`).
            input_shape: the shape of one step's inputs, `(*B, D)`.

        Returns:
            `(c, h)`, or the array h.

        Raises:
            ValueError: the cell learns its initial carry, and the module is not bound to parameters.
        """
        layer, params = self.functional, None
        if layer.learns_carry:
            if self.scope is None:
                expected = "called in `init` or `apply`, where the parameters are: the cell learns its initial carry"
                fail("initialize_carry", expected, Said("a module that is not bound"))
            params = self.functional_params(jnp.zeros(input_shape))
        return initial_carry(layer, params, input_shape, self.initializer, partial(_split, rng))

    @property
    def num_feature_axes(self) -> int:
        return 1 + self.functional.axes


class CellModule(SingleStep):
    """One step of any functional cell, with the protocol of Flax's cells: it runs in `flax.linen.RNN` as in ours.

    Carries are Flax's, without names: `(c, h)`, or an array where there is one state. A carry with names is taken too,
    and comes back as it was given. A subclass with a `__call__` or an `initialize_carry` of its own runs as it says,
    in our RNN on a lifted scan.

    Attributes:
        cell: a jaxrnn Cell, or a stack of them.
        carry_init: draws the initial carry, zeros without it. (A learned one is the cell's own: `learn_carry=True`.)
        in_features: D, needed only to initialise for integer inputs.
        deterministic: run without noise.
        sharding: axis names by parameter name; those parameters are `nn.Partitioned`.

    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> from jaxrnn.linen import CellModule
    >>> cell, x = CellModule(jaxrnn.lstm(4, peepholes=True)), jnp.ones((2, 3))
    >>> carry = cell.initialize_carry(jax.random.key(0), x.shape)
    >>> variables = cell.init(jax.random.key(0), carry, x)
    >>> cell.apply(variables, carry, x)[1].shape
    (2, 4)
    """

    cell: Layer
    carry_init: Initializer | None = None

    @property
    def functional(self) -> Layer:
        if not isinstance(self.cell, Layer):
            fail("cell", "a jaxrnn Cell, such as jaxrnn.lstm(128)", self.cell, kind=TypeError)
        check_carry_init(self.carry_init)
        return self.cell


class _NamedCell(SingleStep):
    """A cell made from the arguments of Flax's own; `carry_init` is the core's where the carry is learned."""

    @property
    def functional(self) -> Layer:
        if self.learns_carry:
            return self.make_cell()
        check_carry_init(self.carry_init)
        return self.make_cell("carry_init")

    @property
    def learns_carry(self) -> bool:
        """Whether the initial carry is a parameter."""
        return self.learn_carry is not None and check_flag(self.learn_carry, "learn_carry")

    @property
    def initializer(self) -> Initializer | None:
        return None if self.learns_carry else self.carry_init

    def fitted(self, carry: Any, argument: str = "carry") -> Layer:
        """With the parameters' size, or where there are none the carry's: as in Flax, `features` need not be either."""
        layer: Any = self.functional
        given = nn.meta.unbox(self.variables.get("params", {}))
        held = next(iter(jax.tree.leaves(layer.pack(carry, argument))), None)
        size = getattr(given.get("kernel", held), "shape", ())[-1:]
        return replace(layer, size=size[0]) if size and size[0] else layer


class LSTMCell(_NamedCell, LSTMOptions):
    """One step of `jaxrnn.lstm`; takes the place of `flax.linen.LSTMCell` and `OptimizedLSTMCell`.

    Takes Flax's arguments in Flax's order, `(features, gate_fn, activation_fn, kernel_init, recurrent_kernel_init,
    bias_init, dtype, param_dtype, carry_init)`; by name every option of `jaxrnn.lstm`, and the attributes of
    `CellModule`.

    It starts otherwise than Flax's: glorot kernels, and a forget gate with bias 1. As Flax starts:
    `LSTMCell(8, kernel_init=jax.nn.initializers.lecun_normal(), forget_bias=0.0)`. `jaxrnn.flax_common.promise` says of
    every argument whether it is Flax's, and what is not.

    >>> import jax, jax.numpy as jnp
    >>> from jaxrnn.linen import LSTMCell
    >>> cell, x = LSTMCell(8, projection=4), jnp.ones((2, 3))
    >>> carry = cell.initialize_carry(jax.random.key(0), x.shape)
    >>> cell.init(jax.random.key(0), carry, x)["params"]["recurrent_kernel"].shape
    (4, 4, 8)
    """


OptimizedLSTMCell = LSTMCell  # Flax's other name for the same equations


class ConvLSTMCell(_NamedCell, ConvLSTMOptions):
    """One step of an LSTM whose products are convolutions; takes the place of `flax.linen.ConvLSTMCell`.

    Inputs are `[*B, *S, D]`, with as many axes *S as the window has; states and outputs `[*B, *S, features]`. Takes
    Flax's arguments in Flax's order, `(features, kernel_size, strides, padding, use_bias, dtype, param_dtype,
    carry_init)`; by name every other option of `LSTMCell`.

    `strides` and a `padding` that makes the grid smaller are those of the input alone. It starts otherwise than Flax's;
    as that with `lecun_normal` for `kernel_init` and for `recurrent_kernel_init`, both of `jax.nn.initializers`.

    >>> import jax, jax.numpy as jnp
    >>> from jaxrnn.linen import RNN, ConvLSTMCell
    >>> rnn, films = RNN(ConvLSTMCell(4, (3, 3))), jnp.ones((2, 7, 16, 16, 1))
    >>> variables = rnn.init(jax.random.key(0), films)
    >>> rnn.apply(variables, films).shape, variables["params"]["cell"]["kernel"].shape
    ((2, 7, 16, 16, 4), (3, 3, 1, 4, 4))
    """


class GRUCell(_NamedCell, GRUOptions):
    """One step of `jaxrnn.gru`; arguments as for `LSTMCell`, and every option of `jaxrnn.gru`.

    It starts with glorot kernels; as Flax's with `kernel_init=jax.nn.initializers.lecun_normal()`.

    >>> import jax
    >>> from jaxrnn.linen import GRUCell
    >>> GRUCell(4, reset_after=False).initialize_carry(jax.random.key(0), (2, 3)).shape
    (2, 4)
    """


class SimpleCell(_NamedCell, SimpleOptions):
    """One step of Flax's SimpleCell, `h' = activation_fn(x @ kernel + bias + h @ recurrent_kernel)`.

    With `residual` the old state is added inside the activation. Flax's arguments in Flax's order: those of `LSTMCell`
    without `gate_fn`, then `residual`. As Flax's it starts with `kernel_init=jax.nn.initializers.lecun_normal()`.
    `ElmanCell` has leaks, and a residual that is added outside.

    >>> import jax, jax.numpy as jnp
    >>> from jaxrnn.linen import SimpleCell
    >>> cell, carry, x = SimpleCell(4, residual=True), jnp.zeros((2, 4)), jnp.ones((2, 3))
    >>> cell.init_with_output(jax.random.key(0), carry, x)[0][1].shape
    (2, 4)
    """


class ElmanCell(_NamedCell, ElmanOptions):
    """One step of `jaxrnn.elman`; arguments as for `LSTMCell`, and every option of `jaxrnn.elman`.

    Without options it is Flax's SimpleCell; `residual` differs from Flax's, see `SimpleCell`.

    >>> import jax
    >>> from jaxrnn.linen import ElmanCell
    >>> ElmanCell(4, leak=0.5).initialize_carry(jax.random.key(0), (2, 3)).shape
    (2, 4)
    """
