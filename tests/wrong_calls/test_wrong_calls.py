"""Every public callable, every argument, some sixty values: our error, or the result of the value in canonical form.

A call that is new has to have a row in one of the rooms; `INSIDE` says what is public by its name alone.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from jaxrnn.base.errors import describe
from tests.wrong_calls.judge import judge
from tests.wrong_calls.values import wrong_values

pytestmark = pytest.mark.usefixtures("unchecked")

SEED = 0
SAMPLE = 100  # of each room's calls, in the quick test

ROOMS = ("core", "compose", "functions", "decode", "interop", "train", "own_tasks", "nnx", "linen", "keras", "inside")

# Where the public names are; all that a module defines where it has no façade.
MODULES = (
    "jaxrnn",
    *(f"jaxrnn.functions.{name}" for name in ("activations", "initializers", "regularizers", "constraints")),
    *(f"jaxrnn.{name}" for name in ("decode", "decode.glimpse", "interop", "train", "nnx", "linen", "keras")),
    *(f"jaxrnn.{name}" for name in ("dynamics", "forms", "testing")),
)

MADE = "made by a function of the collection"
# Methods that the engine or a module calls, with checked arguments, or that have none.
PIECES = {
    "factory",
    "make_cell",
    "functional_params",
    "run",
    "get_weights",
    "get_state",
    "as_dict",
    "steps",
    "set_view",
}
PIECES |= {"beside", "check", "check_attending", "check_carry", "check_sequence", "features"}  # of decoders
PIECES |= {"one_step", "fitted", "declare", "input_size", "carry_shapes", "pack", "reinitialize", "resolve"}
PIECE = "a piece that the engine or a module arranges, of checked arguments"
NO_CALL = "nothing to call by itself"
KERNEL = ("astype", "picked", "prepared", "product", "read", "turned")
FORM = ("as_result", "astype", "columns", "dtype_of", "holding", "init", "inputs_of", "pick", "positions", "prepared")
FORM += ("product", "read", "tiles", "turned", "units_axis", "units_of", "weights")
INSIDE = {
    "Cell": MADE,
    "Layer": NO_CALL,
    **dict.fromkeys(("Layer.initial_carry", "Layer.step", "Layer.prepare"), "as a Cell's"),
    **dict.fromkeys((f"Cell.{name}" for name in ("projection_of", "compute_dtype", "carry_dtype_for")), PIECE),
    **dict.fromkeys(
        (f"Cell.{name}" for name in ("input_bias", "input_kernel", "kernel_shapes", "theta_shapes")), PIECE
    ),
    **dict.fromkeys((f"{kind}.state_axes" for kind in ("Cell", "Layer")), PIECE),
    **dict.fromkeys((f"Cell.{name}" for name in ("kernels", "theta", "draw", "mask_shape")), PIECE),
    "initializers.per_gate": PIECE,
    "initializers.check_steps": PIECE,
    **dict.fromkeys(("constraints.norms", "constraints.check_bound", "constraints.axes"), PIECE),
    **dict.fromkeys((f"decode.{name}" for name in ("Attend", "AttendAfter", "AttendBefore", "Window")), MADE),
    **dict.fromkeys((f"decode.Attend.{name}" for name in ("init", "initial_carry", "memory", "scan", "step")), MADE),
    "decode.Attention": MADE,
    "decode.MixtureDensity": MADE,
    **dict.fromkeys((f"decode.Attention.{name}" for name in ("keys", "score", "sizes")), PIECE),
    "nnx.RecurrentState": "a Flax Variable",
    **dict.fromkeys(("train.run", "train.read_experiment", "train.option_help"), "what the command line calls"),
    "train.find_config": "what the command line calls; a ConfigError names the configurations that there are",
    "train.Checkpoints.check_beside": NO_CALL,
    "train.Checkpoints.history": PIECE,
    "train.Experiment": "made by `read_experiment`",
    "train.StopRequest": "made by the command line",
    "train.Experiment.sections": "takes nothing",
    "train.carried_over": "what the command line calls",
    "train.OwnTask": "made by `of_functions` and `of_module`",
    **dict.fromkeys(
        (f"train.OwnTask.{name}" for name in ("batches", "count", "evaluate", "init", "initial_carry", "loss", "show")),
        "what the loop calls",
    ),
    **dict.fromkeys(("train.TensorBoard", "train.TensorBoard.__call__"), "what the loop calls"),
    **dict.fromkeys(("train.OwnTask.module_of", "train.OwnTask.predict"), "takes parameters that `train_task` gave"),
    **dict.fromkeys(("forms.Form", "forms.Kernel"), "the engine's"),
    **dict.fromkeys((f"forms.Form.{name}" for name in FORM), PIECE),
    **dict.fromkeys((f"forms.Kernel.{name}" for name in KERNEL), PIECE),
    "backends": "takes nothing",
    "train.Checkpoints.best": "as `newest`",
}


def calls(room: str) -> dict[str, Any]:
    return import_module(f"tests.wrong_calls.{room}").CALLS


def cases(room: str, seed: int) -> list[tuple[str, Any, Any]]:
    """Every call's arguments, beside every value."""
    values = wrong_values(seed)
    return [(name, a, v) for name, call in calls(room).items() for a in call.arguments() for v in values]


