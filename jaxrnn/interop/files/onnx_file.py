"""ONNX models, with their weights in the file itself or in files beside it. The format has no checksum."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxrnn.interop.onnx_graph import read_source
from jaxrnn.interop.source import Source


@contextlib.contextmanager
def reader(path: Path) -> Iterator[Source]:
    """The recurrent nodes of a model, and its initializers."""
    yield read_source(model_of(path), path.parent)


def model_of(path: Path) -> Any:
    """The model as its file describes it; what is kept in other files is read where it is wanted."""
    import onnx

    return onnx.load(str(path), load_external_data=False)
