"""The libraries of a release: the same sources give the same bytes, wherever they are compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaxrnn.kernels.native import build


def test_targets_are_those_of_the_release() -> None:
    """The compiler that wheels are made with is the one that `.[release]` installs."""
    assert f'"{build.ZIG}"' in (build.HERE.parents[2] / "pyproject.toml").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("tag", build.TARGETS)
def test_libraries_are_reproducible(tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In two folders; for this machine's kind also with all of the compiler's own libraries compiled anew."""
    pytest.importorskip("ziglang")
    made = [tmp_path / folder / build.LIBRARY.name for folder in ("one", "another")]
    for library in made:
        library.parent.mkdir()
        assert build.build_for(tag, library) is None
        if tag == "manylinux_2_27_x86_64":
            monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(tmp_path / "cache"))
    contents = [library.read_bytes() for library in made]
    assert contents[0] == contents[1]
    assert str(tmp_path).encode() not in contents[0]
