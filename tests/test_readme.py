"""The README's Python blocks run as they stand, and print what the README says."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
OUTPUTS = dict(re.findall(r"```python\n([^`]*?)```\s*```text\n(.*?)```", README, re.S))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.strip().splitlines()[-1][:40])
def test_block(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"), jax.enable_x64(False):
        exec(compile(block, "README.md", "exec"), {})
    if block in OUTPUTS:
        assert capsys.readouterr().out == OUTPUTS[block]


def test_every_kind_of_block_is_there() -> None:
    assert len(BLOCKS) >= 5
    assert len(OUTPUTS) == 1
