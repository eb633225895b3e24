"""Steps of differential equations that neither grow nor fade."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jaxrnn.cells.dynamics.antisymmetric import antisymmetric_rnn, gated_antisymmetric_rnn
from jaxrnn.cells.dynamics.cornn import OscillatorCarry, cornn
from jaxrnn.cells.dynamics.lem import LEMCarry, lem
from jaxrnn.cells.dynamics.lipschitz import lipschitz_rnn
from jaxrnn.cells.dynamics.unicornn import unicornn
from jaxrnn.core.cell import Cell

CELLS: dict[str, Callable[[int], Cell]] = {
    "antisymmetric_rnn": antisymmetric_rnn,
    "gated_antisymmetric_rnn": gated_antisymmetric_rnn,
    "cornn": cornn,
    "cornn, implicit": partial(cornn, implicit=True),
    "lem": lem,
    "unicornn": unicornn,
    "lipschitz_rnn": lipschitz_rnn,
}

__all__ = [
    "CELLS",
    "LEMCarry",
    "OscillatorCarry",
    "antisymmetric_rnn",
    "cornn",
    "gated_antisymmetric_rnn",
    "lem",
    "lipschitz_rnn",
    "unicornn",
]
