"""The page for agents' trainers: its blocks run one after the other, and print what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import jax
import pytest

PAGE = Path(__file__).parent.parent / "docs/guides/agents.md"


@pytest.mark.slow
def test_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```\s*(?:```text\n(.*?)```)?", PAGE.read_text(), re.S)
    assert len(blocks) >= 6
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"), jax.enable_x64(False):
        for code, printed in blocks:
            exec(compile(code, str(PAGE), "exec"), names)
            assert capsys.readouterr().out == printed
