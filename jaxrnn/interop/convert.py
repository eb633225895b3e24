"""One file of weights into another, as `jaxrnn convert` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxrnn.base.errors import fail, nearest
from jaxrnn.core.layer import Layer
from jaxrnn.interop.files import path_of
from jaxrnn.interop.load import Mapped, load_and_map
from jaxrnn.interop.onnx_write import to_onnx
from jaxrnn.interop.rows import check_library
from jaxrnn.interop.save import save
from jaxrnn.kernels.c import export_c

# Suffixes that belong to one library.
TARGETS = {".onnx": "onnx", ".h5": "keras", ".pt": "torch", ".pth": "torch"}
OPTIONS = ("lengths", "carry", "steps", "batch", "runtime", "symbols", "embedding", "head")  # of `to_onnx`


def convert(
    source: Path | str,
    target: Path | str,
    of: str | None = None,
    to: str | None = None,
    prefix: str | Sequence[str] = "",
    layer: Layer | None = None,
    names: Mapping[str, str] | None = None,
    format: str | None = None,
    graph: Mapping[str, Any] | None = None,
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
        names: their names -> the library's, as `load` takes them.
        format: the format of `source`, as `load` takes it.
        graph: what `to_onnx` takes by name, such as {"lengths": True}, for a target of ONNX.

    Returns:
        The library that `target` was written for (C99 with its sizes), and the table of what was mapped.

    Raises:
        ValueError, TypeError: see `load` and `save`. WriteError: the file cannot be written.

    >>> from jaxrnn.interop import convert
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     weights = {"weight_ih_l0": np.ones((20, 3)), "weight_hh_l0": np.ones((20, 5))}
    ...     np.savez(f"{folder}/torch.npz", **weights)
    ...     library, table = convert(f"{folder}/torch.npz", f"{folder}/ours.npz")
    >>> [row.ours for row in table]
    ['kernel', 'recurrent_kernel']
    """
    paths: dict[str, Any] = {"source": path_of(source, "source"), "target": path_of(target, "target")}
    if of is not None:
        check_library(of, "of")
    library = library_for(paths["target"], to)
    check_graph(graph, library)
    given: dict[str, Any] = dict(layer=layer, prefix=prefix, names=names, format=format)
    (found, params), table = load_and_map(paths["source"], of, **given)
    if to is None and paths["target"].suffix == ".c":
        return f"C99: {export_c(found, params, paths['target'])}", table
    if library == "onnx":
        to_onnx(found, params, paths["target"], **(graph or {}))
    else:
        save(found, params, library, paths["target"])
    return library, table


def library_for(target: Path, to: str | None) -> str:
    """The library that a file is written for: the one that is named, or the one that its suffix belongs to."""
    if to is not None:
        check_library(to, "to")
        return to
    return next((name for suffix, name in TARGETS.items() if target.name.endswith(suffix)), "jaxrnn")


def check_graph(graph: Any, library: str) -> None:
    """Options of a graph are for graphs."""
    if graph is not None and (not isinstance(graph, Mapping) or not all(isinstance(name, str) for name in graph)):
        fail("graph", "None, or what `to_onnx` takes by name", graph, kind=TypeError)
    for name in graph or ():
        if name not in OPTIONS:
            fail("graph", f"of names out of {OPTIONS}", name, nearest(name, OPTIONS))
    if graph and library != "onnx":
        fail("graph", f"left out for {library}, which is no graph", dict(graph))
