"""What is public, and the pages of the reference: one a room, from its `__all__`."""

from __future__ import annotations

import importlib
import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import calls
import constants

from jaxrnn import cells
from jaxrnn.cells import COLLECTION
from jaxrnn.tasks import TASKS

# A page each: its module, and what it is for.
ROOMS = {
    "jaxrnn": "Running layers, composing them, cells and forms of your own",
    "jaxrnn.cells": "The collection and the carries of its cells",
    "jaxrnn.forms": "Forms of kernels",
    "jaxrnn.compose": "What layers are composed to",
    "jaxrnn.nnx": "Flax NNX modules",
    "jaxrnn.linen": "Flax linen modules",
    "jaxrnn.keras": "Keras's layers, in Flax",
    "jaxrnn.interop": "From and to other libraries",
    "jaxrnn.decode": "Sampling, beam search, attention, mixtures",
    "jaxrnn.train": "The training loop, runs, checkpoints, data",
    "jaxrnn.tasks": "The applications",
    "jaxrnn.dynamics": "What goes on inside",
    "jaxrnn.plan": "What a step needs on chips that are not here",
    "jaxrnn.testing": "Laws for the tests of your code",
    "jaxrnn.bench": "Measurements",
    "jaxrnn.functions.activations": "Activations",
    "jaxrnn.functions.initializers": "Initialisers",
    "jaxrnn.functions.constraints": "Constraints",
    "jaxrnn.functions.regularizers": "Regularisers",
}
# Names of the façade, by what one looks for.
GROUPS = {
    "Running": "scan scan_carries scan_truncated scan_sharded scan_newton newton_forecast starts_from explain "
    "backends checkify keep_memory",
    "Composing": "stack bidirectional BidirectionalCarry reverse residual highway input_dropout recurrent_dropout "
    "zoneout weight_drop slstm_layer SLSTMLayerCarry slstm_block windowed",
    "Cells of your own": "gate_cell linear_cell Parameter Cell Layer",
    "Forms of kernels": "dense diagonal heads low_rank convolution only shared",
    "Parameters": "labels shardings quantize",
    "Agents off policy": "states_before cut burn_in counts_from",
    "Models and files": "load_run export_c",
    "Readouts in closed form": "fit_readout readout_moments solve_readout",
}


class Public(NamedTuple):
    """A public thing, and where it is documented."""

    room: str
    name: str
    thing: Any

    @property
    def dotted(self) -> str:
        return f"{self.room}.{self.name}"


def factories() -> list[str]:
    """The names of the factories of cells, which have pages of their own."""
    return [name for name in cells.__all__ if inspect.isfunction(getattr(cells, name))]


def public() -> list[Public]:
    """Each public thing once, by the first room that shows it; modules and the version aside."""
    found: dict[int, Public] = {}
    for room in ROOMS:
        module = importlib.import_module(room)
        for name in module.__all__:
            thing = getattr(module, name)
            if not inspect.ismodule(thing) and name != "__version__":
                found.setdefault(id(thing), Public(room, name, thing))
    return list(found.values())


def write(folder: Path) -> None:
    """The pages of the reference."""
    folder.mkdir(exist_ok=True)
    pages = public()
    for room, title in ROOMS.items():
        here = [p for p in pages if p.room == room]
        lines = [f"# {room}", "", f"{title}.", ""]
        if room == "jaxrnn":
            lines += _facade({p.name: p for p in here})
        else:
            lines += _elsewhere(room, here) + [line for p in sorted(here, key=_order) for line in directive(p)]
        put(folder / f"{room}.md", lines)
    rows = [f"| [`{room}`]({room}.md) | {title} |" for room, title in ROOMS.items()]
    toc = ["```{toctree}", ":hidden:", *ROOMS, "```"]
    text = "Every public name, by room. Factories of cells have their own pages: [the collection](../cells/index.md)."
    put(folder / "index.md", ["# Reference", "", text, "", "| room | what for |", "| --- | --- |", *rows, "", *toc])


def put(file: Path, lines: list[str]) -> None:
    """Written where it changes: what has not changed is not read again."""
    text = "\n".join(lines) + "\n"
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


