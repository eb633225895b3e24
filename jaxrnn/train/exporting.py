"""A trained model as a file that runs without jaxrnn: StableHLO, which JAX reads, or ONNX."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import export as jax_export

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.files import write_bytes, write_text
from jaxrnn.base.package import VERSION
from jaxrnn.train.config import Experiment
from jaxrnn.train.program import Program
from jaxrnn.train.protocols import Exported
from jaxrnn.train.task import Params

FORMATS = {"stablehlo": (".stablehlo", ".jaxexport"), "onnx": (".onnx",)}
PLATFORMS = ("cpu", "cuda", "tpu")
LINES = "jax_traceback_in_locations_limit"  # JAX's option: of how many calls the file and line stand in a program
ABOUT = "jaxrnn"  # the name of what is said in an ONNX file's metadata


def format_of(target: Path, asked: str | None) -> str:
    """What was asked for, or what the suffix of a file says.

    Raises:
        ValueError: If neither does.
    """
    found = [name for name, suffixes in FORMATS.items() if target.name.lower().endswith(suffixes)]
    if not asked and not found:
        fail("target", "a file .stablehlo or .onnx, or `--format` beside it", str(target))
    return asked or found[0]


def shapes_of(program: Program) -> dict[str, jax.ShapeDtypeStruct]:
    """The arguments of a program by name, sizes that are free as symbols."""
    free = {n for shape, _ in program.arguments.values() for n in shape if isinstance(n, str)}
    symbols = dict(zip(sorted(free), jax_export.symbolic_shape(", ".join(sorted(free))), strict=True)) if free else {}
    return {
        name: jax.ShapeDtypeStruct(tuple(symbols[n] if isinstance(n, str) else n for n in shape), jnp.dtype(dtype))
        for name, (shape, dtype) in program.arguments.items()
    }


def as_stablehlo(program: Program) -> bytes:
    """A program as `jax.export.deserialize` reads it, for all sizes, on CPUs, GPUs and TPUs."""
    import_module("flatbuffers")  # whose absence JAX says after the work, and not as that of a module
    shapes = shapes_of(program)
    with _without_lines():
        exported = jax_export.export(jax.jit(program.function), platforms=PLATFORMS)(*shapes.values())
    made: Any = exported.out_tree
    if made != jax.tree.structure((0,) * len(program.results)):
        expected = f"a function that returns a tuple of {len(program.results)} arrays: {', '.join(program.results)}"
        fail("program", expected, Said(str(made)))
    return bytes(exported.serialize())


@contextmanager
def _without_lines() -> Iterator[None]:
    """Without the files and lines that a program is traced in: paths of this machine, other ones for other callers."""
    before = getattr(jax.config, LINES)
    jax.config.update(LINES, 0)
    try:
        yield
    finally:
        jax.config.update(LINES, before)


def as_onnx(program: Program, about: dict[str, Any] | None = None) -> bytes:
    """A program as an ONNX model, for all sizes; what is said of it is in its metadata.

    Raises:
        ValueError: If the program is of operations that ONNX lacks.
    """
    from jaxrnn.interop.graphs.of_program import program_to_onnx

    if program.onnx is None:
        model = program_to_onnx(program.function, shapes_of(program), program.results)
    else:
        model = program.onnx()
    model.doc_string = program.note
    if about is not None:
        model.metadata_props.add(key=ABOUT, value=json.dumps(about, ensure_ascii=False))
    return bytes(model.SerializeToString())


def about(program: Program, experiment: Experiment) -> dict[str, Any]:
    """All that who runs the file has to know: arguments, results, options, and what the model took from its data."""
    learned = getattr(experiment.task, "learned", "")
    return {
        "jaxrnn": VERSION,
        "task": experiment.name,
        "note": program.note,
        "arguments": {
            name: {"shape": list(shape), "dtype": dtype} for name, (shape, dtype) in program.arguments.items()
        },
        "results": list(program.results),
        "learned": json.loads(learned) if learned else {},
        "options": experiment.as_dict(),
    }


def export_model(experiment: Experiment, params: Params, target: Path, asked: str | None = None) -> list[Path]:
    """Write a trained model's program; the files that came: ONNX says what it is itself, beside StableHLO a JSON does.

    Raises:
        ValueError: If the task has no program, the suffix says no format, or ONNX lacks an operation.
        WriteError: If a file cannot be written.
    """
    kind = format_of(target, asked)
    if not isinstance(experiment.task, Exported):
        fail("run", "of a task that has a program", experiment.name)
    program = experiment.task.program(params)
    said = about(program, experiment)
    if kind == "onnx":
        write_bytes(target, as_onnx(program, said))
        return [target]
    beside = target.with_name(f"{target.name}.json")
    content = as_stablehlo(program)
    write_text(beside, json.dumps(said | {"platforms": PLATFORMS}, ensure_ascii=False, indent=1) + "\n")
    write_bytes(target, content)
    return [target, beside]
