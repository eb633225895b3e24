"""Single-step cell modules, with the protocol of Flax's cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from flax import nnx

from jaxrnn.base.checks import check_flag, check_function
from jaxrnn.base.dtypes import check_dtype
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Activation, Array, Axis, Initializer, Params
from jaxrnn.cells.elman import elman
from jaxrnn.cells.gru import gru
from jaxrnn.cells.lstm import lstm
from jaxrnn.core.cell import Update
from jaxrnn.core.layer import Layer
from jaxrnn.flax_common.arguments import ConvLSTMArguments, ElmanArguments, GRUArguments, LSTMArguments
from jaxrnn.flax_common.layers import (
    check_carry_init,
    check_deterministic,
    conv_lstm,
    initial_carry,
    make_cell,
    overridden,
    promoted,
    simple,
    step_layer,
)
from jaxrnn.flax_common.variables import NONE, Metadata, Sharding
from jaxrnn.nnx.parameters import Parameters, Rngs


def check_carry_rngs(rngs: Any) -> None:
    """What draws an initial carry, or None."""
    if not isinstance(rngs, Rngs | None):
        fail("rngs", "an nnx.Rngs or an nnx.RngStream, which draws the initial carry", rngs, kind=TypeError)


class CellModule(Parameters, nnx.RNNCellBase):
    """One step of any functional cell, with the protocol of Flax's cells: it runs in `flax.nnx.RNN` as in ours.

    Carries are Flax's, without names: `(c, h)`, or an array where there is one state. A carry with names is taken too,
    and comes back as it was given. A subclass with a `__call__` or an `initialize_carry` of its own runs as it says,
    in our RNN on a lifted scan.

    Args:
        cell: a jaxrnn Cell, or a stack of them.
        in_features: D, the number of input features.
        carry_init: draws the initial carry, zeros without it. (A learned one is the cell's own: `learn_carry=True`.)
        sharding: axis names by parameter name, kept as the variables' `out_sharding`.
        rngs: parameters are drawn from its `params` stream.

    Raises:
        TypeError, ValueError: an argument is of the wrong type or out of range; the message names it.

    >>> import jax.numpy as jnp, jaxrnn
    >>> from flax import nnx
    >>> from jaxrnn.nnx import CellModule
    >>> cell = CellModule(jaxrnn.lstm(4, peepholes=True), 3, rngs=nnx.Rngs(0))
    >>> carry, y = cell(cell.initialize_carry((2, 3)), jnp.ones((2, 3)))
    >>> y.shape, cell.kernel.shape
    ((2, 4), (3, 4, 4))
    """

    def __init__(
        self,
        cell: Layer,
        in_features: int,
        *,
        carry_init: Initializer | None = None,
        sharding: Sharding | None = None,
        rngs: Rngs,
    ):
        if not isinstance(cell, Layer):
            fail("cell", "a jaxrnn Cell, such as jaxrnn.lstm(128)", cell, kind=TypeError)
        check_carry_init(carry_init)
        self._declare(cell, in_features, sharding, rngs)
        self.carry_init = carry_init
        self.deterministic = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._overridden = overridden(cls, CellModule)  # once: `nnx.tabulate` replaces methods for a while

    def __call__(
        self,
        carry: Any,
        inputs: Array,
        *,
        rng: Array | None = None,
        step: Any = 0,
        per_step: Mapping[str, Array] | None = None,
        deterministic: bool | None = None,
    ) -> tuple[Any, Array]:
        """One step.

        Args:
            carry: `(c, h)` for an LSTM, the array h for a GRU or an Elman cell, arrays `[*B, H]`.
            inputs: `[*B, D]`, or integers `[*B]` (equal to one-hot inputs).
            rng: a key for dropout or zoneout, the same at all steps of a sequence; `step`: the absolute time.
            per_step: arrays `[*B, ...]` that the equations ask for by name.
            deterministic: run without noise.

        Returns:
            `(carry, y)`: the carry in the form that came in, and the output `[*B, output_size]`.

        Raises:
            TypeError, ValueError: an argument does not fit the cell; the message names it.
        """
        deterministic = check_deterministic(self, deterministic)
        inputs, params = self._prepared(inputs)
        return step_layer(self.cell, params, carry, inputs, deterministic, rng, step=step, per_step=per_step)

    def initialize_carry(
        self, input_shape: tuple[Axis, ...], rngs: Rngs | None = None, carry_init: Initializer | None = None
    ) -> Any:
        """The carry before the first step, for inputs of `input_shape` (`(*B, D)`).

        Args:
            input_shape: the shape of one step's inputs.
            rngs: draws the carry where `carry_init` is given, here or to the module.
            carry_init: in place of the module's own.

        Returns:
            `(c, h)`, or the array h.

        Raises:
            ValueError: `carry_init` is given without `rngs`.
        """
        carry_init = self.carry_init if carry_init is None else carry_init
        check_carry_init(carry_init)
        rngs = self.rngs if rngs is None else rngs
        check_carry_rngs(rngs)
        if carry_init is not None and rngs is None:
            fail("rngs", "given, since `carry_init` draws the carry", Said("None"))
        stream: Any = rngs.carry if isinstance(rngs, nnx.Rngs) else rngs
        return initial_carry(self.cell, self.params, input_shape, carry_init, lambda n: [stream() for _ in range(n)])

    @property
    def num_feature_axes(self) -> int:
        return 1 + self.cell.axes

    _overridden: frozenset[str] = frozenset()
    rngs: Any = None  # what `keep_rngs` keeps

    @property
    def _own(self) -> frozenset[str]:
        """What this cell does otherwise than its functional cell: "__call__", "initialize_carry"."""
        return self._overridden | ({"initialize_carry"} & vars(self).keys())

    def _prepared(self, inputs: Array) -> tuple[Array, Params]:
        """Inputs and parameters as the functional cell takes them."""
        return inputs, self.params

    def set_view(self, deterministic: bool | None = None) -> None:
        """What `nnx.view` calls.

        Args:
          deterministic: if True, run without noise.
        """
        self.deterministic = check_deterministic(self, deterministic)


class _NamedCell(CellModule):
    """A cell made from the arguments of Flax's own."""

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        carry_init: Initializer | None = None,
        promote_dtype: Callable[..., Any] | None = None,
        keep_rngs: bool = False,
        kernel_metadata: Metadata = NONE,
        recurrent_kernel_metadata: Metadata = NONE,
        bias_metadata: Metadata = NONE,
        sharding: Sharding | None = None,
        rngs: Rngs,
        **options: Any,
    ):
        if check_flag(options.get("learn_carry", False), "learn_carry") and carry_init is not None:
            options, carry_init = options | {"carry_init": carry_init}, None
        check_carry_init(carry_init)
        keep_rngs = check_flag(keep_rngs, "keep_rngs")
        self._promote = None
        self._dtype = check_dtype(options.get("dtype"), "dtype")
        if promote_dtype is not None:
            check_function(promote_dtype, "promote_dtype", "a function of a tuple of arrays, and `dtype=`")
            if promote_dtype is not nnx.nn.dtypes.promote_dtype:
                self._promote, options = promote_dtype, options | {"dtype": None}
        cell = make_cell(self._factory, hidden_features, "hidden_features", options)
        metadata = {
            "kernel": kernel_metadata,
            "recurrent_kernel": recurrent_kernel_metadata,
            "bias": bias_metadata,
            "recurrent_bias": bias_metadata,
        }
        self._declare(cell, in_features, sharding, rngs, metadata)
        self.hidden_features = hidden_features
        self.carry_init = carry_init
        self.deterministic = False
        self.rngs = nnx.data((rngs.carry if isinstance(rngs, nnx.Rngs) else rngs).fork() if keep_rngs else None)

    def _prepared(self, inputs: Array) -> tuple[Array, Params]:
        if self._promote is None:
            return inputs, self.params
        return promoted(self._promote, self._dtype, inputs, self.params)

    # ---- what Flax's cells have for attributes

    @property
    def dtype(self) -> Any:
        """The dtype of products and outputs; None for what inputs and parameters promote to."""
        return self._dtype

    @property
    def param_dtype(self) -> Any:
        """The dtype of the parameters."""
        return self.cell.declare(self.in_features)["kernel"].dtype

    @property
    def promote_dtype(self) -> Callable[..., Any]:
        """What promotes inputs and parameters."""
        return nnx.nn.dtypes.promote_dtype if self._promote is None else self._promote

    @property
    def activation_fn(self) -> Activation:
        """The function of the candidate, and of the cell state on its way out."""
        return self._option("activation")

    @activation_fn.setter
    def activation_fn(self, function: Activation) -> None:
        self._set("activation_fn", function, "activation", "output_activation")

    def _option(self, name: str) -> Any:
        return dict(self.cell.update.options)[name]

    def _set(self, argument: str, function: Any, *names: str) -> None:
        """Another function in the equations."""
        check_function(function, argument)
        options = ((n, function if n in names else v) for n, v in self.cell.update.options)
        self.cell = replace(self.cell, update=Update(self.cell.update.equations, tuple(options)))


