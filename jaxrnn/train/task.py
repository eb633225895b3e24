"""What a task owes the training loop: a model, its data and a metric, as pure functions over arrays.

Every array in a batch and in a carry has the rows of the batch as its first axis: the loop shards that axis over the
devices and knows nothing else about either.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax

from jaxrnn.train.program import Program

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
        """Figures on held-out data; the lowest `loss` is the best. `place` puts a host batch on the devices."""

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


@runtime_checkable
class TextTask(Task, Protocol):
    """A task whose model writes text: `jaxrnn sample`."""

    def sample(self, params: Params, prompt: str, length: int, temperature: float, seed: int) -> Iterator[str]:
        """Yield the text that follows a prompt, piece by piece."""


@runtime_checkable
class QuantizedTask(Task, Protocol):
    """A task whose model runs with int8 kernels: `jaxrnn evaluate --quantize`."""

    def quantized(self, params: Params) -> tuple[Task, Params]:
        """The task with such a model, and its parameters."""


@runtime_checkable
class Predictor(Task, Protocol):
    """A task whose model says something of each row of a person's file: `jaxrnn predict`.

    It does so from `learned` alone: a run's vocabulary and normalisation are in its record, and its data may be gone.
    """

    def inputs(self, path: Path) -> list[Any]:
        """The rows of a file (or of a folder, where a row is a file), labels not needed.

        Raises:
            ValueError: A row cannot be read; the message names the file and the line.
        """

    def predict(self, params: Params, inputs: Sequence[Any]) -> Iterator[dict[str, Any]]:
        """An answer a row, in the order of the rows: strings, numbers, truth values and lists of those, by name.

        Every answer has the same names. It does not depend on the rows beside it, but for what rounding does.
        """


@runtime_checkable
class Streamer(Task, Protocol):
    """A task whose model answers line by line and remembers the lines before: `jaxrnn predict RUN - --stream`."""

    def initial_stream(self, params: Params) -> Carry:
        """What is remembered before the first line: a pytree of arrays, all that later answers depend on."""

    def stream(self, params: Params, carry: Carry, line: str) -> tuple[dict[str, Any], Carry]:
        """The answer to a line, as `Predictor.predict` gives one, and what is remembered then, of the same shapes.

        Raises:
            ValueError: The line is no input of this model; the message says why. The carry before it still counts.
        """


@runtime_checkable
class Exported(Task, Protocol):
    """A task whose model is a program for others: `jaxrnn export`. Like a `Predictor`, it needs `learned` alone."""

    def program(self, params: Params) -> Program:
        """The model as a pure function of arrays with names."""


@runtime_checkable
class Translator(Task, Protocol):
    """A task whose model translates: `jaxrnn translate`."""

    def translate(self, params: Params, text: str, beam: int) -> str:
        """One sentence in the other language, by beam search of a width (1: greedy)."""


@runtime_checkable
class Answerer(Task, Protocol):
    """A task whose model answers questions about a story: `jaxrnn ask`."""

    def answer(self, params: Params, story: Sequence[str], question: str) -> dict[str, float]:
        """The likeliest answers with their probabilities, the best first."""


@runtime_checkable
class Captioner(Task, Protocol):
    """A task whose model says what a picture shows: `jaxrnn caption`."""

    def caption(self, params: Params, picture: Path, beam: int) -> str:
        """What the picture in a file shows, by beam search of a width (1: greedy)."""


@runtime_checkable
class Writer(Task, Protocol):
    """A task whose model writes by hand: `jaxrnn write`."""

    def write(self, params: Params, text: str, path: Path, bias: float, seed: int) -> str:
        """Draw a text into a picture (.svg, .png, or .gif, a film); the larger the bias, the neater. Says what came."""


@runtime_checkable
class Painter(Task, Protocol):
    """A task whose model paints pictures: `jaxrnn draw`."""

    def draw(self, params: Params, path: Path, count: int, seed: int) -> None:
        """So many pictures in one file, .png or .gif."""
