"""What decoding asks of a step function, and the one check of it; and what is done where it has no distribution."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from jaxrnn.base.checks import MOST, check_array, check_size, is_traced
from jaxrnn.base.dtypes import is_float, is_integer, promote
from jaxrnn.base.errors import Said, describe, fail
from jaxrnn.base.typing import Array, Axis, Carry
from jaxrnn.core.closures import still
from jaxrnn.core.step import carry_form

Step = Callable[[Carry, Array], tuple[Carry, Array]]
NONE = -1  # in place of a token: there is nothing to choose


def check_decoder(
    step: Any, carry: Any, start: Any, length: int, end: Any, width: int = 1
) -> tuple[Partial, Carry, Array, Array]:
    """The step as a tree, the carry's arrays, the first tokens int32 [*B], and `end` (any token of none is -1).

    `length` and `width` are sizes already; here together they have a bound.
    """
    if not callable(step):
        fail("step", "a function (carry, token) -> (carry, logits)", step, kind=TypeError)
    if not isinstance(step.func if isinstance(step, Partial) else step, Hashable):
        fail("step", "hashable, since what it compiles to is kept", step, kind=TypeError)
    given = _check_start(start)
    start = jnp.asarray(given, jnp.int32)
    for path, leaf in jax.tree.leaves_with_path(carry):
        name = "carry" + jax.tree_util.keystr(path)
        numeric = isinstance(leaf, (bool, int, float, complex, jax.Array, np.generic)) or (
            isinstance(leaf, np.ndarray) and leaf.dtype.kind in "biufcV"
        )
        if not numeric:
            fail(name, "an array", leaf, kind=TypeError)
        if np.shape(leaf)[: start.ndim] != start.shape:
            fail(name, f"with the batch axes of start, {start.shape}, first", leaf)
        if isinstance(leaf, int) and abs(leaf) > MOST:
            fail(name, f"an array, or a number within {MOST:,}", leaf)
    step, carry = as_tree(step), jax.tree.map(jnp.asarray, carry)
    try:
        results = jax.eval_shape(step, carry, start)
    except (TypeError, ValueError) as error:  # of the user's step
        if start.ndim == 0:
            error.add_note("`start` is one token, so the step was given one row: for a batch it is an array [*B].")
        raise
    tokens = _check_logits(results, carry, start.shape)
    if end is not None:
        if isinstance(end, bool) or not isinstance(end, (int, np.integer)):
            fail("end", "None or a token", end, kind=TypeError)
        if not 0 <= end < tokens:
            fail("end", f"None or a token in [0, {tokens})", end)
    _check_tokens(given, tokens)
    beams = max(start.size, 1) * width
    check_size(width, "width", max(width * MOST // (beams * tokens), 1))  # all that compete at a step
    check_size(length, "length", max(MOST // beams, 1))
    return step, carry, start, jnp.int32(NONE if end is None else end)


def _check_start(start: Any) -> Any:
    """The first tokens, one or an array [*B], none of them beyond what int32 holds."""
    expected = "a token or an integer array [*B] of tokens"
    if isinstance(start, int) and not isinstance(start, bool):
        start = int(start)
    elif not is_integer(check_array(start, "start", expected).dtype):
        fail("start", expected, start, kind=TypeError)
    _check_tokens(start, MOST)
    return start


def _check_tokens(start: Any, tokens: int) -> None:
    """The first tokens are of the vocabulary; traced ones are taken at their word."""
    if is_traced(start) or not np.size(start) or 0 <= np.min(start) <= np.max(start) < tokens:
        return
    got = Said(f"values from {np.min(start)} to {np.max(start)}") if np.ndim(start) else start
    fail("start", f"tokens in [0, {tokens})", got)


def _check_logits(result: Any, carry: Carry, batch: tuple[Axis, ...]) -> int:
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

    So new parameters do not compile again; a closure's arrays are constants of its program. What else the step reads is
    part of its value: where it has changed, the step is another one.
    """
    if isinstance(step, partial):
        bound = jax.tree.leaves((step.args, step.keywords))
        if isinstance(step, Partial) or all(isinstance(leaf, (jax.Array, np.ndarray)) for leaf in bound):
            return Partial(still(step.func), *step.args, **step.keywords)
    return Partial(still(step))


def log_probabilities(logits: Array) -> Array:
    """Normalised logits, in float32 at least; NaN where they are no distribution."""
    return jax.nn.log_softmax(logits.astype(promote(logits.dtype, jnp.float32)))


def is_distribution(logits: Array) -> Array:
    """Whether each row of logits [..., V] is one: none is NaN or inf, and not all are -inf.

    Asked of every logit: `max`, `top_k` and comparisons pass over a NaN, or take it for the largest.
    """
    return (logits < jnp.inf).all(-1) & (logits > -jnp.inf).any(-1)
