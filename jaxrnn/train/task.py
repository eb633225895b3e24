"""What a task owes the training loop: a model, its data and a metric, as pure functions over arrays.

Every array in a batch and in a carry has the rows of the batch as its first axis: the loop shards that axis over the
devices and knows nothing else about either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax

Params = Any  # nested dict of arrays
Carry = Any  # pytree of arrays [B, ...]; () where nothing is handed from batch to batch
Batch = Any  # pytree of arrays [B, ...]


@runtime_checkable
class Batches(Protocol):
    """An endless iterator of batches whose position can be stored and set (Grain's dataset iterators are such)."""

    def __next__(self) -> Batch:
        """The next batch, as host arrays."""

    def get_state(self) -> Any:
        """The position of the next batch: anything that JSON can hold."""

    def set_state(self, state: Any) -> None:
        """Go to a position that `get_state` gave."""


@runtime_checkable
class Task(Protocol):
    """One application. A frozen dataclass of its options: equal options give equal batches, parameters and losses."""

    unit: str  # what the speed counts, for example "characters"

    def init(self, key: jax.Array) -> Params:
        """Fresh parameters."""

    def initial_carry(self, params: Params) -> Carry:
        """The carry before the first batch."""

    def batches(self) -> Batches:
        """The training data from its first batch on."""

    def count(self, batch: Batch) -> int:
        """How many units a batch holds."""

    def loss(
        self, params: Params, carry: Carry, batch: Batch, rng: jax.Array | None
    ) -> tuple[jax.Array, tuple[Carry, dict[str, jax.Array]]]:
        """The training loss (a scalar), the carry for the next batch, and further scalars to record."""

    def evaluate(self, params: Params, place: Callable[[Batch], Batch]) -> dict[str, float]:
        """Figures on held-out data; the lowest `loss` is the best. `place` puts a host batch on the devices."""

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Write samples of the trained model into `folder` and return what to print of them."""


@runtime_checkable
class TextTask(Task, Protocol):
    """A task whose model writes text."""

    def sample(self, params: Params, prompt: str, length: int, temperature: float, seed: int) -> Iterator[str]:
        """Yield the text that follows a prompt, piece by piece."""
