"""The network that draws: peephole LSTMs with skip connections under a mixture density, with or without a text.

    h^1 = lstm([x; w]),    h^n = lstm([x; h^(n-1); w]),    p(next point) = mixture([h^1; ..; h^N] kernel + bias)

w is what Graves's window shows of the text, and is left out where there is none. Graves 2013 (arXiv:1308.0850),
sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.cells import lstm
from jaxrnn.core.cell import Cell
from jaxrnn.decode import MixtureDensity, Window, Windowed, mixture_density, window
from jaxrnn.decode.attention import Memory
from jaxrnn.engine.scan import scan
from jaxrnn.tasks.shared.dense import dense, dense_init
from jaxrnn.train.task import Carry, Params


class Drawn(NamedTuple):
    """Drawings that the network made."""

    points: jax.Array  # [limit, B, 3], beyond a row's length zeros
    lengths: jax.Array  # int32 [B]
    weights: jax.Array  # [limit, B, S], where the window was; S = 0 without a text
    reached: jax.Array  # bool [B], whether it has passed the last character


@dataclass(frozen=True)
class PenNetwork:
    """Static and hashable. `text`: K of the window and the number of characters; None without a text."""

    layers: int
    hidden: int
    components: int
    text: tuple[int, int] | None = None

    @property
    def density(self) -> MixtureDensity:
        """Of the next point."""
        return mixture_density(self.components)

    @property
    def cell(self) -> Cell:
        """Of each layer."""
        return lstm(self.hidden, peepholes=True)

    @property
    def window(self) -> Window:
        """The first layer, where there is a text."""
        assert self.text is not None
        return window(self.cell, self.text[0])

    def init(self, key: jax.Array) -> Params:
        """Parameters {"layer_0": ..., "readout": {"kernel": [N H, O], "bias": [O]}}."""
        first, *others, readout = jax.random.split(key, self.layers + 1)
        characters = self.text[1] if self.text else 0
        if self.text:
            params = {"layer_0": self.window.init(first, inputs=3, memory=characters)}
        else:
            params = {"layer_0": self.cell.init(first, inputs=3)}
        for n, key in enumerate(others, 1):
            params[f"layer_{n}"] = self.cell.init(key, inputs=3 + self.hidden + characters)
        return params | {"readout": dense_init(readout, self.layers * self.hidden, self.density.size)}

    def memory(self, text: jax.Array, lengths: jax.Array) -> Memory | None:
        """Texts [B, S] of the given lengths for the window, if there is one."""
        if self.text is None:
            return None
        return self.window.memory(jax.nn.one_hot(text, self.text[1]), lengths=lengths)

    def initial_carry(self, rows: int, memory: Memory | None) -> Carry:
        """The carries of all layers before the first point."""
        carry = [self.cell.initial_carry((rows,)) for _ in range(self.layers)]
        return (carry[0] if memory is None else self.window.initial_carry(memory), *carry[1:])

    def scan(
        self, params: Params, xs: jax.Array, carry: Carry, memory: Memory | None, lengths: jax.Array | None = None
    ) -> tuple[Carry, jax.Array]:
        """The carry after points xs [T, B, 3], and the readout's outputs [T, B, O]."""
        by_window = partial(self.window.scan, lengths=lengths) if memory is not None else None
        carry, outputs, _ = self._through(params, xs, carry, memory, by_window, partial(scan, lengths=lengths))
        return carry, outputs

    def step(
        self, params: Params, carry: Carry, x: jax.Array, memory: Memory | None
    ) -> tuple[Carry, jax.Array, Windowed | None]:
        """The carry after one point x [B, 3], the readout's outputs [B, O], and what the window saw."""

        def by_window(params: Params, x: jax.Array, carry: Carry, memory: Memory) -> tuple[Carry, Windowed]:
            return self.window.step(params, carry, x, memory)

        def by_cell(cell: Cell, params: Params, x: jax.Array, carry: Carry) -> tuple[Carry, jax.Array]:
            return cell.step(params, carry, x)

        return self._through(params, x, carry, memory, by_window, by_cell)

    def _through(
        self,
        params: Params,
        xs: jax.Array,
        carry: Carry,
        memory: Memory | None,
        by_window: Callable[..., Any] | None,
        by_cell: Callable[..., Any],
    ) -> tuple[Carry, jax.Array, Windowed | None]:
        """All layers on one point or on many."""
        xs = xs.astype(params["readout"]["kernel"].dtype)
        seen: Windowed | None = None
        shown: tuple[jax.Array, ...] = ()
        if memory is None or by_window is None:
            first, y = by_cell(self.cell, params["layer_0"], xs, carry[0])
        else:
            first, seen = by_window(params["layer_0"], xs, carry[0], memory)
            y, shown = seen.output, (seen.context,)
        carries, ys = [first], [y]
        for n in range(1, self.layers):
            inputs = jnp.concatenate([xs, ys[-1], *shown], -1)
            after, y = by_cell(self.cell, params[f"layer_{n}"], inputs, carry[n])
            carries.append(after)
            ys.append(y)
        return tuple(carries), dense(params["readout"], jnp.concatenate(ys, -1)), seen

    @partial(jax.jit, static_argnums=(0, 8))
    def draw(
        self,
        params: Params,
        carry: Carry,
        point: jax.Array,
        memory: Memory | None,
        key: jax.Array,
        bias: jax.Array,
        limits: jax.Array,
        limit: int,
    ) -> Drawn:
        """Draw on from a carry and the point [B, 3] that came last.

        A row ends when the window has passed the last character (Graves 2013, section 5.3), or after `limits [B]`
        points; `limit` is the greatest of these.
        """
        rows, positions = len(limits), 0 if memory is None else memory.mask.shape[-1]
        points = jnp.zeros((limit, rows, 3), point.dtype)
        weights = jnp.zeros((limit, rows, positions), point.dtype)
        none = jnp.zeros((rows,), bool)

        def going(state: Sequence[Any]) -> jax.Array:
            t, alive = state[0], state[3]
            return (t < limit) & alive.any()

        def advance(state: Any) -> Any:
            t, carry, point, alive, drawn = state
            carry, outputs, seen = self.step(params, carry, point, memory)
            point = self.density.sample(jax.random.fold_in(key, t), self.density.split(outputs), bias)
            point = jnp.where(alive[:, None], point.astype(drawn.points.dtype), 0)
            reached, weights = drawn.reached, drawn.weights
            if seen is not None:
                reached |= alive & (seen.beyond > seen.weights.max(-1, initial=0))
                shown = jnp.where(alive[:, None], seen.weights, 0)
                weights = weights.at[t].set(shown.astype(weights.dtype))
            lengths = drawn.lengths + alive.astype(jnp.int32)
            drawn = Drawn(drawn.points.at[t].set(point), lengths, weights, reached)
            return t + 1, carry, point, alive & ~reached & (lengths < limits), drawn

        start = Drawn(points, jnp.zeros((rows,), jnp.int32), weights, none)
        return jax.lax.while_loop(going, advance, (jnp.int32(0), carry, point, limits > 0, start))[-1]
