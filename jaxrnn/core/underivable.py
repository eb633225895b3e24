"""Cells whose products have no derivative say so, whatever backend runs them: that of a rounding would be zero."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
from jax.custom_derivatives import SymbolicZero

from jaxrnn.base.errors import Said, fail


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def without_derivative(name: str, arguments: Any) -> Any:
    """What a cell is given, none of which is being differentiated.

    Raises:
        TypeError: some of it is.
    """
    return arguments


def _refuse(name: str, primals: Any, tangents: Any) -> Any:
    (arguments,), (moved,) = primals, tangents
    leaves = jax.tree.leaves(moved, is_leaf=lambda t: isinstance(t, SymbolicZero))
    if not all(isinstance(t, SymbolicZero) or t.dtype == jax.dtypes.float0 for t in leaves):
        hint = "Train the cell that it was made of, or stop the gradient of what it is given."
        fail(f"kernels of {name}", "floating ones where it is differentiated", Said("int8 ones"), hint, kind=TypeError)
    return arguments, moved


without_derivative.defjvp(_refuse, symbolic_zeros=True)
