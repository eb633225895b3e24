"""Two sequence modules over the same inputs, one from each end: what `Bidirectional` does in nnx and in linen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.base.placement import automatic, place
from jaxrnn.base.typing import Array
from jaxrnn.compose import BidirectionalCarry
from jaxrnn.compose.bidirectional import MERGES
from jaxrnn.engine.masks import clean, valid_steps
from jaxrnn.flax_common.call import Flags


def check_directions(forward: Any, backward: Any, module: type, cell: type) -> None:
    """Two different sequence modules, not cells."""
    for name, rnn in (("forward_rnn", forward), ("backward_rnn", backward)):
        if not callable(rnn) or not isinstance(rnn, module) or isinstance(rnn, cell):
            fail(name, "a sequence module, such as RNN(cell)", rnn, kind=TypeError)
    if forward is backward:
        fail("backward_rnn", "another module than forward_rnn, with parameters of its own", Said("the same one twice"))


def merge_function(merge: Any) -> Callable[[Array, Array], Any]:
    """A function of both directions' outputs; None stands for the pair, names are those of `jaxrnn.bidirectional`."""
    if merge is None:
        return lambda forward, backward: (forward, backward)
    if callable(merge):
        return merge
    if not isinstance(merge, str) or merge not in MERGES:
        fail("merge_fn", f"a function of two arrays, None, or one of {tuple(MERGES)}", merge, nearest(merge, MERGES))
    return MERGES[merge]


def run_both_ways(
    module: Any,
    inputs: Array,
    initial_carry: Any,
    seq_lengths: Array | None,
    flags: Flags,
    rngs: tuple[dict[str, Any], ...],
    options: Mapping[str, Any],
) -> Any:
    """Run `module.forward_rnn` and `module.backward_rnn` and merge their outputs; padding stays zero."""
    if flags.reverse:
        fail("reverse", "left out for Bidirectional, which runs both ways", flags.reverse)
    if initial_carry is not None and (not isinstance(initial_carry, tuple) or len(initial_carry) != 2):
        fail("initial_carry", "a pair (forward, backward) of carries", initial_carry, kind=TypeError)
    carries = initial_carry or (None, None)
    merge = merge_function(module.merge_fn)
    shared = dict(seq_lengths=seq_lengths, return_carry=True, time_major=flags.time_major) | dict(options)
    forward, ys = module.forward_rnn(inputs, initial_carry=carries[0], reverse=False, **rngs[0], **shared)
    backward, zs = module.backward_rnn(
        inputs, initial_carry=carries[1], reverse=True, keep_order=True, **rngs[1], **shared
    )
    outputs = _without_padding(merge(ys, zs), seq_lengths, options.get("mask"), flags)
    return (BidirectionalCarry(forward, backward), outputs) if flags.return_carry else outputs


def _without_padding(outputs: Any, seq_lengths: Array | None, mask: Array | None, flags: Flags) -> Any:
    """Zero where no step counts, whatever the merge made of two zeros."""
    if seq_lengths is None and mask is None:
        return outputs
    time = 0 if flags.time_major else (seq_lengths.ndim if seq_lengths is not None else mask.ndim - 1)  # type: ignore[union-attr]

    def cleaned(ys: Array, seq_lengths: Array | None, mask: Array | None) -> Array:
        valid = valid_steps(ys.shape[time], seq_lengths, None if mask is None else jnp.moveaxis(mask, time, 0))
        return jnp.moveaxis(clean(valid, jnp.moveaxis(ys, time, 0)), 0, time)

    return jax.tree.map(lambda a: automatic(cleaned, (a, seq_lengths, mask), lambda *_: place(a)), outputs)
