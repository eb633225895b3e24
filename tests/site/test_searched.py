"""What people type into the search box leads to pages that are there, and to every guide."""

from __future__ import annotations

import importlib
from pathlib import Path

import searched

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_every_guide_is_looked_for_and_every_page_is_there() -> None:
    guides = {f"guides/{path.stem}" for path in DOCS.glob("guides/*.md")} - {"guides/index"}
    assert guides <= searched.PAGES.keys()
    for page in searched.PAGES.keys() - guides - {"cells/index"}:  # which is made, as all of `api/` is
        module = page.removeprefix("api/")
        assert (DOCS / f"{page}.md").exists() or importlib.import_module(module).__name__ == module


def test_no_page_takes_anothers_words() -> None:
    """A phrase leads first to the page that has it; of two pages that have it neither would be first."""
    phrases = [phrase for page in searched.PAGES for phrase in searched.phrases(page)]
    assert len({*phrases}) == len(phrases)
