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

from jaxrnn.base.checks import is_traced
from jaxrnn.base.errors import Said, fail
from jaxrnn.core.cell import Cell
from jaxrnn.interop.express import option
from jaxrnn.interop.parameters import CANONICAL, WINDOWS, Sizes, canonical, gates_of, windows_of
from jaxrnn.interop.rows.row import NONE, Array, Row
from jaxrnn.interop.weight_norm import lengths, scaled


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


def ours_of(row: Row, array: Array) -> str:
    """The names of what an array holds, as the table of a conversion shows it."""
    if array.norm:
        return ours_of(row, next(a for a in row.arrays if a.name == array.norm))
    inner = "recurrent_bias" if ("reset_after", True) in row.fixed else "bias"
    holds = (array.holds,) if isinstance(array.holds, str) else array.holds
    return " + ".join(inner if name == "inner" else name for name in holds)


def gates_in(row: Row, array: Array, letter: str) -> tuple[str, ...]:
    """Their gates along the axis `g`, or those with peepholes along `k`."""
    gates = tuple(array.gates or row.gates)
    return gates if letter == "g" else tuple(g for g in gates if g != "g")


def all_sizes(row: Row, array: Array, sizes: Sizes) -> dict[str, int]:
    """How many there are of each letter; the places of a window count together."""
    counts = {letter: math.prod(size) if letter in WINDOWS else size for letter, size in sizes.items()}
    gates = {letter: len(gates_in(row, array, letter)) for letter in "gk"}
    return {**counts, **gates, "u": sizes["h"], "+": sizes["d"] + sizes["r"], "1": 1, "2": 2}


def shape(row: Row, array: Array, sizes: Sizes) -> tuple[int, ...]:
    """The shape of one foreign array, for sizes of d, r, h, p and windows."""
    return _shape(array.axes.split(), sizes, all_sizes(row, array, sizes))


def _shape(axes: Iterable[str], sizes: Sizes, counts: Mapping[str, int]) -> tuple[int, ...]:
    """A window is as many axes as it has."""
    parts = (sizes[axis] if axis in WINDOWS else (math.prod(counts[letter] for letter in axis),) for axis in axes)
    return tuple(itertools.chain.from_iterable(parts))


def sizes_of(cell: Cell, inputs: int) -> dict[str, Any]:
    """The sizes behind the letters of `Array.axes`."""
    return {"d": inputs, "h": cell.size, "r": cell.output_size, "p": cell.output_size} | windows_of(cell)


# ---------------------------------------------------------------- theirs to ours

Parts = dict[str, dict[str, Any]]  # of our parameters, gate by gate ("" without gates)


