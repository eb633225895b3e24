"""What a task owes the training loop: a model, its data and a metric, as pure functions over arrays.

Every array in a batch and in a carry has the rows of the batch as its first axis: the loop shards that axis over the
devices and knows nothing else about either.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax

Params = Any  # nested dict of arrays
Carry = Any  # pytree of arrays [B, ...]; () where nothing is handed from batch to batch
Batch = Any  # pytree of arrays [B, ...]


@runtime_checkable
class Batches(Protocol):
    """An endless iterator of batches whose position can be stored and set (Grain's dataset iterators are
    such, and `Streams` and `ByLength`)."""

    def __next__(self) -> Batch:
        """The next batch, as host arrays."""

    def get_state(self) -> Any:
        """The position of the next batch: anything that JSON can hold."""

    def set_state(self, state: Any) -> None:
        """Go to a position that `get_state` gave."""


@runtime_checkable
class Task(Protocol):
    """What the training loop asks of a task: these members, and nothing else.

    An application is a frozen dataclass of its options: equal options give equal batches, parameters and losses. One's
    own is any object that has them; `of_functions` and `of_module` make it of less. `check_task` says what is missing,
    as every training does before it writes anything.

    >>> import jax, jax.numpy as jnp, numpy as np
    >>> from jaxrnn.train import ByLength, check_task
    >>> class Line:
    ...     unit, headline, splits = "points", "validation loss", ("validation",)
    ...     def init(self, key): return {"slope": jnp.zeros((), jnp.float32)}
    ...     def initial_carry(self, params): return ()  # nothing is handed from batch to batch
    ...     def batches(self): return ByLength(np.ones(8), 4, 0, lambda rows: {"x": rows.astype(np.float32)})
    ...     def count(self, batch): return len(batch["x"])
    ...     def loss(self, params, carry, batch, rng):
    ...         return jnp.mean((params["slope"] * batch["x"] - batch["x"]) ** 2), (carry, {})
    ...     def evaluate(self, params, place, split="validation"): return {"loss": float((params["slope"] - 1) ** 2)}
    ...     def show(self, params, folder, seed): return f"slope {params['slope']}"
    >>> check_task(Line())
    """

    unit: str  # what the speed counts, for example "characters"
    headline: str  # the figure that sums up a run, such as "test perplexity": a split and one of its figures
    splits: tuple[str, ...]  # held-out data, "validation" first; the others are looked at once, when a run has ended

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
    ) -> tuple[jax.Array, tuple[Carry, dict[str, Any]]]:
        """What training lowers (a scalar), the carry for the next batch, and further scalars to record.

        A `loss` among these is recorded in place of the first, where that one is scaled or has penalties in it. A
        `params` among these, a tree of arrays, takes the place of those parameters after the update: what changes by no
        gradient, such as the running means of a batch norm.
        """

    def evaluate(self, params: Params, place: Callable[[Batch], Batch], split: str = "validation") -> dict[str, float]:
        """Figures on held-out data; the lowest `loss` is best (but see `Chooser`). `place` puts it on devices."""

    def show(self, params: Params, folder: Path, seed: int) -> str:
        """Write samples of the trained model into `folder` and return what to print of them."""


@runtime_checkable
class DataTask(Task, Protocol):
    """A task whose data are read, not drawn: a run knows them again, and its model can do without them."""

    def contents(self, split: str) -> Any:
        """All that "training", or a held-out split, holds: strings, numbers and arrays in lists, tuples and dicts."""

    def learn(self) -> dict[str, Any]:
        """What the model takes from the training data before its first step, such as a vocabulary, as JSON holds it.

        Where that is anything the task has a field `learned: str = ""`, JSON of it: where it is not empty, it counts
        and the data do not. A text, or a list of texts, is a vocabulary: `carried_over` goes by its tokens.
        """


def recalled(learned: str, name: str) -> Any | None:
    """One thing that `DataTask.learn` gave; None where the data have to tell."""
    return json.loads(learned)[name] if learned else None
