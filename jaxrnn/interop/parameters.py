"""Our parameters as rows speak of them: which axes one has, and which gates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxrnn.core.cell import Cell
from jaxrnn.core.kernels import columns_of, is_elementwise

CANONICAL = {
    "kernel": "wdgh",
    "recurrent_kernel": "vrgh",
    "bias": "gh",
    "inner": "gh",
    "recurrent_bias": "h",
    "peepholes": "kh",
    "projection": "hp",
    "velocity_kernel": "rh",
    "latent_kernel": "rh",
    "multiplicative_kernel": "rh",
    "rate": "h",
    **dict.fromkeys(("alpha", "beta", "zeta", "nu"), "1"),
    **dict.fromkeys(("tau", "amplitude"), "p"),
    **{f"{gate}_kernel": "hp" for gate in "fgab"},
    **{f"{gate}_bias": "p" for gate in "fgab"},
    **{f"backbone_{k}_kernel": "uh" for k in range(2, 5)},
    **{f"backbone_{k}_bias": "h" for k in range(2, 5)},
}


WINDOWS = {"w": "kernel", "v": "recurrent_kernel"}  # letters for several axes, and whose they are
Sizes = Mapping[str, Any]  # an integer each, a tuple of them for a window


def windows_of(cell: Cell) -> dict[str, tuple[int, ...]]:
    """The windows of a cell's convolutions; without axes where there is none."""
    declared = dict(cell.parameters)
    return {letter: getattr(declared[name].form, "window", ()) for letter, name in WINDOWS.items()}


def canonical(cell: Cell, holds: str) -> str:
    """The axes of one of our parameters."""
    parameter = dict(cell.parameters).get(holds)
    absent = {letter for letter, window in windows_of(cell).items() if not window}
    absent |= {"r"} if parameter is not None and is_elementwise(parameter) else set()
    return "".join(letter for letter in CANONICAL[holds] if letter not in absent)


def gates_of(cell: Cell, inputs: int, holds: str) -> tuple[str, ...]:
    """The gates of which one of our parameters holds numbers, in its order; none without the parameter."""
    if holds == "peepholes":
        return tuple(g for g in cell.gates if g != "g")
    name = "bias" if holds == "inner" else holds
    declared = cell.declare(inputs)
    if name not in declared:
        return ()
    columns = columns_of(name, dict(cell.parameters)[name], cell.gates)
    return tuple(cell.gates[columns.index(k)] for k in range(int(declared[name].shape[-2])))
