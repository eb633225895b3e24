"""Which tokens a draw may choose among, and how evenly: temperature, top-k, nucleus."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrnn.base.checks import check_floats, check_number, check_size
from jaxrnn.base.dtypes import promote
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, ArrayLike
from jaxrnn.decode.stepper import is_distribution


def filter_logits(logits: ArrayLike, temperature: Any = 1.0, top_k: int | None = None, top_p: Any = None) -> Array:
    """Logits of the distribution to draw from: logits / temperature, and -inf for what must not be drawn.

    Among equal logits the lower token comes first, as in `argmax`: exactly k tokens stay, and the smallest nucleus.
    Logits of -inf are never drawn. A row with NaN or inf among its logits, or with nothing but -inf, is no distribution
    and comes back as NaN.

    Args:
        logits: `[..., V]`.
        temperature: above 1 more even, below 1 more peaked; 0 leaves the likeliest token alone.
        top_k: keep the k likeliest tokens; V or more keeps all.
        top_p: keep the nucleus: the likeliest tokens, as few as hold this probability together (after temperature and
            top_k); 1 keeps all. One token always stays.

    Returns:
        `[..., V]` in the dtype of `logits`.

    Raises:
        TypeError, ValueError: an argument is of the wrong type or out of range; the message names it.

    Papers: Fan, Lewis & Dauphin, Hierarchical neural story generation, ACL 2018 (top-k); Holtzman et al., The curious
    case of neural text degeneration, ICLR 2020 (nucleus).

    >>> import jax.numpy as jnp
    >>> from jaxrnn.decode import filter_logits
    >>> logits = jnp.log(jnp.array([0.5, 0.25, 0.125, 0.125]))
    >>> jnp.exp(filter_logits(logits, top_p=0.75)).tolist()
    [0.5, 0.25, 0.0, 0.0]
    """
    expected = "a floating array [..., V] with V >= 1"
    check_floats(logits, "logits", expected)
    if logits.ndim < 1 or logits.shape[-1] < 1:
        fail("logits", expected, logits)
    check_choices(temperature, top_k, top_p)
    logits = jnp.asarray(logits)
    sound = is_distribution(logits)[..., None]
    if isinstance(temperature, jax.Array) or temperature != 1:
        logits = _cooled(logits, jnp.asarray(temperature, logits.dtype))
    if top_k is not None or top_p is not None:
        logits = jnp.where(_kept(logits, top_k, top_p), logits, -jnp.inf)
    return jnp.where(sound, logits, jnp.nan)


def _kept(logits: Array, top_k: int | None, top_p: Any) -> Array:
    """Which tokens may be drawn, bool [..., V]."""
    tokens = logits.shape[-1]
    values, order = lax.top_k(logits, tokens if top_k is None else min(top_k, tokens))
    keep = jnp.ones(values.shape, bool)
    if top_p is not None:
        mass = jax.nn.softmax(values.astype(promote(values.dtype, jnp.float32)))
        top_p = jnp.asarray(top_p, mass.dtype)
        keep = (jnp.cumsum(mass, axis=-1) - mass < top_p) | (top_p >= 1)  # rounding must not cost the last token
    return jnp.put_along_axis(jnp.zeros(logits.shape, bool), order, keep, axis=-1, inplace=False)


def check_choices(temperature: Any, top_k: Any, top_p: Any) -> None:
    """The arguments of `filter_logits` beside the logits; the value of what is traced is taken at its word."""
    for name, value in (("temperature", temperature), ("top_p", top_p)):
        if isinstance(value, jax.Array) and (value.shape != () or not jnp.issubdtype(value.dtype, jnp.floating)):
            fail(name, "one number", value, kind=TypeError)
    if not isinstance(temperature, jax.Array):
        check_number(temperature, "temperature", "a finite number >= 0")
        if temperature < 0:
            fail("temperature", "a finite number >= 0", temperature)
    if top_k is not None:
        check_size(top_k, "top_k")
    if top_p is not None and not isinstance(top_p, jax.Array):
        check_number(top_p, "top_p", "a probability in (0, 1]")
        if not 0 < top_p <= 1:
            fail("top_p", "a probability in (0, 1]", top_p)


def _cooled(logits: Array, temperature: Array) -> Array:
    """logits / temperature; where that overflows, and at temperature 0, its limit: the likeliest token alone."""
    scaled = logits / temperature
    top = scaled.max(-1, keepdims=True)
    limit = (temperature == 0) | jnp.isinf(top)
    likeliest = jax.nn.one_hot(logits.argmax(-1), logits.shape[-1], dtype=bool)
    return jnp.where(limit, jnp.where(likeliest, jnp.zeros_like(logits), -jnp.inf), scaled)
