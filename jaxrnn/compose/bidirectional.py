"""Two layers over the same sequence, one from each end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_choice
from jaxrnn.base.dtypes import is_float
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.made import remembered
from jaxrnn.base.typing import Array, Axis, Carry, Params
from jaxrnn.core.carries import in_order
from jaxrnn.core.layer import Layer, check_initial, entry
from jaxrnn.engine.masks import clean
from jaxrnn.engine.sequence import Call
from jaxrnn.programs.serialized import serialized

MERGES: dict[str, Callable[[Array, Array], Array]] = {
    "concat": lambda f, b: jnp.concatenate([f, b], axis=-1),
    "sum": jnp.add,
    "mul": jnp.multiply,
    "ave": lambda f, b: (f + b) / 2,
}


@serialized
class BidirectionalCarry(NamedTuple):
    """Both carries of `bidirectional`: forward after the last valid step, backward after the first."""

    forward: Carry  # of the layer that runs forward
    backward: Carry  # of the other, as its kind has it


@dataclass(frozen=True, repr=False)
class Bidirectional(Layer):
    """Made by `bidirectional`. Parameters `{"forward": ..., "backward": ...}`."""

    forward: Layer  # from each row's first step to its last
    backward: Layer  # from its last to its first
    merge: Any  # of both outputs: a name, or a function of two arrays

    @property
    def output_size(self) -> int:
        if self.merge is None:
            fail("merge", "a merge that gives one array, where a layer follows", Said("None"))
        sizes = self.forward.output_size, self.backward.output_size
        steps = (jax.ShapeDtypeStruct((2, 3, n), jnp.float32) for n in sizes)  # any two, of any three rows
        return jax.eval_shape(self._merged_steps, *steps).shape[-1]

    @property
    def parts(self) -> tuple[Layer, ...]:
        return self.forward, self.backward

    @property
    def stepless(self) -> Layer | None:
        return self

    def declare(self, inputs: int) -> dict[str, Any]:
        return {"forward": self.forward.declare(inputs), "backward": self.backward.declare(inputs)}

    def input_size(self, params: Params) -> int:
        return self.forward.input_size(entry(params, "forward"))

    def carry_shapes(self, batch: tuple[Axis, ...]) -> Carry:
        return BidirectionalCarry(self.forward.carry_shapes(batch), self.backward.carry_shapes(batch))

    def initial_carry(self, batch: tuple[Axis, ...], params: Params | None = None, dtype: Any = None) -> Carry:
        """The initial carries of both directions; see `Cell.initial_carry`."""
        check_initial(self, batch, params, dtype)
        of = {} if params is None else params
        return BidirectionalCarry(
            self.forward.initial_carry(batch, of.get("forward"), dtype),
            self.backward.initial_carry(batch, of.get("backward"), dtype),
        )

    def pack(self, carry: Any, argument: str = "carry") -> Carry:
        if not isinstance(carry, (tuple, list)) or len(carry) != 2:
            fail(argument, "a BidirectionalCarry(forward, backward)", carry, kind=TypeError)
        names, expected = BidirectionalCarry._fields, "a BidirectionalCarry(forward, backward)"
        forward, backward = in_order(carry, names, argument, expected)
        return BidirectionalCarry(
            self.forward.pack(forward, f"{argument}.forward"), self.backward.pack(backward, f"{argument}.backward")
        )

    def apply(self, run: Callable[..., Any], call: Call, reverse: bool) -> tuple[Carry, Any]:
        forward, ys = run(self.forward, call.part(0, "forward"), reverse)
        backward, zs = run(self.backward, call.part(1, "backward"), not reverse)
        carry = BidirectionalCarry(forward, backward)
        return carry, (ys, zs) if self.merge is None else clean(call.sequence.valid, self._merged_steps(ys, zs))

    def _merged_steps(self, forward: Array, backward: Array) -> Array:
        """Of whole sequences: one array for each step and row, with features of its own."""
        merged = self._merged(forward, backward)
        axes = forward.shape[:-1]
        if getattr(merged, "shape", (None,))[:-1] != axes or not is_float(merged.dtype):
            fail("merge", f"a function that returns floats of shape {axes} and features", merged)
        return merged

    def _merged(self, forward: Array, backward: Array) -> Array:
        return (MERGES[self.merge] if isinstance(self.merge, str) else self.merge)(forward, backward)


@remembered
def bidirectional(forward: Layer, backward: Layer | None = None, *, merge: Any = "concat") -> Bidirectional:
    """Run one layer forward and one backward, and merge their outputs at each step.

    With lengths or a mask the backward layer starts at each row's last valid step.

    Args:
        forward: the layer that reads from the first step on.
        backward: the layer that reads from the last step on; None for one of the same kind, with parameters of its own.
        merge: "concat", "sum", "mul", "ave", a function of both outputs, or None for the pair of both.

    Returns:
        A Layer with parameters `{"forward": ..., "backward": ...}` and a `BidirectionalCarry(forward, backward)`.

    Raises:
        TypeError, ValueError: an argument is not a Layer, or `merge` is none of the above, or the sizes do not fit it.

    Paper: Schuster & Paliwal, Bidirectional recurrent neural networks, IEEE Transactions on Signal
    Processing 45(11), 1997.

    >>> import jax, jaxrnn
    >>> layer = jaxrnn.bidirectional(jaxrnn.gru(4))
    >>> params = layer.init(jax.random.key(0), inputs=3)
    >>> carry, ys = jaxrnn.scan(layer, params, jax.numpy.ones((5, 2, 3)), lengths=jax.numpy.array([5, 3]))
    >>> ys.shape
    (5, 2, 8)
    """
    backward = forward if backward is None else backward
    for name, layer in (("forward", forward), ("backward", backward)):
        if not isinstance(layer, Layer):
            fail(name, "a jaxrnn Layer", layer, kind=TypeError)
    if not callable(merge):
        check_choice(merge, "merge", (*MERGES, None))
    sizes = forward.output_size, backward.output_size
    if merge in ("sum", "mul", "ave") and sizes[0] != sizes[1]:
        fail("backward", f"of output size {sizes[0]} for merge={merge!r}", Said(f"one of size {sizes[1]}"))
    return Bidirectional(forward, backward, merge)
