"""Cells that run as they say, in any library's lifted scan: what they know of a call, and how rows are held."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.placement import automatic, explicit_mesh, joined, lay, place
from jaxrnn.base.typing import Array, Axis
from jaxrnn.core.step import guard, select
from jaxrnn.engine.masks import clean


def check_lifted(module: Any, **options: Any) -> None:
    """A cell that runs as it says knows what Flax's RNN knows; what only the engine does is an error where given."""
    settings = dict(chunk=module.chunk, backend=None if module.backend == "auto" else module.backend)
    for name, value in (settings | options).items():
        if value is not None:
            expected = (
                "left out for a cell that does not run on jaxrnn's engine: one of Flax, or with a step of its own"
            )
            of_the_cell = "Tell the cell, whose noise it is." if name == "deterministic" else ""
            fail(name, expected, value, of_the_cell or "Use a cell of jaxrnn as it is.")


def held_inputs(
    xs: Array, valid: Array | None, carry: Any, batch: tuple[Axis, ...]
) -> tuple[Any, tuple[Array, Array | None]]:
    """The carry, and per step what `held_step` reads: the input, zero in padding, and which rows count.

    On a mesh with explicit axes all rows lie alike, so that a step finds a carry of one type, as a scan asks.
    """
    given = xs, valid, carry
    return _held(*given) if explicit_mesh(given) is None else _laid_alike(*given, batch)


def _held(xs: Array, valid: Array | None, carry: Any) -> tuple[Any, tuple[Array, Array | None]]:
    return carry, (clean(valid, xs), valid)


@partial(jax.jit, static_argnums=3)  # what lies nowhere yet is then laid where the rest says
def _laid_alike(xs: Array, valid: Array | None, carry: Any, batch: tuple[Axis, ...]) -> Any:
    rows = len(batch)
    held = [place(a)[:rows] for a in jax.tree.leaves(carry) if a.shape[:rows] == batch]
    at = joined(place(xs)[1 : 1 + rows], *([] if valid is None else [place(valid)[1:]]), *held)
    carries = _rows(lambda a: (*at, *place(a)[rows:]), batch, carry, otherwise=place)
    marks = None if valid is None else (None, *at)
    return automatic(_held, (xs, valid, carry), lambda *_: (carries, ((None, *at, *place(xs)[1 + rows :]), marks)))


def held_step(
    cell: Callable[[Any, Array], tuple[Any, Any]], carry: Any, step: tuple[Array, Array | None]
) -> tuple[Any, Any]:
    """A cell's own step; rows that do not count hold their carry, put out zero and let no derivative through.

    What a carry holds for all rows together, such as a count of steps, goes on. A carry lies afterwards as before.
    """
    x, valid = step
    batch = () if valid is None else valid.shape
    new, y = cell(_rows(lambda a: _as_it_lies(guard, a, valid, a), batch, carry), x)
    given, returned = (str(jax.tree.structure(tree)) for tree in (carry, new))
    if given != returned:
        fail("initial_carry", f"of the form in which the cell returns it, {returned}", Said(given))
    mesh = explicit_mesh((x, carry))
    new = jax.tree.map(lambda a, old: lay(mesh, a, place(old)), new, carry)
    if valid is None:
        return new, y
    held = _rows(lambda a, old: _as_it_lies(select, old, valid, a, old), batch, new, carry)
    return held, jax.tree.map(lambda a: _as_it_lies(select, a, valid, a, jnp.zeros_like(a)), y)


def _as_it_lies(change: Callable[..., Array], like: Array, *arguments: Any) -> Array:
    """`change(*arguments)`, which lies as `like` does."""
    return automatic(change, arguments, lambda *_: place(like))


def _rows(
    change: Callable[..., Any], batch: tuple[Axis, ...], *trees: Any, otherwise: Callable[[Any], Any] = lambda a: a
) -> Any:
    """`change(*leaves)` where a leaf has the batch axes; the first tree's leaf elsewhere."""

    def one(*leaves: Any) -> Any:
        return change(*leaves) if jnp.shape(leaves[0])[: len(batch)] == batch else otherwise(leaves[0])

    return jax.tree.map(one, *trees)
