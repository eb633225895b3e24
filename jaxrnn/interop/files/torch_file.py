"""torch's .pt and .pth, only ever with `weights_only=True`: tensors, and no pickled code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from jaxrnn.errors import Said, fail
from jaxrnn.interop.source import Source, from_mapping


@contextlib.contextmanager
def reader(path: Path, prefix: str) -> Iterator[Source]:
    """The tensors of a saved state dict."""
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, Mapping):
        fail(path.name, "a state dict, as torch.save(model.state_dict(), path) writes it", Said(type(state).__name__))
    yield from_mapping(state, path.name)
