"""The options of each cell as dataclass fields, since linen modules are dataclasses.

None stands for the default of the functional factory, so that no default stands twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from jaxrnn.cell import Cell
from jaxrnn.cells.elman import elman
from jaxrnn.cells.gru import gru
from jaxrnn.cells.lstm import lstm
from jaxrnn.flax_common.layers import make_cell
from jaxrnn.typing import Activation, Initializer

options = partial(dataclass, kw_only=True, repr=False, eq=False)


@options()
class CellOptions:
    """What every cell takes; see `jaxrnn.gate_cell.Common`."""

    features: int = field(kw_only=False)
    use_bias: bool | None = None
    kernel_init: Initializer | Mapping[str, Initializer] | None = None
    recurrent_kernel_init: Initializer | Mapping[str, Initializer] | None = None
    bias_init: Initializer | Mapping[str, Initializer] | None = None
    learn_carry: bool | None = None
    carry_init: Initializer | None = None
    dtype: Any = None
    param_dtype: Any = None
    carry_dtype: Any = None

    def make_cell(self, *leave_out: str) -> Cell:
        """The functional cell of these options."""
        family = next(c for c in type(self).__mro__ if "factory" in vars(c))
        names = (f.name for f in fields(family) if f.name not in ("features", *leave_out))
        given = {name: getattr(self, name) for name in names}
        return make_cell(self.factory, self.features, "features", {k: v for k, v in given.items() if v is not None})  # type: ignore[attr-defined]


@options()
class LSTMOptions(CellOptions):
    """The options of `jaxrnn.lstm`."""

    factory = staticmethod(lstm)
    gate_fn: Activation | None = None
    activation_fn: Activation | None = None
    output_activation: Activation | None = None
    forget_gate: bool | None = None
    forget_bias: float | None = None
    peepholes: bool | None = None
    coupled: bool | None = None
    projection: int | None = None
    cell_clip: float | None = None
    layer_norm: bool | None = None
    chrono: float | None = None
    truncated_gradient: bool | None = None


@options()
class GRUOptions(CellOptions):
    """The options of `jaxrnn.gru`."""

    factory = staticmethod(gru)
    gate_fn: Activation | None = None
    activation_fn: Activation | None = None
    reset_after: bool | None = None
    chrono: float | None = None


@options()
class ElmanOptions(CellOptions):
    """The options of `jaxrnn.elman`."""

    factory = staticmethod(elman)
    activation_fn: Activation | None = None
    leak: float | None = None
    residual: bool | None = None
