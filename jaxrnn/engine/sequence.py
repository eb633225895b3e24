"""What a call of the engine carries from one room to the next, once it is checked."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from jaxrnn.base.dtypes import is_integer
from jaxrnn.base.typing import Array, ArrayLike, Axis, Carry, Params, PRNGKeyArray
from jaxrnn.core.cell import Cell
from jaxrnn.core.step import Rows
from jaxrnn.engine.plan import Plan


class Given(NamedTuple):
    """What the caller of a sequence gave, time-major and checked; None where nothing was given."""

    xs: ArrayLike  # [T, *B, D] floats, [T, *B] integers, or [T, *B, G, H] projected
    start_step: Any  # the absolute time of xs[0]
    lengths: ArrayLike | None  # [*B] int
    mask: ArrayLike | None  # [T, *B] bool
    resets: ArrayLike | None  # [T, *B] bool
    segments: ArrayLike | None  # [T, *B] int: ids
    per_step: dict[str, ArrayLike]  # [T, *B, ...]


class Sequence(NamedTuple):
    """What a layer runs over, time-major; None where nothing was given."""

    xs: Array  # [T, *B, D] floats, [T, *B] integers, or [T, *B, G, H] projected
    t: Array  # [T] absolute times
    valid: Array | None  # [T, *B] bool
    resets: Array | None  # [T, *B] bool, as they are flagged
    segments: Array | None  # [T, *B] int: ids
    per_step: dict[str, Array]  # [T, *B, ...]

    def batch_axes(self, projected: bool) -> tuple[Axis, ...]:
        """The sizes of *B."""
        return self.xs.shape[1 : self.xs.ndim - feature_axes(self.xs, projected)]

    @property
    def has_resets(self) -> bool:
        return self.resets is not None or self.segments is not None


def feature_axes(xs: ArrayLike, projected: bool) -> int:
    """How many axes of inputs come after time and batch."""
    return 2 if projected else int(not is_integer(xs.dtype))


class Call(NamedTuple):
    """One layer's share of a call: composed layers hand a `Call` to each of their parts."""

    params: Params
    sequence: Any  # Sequence; Given before it is settled
    carry: Carry | None  # None: the layer's initial carry
    reset_carry: Carry | None
    rng: PRNGKeyArray | None

    def part(self, i: int, name: str) -> Call:
        """The share of part `i` with parameters `name`: its carries, and a key of its own."""
        carry, reset_carry = (None if c is None else c[i] for c in (self.carry, self.reset_carry))
        rng = key_of_part(self.rng, i)
        return self._replace(params=self.params[name], carry=carry, reset_carry=reset_carry, rng=rng)


def key_of_part(rng: PRNGKeyArray | None, i: int) -> Any:
    """The key from which part `i` of a composed layer draws."""
    return None if rng is None else jax.random.fold_in(rng, i)


class Steps(NamedTuple):
    """The steps of one cell before their projection, with a leading T."""

    x: Array
    t: Array
    valid: Array | None
    reset: Array | None  # true where a valid step starts fresh, in this direction
    per_step: dict[str, Array]


class Job(NamedTuple):
    """What a backend runs."""

    cell: Cell
    params: Params
    steps: Steps
    carry: Carry
    rows: Rows
    rng: PRNGKeyArray | None
    dtype: Any  # of products and outputs
    plan: Plan
