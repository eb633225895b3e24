"""Parameters for many steps, in which kernels that are functions of what is held were made of it once."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Params
from jaxrnn.core.parameter import Held
from jaxrnn.forms.kernel import Kernel


def prepared(declared: dict[str, Any], params: Params) -> Params:
    """Parameters whose kernels are what is multiplied."""
    inner = {name: prepared(d, params[name]) for name, d in declared.items() if isinstance(d, dict)}
    made: dict[str, Any] = {}
    for kernel, names in _mapped(declared).items():
        if isinstance(params.get(kernel), Kernel):
            continue
        first = declared[names[0]]
        made[kernel] = Kernel(first.held, tuple(params[n] for n in names), first.columns).prepared()
    gone = {name for kernel in made for name in _mapped(declared)[kernel]}
    return {n: a for n, a in params.items() if n not in gone} | inner | made if inner or made else params


def _mapped(declared: dict[str, Any]) -> dict[str, list[str]]:
    """The kernels that are functions of what is held, and the names of the arrays that hold each."""
    found: dict[str, list[str]] = {}
    for name, p in declared.items():
        if isinstance(p, Held) and p.held is not None and p.held.is_map:
            found.setdefault(p.kernel, []).append(name)
    return found


def without_prepared(
    path: str, declared: dict[str, Any], given: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is left to check, once kernels that `prepare` made are seen to be the layer's own."""
    for kernel in [name for name, a in given.items() if isinstance(a, Kernel)]:
        names = _mapped(declared).get(kernel, [])
        arrays = tuple(jax.ShapeDtypeStruct(declared[n].shape, np.float32) for n in names)
        first = declared[names[0]] if names else None
        expected = first and jax.eval_shape(lambda a, f=first: Kernel(f.held, a, f.columns).prepared(), arrays)
        if jax.tree.map(np.shape, given[kernel]) != jax.tree.map(np.shape, expected):
            fail(f"{path}[{kernel!r}]", "the kernel that `prepare` of this layer makes", given[kernel])
        declared = {n: d for n, d in declared.items() if n not in names}
        given = {n: a for n, a in given.items() if n != kernel}
    return declared, given
