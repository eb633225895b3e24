"""What Flax modules take beside the options of their cells: added to a docstring that does not say it itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import jaxrnn

ARGUMENTS = {
    "in_features": "D, the number of inputs.",
    "features": "H, the number of units.",
    "hidden_features": "H, the number of units.",
    "num_layers": "how many layers lie upon each other.",
    "bidirectional": "run each layer in both directions.",
    "merge": "how both directions become one: concat, sum, mul, ave, pair, or a function of two arrays.",
    "dropout": "the rate of dropout between layers.",
    "time_major": "inputs and outputs are `[T, B, ...]`, in place of `[B, T, ...]`.",
    "return_carry": "return `(carry, outputs)` in place of outputs.",
    "reverse": "run from each row's last valid step to its first.",
    "keep_order": "under `reverse`, outputs lie as their inputs do.",
    "unroll": "steps an iteration of the scan of a cell that jaxrnn's engine does not run.",
    "stateful": "keep the carry between calls, in the variable `state`.",
    "chunk": "steps a block, or 'sqrt'; see `jaxrnn.scan`.",
    "backend": "'auto', or one of `jaxrnn.backends()`.",
    "deterministic": "run without dropout and zoneout.",
    "sharding": "names of axes by the name of a parameter.",
    "state_axes": "of the scan of a cell that jaxrnn's engine does not run, as in `flax.nnx.RNN`.",
    "broadcast_rngs": "of that scan, as in `flax.nnx.RNN`.",
    "promote_dtype": "Flax's function that chooses the dtype of a call.",
    "keep_rngs": "keep `rngs`, for initial carries that are drawn.",
    "kernel_metadata": "metadata of the variable, as in `flax.nnx`.",
    "recurrent_kernel_metadata": "metadata of the variable, as in `flax.nnx`.",
    "bias_metadata": "metadata of the variable, as in `flax.nnx`.",
    "rngs": "an `nnx.Rngs`: parameters draw from `params`, noise from `dropout`, carries from `carry`.",
    "name": "of the linen module.",
    "parent": "of the linen module, which Flax sets.",
    "axis_name": "of the mapped axis, as in Flax.",
}
RENAMED = {"activation": "activation_fn", "gate_activation": "gate_fn"}


def of_cells() -> dict[str, str]:
    """What the factories' docstrings say of each option, by Flax's names."""
    found: dict[str, str] = {}
    for factory in (jaxrnn.lstm, jaxrnn.gru, jaxrnn.elman):
        listed = inspect.cleandoc(factory.__doc__ or "").partition("\nArgs:\n")[2].partition("\n\n")[0]
        for entry in re.split(r"\n(?=    \S)", listed):
            names, _, text = " ".join(entry.split()).partition(": ")
            for name in re.sub(r"\(.*\)", "", names).split(","):
                found.setdefault(RENAMED.get(name.strip(), name.strip()), text)
    return found


def missing(kind: Any, lines: list[str]) -> list[str]:
    """The arguments of a class that its docstring does not name."""
    said = "\n".join(lines)
    taken = inspect.signature(kind).parameters.values()
    return [p.name for p in taken if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and not _named(p.name, said)]


def _named(name: str, said: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", said) is not None


def completed(kind: Any, lines: list[str], escaped: Callable[[str], str]) -> list[str]:
    """The docstring with a list of what it leaves out, before its example."""
    names = missing(kind, lines)
    if not names:
        return lines
    known = {**of_cells(), **ARGUMENTS}
    added = ["Further arguments:", "", *(f"* ``{name}``: {escaped(known[name])}" for name in names), ""]
    at = next((i for i, line in enumerate(lines) if line.startswith(".. code-block:: pycon")), len(lines))
    return [*lines[:at], *added, *lines[at:]]
