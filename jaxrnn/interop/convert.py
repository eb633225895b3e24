"""One file of weights into another, as `jaxrnn convert` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxrnn.core.layer import Layer
from jaxrnn.interop.files import path_of
from jaxrnn.interop.load import Mapped, load_and_map
from jaxrnn.interop.rows import check_library
from jaxrnn.interop.save import save
from jaxrnn.kernels.c import export_c

# Suffixes that belong to one library.
TARGETS = {".onnx": "onnx", ".h5": "keras", ".pt": "torch", ".pth": "torch"}


def convert(
    source: Path | str,
    target: Path | str,
    of: str | None = None,
    to: str | None = None,
    prefix: str | Sequence[str] = "",
    layer: Layer | None = None,
) -> tuple[str, list[Mapped]]:
    """Read `source`, write `target`.

    Args:
        source: a path that `load` reads.
        target: a path that `save` writes, or one that ends in .c, for `jaxrnn.export_c`. Nothing is written before
            all is read and fits.
        of: the library that `source` is of; by default whichever names and shapes fit.
        to: the library to write for. By default the target's suffix tells: Keras for .h5, torch for .pt; a suffix that
            any could have holds jaxrnn's own parameters.
        prefix: where the layer is in a larger model; several make a stack.
        layer: what the weights are for, where they leave it open: as `load` takes it. torchrecurrent's and ncps's do.

    Returns:
        The library that `target` was written for (C99 with its sizes), and the table of what was mapped.

    Raises:
        ValueError, TypeError: see `load` and `save`. WriteError: the file cannot be written.
    """
    paths: dict[str, Any] = {"source": path_of(source, "source"), "target": path_of(target, "target")}
    for name, given in (("of", of), ("to", to)):
        if given is not None:
            check_library(given, name)
    suffix = next((name for suffix, name in TARGETS.items() if paths["target"].name.endswith(suffix)), "jaxrnn")
    library = suffix if to is None else to
    if to is None and paths["target"].suffix == ".c":
        (layer, params), table = load_and_map(paths["source"], of, layer=layer, prefix=prefix)
        return f"C99: {export_c(layer, params, paths['target'])}", table
    (layer, params), table = load_and_map(paths["source"], of, layer=layer, prefix=prefix)
    save(layer, params, library, paths["target"])
    return library, table
