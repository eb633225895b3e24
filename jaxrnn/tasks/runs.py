"""Runs for programs: a trained model, the recurrent layers in it, and the whole as one graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxrnn.base.errors import Said, fail
from jaxrnn.compose import stack
from jaxrnn.core.layer import Layer, check_params
from jaxrnn.interop.files import path_of
from jaxrnn.tasks import models
from jaxrnn.train.answers import answered, rows_of
from jaxrnn.train.config import Experiment
from jaxrnn.train.exporting import FORMATS, export_model
from jaxrnn.train.protocols import Exported, Predictor
from jaxrnn.train.run_files import CONFIG


class Run(NamedTuple):
    """A trained model: its task, its parameters, and `(layer, params)` of each recurrent layer by where it is in them.

    `around` is what `jaxrnn.interop.to_onnx` takes beside the one layer, where the model is one graph: symbols, their
    vectors, the readout. Else it is None.
    """

    name: str
    task: Any
    params: dict[str, Any]
    layers: dict[str, tuple[Layer, dict[str, Any]]]
    around: dict[str, Any] | None
    experiment: Experiment  # its options

    def predict(self, given: str | Path | Sequence[Any]) -> Iterator[dict[str, Any]]:
        """An answer for each row, as `jaxrnn predict` writes them.

        Args:
            given: a file as the task's own data are, or a folder; or rows as `task.inputs` makes them.

        Raises:
            ValueError: the task predicts nothing, a row cannot be read, or there is none in a file.
        """
        if not isinstance(self.task, Predictor):
            fail("run", f"of a task that predicts: {', '.join(models.names_of(Predictor))}", self.name)
        rows = rows_of(self.task, Path(given), "given") if isinstance(given, (str, Path)) else given
        return answered(self.task, self.params, rows)

    def export(self, target: str | Path, *, format: str | None = None) -> list[Path]:
        """Write the model as a file that runs without jaxrnn, as `jaxrnn export` does; the files that came.

        Args:
            target: a path that ends in .stablehlo or .onnx.
            format: "stablehlo" or "onnx", where the path does not say.

        Raises:
            ValueError: the task has no program, or ONNX lacks one of its operations. WriteError: a file cannot be
                written.
        """
        if not isinstance(self.task, Exported):
            fail("run", f"of a task that has a program: {', '.join(models.names_of(Exported))}", self.name)
        if format not in (None, *FORMATS):
            fail("format", f"None, or one of {tuple(FORMATS)}", format)
        return export_model(self.experiment, self.params, path_of(target, "target"), format)


def load_run(run: str | Path) -> Run:
    """A model that `jaxrnn train` trained, or one that ships with the package.

    Args:
        run: a run's folder, or the name of a model of the package.

    Returns:
        `Run(name, task, params, layers, around, experiment)`, with `predict` and `export` as on the command line.

    Raises:
        TypeError: `run` is no path. ValueError: there is no such run. RunError, a ValueError: it is damaged.

    >>> import jax, jaxrnn
    >>> run = jaxrnn.load_run("char_lm")
    >>> layer, params = run.layers["rnn"]
    >>> symbols = jax.numpy.array([run.task.encode("ROMEO:")]).T  # [T, B]
    >>> carry, ys = jaxrnn.scan(layer, params, symbols)
    >>> run.task.vocabulary[int(run.task.logits(run.params, ys)[-1, 0].argmax())]
    '\\n'
    """
    folder = path_of(run, "run")
    if not (folder / CONFIG).is_file() and str(folder) not in models.shipped():
        fail(
            "run", f"a run's folder, or the name of a model of the package: {', '.join(models.shipped())}", str(folder)
        )
    experiment, params, _ = models.load_model(str(folder))
    task = experiment.task
    around = task.around(params) if hasattr(task, "around") else None
    return Run(experiment.name, task, params, dict(_layers(task, params)), around, experiment)


def chosen(run: Run, prefixes: list[str]) -> tuple[Layer, dict[str, Any]]:
    """The layer at a prefix; several are a stack; none is the only one."""
    known = ", ".join(map(repr, run.layers)) or "none"
    if not prefixes and len(run.layers) != 1:
        fail("prefix", f"where a layer is in the model: {known}", Said("none"))
    for prefix in prefixes:
        if prefix not in run.layers:
            fail("prefix", f"where a layer is in the model: {known}", prefix)
    found = [run.layers[prefix] for prefix in prefixes] or [*run.layers.values()]
    if len(found) == 1:
        return found[0]
    layer = stack([layer for layer, _ in found])
    params = {f"layer_{i}": params for i, (_, params) in enumerate(found)}
    check_params(layer, params)  # what one layer puts out is what the next takes
    return layer, params


def _layers(task: Any, params: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Layer, dict[str, Any]]]]:
    """What is among a task's attributes, or its model's, a Layer, with the parameters that are made for it."""
    for holder in (task, getattr(task, "model", None)):
        for name in sorted(vars(type(holder))):
            is_property = hasattr(getattr(type(holder), name), "__get__") and not callable(getattr(type(holder), name))
            layer = getattr(holder, name) if is_property else None
            if isinstance(layer, Layer):
                for path, below in _below(params, ""):
                    if _fits(layer, below):
                        yield path, (layer, below)


def _below(tree: Mapping[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of a tree of parameters, by path."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield f"{path}{name}", value
            yield from _below(value, f"{path}{name}/")


def _fits(layer: Layer, params: dict[str, Any]) -> bool:
    try:
        check_params(layer, params)
    except (TypeError, ValueError):
        return False
    return True
