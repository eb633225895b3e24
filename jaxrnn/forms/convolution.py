"""Units on a grid: each reads the inputs within a window around it, by one kernel for all places.

Papers:
    Shi et al., Convolutional LSTM network, NIPS 2015 (arXiv:1506.04214).
    Ballas et al., Delving deeper into convolutional networks for learning video representations, ICLR 2016
    (arXiv:1511.06432), whose GRU has convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxrnn.base.checks import check_choice, check_size
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Axis, Initializer
from jaxrnn.forms.form import Arrays, Form, Weight
from jaxrnn.forms.windows import LETTERS, Windows, convolve


@dataclass(frozen=True, repr=False)
class Convolution(Form):
    """`[*W, R, G, H]`, for inputs `[*B, *S, R]`."""

    window: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str

    def __repr__(self) -> str:
        ones = (1,) * self.axes
        shown = [f"{name}={value}" for name in ("strides", "dilation") if (value := getattr(self, name)) != ones]
        shown += [f"padding={self.padding!r}"] if self.padding != "same" else []
        return f"convolution({', '.join([repr(self.window), *shown])})"

    @property
    def axes(self) -> int:
        return len(self.window)

    def weights(self, inputs: int, gates: int | None, units: int, init: Initializer, argument: str) -> list[Weight]:
        if argument == "recurrent" and not self.keeps_positions:
            fail(argument, "a convolution of stride 1 with padding 'same', which keeps the state's positions", self)
        return [Weight((*self.window, inputs, *(() if gates is None else (gates,)), units), init)]

    def inputs_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        return shapes[0][self.axes]

    def product(self, arrays: Arrays, h: Array) -> Array:
        (kernel,) = arrays
        flat = kernel.reshape(*kernel.shape[: self.axes + 1], -1)  # of all gates
        result = convolve(Windows(self.strides, self.dilation, self.padding.upper()), h, flat)
        return result.reshape(*result.shape[:-1], *kernel.shape[self.axes + 1 :])

    @property
    def keeps_positions(self) -> bool:  # type: ignore[override]
        return self.padding == "same" and self.strides == (1,) * self.axes

    def positions(self, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        n = len(axes) - self.axes
        return (*axes[:n], *map(self._length, axes[n:], self.window, self.strides, self.dilation))

    def _length(self, size: Any, window: int, stride: int, dilation: int) -> Any:
        if self.padding == "same":
            return -(-size // stride)
        return (size - dilation * (window - 1) - 1) // stride + 1


def convolution(
    window: int | tuple[int, ...],
    *,
    strides: int | tuple[int, ...] = 1,
    dilation: int | tuple[int, ...] = 1,
    padding: str = "same",
) -> Form:
    """Units on a grid of one to three axes *S, each of which reads what is within a window around it.

        h.g[s] = sum_w h[s + w] @ U_g[w]

    Arrays of such a cell are `[*B, *S, H]`: outputs, states, and inputs `[T, *B, *S, D]`. Lengths, masks and resets are
    those of whole rows, `[*B]`. Kernels are `[*W, D, G, H]`.

    Args:
        window: *W, the sizes of the window; a number for one axis.
        strides: between the places of the result; for the input alone, as `padding` "valid" is.
        dilation: between the numbers that a window reads.
        padding: "same" (zeros around, the grid stays as large) or "valid".

    Returns:
        A form for the options `input` and `recurrent` of every cell.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    Paper: Shi et al., Convolutional LSTM network, NIPS 2015.

    >>> import jax, jaxrnn
    >>> window = jaxrnn.convolution((3, 3))
    >>> cell = jaxrnn.lstm(8, input=window, recurrent=window, peepholes=True)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> carry, ys = jaxrnn.scan(cell, params, jax.numpy.ones((5, 2, 10, 12, 3)), lengths=jax.numpy.array([5, 2]))
    >>> ys.shape, params["recurrent_kernel"].shape
    ((5, 2, 10, 12, 8), (3, 3, 8, 4, 8))
    """
    sizes = _sizes(window, "window", None)
    if not 1 <= len(sizes) <= len(LETTERS):
        fail("window", f"sizes of one to {len(LETTERS)} axes", window)
    given = _sizes(strides, "strides", len(sizes)), _sizes(dilation, "dilation", len(sizes))
    return Convolution(sizes, *given, check_choice(padding, "padding", ("same", "valid")))


def _sizes(value: Any, argument: str, axes: int | None) -> tuple[int, ...]:
    """One size an axis."""
    if isinstance(value, tuple | list):
        sizes = tuple(check_size(v, f"{argument}[{i}]") for i, v in enumerate(value))
    else:
        sizes = (check_size(value, argument),) * (axes or 1)
    if axes is not None and len(sizes) != axes:
        fail(argument, f"a number, or one for each of {axes} axes", value)
    return sizes
