"""One cell's arrays by a `Row`: shapes, from theirs to ours, and from ours to theirs.

Both ways are linear but for the constants that a library adds at run time. They work on NumPy and on JAX arrays, traced
ones too, so a gradient with respect to foreign arrays passes through `to_ours`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxrnn.base.errors import fail
from jaxrnn.core.cell import Cell
from jaxrnn.interop.rows import Array, Row

CANONICAL = {
    "kernel": "wdgh",
    "recurrent_kernel": "vrgh",
    "bias": "gh",
    "inner": "gh",
    "recurrent_bias": "h",
    "peepholes": "kh",
    "projection": "hp",
}
WINDOWS = {"w": "kernel", "v": "recurrent_kernel"}  # letters for several axes, and whose they are
Sizes = Mapping[str, Any]  # an integer each, a tuple of them for a window


def names(row: Row, array: Array) -> dict[str, str]:
    """Gate -> name of the array that holds it; a single name, under "", where all gates share one array."""
    if "{g}" not in array.name:
        return {"": array.name}
    spelled = dict(row.spelled)
    gates = [g for g in row.gates if g != "g" or array.holds != "peepholes"]
    found = {}
    for gate in gates:
        head, *rest = array.name.format(g=gate).split("/")
        found[gate] = "/".join((spelled.get(head, head), *rest))
    return found


def present(row: Row, has: Mapping[str, Any]) -> tuple[Array, ...]:
    """The arrays of a cell with these options of ours; a library without the option always has the array."""
    return tuple(a for a in row.arrays if not a.when or a.when not in has or has[a.when])


def ours_of(row: Row, holds: str) -> str:
    """The name of what an array holds, as the table of a conversion shows it."""
    return holds if holds != "inner" else "recurrent_bias" if ("reset_after", True) in row.fixed else "bias"


def gates_in(row: Row, letter: str) -> str:
    """Their gates along the axis `g`, or those with peepholes along `k`."""
    return row.gates if letter == "g" else row.gates.replace("g", "")


def shape(row: Row, array: Array, sizes: Sizes) -> tuple[int, ...]:
    """The shape of one foreign array, for sizes of d, r, h, p and windows."""
    return _shape(array.axes.split(), sizes, {**_counts(row, sizes), "+": sizes["d"] + sizes["r"], "2": 2})


def _shape(axes: Iterable[str], sizes: Sizes, counts: Mapping[str, int]) -> tuple[int, ...]:
    """A window is as many axes as it has."""
    parts = (sizes[axis] if axis in WINDOWS else (math.prod(counts[letter] for letter in axis),) for axis in axes)
    return tuple(itertools.chain.from_iterable(parts))


def _counts(row: Row, sizes: Sizes) -> dict[str, int]:
    """How many there are of each letter; the places of a window count together."""
    counts = {letter: math.prod(size) if letter in WINDOWS else size for letter, size in sizes.items()}
    return counts | {"g": len(row.gates), "k": len(gates_in(row, "k"))}


def sizes_of(cell: Cell, inputs: int) -> dict[str, Any]:
    """The sizes behind the letters of `Array.axes`."""
    return {"d": inputs, "h": cell.size, "r": cell.output_size, "p": cell.output_size} | windows_of(cell)


def windows_of(cell: Cell) -> dict[str, tuple[int, ...]]:
    """The windows of a cell's convolutions; without axes where there is none."""
    declared = dict(cell.parameters)
    return {letter: getattr(declared[name].form, "window", ()) for letter, name in WINDOWS.items()}


# ---------------------------------------------------------------- theirs to ours


