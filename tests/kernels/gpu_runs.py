"""Laws of kernels for GPUs, in JAX's interpreter: `python -m tests.kernels.gpu_runs LAW...`.

The interpreter runs each warpgroup as a thread, finds races, and now and then waits for ever: so it has a process of
its own, which others give so much time. It ends with 0 where all laws hold, with 3 where one is broken, and with 4
where a cell is declined.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxrnn
import tests.conftest  # noqa: F401  # what every test runs under
from jaxrnn.kernels.pallas.backend import declines
from tests.kernels import pallas_runs
from tests.kernels.test_pallas import BFLOAT16, applied, equals_the_loop, of_row, tied
from tests.table import ROWS

BROKEN, DECLINED = 3, 4  # of no other error
LOOSE = 3e-5  # states grow there: a plain scan in float32 is as far from float64, by 1.9e-5
T, N = 5, 17  # as many rows as a tile has, and one


def _of_table(row: str) -> None:
    """Equal to the oracle in float64, with everything that a sequence may have, NaN in padding too."""
    with pallas_runs.small_tiles(gpu=True):
        for reverse in (False, True):
            of_row(row, reverse)


def _lengths(rows: int) -> Any:
    return np.arange(rows) % (T + 1)


def _resets(rows: int) -> Any:
    return np.random.default_rng(5).random((T, rows)) < 0.3


def _is_none_at_zero(a: Any) -> Any:
    return jnp.tanh(a * a / jnp.abs(a))


def _marked(rows: int) -> dict[str, Any]:
    return dict(batch=(rows,), lengths=_lengths(rows), resets=_resets(rows), gpu=True)


LAWS: dict[str, Callable[[], None]] = {
    "heads and rows": lambda: equals_the_loop(
        jaxrnn.gru(8, recurrent=jaxrnn.heads(2), reset_after=False), LOOSE, reverse=True, **_marked(N)
    ),
    "two warpgroups": lambda: equals_the_loop(jaxrnn.gru(66, reset_after=False), LOOSE, **_marked(3)),
    "a head that is filled up": lambda: equals_the_loop(
        applied(4, function=_is_none_at_zero, use_bias=False), batch=(3,), gpu=True
    ),
    "a kernel twice": lambda: equals_the_loop(tied(8), LOOSE, gpu=True),
    "nothing given": lambda: equals_the_loop(jaxrnn.lstm(4), gpu=True),
    "all carries": lambda: equals_the_loop(jaxrnn.lstm(4), scan=jaxrnn.scan_carries, lengths=_lengths(3), gpu=True),
    "four carries, bfloat16": lambda: equals_the_loop(
        jaxrnn.slstm(8, recurrent=jaxrnn.heads(2)), 2 * BFLOAT16, jnp.bfloat16, lengths=_lengths(3), gpu=True
    ),
    **{f"row {name}": partial(_of_table, name) for name in ROWS},
}


def runs(law: str) -> str | None:
    """Why a row of the table does not run; None of others."""
    with pallas_runs.small_tiles(gpu=True):
        cell = ROWS[law.removeprefix("row ")].cell if law.startswith("row ") else None
        return None if cell is None else declines(cell, jnp.float32, jnp.float32)


def main() -> int:
    """The code of the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("laws", nargs="+")
    given = parser.parse_args()
    jax.config.update("jax_cpu_enable_async_dispatch", False)  # callbacks would wait for what waits for them
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    for law in given.laws:
        if reason := runs(law):
            print(f"{law}: declined: {reason}")
            return DECLINED
        start = time.perf_counter()
        try:
            LAWS[law]()
        except Exception as error:
            print(f"{law}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            return BROKEN
        print(f"{law}: holds ({time.perf_counter() - start:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
