"""`ScannedRNN`, the recurrent layer of agents' code. `nnx/scanned.py` is its twin, for NNX's way with variables."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array
from jaxrnn.flax_common.scanned import check_scanned, zero_carry
from jaxrnn.linen.cells import GRUCell
from jaxrnn.linen.rnn import RNN


class ScannedRNN(nn.Module):
    """A recurrent layer over time with resets, as PureJaxRL, JaxMARL and others copy it.

    `carry, ys = ScannedRNN()(carry, (ins, resets))`, time first: where `resets[t]` is true, a row starts anew from the
    initial carry **before** step t, so that `ys[t]` has seen nothing of the episode before. What collects rollouts has
    "done after step t": `jaxrnn.starts_from` turns it into that.

    Without arguments it is a GRU of as many units as its carry, an array `[*B, H]`; its numbers are those of
    `flax.linen.GRUCell`, whose parameters `jaxrnn.interop.scanned` turns into these, and it starts as that does, in
    float32 under x64 too.

    Attributes:
        cell: in place of the GRU a cell module, or a jaxrnn Layer (a cell, a stack, with wrappers or without), whose
            parameters this module then holds. It comes with a carry of its own: `layer.initial_carry((B,))`.
        chunk, backend: see `jaxrnn.scan`.

    Raises:
        TypeError, ValueError: inputs, resets and carry do not fit each other; the message says how they were read.

    >>> import jax, jax.numpy as jnp
    >>> from jaxrnn.linen import ScannedRNN
    >>> ins, resets = jnp.ones((7, 2, 3), jnp.float32), jnp.zeros((7, 2), bool).at[4, 1].set(True)
    >>> carry = ScannedRNN.initialize_carry(2, 5)
    >>> variables = ScannedRNN().init(jax.random.key(0), carry, (ins, resets))
    >>> carry, ys = ScannedRNN().apply(variables, carry, (ins, resets))
    >>> carry.shape, ys.shape, bool((ys[4, 1] == ys[0, 1]).all())
    ((2, 5), (7, 2, 5), True)
    """

    cell: Any = None
    chunk: int | str | None = None
    backend: str = "auto"

    @nn.compact
    def __call__(self, carry: Any, x: tuple[Array, Array]) -> tuple[Any, Array]:
        """Run over a sequence.

        Args:
            carry: the array h `[*B, H]` of a GRU, else the carry of the cell.
            x: the inputs `[T, *B, D]` and the resets `[T, *B]`, bools or zeros and ones.

        Returns:
            `(carry, ys)`: the carry after the last step, in the form in which one was given, and `[T, *B, H]`.
        """
        cell = self.cell
        if cell is None:
            if not hasattr(carry, "shape") or not carry.shape:
                fail("carry", "an array [*B, H] for the GRU that runs without `cell`", carry, kind=TypeError)
            lecun = jax.nn.initializers.lecun_normal()
            cell = GRUCell(carry.shape[-1], kernel_init=lecun, param_dtype=jnp.float32)  # type: ignore[call-arg]
        ins, resets = check_scanned(carry, x, cell)
        rnn = RNN(cell, time_major=True, return_carry=True, chunk=self.chunk, backend=self.backend)
        return rnn(ins, initial_carry=carry, resets=resets)

    @staticmethod
    def initialize_carry(batch_size: int | tuple[int, ...], hidden_size: int) -> Array:
        """Zeros `[B, H]`, float32, the carry that the GRU starts from.

        Args:
            batch_size: B; or a tuple, where there are several batch axes.
            hidden_size: H, the number of units.

        Raises:
            TypeError, ValueError: a size is no positive integer.
        """
        return zero_carry(batch_size, hidden_size)
