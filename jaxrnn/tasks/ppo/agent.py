"""The agent: what is seen, encoded; a recurrent layer with resets; a policy and a value from what that remembers.

    e[t] = relu(o[t] W + b),   h[t] = cell(e[t], h[t-1]) from the initial carry where an episode begins
    said[t] = h[t] A + a,      V[t] = h[t] C + c

Written twice, as linen and as NNX modules, as agents' code is; what each does is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen, nnx

from jaxrnn.base.typing import PRNGKeyArray
from jaxrnn.cells import elman, gru, lstm, min_gru
from jaxrnn.forms import heads
from jaxrnn.functions.initializers import orthogonal
from jaxrnn.linen import ScannedRNN as LinenScannedRNN
from jaxrnn.nnx import ScannedRNN as NnxScannedRNN
from jaxrnn.tasks.ppo.actions import Choice, Normal
from jaxrnn.tasks.ppo.worlds import World
from jaxrnn.train.options import check, check_types
from jaxrnn.train.task import Carry, Params


@dataclass(frozen=True)
class Orthogonal:
    """An orthogonal kernel times a number."""

    gain: float

    def __call__(self, key: PRNGKeyArray, shape: Any, dtype: Any = float) -> jax.Array:
        return self.gain * orthogonal(key, shape, dtype)


SEEN, SAID, WORTH = Orthogonal(2**0.5), Orthogonal(0.01), Orthogonal(1.0)
LAYERS: dict[str, Callable[[int], Any]] = {
    "gru": lambda hidden: None,  # what ScannedRNN is without a cell
    "lstm": lstm,
    "heads": lambda hidden: gru(hidden, recurrent=heads(4)),
    "min_gru": min_gru,
    "elman": elman,
}


class LinenAgent(linen.Module):
    """The agent in linen; `memory` makes the recurrent layer."""

    hidden: int
    said: int
    continuous: bool
    memory: Callable[..., Any]

    @linen.compact
    def __call__(self, carry: Carry, x: tuple[jax.Array, jax.Array]) -> tuple[Carry, Any]:
        seen, resets = x
        encoded = linen.relu(linen.Dense(self.hidden, kernel_init=SEEN, name="encoder")(seen))
        carry, ys = self.memory(name="memory")(carry, (encoded, resets))
        said = linen.Dense(self.said, kernel_init=SAID, name="policy")(ys)
        value = linen.Dense(1, kernel_init=WORTH, name="value")(ys)[..., 0]
        deviation = self.param("log_deviation", linen.initializers.zeros, (self.said,)) if self.continuous else None
        return carry, (said, value, deviation)


class NnxAgent(nnx.Module):
    """The agent in NNX."""

    def __init__(self, seen: int, hidden: int, said: int, continuous: bool, cell: Any, rngs: nnx.Rngs):
        self.encoder = nnx.Linear(seen, hidden, kernel_init=SEEN, rngs=rngs)
        size = {"hidden_features": hidden} if cell is None else {"cell": cell}
        self.memory = NnxScannedRNN(hidden, **size, rngs=rngs)
        self.policy = nnx.Linear(hidden, said, kernel_init=SAID, rngs=rngs)
        self.value = nnx.Linear(hidden, 1, kernel_init=WORTH, rngs=rngs)
        self.log_deviation = nnx.Param(jnp.zeros(said)) if continuous else None

    def __call__(self, carry: Carry, x: tuple[jax.Array, jax.Array]) -> tuple[Carry, Any]:
        seen, resets = x
        carry, ys = self.memory(carry, (nnx.relu(self.encoder(seen)), resets))
        deviation = None if self.log_deviation is None else self.log_deviation[...]
        return carry, (self.policy(ys), self.value(ys)[..., 0], deviation)


@dataclass(frozen=True)
class Agent:
    """The agent.

    Args:
        cell: Of its recurrent layer: gru, lstm, elman, a gru of four heads, or min_gru, which is linear in its state.
        hidden: H, its units, and those of what is before it.
        memory: Off, the state is reset before every step: the agent knows what it sees, and nothing else.
        flax: In which of Flax's two ways it is written.
    """

    cell: Literal["gru", "lstm", "heads", "min_gru", "elman"] = "gru"
    hidden: int = 32
    memory: bool = True
    flax: Literal["linen", "nnx"] = "linen"

    def __post_init__(self) -> None:
        check_types(self, "model")
        check(self.cell in LAYERS, "model.cell", f"one of {', '.join(LAYERS)}", self.cell)
        check(self.hidden >= 1, "model.hidden", "1 or more", self.hidden)
        check(self.cell != "heads" or self.hidden % 4 == 0, "model.hidden", "a multiple of 4, the heads", self.hidden)
        check(self.flax in ("linen", "nnx"), "model.flax", "'linen' or 'nnx'", self.flax)

    @cached_property
    def layer(self) -> Any:
        """The cell of the recurrent layer; None for the GRU that `ScannedRNN` is by itself."""
        return LAYERS[self.cell](self.hidden)

    def scanned(self) -> Callable[..., Any]:
        """What makes the recurrent layer of the linen agent."""
        return partial(LinenScannedRNN, self.layer)

    def initial_carry(self, rows: int) -> Carry:
        """Of an agent that has seen nothing, [rows, H]."""
        if self.layer is None:
            return LinenScannedRNN.initialize_carry(rows, self.hidden)
        return self.layer.initial_carry((rows,))

    def init(self, key: PRNGKeyArray, world: World) -> Params:
        """Parameters, in the tree of the modules."""
        if self.flax == "nnx":
            return nnx.to_pure_dict(nnx.split(self._nnx(world, key), nnx.Param, ...)[1])
        seen = jnp.zeros((1, 1, world.observations))
        return self._linen(world).init(key, self.initial_carry(1), (seen, jnp.zeros((1, 1), bool)))["params"]

    def act(
        self, world: World, params: Params, carry: Carry, seen: jax.Array, starts: jax.Array
    ) -> tuple[Carry, Choice | Normal, jax.Array]:
        """Carry after a sequence [T, B, ...], what the policy says at each step, and the values [T, B]."""
        starts = starts if self.memory else jnp.ones_like(starts)
        if self.flax == "nnx":
            graph, state, *rest = nnx.split(nnx.eval_shape(lambda: self._nnx(world, jax.random.key(0))), nnx.Param, ...)
            nnx.replace_by_pure_dict(state, params)
            carry, (said, value, deviation) = nnx.merge(graph, state, *rest)(carry, (seen, starts))
        else:
            found = self._linen(world).apply({"params": params}, carry, (seen, starts))
            carry, (said, value, deviation) = found
        if deviation is None:
            return carry, Choice(said), value
        return carry, Normal(said, jnp.broadcast_to(deviation, said.shape)), value

    def _linen(self, world: World) -> LinenAgent:
        return LinenAgent(self.hidden, world.actions, world.continuous, self.scanned())

    def _nnx(self, world: World, key: PRNGKeyArray) -> NnxAgent:
        sizes = (world.observations, self.hidden, world.actions, world.continuous)
        return NnxAgent(*sizes, self.layer, nnx.Rngs(key))
