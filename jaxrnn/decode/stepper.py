"""What decoding asks of a step function, and the one check of it; and what is done where it has no distribution."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from jaxrnn.checks import LARGEST, check_size
from jaxrnn.dtypes import is_float, promote
from jaxrnn.errors import Said, describe, fail
from jaxrnn.step import carry_form
from jaxrnn.typing import Array, Carry

Step = Callable[[Carry, Array], tuple[Carry, Array]]
NONE = -1  # in place of a token: there is nothing to choose


def check_decoder(
    step: Any, carry: Any, start: Any, length: Any, end: Any, width: int = 1
) -> tuple[Partial, Carry, Array, Array]:
    """The step as a tree, the carry's arrays, the first tokens int32 [*B], and `end` (any token of none is -1)."""
    if not callable(step):
        fail("step", "a function (carry, token) -> (carry, logits)", step, kind=TypeError)
    start = _check_start(start)
    check_size(length, "length")
    for path, leaf in jax.tree.leaves_with_path(carry):
        name = "carry" + jax.tree_util.keystr(path)
        numeric = isinstance(leaf, (bool, int, float, complex, jax.Array, np.generic)) or (
            isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biufcV"
        )
        if not numeric:
            fail(name, "an array", leaf, kind=TypeError)
        if np.shape(leaf)[: start.ndim] != start.shape:
            fail(name, f"with the batch axes of start, {start.shape}, first", leaf)
        if isinstance(leaf, int) and abs(leaf) > LARGEST:
            fail(name, f"an array, or a number within {LARGEST:,}", leaf)
    step, carry = as_tree(step), jax.tree.map(jnp.asarray, carry)
    tokens = _check_logits(jax.eval_shape(step, carry, start), carry, start.shape)
    if end is not None:
        if isinstance(end, bool) or not isinstance(end, (int, np.integer)):
            fail("end", "None or a token", end, kind=TypeError)
        if not 0 <= end < tokens:
            fail("end", f"None or a token in [0, {tokens})", end)
    if not isinstance(start, jax.core.Tracer) and start.size and not bool(((start >= 0) & (start < tokens)).all()):
        fail("start", f"tokens in [0, {tokens})", Said(f"values from {int(start.min())} to {int(start.max())}"))
    beams = max(start.size, 1) * width
    check_size(width, "width", max(width * LARGEST // (beams * tokens), 1))  # all that compete at a step
    check_size(length, "length", max(LARGEST // beams, 1))
    return step, carry, start, jnp.int32(NONE if end is None else end)


def _check_start(start: Any) -> Array:
    """The first tokens, int32 [*B]."""
    expected = "a token or an integer array [*B] of tokens"
    if isinstance(start, bool) or not isinstance(start, (int, np.integer, np.ndarray, jax.Array)):
        fail("start", expected, start, kind=TypeError)
    if not isinstance(start, int) and not jnp.issubdtype(start.dtype, jnp.integer):
        fail("start", expected, start, kind=TypeError)
    if (
        not isinstance(start, jax.Array)
        and np.size(start)
        and not -LARGEST <= np.min(start) <= np.max(start) <= LARGEST
    ):
        fail("start", expected, Said(f"values from {np.min(start)} to {np.max(start)}"))
    return jnp.asarray(start, jnp.int32)


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
    """Normalised logits, in float32 at least; NaN where they are no distribution."""
    return jax.nn.log_softmax(logits.astype(promote(logits.dtype, jnp.float32)))


def is_distribution(logits: Array) -> Array:
    """Whether each row of logits [..., V] is one: none is NaN or inf, and not all are -inf.

    Asked of every logit: `max`, `top_k` and comparisons pass over a NaN, or take it for the largest.
    """
    return (logits < jnp.inf).all(-1) & (logits > -jnp.inf).any(-1)