def assert_judged(room: str, chosen: list[tuple[str, Any, Any]]) -> None:
    faults = []
    for name, argument, value in chosen:
        call = calls(room)[name]
        fault = judge(call.call, call.right, argument, value)
        if fault is not None:
            faults.append(f"{name}, {argument.name}={describe(value)}: {fault}")
    assert not faults, f"{len(faults)} of {len(chosen)} calls\n" + "\n".join(faults)


@pytest.mark.parametrize("room", ROOMS)
def test_some_wrong_calls(room: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_judged(room, random.Random(SEED).sample(cases(room, SEED), SAMPLE))


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS)
def test_all_wrong_calls(room: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_judged(room, cases(room, SEED))


def public_callables() -> Iterator[tuple[str, Any]]:
    """Names, and what they stand for: a method that two classes have in common is one."""
    for path in MODULES:
        module = import_module(path)
        prefix = path.removeprefix("jaxrnn.").removeprefix("functions.") + "." if path != "jaxrnn" else ""
        for name, thing in vars(module).items():
            home = getattr(thing, "__module__", None) or ""
            exported = home == path or (hasattr(module, "__path__") and home.startswith("jaxrnn."))
            if name.startswith("_") or not callable(thing) or not exported:
                continue
            if inspect.isclass(thing):
                if _takes_anything(thing):
                    continue
                yield from ((f"{prefix}{name}.{method}", function) for method, function in _methods(thing))
            yield f"{prefix}{name}", thing


def _takes_anything(kind: type) -> bool:
    """A named tuple, an exception, a protocol."""
    return hasattr(kind, "_fields") or issubclass(kind, BaseException) or getattr(kind, "_is_protocol", False)


def _methods(kind: type) -> Iterator[tuple[str, Any]]:
    for name in dir(kind):
        function = inspect.getattr_static(kind, name)
        function = getattr(function, "__func__", function)
        public = (name == "__call__" or not name.startswith("_")) and name not in PIECES
        if public and inspect.isfunction(function) and function.__module__.startswith("jaxrnn"):
            yield name, function


def test_every_public_callable_has_a_row() -> None:
    public = dict(public_callables())
    known = {name.partition(",")[0] for room in ROOMS for name in calls(room)} | INSIDE.keys()
    covered = {id(inspect.unwrap(thing)) for name, thing in public.items() if name in known}
    missing = [name for name, thing in public.items() if id(inspect.unwrap(thing)) not in covered]
    assert not missing, "\n".join(missing)
    assert not INSIDE.keys() - public.keys(), "no longer there"
