"""The algorithms for linear recurrences that are JAX alone, as backends."""

from __future__ import annotations

from functools import partial

from jaxrnn.engine.recurrence import algorithms, primitives
from jaxrnn.engine.recurrence import run as runs

CHUNKED = primitives.make("jaxrnn_recurrence_in_chunks", algorithms.chunked)
ASSOCIATIVE = primitives.make("jaxrnn_recurrence_associative", algorithms.associative)

chunked = partial(runs.run, CHUNKED)
associative = partial(runs.run, ASSOCIATIVE)