class _GatedCell(_NamedCell):
    """A cell with gates."""

    @property
    def gate_fn(self) -> Activation:
        """The function of the gates."""
        return self._option("gate_activation")

    @gate_fn.setter
    def gate_fn(self, function: Activation) -> None:
        self._set("gate_fn", function, "gate_activation")


class LSTMCell(_GatedCell):
    """One step of `jaxrnn.lstm`; takes the place of `flax.nnx.LSTMCell` and `OptimizedLSTMCell`.

    Takes Flax's arguments, `(in_features, hidden_features, *, rngs)`, `gate_fn`, `activation_fn`, `kernel_init`,
    `recurrent_kernel_init`, `bias_init`, `dtype`, `param_dtype`, `carry_init`, `promote_dtype`, `keep_rngs`,
    `kernel_metadata`, `recurrent_kernel_metadata`, `bias_metadata`, and every option of `jaxrnn.lstm`.

    It starts otherwise than Flax's: glorot kernels, and a forget gate with bias 1. As Flax starts:
    `LSTMCell(3, 8, kernel_init=jax.nn.initializers.lecun_normal(), forget_bias=0.0, rngs=rngs)`.
    `jaxrnn.flax_common.promise` says of every argument whether it is Flax's, and what is not.

    >>> from flax import nnx
    >>> from jaxrnn.nnx import LSTMCell
    >>> LSTMCell(3, 8, projection=4, rngs=nnx.Rngs(0)).recurrent_kernel.shape
    (4, 4, 8)
    """

    _factory = staticmethod(lstm)
    if TYPE_CHECKING:

        def __init__(
            self, in_features: int, hidden_features: int, *, rngs: Rngs, **options: Unpack[LSTMArguments]
        ) -> None: ...


