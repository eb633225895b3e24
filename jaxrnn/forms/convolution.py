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
from jaxrnn.forms.windows import LETTERS, Pads, Windows, convolve


@dataclass(frozen=True, repr=False)
class Convolution(Form):
    """`[*W, R, G, H]`, for inputs `[*B, *S, R]`."""

    window: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str | Pads

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
            expected = "a convolution of stride 1 whose padding keeps the state's positions, as 'same' does"
            fail(argument, expected, self)
        return [Weight((*self.window, inputs, *(() if gates is None else (gates,)), units), init)]

    def inputs_of(self, shapes: Sequence[tuple[int, ...]]) -> int:
        return shapes[0][self.axes]

    def product(self, arrays: Arrays, h: Array) -> Array:
        (kernel,) = arrays
        flat = kernel.reshape(*kernel.shape[: self.axes + 1], -1)  # of all gates
        padding = self.padding.upper() if isinstance(self.padding, str) else self.padding
        result = convolve(Windows(self.strides, self.dilation, padding), h, flat)
        return result.reshape(*result.shape[:-1], *kernel.shape[self.axes + 1 :])

    @property
    def keeps_positions(self) -> bool:  # type: ignore[override]
        if self.strides != (1,) * self.axes or self.padding == "same":
            return self.strides == (1,) * self.axes
        return all(before + after == reach for (before, after), reach in zip(self._pads, self._reach, strict=True))

    def positions(self, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        n = len(axes) - self.axes
        return (*axes[:n], *map(self._length, axes[n:], self._reach, self.strides, self._pads))

    @property
    def _reach(self) -> tuple[int, ...]:
        """How far apart the first and the last number lie that a window reads."""
        return tuple(d * (w - 1) for w, d in zip(self.window, self.dilation, strict=True))

    @property
    def _pads(self) -> Pads:
        return ((0, 0),) * self.axes if isinstance(self.padding, str) else self.padding

    def _length(self, size: Any, reach: int, stride: int, pads: tuple[int, int]) -> Any:
        if self.padding == "same":
            return -(-size // stride)
        return (size + sum(pads) - reach - 1) // stride + 1


def convolution(
    window: int | Sequence[int],
    *,
    strides: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    padding: str | Sequence[tuple[int, int]] = "same",
) -> Form:
    """Units on a grid of one to three axes *S, each of which reads what is within a window around it.

        h.g[s] = sum_w h[s + w] @ U_g[w]

    Arrays of such a cell are `[*B, *S, H]`: outputs, states, and inputs `[T, *B, *S, D]`. Lengths, masks and resets are
    those of whole rows, `[*B]`. Kernels are `[*W, D, G, H]`.

    Args:
        window: *W, the sizes of the window; a number for one axis.
        strides: between the places of the result; for the input alone.
        dilation: between the numbers that a window reads.
        padding: "same" (zeros around, the grid stays as large), "valid" (none, for the input alone), or how many zeros
            go before and after each axis: `((2, 0),)` sees what comes before along one axis.

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
    sizes = check_sizes(window, "window")
    given = check_sizes(strides, "strides", len(sizes)), check_sizes(dilation, "dilation", len(sizes))
    return Convolution(sizes, *given, _padding(padding, len(sizes)))


def check_sizes(value: Any, argument: str, axes: int | None = None) -> tuple[int, ...]:
    """One size an axis, from a number for all or from one for each; where `axes` is None they say how many."""
    if isinstance(value, tuple | list):
        sizes = tuple(check_size(v, f"{argument}[{i}]") for i, v in enumerate(value))
    else:
        sizes = (check_size(value, argument),) * (axes or 1)
    if axes is None and not 1 <= len(sizes) <= len(LETTERS):
        fail(argument, f"sizes of one to {len(LETTERS)} axes", value)
    if axes is not None and len(sizes) != axes:
        fail(argument, f"a number, or one for each of {axes} axes", value)
    return sizes


def _padding(value: Any, axes: int) -> str | Pads:
    """A name, or a pair an axis."""
    if not isinstance(value, tuple | list):
        return check_choice(value, "padding", ("same", "valid"))
    if len(value) != axes or not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in value):
        fail("padding", f"'same', 'valid' or a pair (before, after) for each of {axes} axes", value)
    return tuple((_zeros(before, i), _zeros(after, i)) for i, (before, after) in enumerate(value))


def _zeros(value: Any, axis: int) -> int:
    return check_size(value, f"padding[{axis}]") if value != 0 or isinstance(value, bool) else 0
