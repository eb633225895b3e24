"""Sequence modules, with the protocol of `flax.nnx.RNN`.

`linen/rnn.py` is its twin. They stand apart because an NNX module holds its variables and a linen module asks its scope
for them while it runs; what does not depend on that is in `flax_common`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import jax.numpy as jnp
from flax import nnx

from jaxrnn.base.checks import check_batch, check_key, check_numbers, check_time
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Array, Axis, Params
from jaxrnn.core.carries import like, plain
from jaxrnn.core.layer import Layer
from jaxrnn.engine.masks import valid_steps
from jaxrnn.flax_common.call import (
    Call,
    SequenceOptions,
    axes_of,
    check_first,
    check_flags,
    check_kept,
    check_lifting,
    check_plan,
    close_call,
    feature_axes,
    open_call,
    resolve_flags,
    run_layer,
)
from jaxrnn.flax_common.layers import check_deterministic, is_cell, step_layer, to_flax
from jaxrnn.flax_common.lifted import check_lifted, held_inputs
from jaxrnn.flax_common.variables import Sharding
from jaxrnn.nnx.cells import CellModule, check_carry_rngs
from jaxrnn.nnx.lifted import STATE_AXES, run_lifted
from jaxrnn.nnx.parameters import Parameters, Rngs


class RecurrentState(nnx.Variable):
    """The carry that a stateful module keeps between calls; None before the first."""


class RNN(Parameters):
    """Runs a cell or layer over a sequence; takes the place of `flax.nnx.RNN`.

    Outputs at padded steps are zero (Flax leaves there what its loop computed), a row of length 0 returns its initial
    carry, and nothing in the padding, NaN included, reaches any result or gradient.

    Args:
        cell: a cell module of jaxrnn, a functional jaxrnn Layer, or any cell that `flax.nnx.RNN` runs. A cell module of
            jaxrnn runs on the engine, unless its class has a `__call__` or an `initialize_carry` of its own: it and
            others run as they say, on a lifted scan with what Flax's RNN knows; `functional` is None then, and what
            only the engine does (`mask`, `resets`, `chunk`, ...) an error. Carries are a cell's plain `(c, h)`, and a
            Layer's `LSTMCarry(c, h)`.
        in_features: D, for a functional Layer only: this module then holds its parameters.
        time_major, return_carry, reverse, keep_order: Flax's flags, defaults for the calls.
        unroll: steps an iteration of the lifted scan; jaxrnn's engine arranges its own steps (`chunk`).
        stateful: keep the carry between calls, in the variable `state`. `step(x_t)` then takes one step.
        chunk, backend: see `jaxrnn.scan`.
        deterministic: run without dropout and zoneout; `train()` and `eval()` set it.
        sharding: axis names by parameter name, kept as the variables' `out_sharding`.
        state_axes, broadcast_rngs: of the lifted scan, see `flax.nnx.RNN`. Parameters are shared by all steps unless
            `state_axes` says otherwise; Flax carries them along.
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
        check_lifting(state_axes={} if state_axes is None else state_axes)
        if not isinstance(rngs, Rngs | bool):
            fail("rngs", "an nnx.Rngs, an nnx.RngStream or a bool", rngs, kind=TypeError)
        if isinstance(cell, Layer):
            self._declare(cell, in_features, sharding, rngs)
        elif not is_cell(cell):
            fail("cell", "a cell module, a jaxrnn Layer, or a cell of Flax's protocol", cell, kind=TypeError)
        elif in_features is not None or sharding is not None:
            fail(
                "in_features and sharding", "left out for a cell module", (in_features, sharding), "It has parameters."
            )
        else:
            self.cell = cell
        if isinstance(cell, Layer) and (state_axes is not None or broadcast_rngs is not None):
            fail("state_axes and broadcast_rngs", "left out for a jaxrnn Layer", (state_axes, broadcast_rngs))
        self.time_major = time_major
        self.return_carry = return_carry
        self.reverse = reverse
        self.keep_order = keep_order
        self.unroll = unroll
        self.chunk = chunk
        self.backend = backend
        self.deterministic = deterministic
        if deterministic and self.functional is None:
            check_lifted(self, deterministic=deterministic)
        self.state_axes = nnx.StateAxes(state_axes or STATE_AXES)
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
            **options: as `jaxrnn.scan` takes them, in the layout of the inputs: `mask` and `resets`, bools `[*B, T]`;
                `segments`, integers `[*B, T]`; `per_step`, arrays `[*B, T, ...]` by name; `reset_carry`, `start_step`.

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
        features = self.cell.num_feature_axes if layer is None else feature_axes(layer, inputs)
        call = open_call(layer, flags, inputs, seq_lengths, options, features, self._input_size)
        start = self._start(inputs, call.batch, initial_carry, features)
        if layer is None:
            check_lifted(self, deterministic=deterministic, **call.options)
            carry, outputs = self._run_lifted(call, start, rngs)
        else:
            if start is None:
                start = self._drawn_carry(axes_of(call.xs)[1:], rngs)
            rng = self._noise_key(layer, rngs, deterministic)
            xs, params = self._prepared(call.xs)
            call = call._replace(xs=xs)
            carry, outputs = run_layer(layer, params, call, start, rng=rng, chunk=self.chunk, backend=self.backend)
            carry = self._own_form(layer, carry, initial_carry)
        self._keep(carry)
        outputs = close_call(call, outputs)
        return (carry, outputs) if flags.return_carry else outputs

    def step(
        self,
        inputs: Array,
        *,
        rngs: Rngs | Array | None = None,
        deterministic: bool | None = None,
        start_step: Any = None,
        per_step: Mapping[str, Array] | None = None,
    ) -> Any:
        """One step of a stateful module, from the carry that it keeps.

        Args:
            inputs: `[*B, D]`; or integers `[*B]`, equal to one-hot inputs.
            rngs, deterministic: as in a call.
            start_step: the absolute time, None for 0: with one key in `rngs` it draws a sequence's noise.
            per_step: arrays `[*B, ...]` that the equations ask for by name.

        Returns:
            The output `[*B, output_size]`.

        Raises:
            TypeError, ValueError: the module is not stateful, or reverse, or an argument does not fit.

        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from jaxrnn.nnx import LSTM
        >>> lstm, xs = LSTM(3, 4, stateful=True, rngs=nnx.Rngs(0)), jnp.ones((2, 7, 3))
        >>> ys = jnp.stack([lstm.step(xs[:, t]) for t in range(7)], axis=1)
        >>> lstm.reset_state()
        >>> bool(jnp.allclose(ys, lstm(xs), atol=1e-6))
        True
        """
        if self.state is None or self.reverse:
            expected = "called on a module with stateful=True and reverse=False"
            fail("step", expected, Said(f"stateful={self.state is not None}, reverse={self.reverse}"))
        if rngs is not None and not isinstance(rngs, Rngs):
            check_key(rngs, "rngs")
        if start_step is not None:
            check_time(start_step, "start_step")
        layer, inputs = self.functional, check_numbers(inputs, "inputs")
        features = self.cell.num_feature_axes if layer is None else feature_axes(layer, inputs)
        batch = inputs.shape[: inputs.ndim - features]
        start = self.state.get_value()
        if start is not None:
            check_kept(start, batch, features or 1, layer is not None)
        if layer is None:
            check_lifted(self, deterministic=deterministic, start_step=start_step, per_step=per_step)
            check_carry_rngs(rngs)
            start = self._cells_carry(inputs.shape, rngs) if start is None else start
            carry, y = self.cell(start, jnp.asarray(inputs))
        else:
            xs, params = self._prepared(inputs)
            if start is None:
                start = self._drawn_carry(axes_of(inputs), rngs)
            if start is None:
                start = self._own_form(layer, layer.initial_carry(layer.state_axes(axes_of(inputs)), params))
            rng = self._noise_key(layer, rngs, deterministic)
            at = 0 if start_step is None else start_step
            carry, y = step_layer(layer, params, start, xs, rng is None, rng, step=at, per_step=per_step)
        self._keep(carry)
        return y

    def reset_state(self, batch: tuple[Axis, ...] | None = None) -> None:
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
        layer = self.functional
        if layer is None:
            fail("batch", "left out for a cell that does not run on jaxrnn's engine", batch)
        self.state.set_value(self._own_form(layer, layer.initial_carry(batch, self.params)))

    def set_view(self, deterministic: bool | None = None) -> None:
        """What `nnx.view` calls.

        Args:
          deterministic: if True, run without noise.
        """
        self.deterministic = check_deterministic(self, deterministic)

    @property
    def functional(self) -> Layer | None:
        """What `jaxrnn.scan` runs, with `params`; None around a cell that the engine does not run."""
        if isinstance(self.cell, CellModule):
            return None if self.cell._own else self.cell.functional
        return self.cell if isinstance(self.cell, Layer) else None

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of `functional`."""
        return self.cell.params if isinstance(self.cell, CellModule) else super().params

    def _noise_key(self, layer: Layer, rngs: Any, deterministic: bool | None) -> Array | None:
        if check_deterministic(self, deterministic) or not layer.noisy:
            return None
        rngs = self.dropout_rngs if rngs is None else rngs
        if rngs is None:
            fail("rngs", "an nnx.Rngs with a `dropout` stream, for a layer with noise", Said("None"), "Or call eval().")
        if isinstance(rngs, nnx.Rngs):
            return rngs.dropout()
        return rngs() if isinstance(rngs, nnx.RngStream) else rngs

    def _prepared(self, inputs: Array) -> tuple[Array, Params]:
        return self.cell._prepared(inputs) if isinstance(self.cell, CellModule) else (inputs, self.params)

    def _own_form(self, layer: Layer, carry: Any, given: Any = None) -> Any:
        """A carry in the form in which one was given; else a cell module's has no names, and a Layer's has."""
        if given is not None:
            return like(given, carry, layer.pack)
        return plain(carry) if isinstance(self.cell, CellModule) else to_flax(carry)

    @property
    def _input_size(self) -> int | None:
        return getattr(self.cell if isinstance(self.cell, CellModule) else self, "in_features", None)

    def _start(self, inputs: Any, batch: tuple[Axis, ...], given: Any, features: int) -> Any:
        """The given carry or the kept one; None for the cell's own."""
        kept = None if self.state is None else self.state.get_value()
        if given is not None or self.state is None:
            return given
        if kept is None:
            check_first(inputs, batch)
        else:
            check_kept(kept, batch, features or 1, self.functional is not None)
        return kept

    def _keep(self, carry: Any) -> None:
        if self.state is not None:
            self.state.set_value(carry)

    def _drawn_carry(self, batch: tuple[Axis, ...], rngs: Any) -> Any:
        """An initial carry that is drawn, or None for the layer's own."""
        if not isinstance(self.cell, CellModule) or self.cell.carry_init is None:
            return None
        return self.cell.initialize_carry((*batch, self.cell.in_features), self._carry_rngs(rngs))

    def _carry_rngs(self, rngs: Any) -> Any:
        rngs = self.rngs if rngs is None else rngs
        check_carry_rngs(rngs)
        return rngs.carry.fork() if isinstance(rngs, nnx.Rngs) else rngs  # as Flax's RNN does

    def _cells_carry(self, input_shape: tuple[Axis, ...], rngs: Any) -> Any:
        """What a cell that runs as it says starts from."""
        rngs = self._carry_rngs(rngs)
        if isinstance(self.cell, CellModule) and "initialize_carry" not in self.cell._own:
            return CellModule.initialize_carry(self.cell, input_shape, rngs)  # `nnx.tabulate` cannot show this call
        return self.cell.initialize_carry(input_shape, rngs)

    def _run_lifted(self, call: Call, given: Any, rngs: Any) -> tuple[Any, Any]:
        check_carry_rngs(rngs)
        carry = self._cells_carry(call.xs.shape[1:], rngs) if given is None else given
        ours = isinstance(self.cell, CellModule)
        if ours and given is not None:
            carry = plain(self.cell.functional.pack(given, "initial_carry"))
        settings = dict(unroll=self.unroll, state_axes=self.state_axes, broadcast_rngs=self.broadcast_rngs)
        valid, reverse = valid_steps(call.xs.shape[0], call.lengths, None), call.flags.reverse
        carry, held = held_inputs(call.xs, valid, carry, call.batch)
        carry, outputs = run_lifted(lambda cell, c, x: cell(c, x), self.cell, carry, held, reverse=reverse, **settings)
        return like(given, carry, self.cell.functional.pack) if ours and given is not None else carry, outputs


def _carry_stream(cell: Any, rngs: Any) -> Any:
    """Flax's stream for initial carries, where a cell may draw them."""
    fixed = isinstance(cell, CellModule) and not cell._own and cell.carry_init is None
    if fixed or isinstance(cell, Layer) or rngs is False:
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
