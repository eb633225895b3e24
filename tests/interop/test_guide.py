"""The guide to interchange: its blocks run, its table is what the code does."""

from __future__ import annotations

import re

import jax
import pytest

from tests.interop import exchange


@pytest.mark.slow
def test_blocks_run_one_after_the_other() -> None:
    names: dict[str, object] = {}
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"), jax.enable_x64(False):
        for block in re.findall(r"```python\n(.*?)```", exchange.PAGE.read_text(), re.S):
            exec(compile(block, exchange.PAGE.name, "exec"), names)


@pytest.mark.slow
def test_the_table_is_what_goes() -> None:
    assert exchange.in_page() == exchange.table(), "python -m tests.interop.exchange writes it anew"
