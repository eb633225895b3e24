"""Our parameters as rows speak of them: which axes one has, and which gates."""

from __future__ import annotations

from jaxrnn.core.cell import Cell
from jaxrnn.core.kernels import columns_of, is_elementwise

CANONICAL = {
    "kernel": "dgh",
    "recurrent_kernel": "rgh",
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


def canonical(cell: Cell, holds: str) -> str:
    """The axes of one of our parameters."""
    parameter = dict(cell.parameters).get(holds)
    axes = CANONICAL[holds]
    return axes.replace("r", "") if parameter is not None and is_elementwise(parameter) else axes


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
