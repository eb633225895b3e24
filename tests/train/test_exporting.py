"""Trained models as files for other programs: what is in them, and what is not."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxrnn.train.exporting import as_stablehlo
from jaxrnn.train.program import Program


def test_a_program_is_the_same_bytes_whoever_exports_it() -> None:
    """JAX writes the files and lines of all callers into a program, which are paths of a machine too."""
    kind = jnp.zeros(()).dtype.name
    program = Program(lambda xs: (jnp.tanh(xs),), {"xs": (("B", 2), kind)}, ("ys",))
    before = jax.config.jax_traceback_in_locations_limit
    one = as_stablehlo(program)
    assert one == (lambda: as_stablehlo(program))()  # from one call further away
    assert b".py" not in one
    assert jax.config.jax_traceback_in_locations_limit == before
