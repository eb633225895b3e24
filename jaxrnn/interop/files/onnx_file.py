"""ONNX models, with their weights in the file itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from jaxrnn.interop.source import Source


@contextlib.contextmanager
def reader(path: Path, prefix: str) -> Iterator[Source]:
    """The recurrent nodes of a model."""
    import onnx

    from jaxrnn.interop.onnx_import import read_source

    yield read_source(onnx.load(str(path), load_external_data=False), prefix)
