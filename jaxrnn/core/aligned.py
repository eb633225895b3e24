"""Per-step inputs without an axis of units: where equations would have their rows meet units, they are refused."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations
from typing import Any

import jax
from jax.sharding import use_abstract_mesh

from jaxrnn.base.errors import fail
from jaxrnn.base.placement import NOWHERE
from jaxrnn.base.typing import Array, Axis
from jaxrnn.core.closures import holds_arrays
from jaxrnn.core.step import Products, Rows, Step, advance

Forms = tuple[tuple[str, tuple[Axis, ...], str], ...]  # of each input its name, its shape for one row, its dtype


def check_aligned(cell: Any, per_step: Mapping[str, Array], axes: tuple[Axis, ...], dtype: Any, times: int = 0) -> None:
    """Refuse an input `[*B]` whose rows equations set beside units: broadcast as `[H]`, it is wrong where B = H.

    Args:
        cell: a Cell.
        per_step: its inputs, each with `times` axes before those of the batch.
        axes: of the state before its units, (*B, *S).
        dtype: the carry's.
        times: how many axes of inputs come before the batch's.
    """
    rows, first = axes[: len(axes) - cell.axes], times + len(axes) - cell.axes
    given = {name: a for name, a in per_step.items() if name in cell.per_step}
    if all(size == 1 for size in rows) or all(a.ndim - times > len(axes) for a in given.values()):
        return
    forms = tuple((name, a.shape[first:], a.dtype.name) for name, a in sorted(given.items()))
    find = _misaligned if holds_arrays(cell) else _kept
    for name in find(cell, forms, len(rows), axes[len(rows) :], jax.dtypes.canonicalize_dtype(dtype).name):
        a = given[name]
        wanted = (*a.shape[:first], *(1,) * (len(axes) + 1 - a.ndim + times), *a.shape[first:])
        fail(f"per_step[{name!r}]", f"of shape {wanted}, since the equations have it meet units, not rows", a)


def _misaligned(cell: Any, forms: Forms, rows: int, places: tuple[Axis, ...], dtype: str) -> tuple[str, ...]:
    """The inputs with which equations run only where these have an axis for each that a state has.

    They run on batch axes that are as long as no other, so that none fits by chance. Equations that do not run in any
    way say why where they are run.
    """
    short = [name for name, shape, _ in forms if len(shape) <= len(places)]
    for count in range(len(short) + 1):
        for names in combinations(short, count):
            if _runs(cell, forms, names, rows, places, dtype):
                return names
    return ()


_kept = lru_cache(maxsize=256)(_misaligned)


def _runs(cell: Any, forms: Forms, spread: tuple[str, ...], rows: int, places: tuple[Axis, ...], dtype: str) -> bool:
    """Whether equations run on rows, with axes of one put into the inputs that are named in `spread`."""
    kernels = cell.kernel_shapes(dtype)
    others = (*(a.shape for a in jax.tree.leaves(kernels)), *(shape for _, shape, _ in forms), places)
    least = 2 + max((len(cell.gates), cell.size, cell.seen, *(n for shape in others for n in shape if type(n) is int)))
    batch = tuple(range(least, least + rows))
    array = lambda shape, kind=dtype: jax.ShapeDtypeStruct(shape, kind)  # noqa: E731
    per_step = {
        name: array((*batch, *(1,) * (len(places) + 1 - len(shape) if name in spread else 0), *shape), kind)
        for name, shape, kind in forms
    }

    def step(theta: Any, kernels: Any, carry: Any, x: Any, per_step: Any) -> Any:
        return advance(cell, Products(kernels), Rows(theta, None), carry, Step(x, per_step=per_step))

    carry = cell.carry_type(*map(array, cell.carry_shapes((*batch, *places))))
    x = array((*batch, *places, len(cell.gates), cell.seen))
    theta = {n: array((*batch, *places, *a.shape), a.dtype) for n, a in cell.theta_shapes(dtype).items()}
    try:
        with use_abstract_mesh(NOWHERE):
            jax.eval_shape(step, theta, kernels, carry, x, per_step)
    except Exception:  # of a user's equations, whatever it is
        return False
    return True
