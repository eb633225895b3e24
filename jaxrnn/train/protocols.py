"""What a task may say beside what every one does, and a trained model be asked for: a protocol each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jaxrnn.train.program import Program
from jaxrnn.train.task import Carry, Params, Task


@runtime_checkable
class Chooser(Task, Protocol):
    """A task whose best step has the highest of a figure, of equals the lowest loss: `loop.best`."""

    @property
    def chosen_by(self) -> str:
        """A figure that `evaluate` gives; or "loss", of which the lowest is the best."""


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
