"""Single-step cell modules, with the protocol of Flax's cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flax import nnx

from jaxrnn.cell import Cell
from jaxrnn.cells.elman import elman
from jaxrnn.cells.gru import gru
from jaxrnn.cells.lstm import lstm
from jaxrnn.errors import Said, fail
from jaxrnn.flax_common.layers import Sharding, initial_carry, make_cell, step_layer
from jaxrnn.layer import Layer
from jaxrnn.nnx.parameters import Parameters, Rngs
from jaxrnn.typing import Array, Initializer


class CellModule(Parameters, nnx.RNNCellBase):
    """One step of any functional cell, with the protocol of Flax's cells: it runs in `flax.nnx.RNN` as in ours.

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
        self._declare(cell, in_features, sharding, rngs)
        self.carry_init = carry_init
        self.deterministic = False

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
        deterministic = self.deterministic if deterministic is None else deterministic
        return step_layer(self.cell, self.params, carry, inputs, deterministic, rng, step=step, per_step=per_step)

    def initialize_carry(
        self, input_shape: tuple[int, ...], rngs: Rngs | None = None, carry_init: Initializer | None = None
    ) -> Any:
        """The carry before the first step, for inputs of `input_shape` (`(*B, D)`).

        Args:
            input_shape: the shape of one step's inputs.
            rngs: draws the carry where `carry_init` is given, here or to the module.
            carry_init: in place of the module's own.

        Returns:
            `LSTMCarry(c, h)`, or the array h.

        Raises:
            ValueError: `carry_init` is given without `rngs`.
        """
        carry_init = carry_init or self.carry_init
        if carry_init is not None and rngs is None:
            fail("rngs", "given, since `carry_init` draws the carry", Said("None"))
        stream: Any = rngs.carry if isinstance(rngs, nnx.Rngs) else rngs
        return initial_carry(self.cell, self.params, input_shape, carry_init, lambda n: [stream() for _ in range(n)])

    @property
    def num_feature_axes(self) -> int:
        return 1

    def set_view(self, deterministic: bool | None = None) -> None:
        """What `nnx.view` calls.

        Args:
          deterministic: if True, run without noise.
        """
        self.deterministic = self.deterministic if deterministic is None else deterministic


class _NamedCell(CellModule):
    """A cell made from the arguments of Flax's own."""

    factory: Callable[..., Cell]

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        *,
        carry_init: Initializer | None = None,
        sharding: Sharding | None = None,
        rngs: Rngs,
        **options: Any,
    ):
        if options.get("learn_carry") and carry_init is not None:
            options, carry_init = options | {"carry_init": carry_init}, None
        cell = make_cell(self.factory, hidden_features, "hidden_features", options)
        super().__init__(cell, in_features, carry_init=carry_init, sharding=sharding, rngs=rngs)
        self.hidden_features = hidden_features


class LSTMCell(_NamedCell):
    """One step of `jaxrnn.lstm`.

    Takes `(in_features, hidden_features, *, rngs)`, Flax's `gate_fn`, `activation_fn`, `kernel_init`,
    `recurrent_kernel_init`, `bias_init`, `dtype`, `param_dtype`, `carry_init`, and every option of `jaxrnn.lstm`.

    >>> from flax import nnx
    >>> from jaxrnn.nnx import LSTMCell
    >>> LSTMCell(3, 8, projection=4, rngs=nnx.Rngs(0)).recurrent_kernel.shape
    (4, 4, 8)
    """

    factory = staticmethod(lstm)


class GRUCell(_NamedCell):
    """One step of `jaxrnn.gru`; arguments as for `LSTMCell`, and every option of `jaxrnn.gru`.

    >>> from flax import nnx
    >>> from jaxrnn.nnx import GRUCell
    >>> GRUCell(3, 4, reset_after=False, rngs=nnx.Rngs(0)).initialize_carry((2, 3)).shape
    (2, 4)
    """

    factory = staticmethod(gru)


class ElmanCell(_NamedCell):
    """One step of `jaxrnn.elman`, Flax's SimpleCell; arguments as for `LSTMCell`, and every option of `jaxrnn.elman`.

    >>> from flax import nnx
    >>> from jaxrnn.nnx import ElmanCell
    >>> ElmanCell(3, 4, leak=0.5, rngs=nnx.Rngs(0)).bias.shape
    (1, 4)
    """

    factory = staticmethod(elman)