def to_ours(row: Row, cell: Cell, inputs: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """Our parameters from their arrays, whose names and shapes are already checked."""
    sizes = sizes_of(cell, inputs)
    parts: dict[str, dict[str, Any]] = {}  # of our parameters, gate by gate ("" without gates)
    for array in (a for a in row.arrays if next(iter(names(row, a).values())) in given):
        for gate, name in names(row, array).items():
            for holds, piece in _split(array, given[name], sizes):
                parts.setdefault(holds, {}).update(_gates_of(row, array, holds, gate, piece, sizes))
    declared = cell.declare(inputs)
    example = given[next(iter(given))]
    if "bias" in declared and "bias" not in parts:  # theirs is what is added at run time
        parts["bias"] = dict.fromkeys(row.gates, np.zeros(cell.size, example.dtype))
    ours = {}
    for name, parameter in declared.items():
        if name == "recurrent_bias" and "inner" in parts:
            ours[name] = parts["inner"]["n"]
        elif name not in parts:
            ours[name] = np.zeros(parameter.shape, example.dtype)  # theirs is zero: nnx.GRUCell's inner bias
        elif "" in parts[name]:
            ours[name] = parts[name][""]
        else:
            gates = cell.gates if name != "peepholes" else tuple(g for g in cell.gates if g != "g")
            ours[name] = _stack([_ours(row, cell, name, gate, parts) for gate in gates]).reshape(parameter.shape)
    return {name: jnp.asarray(value) for name, value in ours.items()}


def _ours(row: Row, cell: Cell, name: str, gate: str, parts: dict[str, dict[str, Any]]) -> Any:
    """One gate of one of our parameters: biases added up, constants folded in, the sign turned."""
    value = parts[name][gate]
    if name == "bias":
        if "inner" in parts and not ("recurrent_bias" in dict(cell.parameters) and gate == "n"):
            value = value + parts["inner"][gate]
        for which, constant in row.added:
            value = value + np.asarray(constant, value.dtype) if which == gate else value
    return -value if gate in row.negated and name != "peepholes" else value


def _split(array: Array, value: Any, sizes: Sizes) -> list[tuple[str, Any]]:
    """The parameters in one foreign array: usually one, two where it holds two."""
    if isinstance(array.holds, str):
        return [(array.holds, value)]
    cut = sizes["d"] if array.axes[0] == "+" else 1
    first, second = value[:cut], value[cut:]
    return list(zip(array.holds, (first, second) if array.axes[0] == "+" else (first[0], second[0]), strict=True))


def _piece_axes(array: Array, holds: str) -> list[str]:
    """The axes of one parameter's part of a foreign array."""
    axes = array.axes.split()
    if axes[0] == "+":
        axes[0] = next(letter for letter in CANONICAL[holds] if letter not in WINDOWS)
    return axes[1:] if axes[0] == "2" else axes


def _gates_of(row: Row, array: Array, holds: str, gate: str, piece: Any, sizes: Sizes) -> dict[str, Any]:
    """One parameter's part of a foreign array, gate by gate, axes in our order."""
    letters = "".join(_piece_axes(array, holds))
    full = _counts(row, sizes)
    ours = [c for c in CANONICAL[holds] if c in letters]
    turned = piece.reshape([full[c] for c in letters]).transpose([letters.index(c) for c in ours])
    for letter in "gk":
        if letter in ours:
            axis = ours.index(letter)
            return {g: turned[(slice(None),) * axis + (i,)] for i, g in enumerate(gates_in(row, letter))}
    return {gate: turned}


def _stack(gates: list[Any]) -> Any:
    """Gates side by side, on the axis before the last."""
    together = np.stack if all(isinstance(g, np.ndarray) for g in gates) else jnp.stack
    return together(gates, axis=-2)


# ---------------------------------------------------------------- ours to theirs


def to_theirs(row: Row, cell: Cell, inputs: int, params: Mapping[str, Any], has: Mapping[str, Any]) -> dict[str, Any]:
    """Their arrays, by name, from our parameters. Of two biases that add up, the second is zero."""
    sizes = sizes_of(cell, inputs)
    known = {holds for a in row.arrays for holds in ((a.holds,) if isinstance(a.holds, str) else a.holds)}
    if "recurrent_bias" in params and not known & {"recurrent_bias", "inner"} and np.any(params["recurrent_bias"]):
        theirs = f"{row.library} {row.name}"
        fail("recurrent_bias", f"zero for {theirs}, which has no bias inside the reset", params["recurrent_bias"])
    fixed = dict(row.added)
    if (
        "bias" in params
        and "bias" not in known
        and any(np.any(np.asarray(params["bias"])[i] != fixed.get(gate, 0.0)) for i, gate in enumerate(cell.gates))
    ):
        fail("bias", f"{fixed} and else zero for {row.library} {row.name}, which has no bias", params["bias"])
    arrays = {}
    for array in present(row, has):
        for gate, name in names(row, array).items():
            holds = (array.holds,) if isinstance(array.holds, str) else array.holds
            pieces = [_theirs(row, cell, array, h, gate, params, sizes) for h in holds]
            if array.axes[0] == "2":
                arrays[name] = np.stack(pieces)
            else:
                arrays[name] = np.concatenate(pieces) if len(pieces) > 1 else np.ascontiguousarray(pieces[0])
    return arrays


def _theirs(row: Row, cell: Cell, array: Array, holds: str, gate: str, params: Mapping[str, Any], sizes: Sizes) -> Any:
    """One parameter's part of a foreign array, in its axes and gates."""
    axes = _piece_axes(array, holds)
    letters = "".join(axes)
    along = next((c for c in "gk" if c in letters), "")
    if along or gate:
        wanted = gates_in(row, along) if along else gate
        value = np.stack([_gate(row, cell, holds, g, params, sizes) for g in wanted], axis=-2)
    else:
        value = _whole(holds, params, sizes, cell)
    full = _counts(row, sizes)
    canonical = [c for c in CANONICAL[holds] if c in letters]
    turned = value.reshape([full[c] for c in canonical]).transpose([canonical.index(c) for c in letters])
    return turned.reshape(_shape(axes, sizes, full))


def _whole(holds: str, params: Mapping[str, Any], sizes: Sizes, cell: Cell) -> Any:
    """A parameter without gates; zeros where the cell has none."""
    if holds in params:
        return np.asarray(params[holds])
    return np.zeros([sizes[c] for c in CANONICAL[holds]], params["kernel"].dtype)


def _gate(row: Row, cell: Cell, holds: str, gate: str, params: Mapping[str, Any], sizes: Sizes) -> Any:
    """One gate of one parameter, with sign and constants as the library has them."""
    dtype = params["kernel"].dtype
    counts = _counts(row, sizes)
    lead = [counts[c] for c in CANONICAL[holds] if c not in "gk"]
    if holds == "inner":
        inside = "recurrent_bias" in params and gate == "n"
        return np.asarray(params["recurrent_bias"]) if inside else np.zeros(lead, dtype)
    ours = [g for g in cell.gates if g != "g" or holds != "peepholes"]
    if holds in params and gate in ours:
        value = np.asarray(params[holds])[..., ours.index(gate), :].reshape(lead)
    else:
        value = np.zeros(lead, dtype)  # no bias, or a gate that is coupled to another and ignored
    if gate in row.negated and holds != "peepholes":
        value = -value
    for which, constant in row.added:
        value = value - np.asarray(constant, dtype) if holds == "bias" and which == gate else value
    return value
