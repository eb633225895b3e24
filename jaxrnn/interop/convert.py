"""One file of weights into another, as `jaxrnn convert` does."""

from __future__ import annotations

from pathlib import Path

from jaxrnn.interop.load import Mapped, load_and_map
from jaxrnn.interop.save import save

TARGETS = {".onnx": "onnx", ".weights.h5": "keras"}  # suffixes that belong to one library


def convert(source: Path, target: Path, of: str | None, to: str | None, prefix: str) -> tuple[str, list[Mapped]]:
    """Read `source`, write `target`: the library it was written for, and the table of what was mapped.

    Without `to` the target's suffix tells the library; a suffix that any could have holds jaxrnn's own parameters.
    """
    library = to or next((name for suffix, name in TARGETS.items() if target.name.endswith(suffix)), "jaxrnn")
    (layer, params), table = load_and_map(source, of, prefix=prefix)
    save(layer, params, library, target)
    return library, table
