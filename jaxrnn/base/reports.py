"""Wrong values that only the running program sees: reported where the caller asks for it, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.experimental import checkify as jax_checkify

from jaxrnn.base.errors import fail
from jaxrnn.base.placement import automatic
from jaxrnn.base.typing import Array

_asked = jax.make_user_context(False)  # part of the key of JAX's caches: no program is taken for the other kind


def checkify(function: Callable[..., Any], errors: Any = jax_checkify.user_checks) -> Callable[..., tuple[Any, Any]]:
    """`jax.experimental.checkify.checkify` for functions that call jaxrnn: traced values out of range are reported.

    Lengths outside [0, T] and integer inputs that are no row of the kernel raise where they are concrete. Traced they
    are clipped, in silence, so that a program has no effects, dispatches fast and can be exported. Of a function in
    this form, jitted, differentiated or exported, they come as its error.

    Args:
        function: any function; what it calls may be jitted already.
        errors: the kinds of errors to report, as for JAX's own.

    Returns:
        A function of the same arguments that returns `(error, results)`; `error.get()` is a message or None, and
        `error.throw()` raises it.

    Raises:
        TypeError: `function` cannot be called, or `errors` are no set of kinds of errors.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.gru(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> run = lambda lengths: jaxrnn.scan(cell, params, jax.numpy.ones((6, 2, 3)), lengths=lengths)
    >>> error, (carry, ys) = jaxrnn.checkify(jax.jit(run))(jax.numpy.array([6, 7]))
    >>> error.get().split(" (")[0]
    '`lengths` must be between 0 and T = 6, got [6 7]'
    """
    if not callable(function):
        fail("function", "a function", function, kind=TypeError)
    if not isinstance(errors, (frozenset, set)) or not errors <= jax_checkify.all_checks:
        expected = "a set of kinds of errors, such as jax.experimental.checkify.user_checks"
        fail("errors", expected, errors, kind=TypeError)
    checked = jax_checkify.checkify(function, frozenset(errors))

    def reporting(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        with _asked(True):
            return checked(*args, **kwargs)

    return reporting


def report(right: Callable[..., Array], arguments: tuple[Any, ...], message: str, **values: Array) -> None:
    """Have `message` reported unless `right(*arguments)`, a bool, is true: under `checkify`. Elsewhere do nothing."""
    if _asked.value:
        whole = automatic(right, arguments, lambda *_: ())
        jax_checkify.debug_check(whole, message, **values)