def _facade(here: dict[str, Public]) -> list[str]:
    cells_of = [name for name in here if name in factories()]
    carries = [name for name in here if isinstance(here[name].thing, type) and issubclass(here[name].thing, tuple)]
    lines = []
    for title, names in GROUPS.items():
        lines += [f"## {title}", ""]
        for name in names.split():
            lines += directive(here.pop(name))
    lines += ["## Cells", "", ", ".join(f"[`{name}`](../cells/{name}.md)" for name in sorted(cells_of)), ""]
    lines += ["## Carries", ""]
    for name in sorted(carries):
        if name in here:
            lines += directive(here.pop(name))
    rest = [name for name in here if name not in cells_of]
    if rest:
        raise ValueError(f"`GROUPS` of docs/extensions/rooms.py must have every name of jaxrnn, and lacks {rest}")
    return lines


def _elsewhere(room: str, here: list[Public]) -> list[str]:
    """Links to what another page has, or this one under another name, as it is the same thing."""
    own = {p.name for p in here}
    module = importlib.import_module(room)
    names = [name for name in module.__all__ if name not in own and name not in factories()]
    links = [
        f"{{py:obj}}`{name} <{home}>`" if home.endswith(f".{name}") else f"`{name}`, which is {{py:obj}}`{home}`"
        for name in names
        if (home := homes().get(id(getattr(module, name)))) is not None
    ]
    return ["Also here: " + "; ".join(links) + ".", ""] if links else []


def _order(p: Public) -> tuple[int, str]:
    kind = 2 if isinstance(p.thing, type) and issubclass(p.thing, tuple) else 1 if isinstance(p.thing, type) else 0
    return kind, p.name.lower()


def directive(p: Public) -> list[str]:
    """The directive that shows one thing."""
    if isinstance(p.thing, type):
        tuples = issubclass(p.thing, tuple)
        shown = [f".. autoclass:: {p.dotted}", *([] if tuples else ["   :members:"])]
        if rows := fields(p.thing):
            shown += ["", "   .. code-block:: python", "", *(f"      {row}" for row in rows)]
        if made := made_by(p.thing):
            shown += ["", f"   Made by {', '.join(made)}."]
        shown += calls.directives(p.dotted, p.thing, _classes())
    elif callable(p.thing) and hasattr(p.thing, "__name__"):
        shown = [f".. autofunction:: {p.dotted}"]
    else:
        shown = [f".. py:data:: {p.dotted}", "", *(f"   {line}" for line in constants.shown(p.dotted, p.thing))]
    return ["```{eval-rst}", *shown, "```", ""]


def fields(kind: type) -> list[str]:
    """Fields of a NamedTuple or dataclass with their comments, in which the shapes are; those of its bases first."""
    names = getattr(kind, "_fields", None) or getattr(kind, "__dataclass_fields__", ())
    rows: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith("jaxrnn"):
            continue
        for line in inspect.getsource(base).splitlines():
            name = line.strip().partition(":")[0]
            if name in names and line.startswith("    ") and line[4] != " ":
                rows[name] = line.strip()
    return list(rows.values())


@cache
def homes() -> dict[int, str]:
    """Where each public thing is documented, by its identity."""
    return {id(p.thing): p.dotted for p in public()}


@cache
def _classes() -> dict[Any, str]:
    """The public classes, and where they are documented."""
    return {p.thing: p.dotted for p in public() if isinstance(p.thing, type)}


@cache
def _makers() -> dict[str, list[str]]:
    """Links to what returns a class, by the class's name: functions by their annotations, cells by their carries."""
    found: dict[str, list[str]] = {}
    for p in public():
        if not inspect.isfunction(p.thing):
            continue
        if p.name in factories():
            carry = COLLECTION[p.name](4).carry_type.__name__ if p.name in COLLECTION else ""
            found.setdefault(carry, []).append(f":doc:`{p.name} </cells/{p.name}>`")
        else:
            for name in re.findall(r"\w+", str(inspect.signature(p.thing).return_annotation)):
                found.setdefault(name, []).append(f":py:obj:`{p.name} <{p.dotted}>`")
    for name, task in TASKS.items():
        command = f"jaxrnn.train.read_experiment(jaxrnn.train.find_config('{name}'), [], TASKS).task"
        found.setdefault(task.__name__, []).append(f"``{command}``, and trained by ``jaxrnn train {name}``")
    return found


def made_by(kind: type) -> list[str]:
    """What makes a class's things, as links."""
    return _makers().get(kind.__name__, [])
