"""Pages that are made of the package are written before the others are read."""

from __future__ import annotations

from pathlib import Path

import collection
import guide_pictures
import rooms
import speed
from sphinx.application import Sphinx


def setup(app: Sphinx) -> None:
    """At the start of a build."""
    app.connect("builder-inited", write)


def write(app: Sphinx) -> None:
    """The reference, the collection, measurements, pictures."""
    folder = Path(app.srcdir)
    rooms.write(folder / "api")
    collection.write(folder / "cells")
    guide_pictures.write(folder / "guides/pictures")
    speed.write(folder / "speed.md")
