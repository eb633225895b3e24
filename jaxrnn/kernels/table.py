"""The backends by name, in order of preference. The engine is handed this table, and knows none of them by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from jaxrnn.core import step
from jaxrnn.engine import plan, reference, registry, scheduled
from jaxrnn.engine.recurrence import run as recurrence
from jaxrnn.engine.registry import Backend


def _later(module: str, function: str) -> Callable[..., Any]:
    """A function of a module that is imported when it is called: it loads a library, and few need it."""
    return lambda *arguments: getattr(import_module(module), function)(*arguments)


NATIVE = "jaxrnn.kernels.native.backend"
ONE_PASS = "jaxrnn.kernels.native.recurrence"
NEWTON = "jaxrnn.engine.newton.backend"
LINEAR = "jaxrnn.engine.recurrence.backends"
PALLAS = "jaxrnn.kernels.pallas.backend"

TABLE = (
    Backend(
        "one_pass",
        "linear recurrences on CPUs: compiled, one pass through time in each direction",
        _later(ONE_PASS, "run"),
        _later(ONE_PASS, "declines"),
        recurrence.schedule,
        symbolic=False,
        plain=True,
        recurrence=lambda: import_module(ONE_PASS).ONE_PASS,
        leaves=_later(ONE_PASS, "leaves"),
    ),
    Backend(
        "native",
        "compiled loops for CPUs: whole sequences in one call",
        _later(NATIVE, "run"),
        _later(NATIVE, "declines"),
        _later(NATIVE, "schedule"),
        symbolic=False,
        leaves=_later(NATIVE, "leaves"),
    ),
    Backend(
        "scheduled",
        "blocks of time that save what came of their products; weight gradients outside the loop",
        scheduled.run,
        scheduled.declines,
        plan.in_blocks,
    ),
    Backend(
        "chunked",
        "linear recurrences: chunks of time at once, then what each starts from",
        _later(LINEAR, "chunked"),
        recurrence.declines,
        recurrence.schedule,
        symbolic=False,
        plain=True,
        recurrence=lambda: import_module(LINEAR).CHUNKED,
    ),
    Backend(
        "associative",
        "linear recurrences: jax.lax.associative_scan",
        _later(LINEAR, "associative"),
        recurrence.declines,
        recurrence.schedule,
        symbolic=False,
        plain=True,
        recurrence=lambda: import_module(LINEAR).ASSOCIATIVE,
    ),
    Backend(
        "newton",
        "cells that are not linear: all steps at once by Newton's method, to a bound, else the loop; to be asked for",
        _later(NEWTON, "run"),
        _later(NEWTON, "declines"),
        _later(NEWTON, "schedule"),
        symbolic=False,
        too_large=_later(NEWTON, "too_large"),
        compiles_long=True,
    ),
    Backend(
        "pallas",
        "kernels for TPUs and GPUs with the carry in fast memory: whole sequences in one call; to be asked for",
        _later(PALLAS, "run"),
        _later(PALLAS, "declines"),
        _later(PALLAS, "schedule"),
        symbolic=False,
    ),
    Backend(
        "reference",
        "plain jax.lax.scan",
        reference.run,
        reference.declines,
        reference.schedule,
        plain=True,
    ),
)
registry.BACKENDS.update({backend.name: backend for backend in TABLE})
step.alone.append(_later("jaxrnn.kernels.native.single", "run"))


def backends() -> dict[str, str]:
    """The backends in order of preference, with what each is. `jaxrnn.explain` tells which one runs a cell, and why.

    Returns:
        A dict from the name, as `scan(..., backend=)` takes it, to one line of text.

    >>> import jaxrnn
    >>> list(jaxrnn.backends())
    ['one_pass', 'native', 'scheduled', 'chunked', 'associative', 'newton', 'pallas', 'reference']
    """
    return {backend.name: backend.summary for backend in registry.BACKENDS.values()}