def to_ours(row: Row, cell: Cell, inputs: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """Our parameters from their arrays, whose names and shapes are already checked."""
    sizes = sizes_of(cell, inputs)
    given = dict(given)
    for array in (a for a in row.arrays if a.norm and a.name in given):
        given[array.norm] = scaled(given[array.norm], given[array.name])
    parts: Parts = {}
    for array in (a for a in row.arrays if next(iter(names(row, a).values())) in given and not a.norm):
        if array.option:
            _check_option(row, cell, array, given[array.name])
            continue
        for gate, name in names(row, array).items():
            for holds, piece in _split(array, given[name], sizes):
                found = _gates_of(row, array, holds, gate, piece, sizes)
                _add(parts.setdefault(holds, {}), _known(row, cell, inputs, name, holds, found))
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
            gates = gates_of(cell, inputs, name)
            ours[name] = _stack([_ours(row, cell, name, gate, parts) for gate in gates]).reshape(parameter.shape)
    return {name: jnp.asarray(value) for name, value in ours.items()}


def _check_option(row: Row, cell: Cell, array: Array, value: Any) -> None:
    """A number that is an option of ours is the cell's."""
    ours = option(cell, array.option)
    if not is_traced(value) and value != ours:
        what = f"{float(value)}, for which there is {array.option}={float(value)}"
        fail(array.name, f"{ours}, as in layer {cell!r}", Said(what))


def _add(known: dict[str, Any], found: Mapping[str, Any]) -> None:
    """What several arrays hold of one gate adds up."""
    for gate, piece in found.items():
        known[gate] = known[gate] + piece if gate in known else piece


def _known(row: Row, cell: Cell, inputs: int, name: str, holds: str, found: dict[str, Any]) -> dict[str, Any]:
    """The gates without those on which our cell has no bias; there theirs is to be zero."""
    if holds not in ("bias", "inner"):
        return found
    gates = gates_of(cell, inputs, holds)
    for i, (gate, piece) in enumerate(found.items()):
        if gate in gates or (gate != NONE and gate not in cell.gates) or is_traced(piece) or not np.any(piece):
            continue
        expected = f"zero within [{i * len(piece)}:{(i + 1) * len(piece)}], where {cell!r} has no bias"
        hint = f"With it, {row.library}'s {row.name} computes another function."
        fail(name, expected, Said(f"numbers other than zero, up to {float(np.abs(piece).max())}"), hint)
    return {gate: piece for gate, piece in found.items() if gate in gates}


def _ours(row: Row, cell: Cell, name: str, gate: str, parts: Parts) -> Any:
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
    if array.axes[0] == "2":
        return list(zip(array.holds, (value[0], value[1]), strict=True))
    before = (slice(None),) * array.axes.split().index("+")
    cut = sizes["d"]
    return list(zip(array.holds, (value[(*before, slice(cut))], value[(*before, slice(cut, None))]), strict=True))


def _piece_axes(array: Array, holds: str) -> list[str]:
    """The axes of one parameter's part of a foreign array."""
    first = next(letter for letter in CANONICAL[holds] if letter not in WINDOWS)
    axes = [first if axis == "+" else axis for axis in array.axes.split()]
    return axes[1:] if axes[0] == "2" else axes


def _letters(array: Array, holds: str) -> str:
    """The axes of a part, one letter each, without those of a single number that ours lacks."""
    return "".join(c for c in "".join(_piece_axes(array, holds)) if c != "1" or c in CANONICAL[holds])


def _gates_of(row: Row, array: Array, holds: str, gate: str, piece: Any, sizes: Sizes) -> dict[str, Any]:
    """One parameter's part of a foreign array, gate by gate, axes in our order."""
    letters = _letters(array, holds)
    full = all_sizes(row, array, sizes)
    ours = [c for c in CANONICAL[holds] if c in letters]
    turned = piece.reshape([full[c] for c in letters]).transpose([letters.index(c) for c in ours])
    for letter in "gk":
        if letter in ours:
            axis = ours.index(letter)
            return {g: turned[(slice(None),) * axis + (i,)] for i, g in enumerate(gates_in(row, array, letter))}
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
    arrays: dict[str, Any] = {}
    written: set[tuple[str, str]] = set()
    for array in present(row, has):
        if array.norm:
            arrays[array.name] = lengths(arrays[array.norm])
            continue
        if array.option:
            arrays[array.name] = np.asarray(option(cell, array.option), params["kernel"].dtype)
            continue
        for gate, name in names(row, array).items():
            holds = (array.holds,) if isinstance(array.holds, str) else array.holds
            pieces = [_theirs(row, cell, inputs, array, h, gate, params, sizes, written) for h in holds]
            if array.axes[0] == "2":
                arrays[name] = np.stack(pieces)
            elif len(pieces) > 1:
                arrays[name] = np.concatenate(pieces, axis=array.axes.split().index("+"))
            else:
                arrays[name] = np.ascontiguousarray(pieces[0]).reshape(shape(row, array, sizes))
    return arrays


def _theirs(
    row: Row,
    cell: Cell,
    inputs: int,
    array: Array,
    holds: str,
    gate: str,
    params: Mapping[str, Any],
    sizes: Sizes,
    written: set[tuple[str, str]],
) -> Any:
    """One parameter's part of a foreign array, in its axes and gates."""
    letters, axes = _letters(array, holds), canonical(cell, holds)
    full = all_sizes(row, array, sizes)
    along = next((c for c in "gk" if c in letters), "")
    if along or gate:
        wanted = gates_in(row, array, along) if along else (gate,)
        lead = [full[c] for c in axes if c not in "gk"]
        value = np.stack([_gate(row, cell, inputs, holds, g, params, lead, written) for g in wanted], axis=-2)
        written |= {(holds, g) for g in wanted}
    else:
        value = _whole(cell, holds, params, full)
    ours = [c for c in axes if c in letters]
    turned = value.reshape([full[c] for c in ours]).transpose([ours.index(c) for c in letters])
    return turned.reshape(_shape(_piece_axes(array, holds), sizes, full))


def _whole(cell: Cell, holds: str, params: Mapping[str, Any], full: Mapping[str, int]) -> Any:
    """A parameter without gates; zeros where the cell has none."""
    if holds in params:
        return np.asarray(params[holds])
    return np.zeros([full[c] for c in canonical(cell, holds)], params["kernel"].dtype)


def _gate(
    row: Row,
    cell: Cell,
    inputs: int,
    holds: str,
    gate: str,
    params: Mapping[str, Any],
    lead: list[int],
    written: set[tuple[str, str]],
) -> Any:
    """One gate of one parameter, of the shape `lead`, with sign and constants as the library has them."""
    dtype = params["kernel"].dtype
    if holds == "inner":
        inside = "recurrent_bias" in params and gate == "n"
        return np.asarray(params["recurrent_bias"]) if inside else np.zeros(lead, dtype)
    if (holds, gate) in written:
        return np.zeros(lead, dtype)  # it adds to what an array before this one has
    ours = gates_of(cell, inputs, holds) if holds in params else ()
    if gate in ours:
        value = np.asarray(params[holds])[..., ours.index(gate), :].reshape(lead)
    else:
        value = np.zeros(lead, dtype)  # no bias, or a gate that is coupled to another and ignored
    if gate in row.negated and holds != "peepholes":
        value = -value
    for which, constant in row.added:
        value = value - np.asarray(constant, dtype) if holds == "bias" and which == gate else value
    return value
