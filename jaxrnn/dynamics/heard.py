"""What a model's recurrent layers ran on: found by running the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from jaxrnn.base.checks import check_function, is_traced
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Carry, Params
from jaxrnn.core.layer import Layer
from jaxrnn.engine.scan import hearing


class Seen(NamedTuple):
    """A call of the engine: what the functions of this room take."""

    layer: Layer  # cell, stack or other
    params: Params  # of the layer
    xs: Any  # [T, *B, ...]
    carry: Carry | None  # what it began with; None: the initial one
    lengths: Any  # [*B], or None
    per_step: Any  # a dict of [T, *B, ...], or None


def calls(function: Callable[..., Any], *arguments: Any, **named: Any) -> list[Seen]:
    """Run a model once, and list the recurrent layers that it ran, with their parameters and inputs.

    So what is inside any model, in Flax or in plain JAX, can be looked at as it is run: `function` calls `jaxrnn.scan`
    by itself, or through modules. Inside `jax.jit` nothing has a value yet: `function` is run without it, and what goes
    through a loop of JAX's own is not seen.

    Args:
        function: what to run, such as a module.
        *arguments, **named: what it is called with.

    Returns:
        `Seen(layer, params, xs, carry, lengths, per_step)` of each call, in their order. Masks, resets, noise and
        reversal are not among it.

    Raises:
        TypeError: `function` cannot be called.
        ValueError: no layer ran on values.

    >>> import jax.numpy as jnp, jaxrnn.nnx
    >>> from flax import nnx
    >>> from jaxrnn import dynamics
    >>> model = nnx.Sequential(nnx.Linear(3, 5, rngs=nnx.Rngs(0)), jaxrnn.nnx.GRU(5, 4, rngs=nnx.Rngs(0)))
    >>> [seen] = dynamics.calls(model, jnp.ones((2, 7, 3), jnp.float32))
    >>> seen.xs.shape
    (7, 2, 5)
    >>> dynamics.memory_lengths(seen.layer, seen.params, seen.xs)[0].shape
    (2, 4)
    """
    check_function(function, "function", "a function or a module that runs recurrent layers")
    found: list[Seen] = []
    traced = 0

    def hear(layer: Layer, params: Any, xs: Any, carry: Any, given: Any) -> None:
        nonlocal traced
        if given.projected:
            return
        if is_traced(*jax.tree.leaves((params, xs, carry, given.lengths))):
            traced += 1
            return
        found.append(Seen(layer, params, xs, carry, given.lengths, given.per_step))

    with hearing(hear), jax.disable_jit():
        function(*arguments, **named)
    if not found:
        what = f"one whose {traced} calls of the engine have no values" if traced else "one that runs none"
        hint = "Take a part of it that is not below jax.grad, jax.vmap or a loop of JAX's." if traced else ""
        fail("function", "one that runs a recurrent layer of jaxrnn", Said(what), hint)
    return found
