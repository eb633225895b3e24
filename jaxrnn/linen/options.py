"""The options of each cell as dataclass fields, since linen modules are dataclasses.

Flax's own stand in Flax's order, and may go by position; those beyond Flax go by name. None stands for the default of
the functional factory, so that no default stands twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from inspect import signature
from typing import Any

from jaxrnn.base.typing import Activation, Initializer
from jaxrnn.cells.elman import elman
from jaxrnn.cells.gru import gru
from jaxrnn.cells.lstm import lstm
from jaxrnn.core.cell import Cell
from jaxrnn.flax_common.layers import conv_lstm, make_cell, simple
from jaxrnn.flax_common.signatures import documented
from jaxrnn.forms.form import Form

options = partial(dataclass, kw_only=True, repr=False, eq=False)


def by_position(default: Any = None) -> Any:
    """A field that Flax's cell has at this place."""
    return field(default=default, kw_only=False)


def default_of(factory: Callable[..., Any], name: str) -> Any:
    """What a factory takes where nothing is given; a function that a user may read off the module, as off Flax's."""
    return by_position(signature(factory).parameters[name].default)


@options()
class CellOptions:
    """What every cell takes; see `jaxrnn.core.factory.Common`."""

    features: int = field(kw_only=False)
    use_bias: bool | None = None
    input: Form | None = None
    recurrent: Form | None = None
    multiplicative: bool | None = None
    learn_carry: bool | None = None
    carry_dtype: Any = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if ">>> " in (vars(cls).get("__doc__") or ""):
            cls.__doc__ = documented(cls.__doc__, cls.factory)  # type: ignore[attr-defined, arg-type]

    def make_cell(self, *leave_out: str) -> Cell:
        """The functional cell of these options."""
        family = next(c for c in type(self).__mro__ if "factory" in vars(c))
        given = {f: getattr(self, f.name) for f in fields(family) if f.name not in ("features", *leave_out)}
        options = {f.name: value for f, value in given.items() if value is not None or f.default is not None}
        return make_cell(self.factory, self.features, "features", options)  # type: ignore[attr-defined]


@options()
class GatedOptions(CellOptions):
    """What cells with gates take."""

    gate_fn: Activation = default_of(lstm, "gate_activation")
    activation_fn: Activation = default_of(lstm, "activation")
    kernel_init: Initializer | Mapping[str, Initializer] | None = by_position()
    recurrent_kernel_init: Initializer | Mapping[str, Initializer] | None = by_position()
    bias_init: Initializer | Mapping[str, Initializer] | None = by_position()
    dtype: Any = by_position()
    param_dtype: Any = by_position()
    carry_init: Initializer | None = by_position()


@options()
class LSTMOptions(GatedOptions):
    """The options of `jaxrnn.lstm`."""

    factory = staticmethod(lstm)
    output_activation: Activation | None = None
    forget_gate: bool | None = None
    forget_bias: float | None = None
    peepholes: bool | None = None
    spatial: int | Sequence[int] | None = None
    coupled: bool | None = None
    projection: int | None = None
    cell_clip: float | None = None
    layer_norm: bool | None = None
    chrono: float | None = None
    truncated_gradient: bool | None = None


@options()
class Window:
    """What stands before all else in a convolutional cell."""

    features: int = field(kw_only=False)
    kernel_size: int | Sequence[int] = field(kw_only=False)
    strides: int | Sequence[int] | None = default_of(conv_lstm, "strides")
    padding: str | Sequence[tuple[int, int]] = default_of(conv_lstm, "padding")


@options()
class ConvLSTMOptions(LSTMOptions, Window):
    """The options of `jaxrnn.lstm`; by position those that Flax's ConvLSTMCell has, functions and initialisers by name.

    Fields of the last base stand in front.
    """

    factory = staticmethod(conv_lstm)  # type: ignore[assignment]
    use_bias: bool | None = by_position()
    gate_fn: Activation = signature(lstm).parameters["gate_activation"].default
    activation_fn: Activation = signature(lstm).parameters["activation"].default
    kernel_init: Initializer | Mapping[str, Initializer] | None = None
    recurrent_kernel_init: Initializer | Mapping[str, Initializer] | None = None
    bias_init: Initializer | Mapping[str, Initializer] | None = None


@options()
class GRUOptions(GatedOptions):
    """The options of `jaxrnn.gru`."""

    factory = staticmethod(gru)
    reset_after: bool | None = None
    chrono: float | None = None


@options()
class UngatedOptions(CellOptions):
    """What cells without gates take.

    Field for field what `GatedOptions` has after `gate_fn`: as fields are inherited in front, and by their order alone
    go by position as Flax's do, neither class can be made of the other.
    """

    activation_fn: Activation = default_of(elman, "activation")
    kernel_init: Initializer | Mapping[str, Initializer] | None = by_position()
    recurrent_kernel_init: Initializer | Mapping[str, Initializer] | None = by_position()
    bias_init: Initializer | Mapping[str, Initializer] | None = by_position()
    dtype: Any = by_position()
    param_dtype: Any = by_position()
    carry_init: Initializer | None = by_position()


@options()
class SimpleOptions(UngatedOptions):
    """The options of Flax's SimpleCell."""

    factory = staticmethod(simple)
    residual: bool = default_of(simple, "residual")


@options()
class ElmanOptions(UngatedOptions):
    """The options of `jaxrnn.elman`."""

    factory = staticmethod(elman)
    leak: float | None = None
    residual: bool | str | None = None
