"""Forms around a form: which gates have a kernel, and kernels that are functions of what is held."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Axis, Initializer
from jaxrnn.forms.dense import dense
from jaxrnn.forms.form import Arrays, Columns, Form, Weight


@dataclass(frozen=True, repr=False)
class Around(Form):
    """The form inside, until a subclass says otherwise."""

    of: Form

    @property
    def names(self) -> tuple[str, ...]:
        return self.of.names

    @property
    def axes(self) -> int:
        return self.of.axes

    @property
    def is_map(self) -> bool:  # type: ignore[override]
        return self.of.is_map

    @property
    def matrices(self) -> bool:  # type: ignore[override]
        return self.of.matrices

    @property
    def names_gates(self) -> bool:  # type: ignore[override]
        return self.of.names_gates

    @property
    def elementwise(self) -> bool:  # type: ignore[override]
        return self.of.elementwise

    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        return self.of.weights(inputs, gates, units, init, argument)

    @property
    def keeps_positions(self) -> bool:  # type: ignore[override]
        return self.of.keeps_positions

    def units_axis(self, index: int) -> int | None:
        return self.of.units_axis(index)

    def positions(self, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        return self.of.positions(axes)

    def inputs_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        return self.of.inputs_of(shapes[: len(self.of.names)])  # what is held beside them comes last

    def units_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        return self.of.units_of(shapes[: len(self.of.names)])

    def product(self, arrays: Arrays, h: Array) -> Array:
        form, arrays = self.prepared(arrays)
        return form.product(arrays, h)

    @property
    def derivable(self) -> bool:  # type: ignore[override]
        return self.of.derivable

    def holding(self, change: Callable[[Form], Form]) -> Form | None:
        return None

    def columns(self, gates: tuple[str, ...], argument: str) -> Columns:
        return self.of.columns(gates, argument)

    def prepared(self, arrays: Arrays) -> tuple[Form, Arrays]:
        return self.of.prepared(arrays)

    def init(self, side: str) -> Initializer | None:
        return self.of.init(side)

    def shown(self, name: str, *arguments: object) -> str:
        """As one would type it."""
        inner = [] if self.of == dense else [f"of={self.of!r}"]
        return f"{name}({', '.join([*map(repr, arguments), *inner])})"


def check_form(form: object, argument: str = "of") -> Form:
    """`form`, if it is one."""
    if not isinstance(form, Form):
        expected = "a form of kernels, such as jaxrnn.dense, jaxrnn.diagonal or jaxrnn.heads(4)"
        fail(argument, expected, form, kind=TypeError)
    return form
