"""Sequence modules, with the protocol of `flax.linen.RNN`. `nnx/rnn.py` is its twin, and says why there are two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import Any, Unpack

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.core import FrozenDict

from jaxrnn.base.checks import check_batch, check_key, check_numbers, check_time
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.hints import Spelled
from jaxrnn.base.typing import Array, Axis, Params, PRNGKeyArray
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
from jaxrnn.flax_common.layers import check_deterministic, is_cell, overridden, step_layer, to_flax
from jaxrnn.flax_common.lifted import check_lifted, held_inputs, held_step
from jaxrnn.flax_common.variables import Sharding
from jaxrnn.linen.cells import SingleStep, declare, noise_key

LIFTING = ("variable_axes", "variable_broadcast", "variable_carry", "split_rngs")
STATE = ("carry", "state")  # the collection and the name under which a stateful module keeps its carry


class SequenceModule(Spelled, nn.Module):
    """Runs a functional layer, or a cell as it is, over a sequence. (Flax's own fields stand in the classes below.)"""

    _interface = "linen"
    _: KW_ONLY
    in_features: int | None = None
    stateful: bool = False
    chunk: int | str | None = None
    backend: str = "auto"
    deterministic: bool = False
    sharding: Sharding | None = None

    @property
    def functional(self) -> Layer | None:
        """What `jaxrnn.scan` runs; None around a cell that the engine does not run."""
        raise NotImplementedError

    @nn.compact
    def __call__(
        self,
        inputs: Array,
        *,
        initial_carry: Any = None,
        init_key: PRNGKeyArray | None = None,
        seq_lengths: Array | None = None,
        return_carry: bool | None = None,
        time_major: bool | None = None,
        reverse: bool | None = None,
        keep_order: bool | None = None,
        deterministic: bool | None = None,
        **options: Unpack[SequenceOptions],
    ) -> Any:
        """Run over a sequence.

        Args:
            inputs: `[*B, T, D]` (time-major `[T, *B, D]`); or integers `[*B, T]`, equal to one-hot inputs.
            initial_carry: `(c, h)`, the array h, or one carry a layer; None for the initial one (or the kept one).
            init_key: draws the initial carry, where the cell draws it.
            seq_lengths: integers `[*B]`: only the first so many steps of a row count.
            return_carry: return `(carry, outputs)`.
            time_major: time is the first axis.
            reverse: process from each row's last valid step to its first.
            keep_order: with `reverse`, outputs in the order of the inputs; else in the order of processing: each row's
                first `seq_lengths` steps flipped, or all of time where there are no lengths.
            deterministic: run without dropout and zoneout, which otherwise draw from the `dropout` stream.
            **options: as `jaxrnn.scan` takes them, in the layout of the inputs: `mask` and `resets`, bools `[*B, T]`;
                `segments`, integers `[*B, T]`; `per_step`, arrays `[*B, T, ...]` by name; `reset_carry`, `start_step`.

        Returns:
            The outputs `[*B, T, output_size]`, zero at padded steps; with `return_carry` `(carry, outputs)`.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it, what was expected and what came.
        """
        check_flags(stateful=self.stateful, deterministic=self.deterministic)
        check_plan(self.unroll, self.chunk, self.backend)
        if init_key is not None:
            check_key(init_key, "init_key")
        given = dict(return_carry=return_carry, time_major=time_major, reverse=reverse, keep_order=keep_order)
        flags = resolve_flags(self, **given)
        layer = self.functional
        features = self.cell.num_feature_axes if layer is None else feature_axes(layer, inputs)
        call = open_call(layer, flags, inputs, seq_lengths, options, features, self._input_size())
        state = self._kept_carry() if self.stateful else None
        start = initial_carry
        if start is None and state is not None and state.value is not None:
            start = state.value
            check_kept(start, call.batch, features or 1, layer is not None)
        elif start is None and state is not None and not self.is_initializing():
            check_first(inputs, call.batch)
        if layer is None:
            self._check_lifted(deterministic, call.options)
            carry, outputs = self._run_lifted(call, start, init_key)
        else:
            layer = self._fitted(layer, start)
            params = self._params(call.xs, layer)
            if start is None:
                start = self._drawn_carry(axes_of(call.xs)[1:], init_key)
            rng = noise_key(self, layer, deterministic)
            carry, outputs = run_layer(layer, params, call, start, rng=rng, chunk=self.chunk, backend=self.backend)
            carry = self._own_form(layer, carry, initial_carry)
        if state is not None and not self.is_initializing():
            state.value = carry
        outputs = close_call(call, outputs)
        return (carry, outputs) if flags.return_carry else outputs

    def step(
        self,
        inputs: Array,
        *,
        init_key: PRNGKeyArray | None = None,
        rng: PRNGKeyArray | None = None,
        deterministic: bool | None = None,
        start_step: Any = None,
        per_step: Mapping[str, Array] | None = None,
    ) -> Any:
        """One step of a stateful module, in apply with "carry" mutable; see `jaxrnn.nnx.RNN.step`.

        Args:
            init_key: draws the initial carry, where the cell draws it.
            rng: a key for noise in place of the `dropout` stream.
            inputs, deterministic, start_step, per_step: as there.

        Returns:
            The output `[*B, output_size]`.

        Raises:
            TypeError, ValueError: as there; or the collection "carry" is not mutable.
        """
        if not self.stateful or self.reverse:
            expected = "called on a module with stateful=True and reverse=False"
            fail("step", expected, Said(f"stateful={self.stateful}, reverse={self.reverse}"))
        if self.is_initializing():
            fail("step", "called on variables that a call over a sequence initialised", Said("none yet"))
        self._check_mutable()
        if init_key is not None:
            check_key(init_key, "init_key")
        if start_step is not None:
            check_time(start_step, "start_step")
        layer, inputs = self.functional, check_numbers(inputs, "inputs")
        features = self.cell.num_feature_axes if layer is None else feature_axes(layer, inputs)
        batch = inputs.shape[: inputs.ndim - features]
        start: Any = self.get_variable(*STATE)
        if start is not None:
            check_kept(start, batch, features or 1, layer is not None)
        if layer is None:
            self._check_lifted(deterministic, dict(rng=rng, start_step=start_step, per_step=per_step))
            start = self.cell.initialize_carry(_key_or_default(init_key), inputs.shape) if start is None else start
            carry, y = self.cell(start, jnp.asarray(inputs))
        else:
            params, layer = nn.meta.unbox(self._given_params()), self._fitted(layer, start)
            if start is None:
                start = self._drawn_carry(axes_of(inputs), init_key)
            if start is None:
                start = self._own_form(layer, layer.initial_carry(layer.state_axes(axes_of(inputs)), params))
            without = check_deterministic(self, deterministic)
            if rng is None:
                rng = noise_key(self, layer, without)
                without = rng is None
            at = 0 if start_step is None else start_step
            carry, y = step_layer(layer, params, start, inputs, without, rng, step=at, per_step=per_step)
        self.put_variable(*STATE, carry)
        return y

    def reset_state(self, batch: tuple[Axis, ...] | None = None) -> None:
        """Forget the carry that a stateful module keeps; in apply, with "carry" mutable.

        Args:
            batch: keep the initial carry for these batch axes at once; then the next call finds variables of the shapes
                that it leaves, and compiled code is not traced twice. (A learned carry is thereby read now.)

        Raises:
            ValueError: the module is not stateful, or the collection "carry" is not mutable.
        """
        if not self.stateful:
            fail("reset_state", "called on a module with stateful=True", Said("stateful=False"))
        self._check_mutable()
        if batch is None:
            self.put_variable(*STATE, None)
            return
        check_batch(batch)
        layer = self.functional
        if layer is None:
            fail("batch", "left out for a cell that does not run on jaxrnn's engine", batch)
        params = nn.meta.unbox(self._given_params())
        self.put_variable(*STATE, self._own_form(layer, layer.initial_carry(batch, params)))

    def _kept_carry(self) -> nn.Variable:
        self._check_mutable()
        return self.variable(*STATE, lambda: None)

    def _check_mutable(self) -> None:
        if not self.is_mutable_collection(STATE[0]):
            fail(
                "mutable",
                f"a list with {STATE[0]!r} in apply, for a stateful module",
                Said("a call that cannot keep the carry"),
            )

    def _fitted(self, layer: Layer, carry: Any) -> Layer:
        """The layer for this carry."""
        return layer

    def _params(self, inputs: Array, layer: Layer) -> Params:
        return declare(self, layer, inputs, self.in_features, self.sharding)

    def _given_params(self) -> Params:
        return self.variables["params"]

    def _input_size(self) -> int | None:
        """D, where it is known."""
        given = self.variables.get("params")
        return self.functional.input_size(nn.meta.unbox(given)) if given else self.in_features  # type: ignore[union-attr]

    def _drawn_carry(self, batch: tuple[Axis, ...], init_key: PRNGKeyArray | None) -> Any:
        """An initial carry that is drawn, or None for the layer's own."""
        return None

    def _own_form(self, layer: Layer, carry: Any, given: Any = None) -> Any:
        """A carry in the form in which one was given, else with its names."""
        return to_flax(carry) if given is None else like(given, carry, layer.pack)


class RNN(SequenceModule):
    """Runs a cell or layer over a sequence; takes the place of `flax.linen.RNN`.

    Outputs at padded steps are zero (Flax leaves there what its loop computed), a row of length 0 returns its initial
    carry, and nothing in the padding, NaN included, reaches any result or gradient.

    Attributes:
        cell: a cell module of jaxrnn, a functional jaxrnn Layer (this module then holds its parameters), or any cell
            that `flax.linen.RNN` runs. A cell module of jaxrnn runs on the engine, unless its class has a `__call__` or
            an `initialize_carry` of its own: it and others run as they say, on a lifted scan with what Flax's RNN
            knows; `functional` is None then, and what only the engine does (`mask`, `resets`, `chunk`, ...) an error.
            Carries are a cell's plain `(c, h)`, and a Layer's `LSTMCarry(c, h)`.
        in_features: D, needed only to initialise a functional Layer for integer inputs.
        time_major, return_carry, reverse, keep_order: Flax's flags, defaults for the calls.
        unroll: steps an iteration of the lifted scan; jaxrnn's engine arranges its own steps (`chunk`).
        stateful: keep the carry between calls, in the collection `carry`, which must be mutable in apply. `step(x_t)`
            then takes one step.
        chunk, backend: see `jaxrnn.scan`.
        deterministic: run without dropout and zoneout.
        sharding: axis names by parameter name; those parameters are `nn.Partitioned`.
        variable_axes, variable_broadcast, variable_carry, split_rngs: of the lifted scan, see `flax.linen.RNN`.

    Flax's attributes stand in Flax's order, and may go by position.

    >>> import jax, jax.numpy as jnp
    >>> from jaxrnn.linen import RNN, LSTMCell
    >>> rnn, inputs = RNN(LSTMCell(4), return_carry=True), jnp.ones((2, 7, 3))
    >>> variables = rnn.init(jax.random.key(0), inputs)
    >>> (c, h), outputs = rnn.apply(variables, inputs, seq_lengths=jnp.array([7, 5]))
    >>> outputs.shape, bool((outputs[1, 5:] == 0).all())
    ((2, 7, 4), True)
    """

    cell: Any
    time_major: bool = False
    return_carry: bool = False
    reverse: bool = False
    keep_order: bool = False
    unroll: int = 1
    variable_axes: Mapping[Any, Any] = FrozenDict()
    variable_broadcast: Any = "params"
    variable_carry: Any = False
    split_rngs: Mapping[Any, bool] = FrozenDict({"params": False})

    @property
    def functional(self) -> Layer | None:
        if isinstance(self.cell, Layer):
            for name in LIFTING:
                if getattr(self, name) != self.__dataclass_fields__[name].default:
                    fail(name, "left out for a jaxrnn Layer, which no lifted scan runs", getattr(self, name))
            return self.cell
        if not is_cell(self.cell):
            fail("cell", "a cell module, a jaxrnn Layer, or a cell of Flax's protocol", self.cell, kind=TypeError)
        check_lifting(variable_axes=self.variable_axes, split_rngs=self.split_rngs)
        if self.in_features is not None or self.sharding is not None:
            got = (self.in_features, self.sharding)
            fail("in_features and sharding", "left out for a cell module, which has its own", got)
        if not isinstance(self.cell, SingleStep) or overridden(type(self.cell), SingleStep):
            return None
        return self.cell.functional

    def _fitted(self, layer: Layer, carry: Any) -> Layer:
        own = carry is None or not isinstance(self.cell, SingleStep)
        return layer if own else self.cell.fitted(carry, "initial_carry")

    def _params(self, inputs: Array, layer: Layer) -> Params:
        if isinstance(self.cell, SingleStep):
            return self.cell.functional_params(inputs, layer)
        return super()._params(inputs, layer)

    def _given_params(self) -> Params:
        return self.cell.variables["params"] if isinstance(self.cell, SingleStep) else super()._given_params()

    def _input_size(self) -> int | None:
        if self.functional is None or not isinstance(self.cell, SingleStep):
            return super()._input_size() if self.functional is not None else None
        given = self.cell.variables.get("params")
        return self.functional.input_size(nn.meta.unbox(given)) if given else self.cell.in_features

    def _drawn_carry(self, batch: tuple[Axis, ...], init_key: PRNGKeyArray | None) -> Any:
        if not isinstance(self.cell, SingleStep) or self.cell.initializer is None:
            return None
        return self.cell.initialize_carry(_key_or_default(init_key), (*batch, 1))

    def _own_form(self, layer: Layer, carry: Any, given: Any = None) -> Any:
        """A cell module's carry has no names, where none was given."""
        if given is None and isinstance(self.cell, SingleStep):
            return plain(carry)
        return super()._own_form(layer, carry, given)

    def _check_lifted(self, deterministic: bool | None, options: Mapping[str, Any]) -> None:
        """What a cell that runs as it says does not know was left out, here and where the module was made."""
        own = deterministic if deterministic is not None else (self.deterministic or None)
        check_lifted(self, deterministic=own, **options)

    def _run_lifted(self, call: Call, given: Any, init_key: PRNGKeyArray | None) -> tuple[Any, Any]:
        cell, carry = self.cell, given
        if given is None:
            carry = cell.initialize_carry(_key_or_default(init_key), call.xs.shape[1:])
        ours = isinstance(cell, SingleStep) and given is not None
        if ours:
            carry = plain(cell.functional.pack(given, "initial_carry"))
        run = nn.scan(
            held_step,
            in_axes=0,
            out_axes=0,
            reverse=call.flags.reverse,
            unroll=self.unroll,
            variable_axes=self.variable_axes,
            variable_broadcast=self.variable_broadcast,
            variable_carry=self.variable_carry,
            split_rngs=self.split_rngs,
        )
        valid = valid_steps(call.xs.shape[0], call.lengths, None)
        carry, outputs = run(cell, *held_inputs(call.xs, valid, carry, call.batch))
        return like(given, carry, cell.functional.pack) if ours else carry, outputs


def _key_or_default(init_key: PRNGKeyArray | None) -> PRNGKeyArray:
    return jax.random.key(0) if init_key is None else init_key  # Flax's default
