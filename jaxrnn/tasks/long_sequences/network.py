"""The network of the long sequences: blocks of a cell given by name, as wide as a number of parameters allows.

    h = x W_in + b_in
    h = h + gelu(cell over normalise(h)) W + b             in every block
    o[t] = normalise(h[t]) W_out + b_out

Cells that are linear in the state have no nonlinearity over time, so that one stands behind each of them; it stands
behind the others too, and all have the same number of parameters, as near as whole units come to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.core.cell import Cell
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.shared.dense import dense, dense_init, normalise
from jaxrnn.tasks.shared.sequence_cells import CELLS, CellName
from jaxrnn.train.options import check
from jaxrnn.train.task import Params

GATED = ("lstm", "gru")
WIDEST = 4096


@dataclass(frozen=True)
class Network:
    """The network.

    Args:
        cell: Its kind.
        layers: Blocks, one after the other.
        parameters: Number of them in the whole network, at most: it is as wide as they allow.
        chrono: Of lstm and gru: they start as if memories of up to so many steps were needed (Tallec & Ollivier 2018).
            0 for the usual start, which forgets within a few steps.
    """

    cell: CellName = "lru"
    layers: int = 2
    parameters: int = 20_000
    chrono: float = 0.0

    def __post_init__(self) -> None:
        check(self.cell in CELLS, "model.cell", f"one of {', '.join(CELLS)}", self.cell)
        check(self.layers >= 1, "model.layers", "1 or more", self.layers)
        check(self.parameters >= 1, "model.parameters", "1 or more", self.parameters)
        check(self.chrono == 0 or self.chrono > 2, "model.chrono", "0, or more than 2 steps", self.chrono)
        check(self.chrono == 0 or self.cell in GATED, "model.chrono", f"0 for all but {', '.join(GATED)}", self.chrono)

    def layer(self, units: int) -> Cell:
        """The recurrence of a block."""
        return CELLS[self.cell](units, **({"chrono": self.chrono} if self.chrono else {}))

    def units(self, inputs: int, outputs: int) -> int:
        """H: the most units with no more than `parameters`.

        Raises:
            ValueError: If one unit has more.
        """
        return _units(self, inputs, outputs)

    def init(self, key: jax.Array, inputs: int, outputs: int) -> Params:
        """Parameters {"encoder", "blocks": [{"norm", "rnn", "mix"}, ...], "norm", "readout"}."""
        return self._of_size(key, inputs, outputs, self.units(inputs, outputs))

    def _of_size(self, key: jax.Array, inputs: int, outputs: int, units: int) -> Params:
        first, last, *keys = jax.random.split(key, 2 + 2 * self.layers)
        norm = {"scale": jnp.ones(units), "bias": jnp.zeros(units)}
        blocks = [
            {"norm": norm, "rnn": self.layer(units).init(rnn, inputs=units), "mix": dense_init(mix, units, units)}
            for rnn, mix in zip(keys[::2], keys[1::2], strict=True)
        ]
        encoder, readout = dense_init(first, inputs, units), dense_init(last, units, outputs)
        return {"encoder": encoder, "blocks": blocks, "norm": norm, "readout": readout}

    def __call__(self, params: Params, xs: jax.Array, lengths: Any = None) -> jax.Array:
        """Outputs [T, B, O] of inputs [T, B, D]; beyond a row's length they mean nothing."""
        hs = dense(params["encoder"], xs)
        layer = self.layer(hs.shape[-1])
        for block in params["blocks"]:
            _, ys = scan(layer, block["rnn"], normalise(block["norm"], hs), lengths=lengths)
            hs = hs + dense(block["mix"], jax.nn.gelu(ys))
        return dense(params["readout"], normalise(params["norm"], hs))


@cache
def _units(network: Network, inputs: int, outputs: int) -> int:
    def count(units: int) -> int:
        made = jax.eval_shape(partial(network._of_size, inputs=inputs, outputs=outputs, units=units), jax.random.key(0))
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(made))

    least = count(1)
    check(least <= network.parameters, "model.parameters", f"{least} or more, for one unit", network.parameters)
    low, high = 1, 2
    while high < WIDEST and count(high) <= network.parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) <= network.parameters else (low, middle)
    return low
