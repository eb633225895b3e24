"""What a call of `ScannedRNN` is given: the shape in which agents' code in JAX runs recurrent layers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_marks, check_numbers, check_size, is_array
from jaxrnn.base.errors import Said, describe, fail
from jaxrnn.base.typing import Array
from jaxrnn.core.layer import Layer
from jaxrnn.flax_common.call import feature_axes


def check_scanned(carry: Any, x: Any, layer: Any) -> tuple[Array, Array]:
    """The inputs and the resets, as bools, of one call of what runs `layer`, one of ours or another's cell."""
    if not isinstance(x, tuple | list) or len(x) != 2:
        fail("x", "a pair (ins, resets), of shapes [T, *B, D] and [T, *B]", x, kind=TypeError)
    ins, resets = check_numbers(x[0], "ins"), check_numbers(x[1], "resets")
    axes = ins.shape[: ins.ndim - (feature_axes(layer, ins) if isinstance(layer, Layer) else 1)]
    if not axes:
        fail("ins", "of shape [T, *B, D], time first", ins)
    _check_batch(carry, axes)
    if resets.shape != axes:
        fail("resets", f"of shape [T, *B] = {axes}, as the inputs have it", resets)
    return ins, jnp.asarray(check_marks(resets, "resets"))


def _check_batch(carry: Any, axes: tuple[Any, ...]) -> None:
    """The carry has the batch axes of inputs `[T, *B, ...]`; where it has those of `[*B, T, ...]`, say so."""
    leaves, batch = jax.tree.leaves(carry), axes[1:]
    if not leaves or not all(is_array(leaf) for leaf in leaves):
        fail("carry", "the arrays of a state, as `initialize_carry` makes them", carry, kind=TypeError)
    for leaf in leaves:
        shape = leaf.shape
        if shape[: len(batch)] == batch:
            continue
        hint = ""
        if shape[: len(batch)] == axes[:-1]:
            hint = (
                f"Read batch-major, [*B, T, D], the inputs have {axes[-1]} steps of that batch: time comes first here."
            )
        got = f"{describe(carry)} beside inputs of T = {axes[0]} steps"
        fail("carry", f"of batch axes {batch}, those of inputs [T, *B, D]", Said(got), hint)


def zero_carry(batch_size: Any, hidden_size: Any) -> Array:
    """The array h of zeros `[*B, H]` that a GRU starts from: float32, as that of `flax.linen.GRUCell` under x64 too."""
    sizes = batch_size if isinstance(batch_size, tuple) else (batch_size,)
    batch = tuple(check_size(n, "batch_size") for n in sizes)
    return jnp.zeros((*batch, check_size(hidden_size, "hidden_size")), jnp.float32)
