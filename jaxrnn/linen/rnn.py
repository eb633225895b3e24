"""Sequence modules, with the protocol of `flax.linen.RNN`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import Any, Unpack

import jax
from flax import linen as nn

from jaxrnn.compose import BidirectionalCarry
from jaxrnn.errors import fail
from jaxrnn.flax_common import (
    Call,
    Flags,
    SequenceOptions,
    Sharding,
    check_flax_carry,
    check_flax_options,
    check_kept,
    close_call,
    feature_axes,
    held_inputs,
    held_step,
    make_layers,
    merge_function,
    open_call,
    run_layer,
    split_carry,
    to_flax,
)
from jaxrnn.layer import Layer, check_batch, check_flag, check_key, check_size
from jaxrnn.linen.cells import _Cell, declare, noise_key
from jaxrnn.linen.options import ElmanOptions, GRUOptions, LSTMOptions
from jaxrnn.typing import Array, Params, PRNGKeyArray

STATE = ("carry", "state")  # the collection and the name under which a stateful module keeps its carry


class _Sequence(nn.Module):
    """Runs a functional layer, or a Flax cell, over a sequence."""

    _: KW_ONLY
    in_features: int | None = None
    time_major: bool = False
    return_carry: bool = False
    reverse: bool = False
    keep_order: bool = False
    unroll: int = 1
    stateful: bool = False
    chunk: int | str | None = None
    backend: str = "auto"
    deterministic: bool = False
    sharding: Sharding | None = None

    @property
    def functional(self) -> Layer | None:
        """What `jaxrnn.scan` runs; None around a Flax cell."""
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
            keep_order: with `reverse`, outputs in the order of the inputs; else in the order of processing.
            deterministic: run without dropout and zoneout, which otherwise draw from the `dropout` stream.
            **options: `mask`, `resets`, `segments`, `reset_carry`, `per_step`, `start_step`, see `SequenceOptions`.

        Returns:
            The outputs `[*B, T, output_size]`, zero at padded steps; with `return_carry` `(carry, outputs)`.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it, what was expected and what came.
        """
        for name in ("stateful", "deterministic"):
            check_flag(getattr(self, name), name)
        check_size(self.unroll, "unroll")
        if init_key is not None:
            check_key(init_key, "init_key")
        flags = Flags(return_carry, time_major, reverse, keep_order).resolve(self)
        layer = self.functional
        features = self.cell.num_feature_axes if layer is None else feature_axes(inputs)
        call = open_call(flags, inputs, seq_lengths, options, features)
        given = initial_carry
        state = self._state() if self.stateful else None
        if given is None and state is not None and state.value is not None:
            initial_carry = state.value
            check_kept(initial_carry, call.batch, features or 1)
        if layer is None:
            carry, outputs = self._run_flax_cell(call, initial_carry, init_key)
        else:
            params = self._params(call.xs)
            if initial_carry is None:
                initial_carry = self._drawn_carry(call, init_key)
            rng = noise_key(self, layer, deterministic)
            carry, outputs = run_layer(layer, params, call, initial_carry, rng=rng, chunk=self.chunk, backend=self.backend)
            carry = to_flax(carry, given)
        if state is not None and not self.is_initializing():
            state.value = carry
        outputs = close_call(call, outputs)
        return (carry, outputs) if flags.return_carry else outputs

    @nn.nowrap
    def reset_state(self, variables: Mapping[str, Any], batch: tuple[int, ...] | None = None) -> dict[str, Any]:
        ...

    def _state(self) -> nn.Variable:
        if not self.is_mutable_collection(STATE[0]):
            fail("mutable", f"given to apply with {STATE[0]!r} in it, for a stateful module", "a call that cannot keep its carry")
        return self.variable(*STATE, lambda: None)

    def _params(self, inputs: Array) -> Params:
        return declare(self, self.functional, inputs, self.in_features, self.sharding)

    def _drawn_carry(self, call: Call, init_key: PRNGKeyArray | None) -> Any:
        """An initial carry that is drawn, or None for the layer's own."""
        return None
