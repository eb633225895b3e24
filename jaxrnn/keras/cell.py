"""What Keras's cells share: Keras's weights, and the cell of jaxrnn with its parameters that the engine runs.

Weights stay in Keras's layout, `kernel [D, G H]`, `recurrent_kernel [H, G H]` and `bias [G H]`, for three reasons: a
regulariser or constraint sees the matrix that Keras would show it, an initialiser draws that matrix, and a GRU with
`reset_after` has the two biases that an optimiser moves in Keras. `params` are the same numbers as the engine takes
them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrnn.base.checks import check_choice, check_features, check_flag, check_rate, check_size
from jaxrnn.base.errors import fail
from jaxrnn.base.hints import refuse_unknown
from jaxrnn.base.typing import Array, Carry, Initializer, Params
from jaxrnn.core.cell import Cell
from jaxrnn.engine.masks import clean
from jaxrnn.engine.scan import scan
from jaxrnn.functions.constraints import CONSTRAINTS
from jaxrnn.functions.regularizers import REGULARIZERS
from jaxrnn.interop import arithmetic, rows
from jaxrnn.keras.dropout import drop_inputs, gate_dropout, input_masks, project_each
from jaxrnn.keras.identifiers import check_seed, get, get_dtypes
from jaxrnn.keras.initializers import draw, get_initializer
from jaxrnn.keras.states import carry_dtype, from_states, to_states
from jaxrnn.keras.weights import Weights
from jaxrnn.nnx.parameters import Rngs

DEFAULTS = {"kernel": "glorot_uniform", "recurrent": "orthogonal", "bias": "zeros"}  # of the initialisers


class WeightOptions(TypedDict, total=False):
    """What every cell takes by name, with Keras's defaults.

    kernel_initializer ("glorot_uniform"), recurrent_initializer ("orthogonal"), bias_initializer ("zeros"): Keras's
    name or configuration, a function of (key, shape, dtype) or of (shape, dtype), or an array. kernel_regularizer,
    recurrent_regularizer, bias_regularizer: see `jaxrnn.regularizers`. kernel_constraint, recurrent_constraint,
    bias_constraint: see `jaxrnn.constraints`. dropout, recurrent_dropout: rates of the inputs and of the recurrent
    state. seed: an integer from which masks are drawn, in place of `rngs`. dtype: None, a dtype, or "mixed_bfloat16".
    """

    kernel_initializer: Any
    recurrent_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    recurrent_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    recurrent_constraint: Any
    bias_constraint: Any
    dropout: float
    recurrent_dropout: float
    seed: int | None
    dtype: Any


class CellOptions(WeightOptions, total=False):
    """`WeightOptions`, and implementation: with 1 each gate has a mask of its own on the inputs; else no effect."""

    implementation: int


class KerasCell(Weights):
    """What Keras's cells share. A subclass says which cell of jaxrnn it is, and which row of conventions it has."""

    row: rows.Row  # Keras's order of gates and layout of weights
    kernel: nnx.Param
    recurrent_kernel: nnx.Param
    bias: nnx.Param | None
    kernel_initializer: Initializer
    recurrent_initializer: Initializer
    bias_initializer: Initializer
    dropout_rngs: Any  # the stream of masks, or None

    def _build(
        self,
        row: str,
        make: Callable[..., Cell],
        units: int,
        use_bias: bool,
        in_features: Any,
        rngs: Any,
        given: CellOptions,
    ) -> None:
        self.row = rows.named("keras", row)
        refuse_unknown(type(self).__name__, given, CellOptions.__annotations__, "keras")
        units = check_size(units, "units")
        in_features = check_size(in_features, "in_features")
        use_bias = check_flag(use_bias, "use_bias")
        if not isinstance(rngs, Rngs):
            fail("rngs", "an nnx.Rngs, from which weights are drawn", rngs, kind=TypeError)
        self.units = units
        self.in_features = in_features
        self.use_bias = use_bias
        self.implementation = check_choice(given.get("implementation", 2), "implementation", (0, 1, 2))
        self.dropout = check_rate(given.get("dropout", 0.0), "dropout")
        self.recurrent_dropout = check_rate(given.get("recurrent_dropout", 0.0), "recurrent_dropout")
        for array, default in DEFAULTS.items():
            name = f"{array}_initializer"
            setattr(self, name, get_initializer(given.get(name, default), name))
            for suffix, known in (("regularizer", REGULARIZERS), ("constraint", CONSTRAINTS)):
                name = f"{array}_{suffix}"
                setattr(self, name, get(given.get(name), known, name))
        dtype, param_dtype = get_dtypes(given.get("dtype"))
        cell = make(units, use_bias=use_bias, dtype=dtype, param_dtype=param_dtype)
        self.functional = gate_dropout(cell, self.recurrent_dropout) if self.recurrent_dropout else cell
        self.seed = check_seed(given.get("seed"))
        self.dropout_rngs = nnx.data(None)
        self.reinitialize(rngs)

    # ---- weights

    def reinitialize(self, rngs: Rngs) -> None:
        """Draw all weights afresh from `rngs`, and where there is no `seed` take the masks from it too."""
        drawn = self._draw(rngs.params() if isinstance(rngs, nnx.Rngs) else rngs())
        for name in ("kernel", "recurrent_kernel", "bias"):
            setattr(self, name, nnx.Param(drawn[name]) if name in drawn else None)
        if not self.dropout and not self.recurrent_dropout:
            return
        if self.seed is not None:
            self.dropout_rngs = nnx.RngStream(self.seed, tag="dropout")
        elif isinstance(rngs, nnx.RngStream):
            self.dropout_rngs = rngs.fork()
        elif "dropout" in rngs or "default" in rngs:
            self.dropout_rngs = rngs.dropout.fork()
        else:
            fail("rngs", "an nnx.Rngs with a `dropout` stream, since masks are drawn from it", rngs, "Or give `seed`.")

    def _draw(self, key: Array) -> dict[str, Array]:
        sizes = arithmetic.sizes_of(self.functional, self.in_features)
        shapes = {array.name: arithmetic.shape(self.row, array, sizes) for array in self.row.arrays}
        dtype = self.functional.declare(self.in_features)["kernel"].dtype
        first, second, third = jax.random.split(key, 3)
        kernel = draw(self.kernel_initializer, first, shapes["kernel"], dtype, "kernel_initializer")
        recurrent = draw(self.recurrent_initializer, second, shapes["recurrent_kernel"], dtype, "recurrent_initializer")
        bias = {"bias": self._draw_bias(third, shapes["bias"], dtype)} if self.use_bias else {}
        return {"kernel": kernel, "recurrent_kernel": recurrent} | bias

    def _draw_bias(self, key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        return draw(self.bias_initializer, key, shape, dtype, "bias_initializer")

    @property
    def variables(self) -> list[nnx.Variable]:
        return [v for v in (self.kernel, self.recurrent_kernel, self.bias) if v is not None]

    @property
    def params(self) -> dict[str, Array]:
        """The parameters of `functional`, as `jaxrnn.scan` takes them."""
        weights = {"kernel": self.kernel, "recurrent_kernel": self.recurrent_kernel, "bias": self.bias}
        given = {name: weight[...] for name, weight in weights.items() if weight is not None}
        return arithmetic.to_ours(self.row, self.functional, self.in_features, given)

    # ---- running

    @property
    def noisy(self) -> bool:
        """Whether training draws masks."""
        return bool(self.dropout or self.recurrent_dropout)

    _own: frozenset[str] = frozenset()  # what a subclass does otherwise than the functional cell

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = cls.__call__ is not KerasCell.__call__
        cls._own = frozenset({"__call__"} if own else ())  # once: `nnx.tabulate` replaces methods for a while

    def _run(
        self, xs: Array, carry: Carry, valid: Array | None, *, reverse: bool, training: bool
    ) -> tuple[Carry, Array]:
        """The cell over a checked sequence `[T, B, D]`; `jaxrnn.scan` with Keras's dropout before it."""
        params, rng, projected = self.params, None, False
        if training and self.noisy:
            inputs_key, rng = jax.random.split(self.dropout_rngs())
            if self.dropout:
                each = self.implementation == 1 or self.recurrent_dropout > 0
                kept = input_masks(inputs_key, self.dropout, len(self.row.gates) if each else 1, *xs.shape[1:])
                # Gates in Keras's order, as the masks of its own cells are.
                dropped = drop_inputs(clean(valid, xs), kept, self.dropout)
                projected = each
                xs = self._project(params, dropped) if each else dropped[0]
        return scan(self.functional, params, xs, carry, mask=valid, reverse=reverse, rng=rng, projected=projected)

    def _project(self, params: Params, dropped: Array) -> Array:
        ours = jnp.stack([dropped[self.row.gates.index(gate)] for gate in self.functional.gates])
        return project_each(self.functional, params, ours)

    def __call__(self, inputs: Array, states: Any, training: bool = False) -> tuple[Array, list[Array]]:
        """One step.

        Args:
            inputs: `[B, D]`; of a convolutional cell `[B, *S, D]`.
            states: a list of arrays `[B, H]`, or `[B, *S, H]`: h and c for an LSTM, h otherwise.
            training: a single step draws no masks, so with dropout it must be False.

        Returns:
            `(output, states)`.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it.
        """
        check_flag(training, "training")
        if training and self.noisy:
            fail("training", "False for one step of a cell with dropout", training, "`RNN` draws masks for a sequence.")
        check_features(inputs, self.in_features, "inputs")
        cell, params = self.functional, self.params
        dtype = carry_dtype(cell, params, inputs)
        carry, y = cell.step(params, from_states(cell, states, inputs.shape[:-1], dtype, "states"), inputs)
        return y, to_states(carry)