OptimizedLSTMCell = LSTMCell  # Flax's other name for the same equations


class ConvLSTMCell(_GatedCell):
    """One step of an LSTM whose products are convolutions; `jaxrnn.linen.ConvLSTMCell` in NNX, where Flax has none.

    Inputs are `[*B, *S, D]`, with as many axes *S as the window has; states and outputs `[*B, *S, hidden_features]`.
    Takes `kernel_size`, `strides` and `padding` (of `flax.linen.ConvLSTMCell`) by name, and the arguments of
    `LSTMCell`.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.nnx import RNN, ConvLSTMCell
    >>> cell = ConvLSTMCell(1, 4, kernel_size=(3, 3), rngs=nnx.Rngs(0))
    >>> RNN(cell)(jnp.ones((2, 7, 16, 16, 1))).shape, cell.kernel.shape
    ((2, 7, 16, 16, 4), (3, 3, 1, 4, 4))
    """

    _factory = staticmethod(conv_lstm)
    if TYPE_CHECKING:

        def __init__(
            self, in_features: int, hidden_features: int, *, rngs: Rngs, **options: Unpack[ConvLSTMArguments]
        ) -> None: ...


class GRUCell(_GatedCell):
    """One step of `jaxrnn.gru`; takes the place of `flax.nnx.GRUCell`, and every option of `jaxrnn.gru`.

    Arguments as for `LSTMCell`. It starts with glorot kernels; as Flax's with
    `kernel_init=jax.nn.initializers.lecun_normal()`. `recurrent_bias`, the bias inside the reset, is absent from
    Flax's NNX cell (its linen cell has it) and zero at first.

    >>> from flax import nnx
    >>> from jaxrnn.nnx import GRUCell
    >>> GRUCell(3, 4, reset_after=False, rngs=nnx.Rngs(0)).initialize_carry((2, 3)).shape
    (2, 4)
    """

    _factory = staticmethod(gru)
    if TYPE_CHECKING:

        def __init__(
            self, in_features: int, hidden_features: int, *, rngs: Rngs, **options: Unpack[GRUArguments]
        ) -> None: ...


class SimpleCell(_NamedCell):
    """One step of Flax's SimpleCell, `h' = activation_fn(x @ kernel + bias + h @ recurrent_kernel)`.

    With `residual` the old state is added inside the activation. Arguments as for `LSTMCell`, without `gate_fn`; as
    Flax's it starts with `kernel_init=jax.nn.initializers.lecun_normal()`. `ElmanCell` has leaks, and a residual that
    is added outside.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.nnx import SimpleCell
    >>> cell = SimpleCell(3, 4, residual=True, rngs=nnx.Rngs(0))
    >>> cell(jnp.zeros((2, 4)), jnp.ones((2, 3)))[1].shape
    (2, 4)
    """

    _factory = staticmethod(simple)

    @property
    def residual(self) -> bool:
        """Whether the old state is added inside the activation."""
        return bool(self._option("residual"))


class ElmanCell(_NamedCell):
    """One step of `jaxrnn.elman`; arguments as for `LSTMCell`, and every option of `jaxrnn.elman`.

    Without options it is Flax's SimpleCell; `residual` differs from Flax's, see `SimpleCell`.

    >>> from flax import nnx
    >>> from jaxrnn.nnx import ElmanCell
    >>> ElmanCell(3, 4, leak=0.5, rngs=nnx.Rngs(0)).bias.shape
    (1, 4)
    """

    _factory = staticmethod(elman)
    if TYPE_CHECKING:

        def __init__(
            self, in_features: int, hidden_features: int, *, rngs: Rngs, **options: Unpack[ElmanArguments]
        ) -> None: ...
