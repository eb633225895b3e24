"""Everything that ships is in the manifest, with the package that it comes from, its licence and its checksum."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from jaxrnn import tasks

ROOT = Path(tasks.__file__).parent
MANIFEST = tomllib.loads((ROOT / "MANIFEST.toml").read_text(encoding="utf-8"))
THERE = {path for place in ("data", "pretrained") for path in (ROOT / place).rglob("*") if path.is_file()}
PACKAGE = re.compile(r"(PyPI|npm|Debian) [\w@/-]+ \d[\w.~-]+")
OWN = ["this package"]


def test_every_file_is_in_the_manifest_and_every_entry_is_a_file() -> None:
    folders = MANIFEST.items()
    listed = {ROOT / folder / name: found for folder, entry in folders for name, found in entry["files"].items()}
    assert {*map(str, THERE)} == {*map(str, listed)}
    found = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in listed}
    wrong = [f'"{path.name}" = "{found[path]}"' for path in listed if found[path] != listed[path]]
    assert not wrong, "\n".join(["where a change is meant, MANIFEST.toml should have:", *wrong])


@pytest.mark.parametrize("folder", MANIFEST)
def test_sources_are_published_packages_with_versions_and_licences_have_their_texts(folder: str) -> None:
    entry = MANIFEST[folder]
    assert entry["licence"]
    if entry["source"] == OWN:
        assert (entry["licence"], entry["texts"]) == ("MIT", [])
        return
    told = (ROOT / folder / "SOURCE.txt").read_text(encoding="utf-8")
    for source in entry["source"]:
        assert PACKAGE.fullmatch(source), source
        _, name, version = source.split(" ")
        assert name.removeprefix("@codingame/monaco-vscode-language-pack") in told
        assert version in told
    assert entry["texts"]
    for text in entry["texts"]:
        assert text in entry["files"]
        assert text in told
        assert len((ROOT / folder / text).read_text(encoding="utf-8")) > 1000  # the text, not a name of it
