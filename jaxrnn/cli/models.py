"""What a trained model does for a person, and its figures."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import jax


def load(run: str, kind: type, otherwise: str) -> tuple[Any, Any]:
    """The task, which must be of a kind, and the parameters of a trained model."""
    experiment, params = load_run(run, kind, otherwise)
    return experiment.task, params


def load_run(run: str, kind: type, otherwise: str) -> tuple[Any, Any]:
    """The experiment, whose task must be of a kind, and the parameters of a trained model."""
    from jaxrnn.tasks.models import load_model, names_of

    experiment, params, _ = load_model(run)
    if not isinstance(experiment.task, kind):
        able = ", ".join(names_of(kind)) or "none"
        raise ValueError(f"{run}: a model of the task {experiment.name} {otherwise}; those that do: {able}")
    return experiment, params


def sample(arguments: argparse.Namespace) -> int:
    """`jaxrnn sample`: characters appear as they are drawn."""
    from jaxrnn.train import TextTask

    task, params = load(arguments.run, TextTask, "writes no text")
    characters = task.sample(params, arguments.prompt, arguments.length, arguments.temperature, arguments.seed)
    print(arguments.prompt, end="", flush=True)
    for character in characters:
        print(character, end="", flush=True)
    print()
    return 0


def _lines(given: Sequence[str], what: str) -> Iterator[str]:
    """Lines from the command line, or from the standard input as they are typed."""
    if given:
        yield from (line.strip() for line in given if line.strip())
        return
    if sys.stdin is None:
        raise ValueError(f"{what}: none given, and the standard input is closed")
    if sys.stdin.isatty():
        print(f"{what}, a line each; Ctrl-D ends", file=sys.stderr)
    try:
        yield from (line.strip() for line in sys.stdin if line.strip())
    except UnicodeDecodeError as error:
        raise ValueError(f"{what}: the standard input is no {error.encoding} ({error.reason})") from error


def translate(arguments: argparse.Namespace) -> int:
    """`jaxrnn translate`."""
    from jaxrnn.train import Translator

    task, params = load(arguments.run, Translator, "does not translate")
    for line in _lines(arguments.text, "sentences to translate"):
        print(task.translate(params, line, arguments.beam), flush=True)
    return 0


def ask(arguments: argparse.Namespace) -> int:
    """`jaxrnn ask`: a line with a question mark is a question about the lines before it."""
    from jaxrnn.tasks.question_answering.stories import asks
    from jaxrnn.train import Answerer

    task, params = load(arguments.run, Answerer, "answers no questions")
    story: list[str] = []
    for line in _lines(arguments.sentences, "a story and questions about it"):
        if asks(line):
            answers = task.answer(params, story, line)
            print("  ".join(f"{answer} ({p:.0%})" for answer, p in answers.items()), flush=True)
        else:
            story.append(line)
    return 0


def caption(arguments: argparse.Namespace) -> int:
    """`jaxrnn caption`."""
    from jaxrnn.train import Captioner

    task, params = load(arguments.run, Captioner, "captions no pictures")
    for picture in arguments.pictures:
        print(task.caption(params, picture, arguments.beam), flush=True)
    return 0


def write(arguments: argparse.Namespace) -> int:
    """`jaxrnn write`."""
    from jaxrnn.train import Writer

    task, params = load(arguments.run, Writer, "does not write by hand")
    print(task.write(params, arguments.text, arguments.out, arguments.bias, arguments.seed))
    return 0


def draw(arguments: argparse.Namespace) -> int:
    """`jaxrnn draw`."""
    from jaxrnn.train import Painter

    task, params = load(arguments.run, Painter, "paints no pictures")
    task.draw(params, arguments.out, arguments.count, arguments.seed)
    print(f"{arguments.count} pictures in {arguments.out}")
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """`jaxrnn evaluate`."""
    from jaxrnn.tasks.models import load_model, scored_on
    from jaxrnn.train import QuantizedTask
    from jaxrnn.train.run_files import other_data

    experiment, params, record = load_model(arguments.run)
    task, splits = experiment.task, experiment.task.splits
    if arguments.data_path:
        task, splits = scored_on(task, arguments.data_path)
    if arguments.quantize and not isinstance(task, QuantizedTask):
        raise ValueError(f"{arguments.run}: a model of the task {experiment.name} does not run with int8 kernels")
    if arguments.split not in (None, *splits):
        raise ValueError(f"--split: expected one of {', '.join(splits)}, got {arguments.split!r}")
    for split in [arguments.split] if arguments.split else splits:
        if not arguments.data_path and other_data(task, record, (split,)):
            warnings.warn(f"the {split} data are not those that {arguments.run} was trained beside", stacklevel=1)
        found = task.evaluate(params, jax.device_put, split)
        int8 = {}
        if isinstance(task, QuantizedTask) and arguments.quantize:
            small, numbers = task.quantized(params)
            int8 = small.evaluate(numbers, jax.device_put, split)
        for name, value in found.items():
            label = arguments.data_path if arguments.data_path and len(splits) == 1 else split
            print(f"{label} {name}: {value:.4f}" + (f", with int8 kernels {int8[name]:.4f}" if int8 else ""))
    return 0
