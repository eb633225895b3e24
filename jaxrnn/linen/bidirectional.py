"""Two sequence modules, one from each end, with the protocol of `flax.linen.Bidirectional`."""

from __future__ import annotations

from typing import Any

import jax
from flax import linen as nn

from jaxrnn.base.checks import check_key
from jaxrnn.base.hints import Spelled
from jaxrnn.base.typing import Array, Axis, PRNGKeyArray
from jaxrnn.flax_common.both_ways import check_directions, run_both_ways
from jaxrnn.flax_common.call import resolve_flags


class Bidirectional(Spelled, nn.Module):
    """Two sequence modules, one from each end, their outputs merged; takes the place of `flax.linen.Bidirectional`.

    Attributes:
        forward_rnn, backward_rnn: modules with the protocol of `RNN`, each with parameters and state of its own.
        merge_fn: a function of both outputs, or "concat", "sum", "mul", "ave", or None for the pair of both.
        time_major, return_carry: as for `RNN`.

    >>> import jax, jax.numpy as jnp
    >>> from jaxrnn.linen import RNN, GRUCell, Bidirectional
    >>> both, inputs = Bidirectional(RNN(GRUCell(4)), RNN(GRUCell(4))), jnp.ones((2, 7, 3))
    >>> variables = both.init(jax.random.key(0), inputs)
    >>> both.apply(variables, inputs, seq_lengths=jnp.array([7, 5])).shape
    (2, 7, 8)
    """

    _interface = "linen"
    forward_rnn: Any
    backward_rnn: Any
    merge_fn: Any = "concat"
    time_major: bool = False
    return_carry: bool = False

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
        **options: Any,
    ) -> Any:
        """Run both ways over a sequence.

        Args:
            initial_carry: a pair, one carry a direction.
            reverse: not for this module, which runs both ways. keep_order: outputs are always in the inputs' order.
            inputs, init_key, seq_lengths, return_carry, time_major: as for `RNN`.
            **options: what `RNN` takes beyond these, passed to both.

        Returns:
            The merged outputs; with `return_carry` `(BidirectionalCarry(forward, backward), outputs)`.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it.
        """
        check_directions(self.forward_rnn, self.backward_rnn, nn.Module, nn.RNNCellBase)
        if init_key is not None:
            check_key(init_key, "init_key")
        keys = ({}, {}) if init_key is None else tuple({"init_key": key} for key in jax.random.split(init_key))
        given = dict(return_carry=return_carry, time_major=time_major, reverse=reverse, keep_order=keep_order)
        flags = resolve_flags(self, **given)
        return run_both_ways(self, inputs, initial_carry, seq_lengths, flags, keys, options)

    def reset_state(self, batch: tuple[Axis, ...] | None = None) -> None:
        """Forget the carries of both directions; see `RNN.reset_state`."""
        self.forward_rnn.reset_state(batch)
        self.backward_rnn.reset_state(batch)
