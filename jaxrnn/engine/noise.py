"""Masks that are drawn afresh at every step: a function of the key and the absolute time, however time is cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax import lax

from jaxrnn.base.typing import Array, PRNGKeyArray


def over_time(draw: Callable[[Array], Any], t: Array, rng: PRNGKeyArray | None) -> Any:
    """`draw(t)` for every time in `t`, stacked.

    Threefry draws the same numbers under `vmap` as one by one. Other generators do not promise it, so they loop.
    """
    if rng is None:
        return {}
    typed = jax.dtypes.issubdtype(rng.dtype, jax.dtypes.prng_key)
    key = rng if typed else jax.random.wrap_key_data(rng)
    return jax.vmap(draw)(t) if str(jax.random.key_impl(key)) == "threefry2x32" else lax.map(draw, t)
