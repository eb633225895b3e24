"""Keras's RNN: one cell or a stack of them over a sequence."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, TypedDict

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from jaxrnn.base.checks import check_features, check_flag, check_numbers
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.placement import automatic, place
from jaxrnn.base.typing import Array, Axis, Carry
from jaxrnn.core.layer import check_axes
from jaxrnn.flax_common.call import check_flags, check_kept
from jaxrnn.flax_common.layers import check_deterministic
from jaxrnn.functions.regularizers import REGULARIZERS
from jaxrnn.keras.identifiers import get
from jaxrnn.keras.stacked import StackedRNNCells, cells_of, check_cell, run_cell, variables_of
from jaxrnn.keras.states import carry_dtype, from_states, to_states
from jaxrnn.keras.weights import Weights
from jaxrnn.nnx.rnn import RecurrentState


class ActivityLoss(nnx.Variable):
    """What an activity regulariser has added up since `losses` last asked."""


class RNNOptions(TypedDict, total=False):
    """What every sequence module takes by name; all are False or None by default.

    return_sequences: return the outputs of all steps instead of the last. return_state: return the final states too.
    go_backwards: process from the last step to the first; outputs come in the order of processing. stateful: start from
    the states that the call before ended with. unroll: taken, and without effect: the engine arranges its steps.
    zero_output_for_mask: masked steps put out zero instead of repeating the output before them. time_major: inputs,
    outputs and mask have time as their first axis. activity_regularizer: see `losses`. name: kept as an attribute.
    """

    return_sequences: bool
    return_state: bool
    go_backwards: bool
    stateful: bool
    unroll: bool
    zero_output_for_mask: bool
    time_major: bool
    activity_regularizer: Any
    name: str | None


class RNN(Weights):
    """Runs a cell over a sequence, as `keras.layers.RNN` does.

    A masked step holds the states. Its output repeats the one before it; where there is none, it is the initial state
    h. Keras differs from itself here when it unrolls (zeros, and `zero_output_for_mask` is ignored); this module does
    the same whether or not it is asked to. NaN in masked steps reaches no result and no gradient.

    Without `training` a call draws no masks, as in Keras; `train()` and `eval()` set what holds for the calls.

    Args:
        cell: a cell of jaxrnn.keras, a cell module of jaxrnn.nnx, a `StackedRNNCells`, or a list of cells. A subclass
            with a `__call__` of its own runs as it says, step by step.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask, time_major,
            activity_regularizer, name: see `RNNOptions`.

    Raises:
        TypeError, ValueError: an argument is of the wrong type; the message names it.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.keras import GRUCell, LSTMCell, RNN
    >>> rngs = nnx.Rngs(0)
    >>> rnn = RNN([LSTMCell(4, in_features=3, rngs=rngs), GRUCell(5, in_features=4, rngs=rngs)], return_state=True)
    >>> y, (h0, c0), (h1,) = rnn(jnp.ones((2, 7, 3)), mask=jnp.ones((2, 7), bool))
    >>> y.shape, c0.shape
    ((2, 5), (2, 4))
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        *,
        time_major: bool = False,
        activity_regularizer: Any = None,
        name: str | None = None,
    ):
        check_flags(return_sequences=return_sequences, return_state=return_state, go_backwards=go_backwards)
        check_flags(stateful=stateful, unroll=unroll, zero_output_for_mask=zero_output_for_mask, time_major=time_major)
        if not isinstance(name, str | None):
            fail("name", "None or a string", name, kind=TypeError)
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        if not isinstance(cell, StackedRNNCells):
            check_cell(cell, "cell")
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.time_major = time_major
        self.name = name
        self.activity_regularizer = get(activity_regularizer, REGULARIZERS, "activity_regularizer")
        self.deterministic = True
        self.state = RecurrentState(None) if stateful else None
        self.activity_loss = ActivityLoss(jnp.zeros(())) if self.activity_regularizer is not None else None

    def __call__(
        self, inputs: Array, initial_state: Any = None, mask: Array | None = None, training: bool | None = None
    ) -> Any:
        """Run over a sequence.

        Args:
            inputs: `[B, T, D]`; time-major `[T, B, D]`. Of cells with convolutions there are positions before the
                features, `[B, T, *S, D]`, and so there are in states and outputs.
            initial_state: a list of arrays `[B, H]`, h first; for a stack a list with one such list a cell. None for
                zeros, or where `stateful` for the states that the last call ended with.
            mask: bool `[B, T]` (time-major `[T, B]`), true where a step counts.
            training: draw the masks of dropout; None for what `train()` or `eval()` set, at first False.

        Returns:
            The last output `[B, H]`, or with `return_sequences` all, `[B, T, H]`. With `return_state`
            `(output, *states)`.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it, what was expected and what came.
        """
        return self._run(inputs, initial_state, mask, training, self.zero_output_for_mask)

    def _run(self, inputs: Any, initial_state: Any, mask: Any, training: Any, zero_output_for_mask: bool) -> Any:
        """A call, with another `zero_output_for_mask`: `Bidirectional` has its own."""
        training = check_flag(not self.deterministic if training is None else training, "training")
        xs, valid = self._sequence(inputs, mask)
        carries = self._start(xs, initial_state)
        before = carries[-1].h
        after = []
        for cell, carry in zip(self._cells, carries, strict=True):
            carry, xs = run_cell(cell, xs, carry, valid, reverse=self.go_backwards, training=training)
            after.append(carry)
        if self.state is not None:
            self.state.set_value(tuple(after))
        output = self._output(xs, valid, before.astype(xs.dtype), zero_output_for_mask)
        states = [to_states(carry) for carry in after]
        results = (output, *(states if isinstance(self.cell, StackedRNNCells) else states[0]))
        results = results if self.return_state else results[:1]
        if self.activity_loss is not None:
            batch = max(before.shape[0], 1)
            loss = sum(self.activity_regularizer(a) for a in jax.tree.leaves(results)) / batch
            self.activity_loss.set_value(self.activity_loss[...] + loss.astype(self.activity_loss.dtype))
        return results if self.return_state else output

    def reset_state(self, batch: int | tuple[int, ...] | None = None) -> None:
        """Forget the states that a stateful module keeps; the next call may have another batch size.

        Args:
            batch: keep zeros for this batch size at once; for a cell with convolutions `(B, *S)`, as its inputs have
                them. Then the next call finds variables of the shapes that it leaves, and compiled code is not traced
                twice.

        Raises:
            TypeError, ValueError: the module is not stateful, or `batch` does not fit its cells.
        """
        if self.state is None:
            fail("reset_state", "called on a module with stateful=True", Said("stateful=False"))
        if batch is None:
            self.state.set_value(None)
            return
        axes = batch if isinstance(batch, tuple) else (batch,)
        if len(axes) != 1 + self._axes:
            fail("batch", f"a batch size and {self._axes} sizes *S of positions" if self._axes else "a size", batch)
        pairs = zip(self._cells, self._state_axes(axes), strict=True)
        self.state.set_value(tuple(cell.functional.initial_carry(at, cell.params) for cell, at in pairs))

    reset_states = reset_state  # Keras's older name

    @property
    def variables(self) -> list[nnx.Variable]:
        return variables_of(self.cell)

    @property
    def _cells(self) -> list[Any]:
        return cells_of(self.cell)

    @property
    def _axes(self) -> int:
        """The number of axes *S of positions."""
        return max(cell.functional.axes for cell in self._cells)

    def _state_axes(self, axes: tuple[Axis, ...]) -> list[tuple[Axis, ...]]:
        """(B, *S) of each cell's states, for those of the inputs."""
        return list(accumulate(self._cells, lambda at, cell: cell.functional.state_axes(at), initial=axes))[1:]

    def set_view(self, deterministic: bool | None = None) -> None:
        """What `nnx.view` calls.

        Args:
          deterministic: if True, run without dropout.
        """
        self.deterministic = check_deterministic(self, deterministic)

    # ---- the pieces of a call

    def _sequence(self, inputs: Any, mask: Any) -> tuple[Array, Array | None]:
        """Inputs and mask, checked and time-major."""
        inputs = check_numbers(inputs, "inputs")
        layout = "[T, B" if self.time_major else "[B, T"
        if inputs.ndim != 3 + self._axes:
            fail("inputs", f"of shape {layout}{self._axes * ', S'}, D]", inputs)
        first = self._cells[0]
        if jnp.issubdtype(inputs.dtype, jnp.integer):  # numbers, as Keras takes them, not symbols
            inputs = jnp.asarray(inputs, first.params["kernel"].dtype)
        check_features(inputs, first.in_features, "inputs")
        check_axes(first.functional, inputs.shape[1:-1], inputs, "inputs")
        if mask is not None:
            mask = check_numbers(mask, "mask")
            if mask.dtype != jnp.bool_:
                fail("mask", "an array of bools, true where a step counts", mask, kind=TypeError)
            if mask.shape != inputs.shape[:2]:
                fail("mask", f"of shape {layout}] = {inputs.shape[:2]}, as the inputs have it", mask)
            mask = jnp.asarray(mask) if self.time_major else jnp.swapaxes(mask, 0, 1)
        return jnp.asarray(inputs) if self.time_major else jnp.swapaxes(inputs, 0, 1), mask

    def _start(self, xs: Array, initial_state: Any) -> list[Carry]:
        """The carries before the first step."""
        cells = self._cells
        given = xs.shape[1:-1]
        states = self._state_axes(given)
        if initial_state is None and self.state is not None and self.state.get_value() is not None:
            kept = self.state.get_value()
            check_kept(kept, states[0], 1)
            return list(kept)
        dtypes = [carry_dtype(cell.functional, cell.params, xs) for cell in cells]
        if initial_state is None:
            triples = zip(cells, states, dtypes, strict=True)
            return [cell.functional.initial_carry(at, cell.params, dtype) for cell, at, dtype in triples]
        inputs = [given, *states[:-1]]
        if not isinstance(self.cell, StackedRNNCells):
            return [from_states(cells[0].functional, initial_state, given, dtypes[0], "initial_state")]
        if not isinstance(initial_state, (list, tuple)) or len(initial_state) != len(cells):
            fail("initial_state", f"a list of {len(cells)} lists of states, one a cell", initial_state)
        return [
            from_states(cell.functional, one, at, dtype, f"initial_state[{i}]")
            for i, (cell, one, at, dtype) in enumerate(zip(cells, initial_state, inputs, dtypes, strict=True))
        ]

    def _output(self, ys: Array, valid: Array | None, before: Array, zero_output_for_mask: bool) -> Array:
        """All outputs or the last, from those that are zero at masked steps and in the order of the inputs."""
        steps, rows, *units = place(ys)
        at = (steps, rows, *units) if self.time_major else (rows, steps, *units)
        there = at if self.return_sequences else (rows, *units)
        valid = None if zero_output_for_mask else valid
        return automatic(self._arranged, (ys, valid, before), lambda *_: there)

    def _arranged(self, ys: Array, valid: Array | None, before: Array) -> Array:
        if self.go_backwards:
            ys = jnp.flip(ys, 0)
            valid = None if valid is None else jnp.flip(valid, 0)
        if not self.return_sequences:
            return last_output(ys, valid, before)
        ys = ys if valid is None else repeat_outputs(ys, valid, before)
        return ys if self.time_major else jnp.swapaxes(ys, 0, 1)


def repeat_outputs(ys: Array, valid: Array, before: Array) -> Array:
    """`[T, B, H]`: at a masked step the output of the last step that counts, or `before` where there is none yet."""
    return _picked(ys, lax.cummax(_numbered(valid), axis=0), before)


def last_output(ys: Array, valid: Array | None, before: Array) -> Array:
    """`[B, H]`: the output of the last step that counts, or `before` where there is none."""
    if valid is None:
        return ys[-1] if len(ys) else before
    return _picked(ys, jnp.max(_numbered(valid), axis=0, initial=0)[None], before)[0]


def _picked(ys: Array, last: Array, before: Array) -> Array:
    """Of `before` and then the outputs those with the numbers `last [T, B]`."""
    last = jnp.expand_dims(last, tuple(range(2, ys.ndim)))
    return jnp.take_along_axis(jnp.concatenate([before[None], ys]), last, axis=0)


def _numbered(valid: Array) -> Array:
    """1 + t at steps that count, else 0."""
    return jnp.where(valid, lax.broadcasted_iota(jnp.int32, valid.shape, 0) + 1, 0)
