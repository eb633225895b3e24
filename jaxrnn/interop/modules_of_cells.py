"""Live modules of libraries of cells on PyTorch: torchrecurrent's cells and layers, ncps's CfCCell.

The rows of a library say which attributes of a module are options of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import jax

from jaxrnn.base.errors import Said, fail
from jaxrnn.cells.timed.cfc import cfc, scaled_tanh
from jaxrnn.compose.stack import stack
from jaxrnn.core.cell import Cell
from jaxrnn.functions.activations import hard_sigmoid
from jaxrnn.interop.express import make_cell
from jaxrnn.interop.rows import OTHERS, ROWS
from jaxrnn.interop.rows.row import Row
from jaxrnn.interop.source import Source
from jaxrnn.interop.subclasses import base_of, scripted
from jaxrnn.interop.torch_weights import entries_of, weights_of

LIBRARIES = ("torchrecurrent", "ncps")
RUNS = ("forward", "__call__")
ADVICE = "Pass its state_dict() with `layer`, the jaxrnn layer whose equations run."
FUNCTIONS = {
    "Tanh": jax.nn.tanh,
    "ReLU": jax.nn.relu,
    "Sigmoid": jax.nn.sigmoid,
    "Identity": jax.nn.identity,
    "SiLU": jax.nn.silu,
    "Hardsigmoid": hard_sigmoid,
    "LeCun": scaled_tanh,
}


def kinds(library: str) -> tuple[str, ...]:
    """The classes of a library that are read."""
    if library == "ncps":
        return ("CfCCell",)
    cells = [row.name for row in ROWS if row.library == library]
    return (*cells, *(name.removesuffix("Cell") for name in cells))


def reader_of(module: Any) -> Callable[[Any], Source] | None:
    """What reads a module; None for one of another library."""
    if _named(module, "ncps", kinds("ncps")):
        return _cfc
    library = "torchrecurrent"
    for name, (_, why) in OTHERS[library].items():
        if _named(module, library, (name, name.removesuffix("Cell")), ()):
            expected = f"a module of {library} that computes what one of jaxrnn's cells does"
            fail("source", expected, Said(f"{type(module).__name__}, {why}"))
    found = _named(module, library, kinds(library))
    if found is None:
        return None
    if found.endswith("Cell"):
        return partial(_one, row=_row(library, found))
    return partial(_several, row=_row(library, f"{found}Cell"))


def _named(module: Any, library: str, names: Collection[str], runs: Collection[str] = RUNS) -> str | None:
    """The class of a library that a module is of, or was before it was compiled."""
    return scripted(module, library, names) or base_of(module, library, names, runs, ADVICE)


def _row(library: str, name: str) -> Row:
    return next(row for row in ROWS if (row.library, row.name) == (library, name))


def _one(module: Any, row: Row) -> Source:
    """A cell by itself."""
    return Source(entries_of(_tensors(module)), _cell(module, row), row.library)


def _several(module: Any, row: Row) -> Source:
    """A layer of such cells, one above the other."""
    for cell in module.cells:
        _named(cell, row.library, (row.name,))  # refuses what runs otherwise
    layers = [_cell(cell, row) for cell in module.cells]
    rate = float(module.dropout)
    layer = layers[0] if len(layers) == 1 else stack(layers, dropout=rate if rate < 1 else 0.0)
    tensors = {f"cells.{i}.{n}": t for i, cell in enumerate(module.cells) for n, t in _tensors(cell).items()}
    return Source(entries_of(tensors), layer, row.library)


def _tensors(module: Any) -> dict[str, Any]:
    """Parameters, and the biases that are none but zeros."""
    return weights_of(module) | {n: b for n, b in module.named_buffers() if n.startswith("bias")}


def _cell(module: Any, row: Row) -> Cell:
    """The cell that a module's settings tell."""
    biases = [t for n, t in module.named_buffers() if n.startswith("bias")]
    trained = [n for n, _ in module.named_parameters() if n.startswith("bias")]
    options: dict[str, Any] = dict(row.fixed) | {"use_bias": bool(trained) or any(bool(b.any()) for b in biases)}
    for attribute, wanted in row.settings:
        value = _setting(module, attribute, row)
        if isinstance(wanted, str):
            options[wanted] = value
        elif value != wanted:
            shown = f"{attribute}={getattr(value, '__name__', value)} in {type(module).__name__}"
            fail("source", f"with {attribute}={wanted.__name__}, as {row.kind} has it", Said(shown))
    if row.kind == "lstm" and "activation" in options:
        options["output_activation"] = options["activation"]  # theirs has one function for both
    return make_cell(row.kind, module.hidden_size, options)


def _setting(module: Any, attribute: str, row: Row) -> Any:
    """An attribute as a number of Python's or a function of JAX's."""
    value = getattr(module, attribute)
    if hasattr(value, "forward"):
        return _function(value, attribute)
    return float(value.detach() if hasattr(value, "detach") else value)


def _function(module: Any, attribute: str) -> Any:
    """The function that a module of torch's is."""
    name = getattr(module, "original_name", type(module).__name__)  # the former of TorchScript
    if name not in FUNCTIONS:
        fail("source", f"with {attribute} out of {', '.join(FUNCTIONS)}", Said(repr(module)), ADVICE)
    return FUNCTIONS[name]


def _cfc(module: Any) -> Source:
    """ncps's cell, whose layers before the gates stand in a Sequential."""
    if module.sparsity_mask is not None:
        fail(
            "source", "a CfCCell without a mask", Said("one with sparsity_mask"), "Multiply its weights with the mask."
        )
    options: dict[str, Any] = {}
    if module.backbone_layers:
        layers = list(module.backbone)
        if any(type(layer).__name__ == "Dropout" and layer.p for layer in layers):
            fail("source", "a CfCCell without dropout before its gates", Said("one with backbone_dropout"), ADVICE)
        function = _function(layers[1], "backbone_activation")
        options = dict(backbone=layers[0].out_features, backbone_layers=module.backbone_layers)
        options |= dict(backbone_activation=function)
    cell = cfc(module.hidden_size, mode=module.mode, **options)
    return Source(entries_of(weights_of(module)), cell, "ncps")
