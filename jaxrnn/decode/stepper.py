"""What decoding asks of a step function, and the one check of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from jaxrnn.checks import check_size
from jaxrnn.dtypes import is_float, promote
from jaxrnn.errors import Said, describe, fail
from jaxrnn.step import carry_form
from jaxrnn.typing import Array, Carry

Step = Callable[[Carry, Array], tuple[Carry, Array]]


def check_decoder(step: Any, carry: Any, start: Any, length: Any, end: Any) -> tuple[Partial, Carry, Array, Array]:
    """The step as a tree, the carry's arrays, the first tokens int32 [*B], and `end` (any token of none is -1)."""
    if not callable(step):
        fail("step", "a function (carry, token) -> (carry, logits)", step, kind=TypeError)
    if length is not None:
        check_size(length, "length")
    if isinstance(start, bool) or not isinstance(start, (int, np.integer, np.ndarray, jax.Array)):
        fail("start", "a token or an integer array [*B] of tokens", start, kind=TypeError)
    if not jnp.issubdtype(jnp.result_type(start), jnp.integer):
        fail("start", "a token or an integer array [*B] of tokens", start, kind=TypeError)
    start = jnp.asarray(start, jnp.int32)
    step, carry = as_tree(step), jax.tree.map(jnp.asarray, carry)
    for path, leaf in jax.tree.leaves_with_path(carry):
        if leaf.shape[: start.ndim] != start.shape:
            fail("carry" + jax.tree_util.keystr(path), f"with the batch axes of start, {start.shape}, first", leaf)
    tokens = _check_logits(jax.eval_shape(step, carry, start), carry, start.shape)
    if end is not None:
        if isinstance(end, bool) or not isinstance(end, (int, np.integer)):
            fail("end", "None or a token", end, kind=TypeError)
        if not 0 <= end < tokens:
            fail("end", f"None or a token in [0, {tokens})", end)
    if not isinstance(start, jax.core.Tracer) and start.size and not bool(((start >= 0) & (start < tokens)).all()):
        fail("start", f"tokens in [0, {tokens})", Said(f"values from {int(start.min())} to {int(start.max())}"))
    return step, carry, start, jnp.int32(-1 if end is None else end)


def _check_logits(result: Any, carry: Carry, batch: tuple[int, ...]) -> int:
    """V, once what the step returns is of the right form."""
    form = f"a carry like {carry_form(carry)} and logits {(*batch, 'V')}"
    expected = f"a function that returns (carry, logits), {form}"
    if not isinstance(result, tuple) or len(result) != 2:
        fail("step", expected, Said(describe(result)))
    after, logits = result
    if carry_form(after) != carry_form(carry):
        fail("step", expected, Said(f"the carry {carry_form(after)}"))
    if not isinstance(logits, jax.ShapeDtypeStruct) or not is_float(logits.dtype) or logits.shape[:-1] != batch:
        fail("step", expected, Said(f"the logits {describe(logits)}"))
    if logits.ndim != len(batch) + 1 or logits.shape[-1] < 1:
        fail("step", expected, Said(f"the logits {describe(logits)}"))
    return logits.shape[-1]


def as_tree(step: Step) -> Partial:
    """A step as an argument of compiled functions. Arrays that `partial` has bound to it are arguments too.

    So new parameters do not compile again; a closure's arrays are constants of its program.
    """
    if isinstance(step, Partial):
        return step
    if isinstance(step, partial):
        bound = jax.tree.leaves((step.args, step.keywords))
        if all(isinstance(leaf, (jax.Array, np.ndarray)) for leaf in bound):
            return Partial(step.func, *step.args, **step.keywords)
    return Partial(step)


def log_probabilities(logits: Array) -> Array:
    """Normalised logits, in float32 at least."""
    return jax.nn.log_softmax(logits.astype(promote(logits.dtype, jnp.float32)))
