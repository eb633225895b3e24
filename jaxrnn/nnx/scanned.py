"""`ScannedRNN`, the recurrent layer of agents' code. `linen/scanned.py` is its twin, whose size is the carry's."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array
from jaxrnn.flax_common.scanned import check_scanned, zero_carry
from jaxrnn.nnx.cells import GRUCell
from jaxrnn.nnx.parameters import Rngs
from jaxrnn.nnx.rnn import RNN


class ScannedRNN(nnx.Module):
    """A recurrent layer over time with resets; see `jaxrnn.linen.ScannedRNN`, of which this is the NNX form.

    Args:
        in_features: D, the number of inputs.
        hidden_features: H, for a GRU; left out with `cell`.
        cell: in place of the GRU a cell module (then `in_features` is left out too), or a jaxrnn Layer, whose
            parameters this module then holds.
        chunk, backend: see `jaxrnn.scan`.
        rngs: gives the parameters.

    Raises:
        TypeError, ValueError: an argument is missing, too many, or of the wrong type.

    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from jaxrnn.nnx import ScannedRNN
    >>> rnn = ScannedRNN(3, 5, rngs=nnx.Rngs(0))
    >>> carry = ScannedRNN.initialize_carry(2, 5)
    >>> carry, ys = rnn(carry, (jnp.ones((7, 2, 3), jnp.float32), jnp.zeros((7, 2), bool)))
    >>> carry.shape, ys.shape
    ((2, 5), (7, 2, 5))
    """

    def __init__(
        self,
        in_features: int | None = None,
        hidden_features: int | None = None,
        *,
        cell: Any = None,
        chunk: int | str | None = None,
        backend: str = "auto",
        rngs: Rngs,
    ):
        if (cell is None) == (hidden_features is None):
            fail("hidden_features", "given for a GRU, or `cell` in its place", (hidden_features, cell))
        if cell is None:
            if in_features is None:
                fail("in_features", "given", None)
            lecun = jax.nn.initializers.lecun_normal()
            floats = dict(kernel_init=lecun, param_dtype=jnp.float32)
            cell = GRUCell(in_features, hidden_features, **floats, rngs=rngs)  # type: ignore[arg-type]
            in_features = None
        flags = dict(time_major=True, return_carry=True)
        self.rnn = RNN(cell, in_features, **flags, chunk=chunk, backend=backend, rngs=rngs)  # type: ignore[arg-type]

    def __call__(self, carry: Any, x: tuple[Array, Array]) -> tuple[Any, Array]:
        """Run over a sequence.

        Args:
            carry: the array h `[*B, H]` of a GRU, else the carry of the cell.
            x: the inputs `[T, *B, D]` and the resets `[T, *B]`, bools or zeros and ones.

        Returns:
            `(carry, ys)`: the carry after the last step, in the form in which one was given, and `[T, *B, H]`.
        """
        ins, resets = check_scanned(carry, x, self.rnn.functional)
        return self.rnn(ins, initial_carry=carry, resets=resets)

    @staticmethod
    def initialize_carry(batch_size: int | tuple[int, ...], hidden_size: int) -> Array:
        """Zeros `[B, H]`; see `jaxrnn.linen.ScannedRNN.initialize_carry`."""
        return zero_carry(batch_size, hidden_size)
