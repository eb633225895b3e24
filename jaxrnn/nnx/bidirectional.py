"""Two sequence modules, one from each end, with the protocol of `flax.nnx.Bidirectional`."""

from __future__ import annotations

from typing import Any

from flax import nnx

from jaxrnn.base.errors import fail
from jaxrnn.base.hints import Spelled
from jaxrnn.base.typing import Array, Axis
from jaxrnn.flax_common.both_ways import check_directions, merge_function, run_both_ways
from jaxrnn.flax_common.call import check_flags, resolve_flags
from jaxrnn.nnx.parameters import Rngs


class Bidirectional(Spelled, nnx.Module):
    """Two sequence modules, one from each end, their outputs merged; takes the place of `flax.nnx.Bidirectional`.

    Args:
        forward_rnn, backward_rnn: modules with the protocol of `RNN`, each with parameters and state of its own.
        merge_fn: a function of both outputs, or "concat", "sum", "mul", "ave", or None for the pair of both.
        time_major, return_carry: as for `RNN`.
        rngs: an nnx.Rngs is passed to both in every call; with a bool they use their own.

    Raises:
        TypeError, ValueError: an argument is of the wrong type; the message names it.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.nnx import RNN, GRUCell, Bidirectional
    >>> one = lambda: RNN(GRUCell(3, 4, rngs=nnx.Rngs(0)))
    >>> Bidirectional(one(), one())(jnp.ones((2, 7, 3)), seq_lengths=jnp.array([7, 5])).shape
    (2, 7, 8)
    """

    _interface = "nnx"

    def __init__(
        self,
        forward_rnn: Any,
        backward_rnn: Any,
        *,
        merge_fn: Any = "concat",
        time_major: bool = False,
        return_carry: bool = False,
        rngs: Rngs | bool = True,
    ):
        check_directions(forward_rnn, backward_rnn, nnx.Module, nnx.RNNCellBase)
        check_flags(time_major=time_major, return_carry=return_carry)
        if not isinstance(rngs, Rngs | bool):
            fail("rngs", "an nnx.Rngs, an nnx.RngStream or a bool", rngs, kind=TypeError)
        merge_function(merge_fn)
        self.forward_rnn = forward_rnn
        self.backward_rnn = backward_rnn
        self.merge_fn = merge_fn
        self.time_major = time_major
        self.return_carry = return_carry
        self.rngs = nnx.data(None if isinstance(rngs, bool) else rngs.fork())

    def __call__(
        self,
        inputs: Array,
        *,
        initial_carry: Any = None,
        rngs: Rngs | Array | None = None,
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
            inputs, rngs, seq_lengths, return_carry, time_major: as for `RNN`.
            **options: what `RNN` takes beyond these, passed to both.

        Returns:
            The merged outputs; with `return_carry` `(BidirectionalCarry(forward, backward), outputs)`.

        Raises:
            TypeError, ValueError: an argument does not fit; the message names it.
        """
        rngs = self.rngs if rngs is None else rngs
        passed = {} if rngs is None else {"rngs": rngs}
        given = dict(return_carry=return_carry, time_major=time_major, reverse=reverse, keep_order=keep_order)
        flags = resolve_flags(self, **given)
        return run_both_ways(self, inputs, initial_carry, seq_lengths, flags, (passed, passed), options)

    def reset_state(self, batch: tuple[Axis, ...] | None = None) -> None:
        """Forget the carries of both directions; see `RNN.reset_state`."""
        self.forward_rnn.reset_state(batch)
        self.backward_rnn.reset_state(batch)
