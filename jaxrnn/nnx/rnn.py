"""Sequence modules, with the protocol of `flax.nnx.RNN`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import jax
from flax import nnx

from jaxrnn.checks import check_batch, check_flag, check_key
from jaxrnn.errors import Said, fail
from jaxrnn.flax_common.call import (
    Call,
    SequenceOptions,
    check_flags,
    check_flax_call,
    check_flax_carry,
    check_kept,
    check_plan,
    close_call,
    feature_axes,
    held_inputs,
    held_step,
    open_call,
    resolve_flags,
    run_layer,
)
from jaxrnn.flax_common.layers import Sharding, to_flax
from jaxrnn.layer import Layer
from jaxrnn.nnx.cells import CellModule
from jaxrnn.nnx.parameters import Parameters, Rngs
from jaxrnn.typing import Array


class RecurrentState(nnx.Variable):
    """The carry that a stateful module keeps between calls; None before the first."""


class RNN(Parameters):
    """Runs a cell or layer over a sequence; takes the place of `flax.nnx.RNN`.

    Outputs at padded steps are zero (Flax leaves there what its loop computed), a row of length 0 returns its initial
    carry, and nothing in the padding, NaN included, reaches any result or gradient.

    Args:
        cell: a cell module of jaxrnn, a functional jaxrnn Layer, or any Flax nnx cell. A Flax cell runs on a lifted
            scan with what Flax's RNN knows; what only the engine does (`mask`, `resets`, `chunk`, ...) is an error.
        in_features: D, for a functional Layer only: this module then holds its parameters.
        time_major, return_carry, reverse, keep_order: Flax's flags, defaults for the calls.
        unroll: steps an iteration of the lifted scan of a Flax cell; jaxrnn's engine arranges its own steps (`chunk`).
        stateful: keep the carry between calls, in the variable `state`.
        chunk, backend: see `jaxrnn.scan`.
        deterministic: run without dropout and zoneout; `train()` and `eval()` set it.
        sharding: axis names by parameter name, kept as the variables' `out_sharding`.
        state_axes, broadcast_rngs: of the lifted scan of a Flax cell, see `flax.nnx.RNN`.
        rngs: an nnx.Rngs gives parameters (`params`), noise (`dropout`) and drawn initial carries (`carry`); True
            stands for Flax's default, a fixed seed for initial carries and no noise; False for none.

    Raises:
        TypeError, ValueError: an argument is of the wrong type or out of range; the message names it.

    >>> import jax.numpy as jnp, jaxrnn
    >>> from flax import nnx
    >>> from jaxrnn.nnx import RNN, LSTMCell
    >>> rnn = RNN(LSTMCell(3, 4, rngs=nnx.Rngs(0)), return_carry=True)
    >>> (c, h), outputs = rnn(jnp.ones((2, 7, 3)), seq_lengths=jnp.array([7, 5]))
    >>> outputs.shape, bool((outputs[1, 5:] == 0).all())
    ((2, 7, 4), True)
    >>> layer = jaxrnn.stack([jaxrnn.zoneout(jaxrnn.lstm(8), h=0.1), jaxrnn.gru(4)])
    >>> RNN(layer, 3, rngs=nnx.Rngs(0))(jnp.ones((2, 7, 3))).shape
    (2, 7, 4)
    """

    def __init__(
        self,
        cell: Any,
        in_features: int | None = None,
        *,
        time_major: bool = False,
        return_carry: bool = False,
        reverse: bool = False,
        keep_order: bool = False,
        unroll: int = 1,
        stateful: bool = False,
        chunk: int | str | None = None,
        backend: str = "auto",
        deterministic: bool = False,
        sharding: Sharding | None = None,
        state_axes: Mapping[Any, Any] | None = None,
        broadcast_rngs: Any = None,
        rngs: Rngs | bool = True,
    ):
        check_flags(time_major=time_major, return_carry=return_carry, reverse=reverse, keep_order=keep_order)
        check_flags(stateful=stateful, deterministic=deterministic)
        check_plan(unroll, chunk, backend)
        if not isinstance(rngs, Rngs | bool):
            fail("rngs", "an nnx.Rngs, an nnx.RngStream or a bool", rngs, kind=TypeError)
        if isinstance(cell, Layer):
            self._declare(cell, in_features, sharding, rngs)
        elif not isinstance(cell, nnx.RNNCellBase):
            fail("cell", "a cell module, a jaxrnn Layer, or a Flax nnx cell", cell, kind=TypeError)
        elif in_features is not None or sharding is not None:
            fail(
                "in_features and sharding", "left out for a cell module", (in_features, sharding), "It has parameters."
            )
        else:
            self.cell = cell
        if isinstance(cell, Layer | CellModule) and (state_axes is not None or broadcast_rngs is not None):
            fail(
                "state_axes and broadcast_rngs", "left out unless the cell is a Flax cell", (state_axes, broadcast_rngs)
            )
        self.time_major = time_major
        self.return_carry = return_carry
        self.reverse = reverse
        self.keep_order = keep_order
        self.unroll = unroll
        self.chunk = chunk
        self.backend = backend
        self.deterministic = deterministic
        self.state_axes = nnx.StateAxes(state_axes or {nnx.Param: None, ...: nnx.Carry})
        self.broadcast_rngs = broadcast_rngs
        self.state = RecurrentState(None) if stateful else None
        self.rngs = nnx.data(_carry_stream(cell, rngs))
        self.dropout_rngs = nnx.data(_noise_stream(self.functional, rngs))

    def __call__(
        self,
        inputs: Array,
        *,
        initial_carry: Any = None,
        seq_lengths: Array | None = None,
        return_carry: bool | None = None,
        time_major: bool | None = None,
        reverse: bool | None = None,
        keep_order: bool | None = None,
        rngs: Rngs | Array | None = None,
        deterministic: bool | None = None,
        **options: Unpack[SequenceOptions],
    ) -> Any:
        """Run over a sequence.

        Args:
            inputs: `[*B, T, D]` (time-major `[T, *B, D]`); or integers `[*B, T]`, equal to one-hot inputs.
            initial_carry: `(c, h)`, the array h, or one carry a layer; None for the initial one (or the kept one).
            seq_lengths: integers `[*B]`: only the first so many steps of a row count.
            return_carry: return `(carry, outputs)`.
            time_major: time is the first axis.
            reverse: process from each row's last valid step to its first.
            keep_order: with `reverse`, outputs in the order of the inputs; else in the order of processing: each row's
                first `seq_lengths` steps flipped, or all of time where there are no lengths.
            rngs: draws noise and initial carries in place of the module's own streams; for noise also one key.
            deterministic: run without noise.
            **options: `mask`, `resets`, `segments`, `reset_carry`, `per_step`, `start_step`, see `SequenceOptions`.

        Returns:
            The outputs `[*B, T, output_size]`, zero at padded steps; with `return_carry` `(carry, outputs)`.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it, what was expected and what came.
        """
        given = dict(return_carry=return_carry, time_major=time_major, reverse=reverse, keep_order=keep_order)
        flags = resolve_flags(self, **given)
        if rngs is not None and not isinstance(rngs, Rngs):
            check_key(rngs, "rngs")
        layer = self.functional
        features = self.cell.num_feature_axes if layer is None else feature_axes(inputs)
        call = open_call(layer, flags, inputs, seq_lengths, options, features)
        start = initial_carry
        if start is None and self.state is not None and self.state.get_value() is not None:
            start = self.state.get_value()
            check_kept(start, call.batch, features or 1)
        if layer is None:
            carry, outputs = self._run_flax_cell(call, start, rngs)
        else:
            if start is None:
                start = self._drawn_carry(call, rngs)
            rng = self._noise_key(layer, rngs, deterministic)
            carry, outputs = run_layer(layer, self.params, call, start, rng=rng, chunk=self.chunk, backend=self.backend)
            carry = to_flax(carry, initial_carry)
        if self.state is not None:
            self.state.set_value(carry)
        outputs = close_call(call, outputs)
        return (carry, outputs) if flags.return_carry else outputs

    def reset_state(self, batch: tuple[int, ...] | None = None) -> None:
        """Forget the carry that a stateful module keeps.

        Args:
            batch: keep the initial carry for these batch axes at once; then the next call finds variables of the shapes
                that it leaves, and compiled code is not traced twice. (A learned carry is thereby read now.)

        Raises:
            ValueError: the module is not stateful.
        """
        if self.state is None:
            fail("reset_state", "called on a module with stateful=True", Said("stateful=False"))
        if batch is None:
            self.state.set_value(None)
            return
        check_batch(batch)
        if self.functional is None:
            fail("batch", "left out for a Flax cell, whose carry depends on its inputs", batch)
        self.state.set_value(to_flax(self.functional.initial_carry(batch, self.params)))

    def set_view(self, deterministic: bool | None = None) -> None:
        """What `nnx.view` calls.

        Args:
          deterministic: if True, run without noise.
        """
        self.deterministic = self.deterministic if deterministic is None else deterministic

    @property
    def functional(self) -> Layer | None:
        """What `jaxrnn.scan` runs, with `params`; None around a Flax cell."""
        if isinstance(self.cell, CellModule):
            return self.cell.functional
        return self.cell if isinstance(self.cell, Layer) else None

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of `functional`."""
        return self.cell.params if isinstance(self.cell, CellModule) else super().params

    def _noise_key(self, layer: Layer, rngs: Any, deterministic: bool | None) -> Array | None:
        deterministic = self.deterministic if deterministic is None else deterministic
        check_flag(deterministic, "deterministic")
        if deterministic or not layer.noisy:
            return None
        rngs = self.dropout_rngs if rngs is None else rngs
        if rngs is None:
            fail("rngs", "an nnx.Rngs with a `dropout` stream, for a layer with noise", Said("None"), "Or call eval().")
        if isinstance(rngs, nnx.Rngs):
            return rngs.dropout()
        return rngs() if isinstance(rngs, nnx.RngStream) else rngs

    def _drawn_carry(self, call: Call, rngs: Any) -> Any:
        """An initial carry that is drawn, or None for the layer's own."""
        if not isinstance(self.cell, CellModule) or self.cell.carry_init is None:
            return None
        return self.cell.initialize_carry((*call.batch, self.cell.in_features), self._carry_rngs(rngs))

    def _carry_rngs(self, rngs: Any) -> Any:
        rngs = self.rngs if rngs is None else rngs
        if not isinstance(rngs, Rngs):
            fail("rngs", "an nnx.Rngs or an nnx.RngStream, which draws the initial carry", rngs, kind=TypeError)
        return rngs

    def _run_flax_cell(self, call: Call, carry: Any, rngs: Any) -> tuple[Any, Any]:
        check_flax_call(call, self.chunk, self.backend)
        shape = call.xs.shape[1:]
        if carry is None:
            carry = self.cell.initialize_carry(shape, self._carry_rngs(rngs))
        else:
            expected = jax.eval_shape(lambda: self.cell.initialize_carry(shape, nnx.RngStream(0, tag="carry")))
            check_flax_carry(carry, expected)
        axes = nnx.StateAxes({nnx.All(nnx.RngState, self.broadcast_rngs): None, **self.state_axes})

        @nnx.split_rngs(splits=1, only=self.broadcast_rngs, squeeze=True)  # a fresh key for every call
        @nnx.compat.scan(
            in_axes=(axes, nnx.Carry, 0), out_axes=(nnx.Carry, 0), reverse=call.flags.reverse, unroll=self.unroll
        )
        def run(cell: nnx.RNNCellBase, carry: Any, step: Any) -> tuple[Any, Any]:
            return held_step(cell, carry, step)

        return run(self.cell, carry, held_inputs(call))


def _carry_stream(cell: Any, rngs: Any) -> Any:
    """Flax's stream for initial carries, where a cell may draw them."""
    draws = cell.carry_init is not None if isinstance(cell, CellModule) else not isinstance(cell, Layer)
    if not draws or rngs is False:
        return None
    if rngs is True:
        return nnx.RngStream(0, tag="carry")
    return (rngs.carry if isinstance(rngs, nnx.Rngs) else rngs).fork()


def _noise_stream(layer: Layer | None, rngs: Any) -> Any:
    if layer is None or not layer.noisy or isinstance(rngs, bool):
        return None
    if isinstance(rngs, nnx.RngStream):
        return rngs.fork()
    return rngs.dropout.fork() if "dropout" in rngs or "default" in rngs else None
