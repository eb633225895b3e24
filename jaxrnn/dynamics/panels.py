"""What all figures begin with: panels to draw on, and a look at what is to be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxrnn.base.errors import fail


def panels_on(axes: Any, count: int = 1, size: tuple[float, float] = (6.0, 4.0)) -> list[Any]:
    """Given axes, or those of a new figure."""
    if axes is not None:
        given = [] if isinstance(axes, jax.Array) else list(np.ravel(np.asarray(axes, object)))
        if len(given) != count or not all(hasattr(a, "plot") for a in given):
            fail("axes", f"{count} axes of matplotlib, or None for a new figure", axes)
        return given
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'figures need matplotlib; install it with: pip install "jaxrnn[train]"', name="matplotlib"
        ) from error
    columns = min(count, 4)
    rows = -(-count // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    FigureCanvasAgg(figure)
    made = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for left in made[count:]:
        left.remove()
    return made[:count]


def found_by(found: Any, kind: type, maker: str) -> Any:
    if not isinstance(found, kind):
        fail("found", f"what `jaxrnn.dynamics.{maker}` returns", found, kind=TypeError)
    return found


def dict_of(found: Any, kind: type, maker: str) -> Any:
    if not isinstance(found, Mapping) or not found or not all(isinstance(v, kind) for v in found.values()):
        fail("found", f"what `jaxrnn.dynamics.{maker}` returns", found, kind=TypeError)
    return found


def states_of(tree: Any) -> list[tuple[str, np.ndarray]]:
    return [(jax.tree_util.keystr(p).lstrip("."), np.asarray(a)) for p, a in jax.tree_util.tree_leaves_with_path(tree)]
