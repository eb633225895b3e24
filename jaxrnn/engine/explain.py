"""What would run, and why: the decisions of the engine as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxrnn.base.checks import check_choice, check_size
from jaxrnn.base.dtypes import default_float
from jaxrnn.base.errors import fail
from jaxrnn.base.memory import maps_afresh
from jaxrnn.core.cell import Cell
from jaxrnn.core.closures import still
from jaxrnn.core.layer import Layer
from jaxrnn.engine.check import check_chunk
from jaxrnn.engine.lift import NotLifted, lifted_cell
from jaxrnn.engine.registry import BACKENDS, as_they_stand, choose, choose_plain, is_plain, passed_by, reason_of


@dataclass(frozen=True)
class Explanation:
    """For each cell of a layer the backend that runs it, and each other one's reason for declining."""

    cells: tuple[tuple[str, str, str], ...]  # path, cell, backend
    reasons: tuple[tuple[str, str, str], ...]  # path, backend, reason
    schedule: str
    memory: str = ""  # what to do about it, if anything

    def __str__(self) -> str:
        lines = [f"{path or 'cell'}: {cell} runs on {backend!r}" for path, cell, backend in self.cells]
        lines += [f"  {path or 'cell'}, {backend!r}: {reason}" for path, backend, reason in self.reasons]
        return "\n".join([*lines, self.schedule, *filter(None, [self.memory])])


def explain(
    cell: Layer, *, steps: int = 128, batch: int = 32, chunk: int | str | None = None, backend: str = "auto"
) -> Explanation:
    """Which backend runs a layer, why the others do not, and how time is cut.

    Args:
        cell: a Cell, or a Layer composed of cells.
        steps: T, the number of steps.
        batch: the number of rows.
        chunk, backend: as for `scan`.

    Returns:
        An Explanation; `print` it.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    >>> import jaxrnn
    >>> print(jaxrnn.explain(jaxrnn.gru(64)))
    cell: gru runs on 'native'
      cell, 'one_pass': declines: runs what is declared as linear in the state (`jaxrnn.linear_cell`)
      cell, 'scheduled': comes after 'native' in the order of preference
      cell, 'chunked': declines: runs what is declared as linear in the state (`jaxrnn.linear_cell`)
      cell, 'associative': declines: runs what is declared as linear in the state (`jaxrnn.linear_cell`)
      cell, 'newton': comes after 'native' in the order of preference
      cell, 'pallas': declines: runs on TPUs and GPUs, and JAX's default backend is 'cpu'
      cell, 'reference': comes after 'native' in the order of preference
    gru, 128 steps in one call, which keeps its carries and what came of its products
    """
    if not isinstance(cell, Layer):
        fail("cell", "a jaxrnn Layer", cell, kind=TypeError)
    check_size(steps, "steps")
    check_size(batch, "batch")
    check_chunk(chunk)
    check_choice(backend, "backend", ("auto", *BACKENDS))
    cells = [(path, c, *_lifted(c)) for path, c in _cells(still(cell), "")]
    chosen = [
        (path, c, lifted, why, _chosen(c, lifted, why, backend, (steps, batch))) for path, c, lifted, why in cells
    ]
    reasons = tuple(
        (path, name, _reason(c if BACKENDS[name].plain else lifted, why, name, runs, backend, (steps, batch)))
        for path, c, lifted, why, runs in chosen
        for name in BACKENDS
        if name != runs
    )
    schedule = dict.fromkeys(
        f"{c.name}, {BACKENDS[runs].schedule(steps, chunk, batch, c)}" for _, c, _, _, runs in chosen
    )
    held = sum(_temporaries(c, steps, batch) for _, c, _, _ in cells) if chunk is None else 0
    memory = f"training holds some {held / 1e6:.0f} MB for a while, which the C library maps afresh in each call; "
    memory += "`jaxrnn.keep_memory()` keeps them"
    names = tuple((path, c.name, runs) for path, c, _, _, runs in chosen)
    return Explanation(names, reasons, "\n".join(schedule), memory if maps_afresh(held) else "")


def _temporaries(cell: Cell, steps: int, batch: int) -> int:
    """About how many bytes training holds of a cell: what came of products, carries, outputs and their cotangents."""
    numbers = len(cell.gates) * cell.size + _states(cell) + 2 * cell.output_size
    return steps * batch * numbers * jnp.dtype(_dtypes(cell)[0]).itemsize


def _states(cell: Cell) -> int:
    """The numbers of a row's carry."""
    return sum(shape[-1] for shape in cell.carry_shapes(()))


def _lifted(cell: Cell) -> tuple[Cell, str | None]:
    """The cell that backends are asked about, or the reason why only a plain scan runs it."""
    try:
        return lifted_cell(cell, *_dtypes(cell)), None
    except NotLifted as reason:
        return cell, str(reason)


def _chosen(cell: Cell, lifted: Cell, why: str | None, backend: str, sizes: tuple[int, ...]) -> str:
    first = choose_plain(cell, *_dtypes(cell), sizes) if backend == "auto" else None
    if first is not None:
        return first.name
    if why is not None:
        return as_they_stand(cell, backend, why, *_dtypes(cell)).name
    return choose(cell if is_plain(backend) else lifted, backend, *_dtypes(cell), sizes).name


def _cells(layer: Any, path: str) -> Iterator[tuple[str, Cell]]:
    if isinstance(layer, Cell):
        yield path, layer
    for i, part in enumerate(layer.parts):
        yield from _cells(part, f"{path}[{i}]")


def _dtypes(cell: Cell) -> tuple[Any, Any]:
    """Of products and carry, as a call with the cell's own parameters has them."""
    products = cell.dtype or cell.param_dtype or default_float()
    return products, cell.carry_dtype_for(products)


def _reason(cell: Cell, why: str | None, name: str, runs: str, asked: str, sizes: tuple[int, ...]) -> str:
    declined = reason_of(BACKENDS[name], cell, *_dtypes(cell), sizes) if why is None or BACKENDS[name].plain else why
    if declined is not None:
        return f"declines: {declined}"
    if asked != "auto":
        return f"not asked for: backend={asked!r}"
    return passed_by(BACKENDS[name], cell, *_dtypes(cell), sizes) or f"comes after {runs!r} in the order of preference"
