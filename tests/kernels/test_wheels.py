"""The libraries of a release: the same sources give the same bytes, wherever they are compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

import jaxrnn
from jaxrnn.kernels.native import build, library


def test_targets_are_those_of_the_release() -> None:
    """The compiler that wheels are made with is the one that `.[release]` installs."""
    assert f'"{build.ZIG}"' in (build.HERE.parents[2] / "pyproject.toml").read_text()


def test_a_library_that_does_not_load_is_done_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As that of another machine: plain JAX runs, and `explain` has the loader's reason."""
    (tmp_path / build.LIBRARY.name).write_bytes(b"\x7fELF of another machine")
    monkeypatch.setattr(library, "LIBRARY", tmp_path / build.LIBRARY.name)
    library.missing.cache_clear()
    try:
        explained = str(jaxrnn.explain(jaxrnn.lstm(4)))
        assert "runs on 'scheduled'" in explained
        assert f"'native': declines: {build.LIBRARY.name} does not load: " in explained
    finally:
        monkeypatch.undo()
        library.missing.cache_clear()
        assert library.missing() is None


@pytest.mark.release
@pytest.mark.parametrize("tag", build.TARGETS)
def test_libraries_are_reproducible(tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In two folders; for this machine's kind also with all of the compiler's own libraries compiled anew."""
    pytest.importorskip("ziglang")
    made = [tmp_path / folder / build.LIBRARY.name for folder in ("one", "another")]
    for path in made:
        path.parent.mkdir()
        assert build.build_for(tag, path) is None
        if tag == "manylinux_2_27_x86_64":
            monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(tmp_path / "cache"))
    contents = [path.read_bytes() for path in made]
    assert contents[0] == contents[1]
    assert str(tmp_path).encode() not in contents[0]
