"""ONNX models, with their weights in the file itself. The format has no checksum."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxrnn.interop.onnx_graph import read_source
from jaxrnn.interop.source import Source


@contextlib.contextmanager
def reader(path: Path, prefix: str) -> Iterator[Source]:
    """The recurrent nodes of a model."""
    yield read_source(model_of(path), prefix)


def model_of(path: Path) -> Any:
    """The model as its file describes it; no other file is looked at."""
    import onnx

    return onnx.load(str(path), load_external_data=False)
