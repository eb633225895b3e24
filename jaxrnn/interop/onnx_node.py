"""One recurrent node of ONNX: its inputs that are constant, and the layer that its attributes describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.compose.bidirectional import bidirectional
from jaxrnn.compose.reverse import reverse
from jaxrnn.core.layer import Layer
from jaxrnn.interop.activations import FUNCTIONS, named
from jaxrnn.interop.express import make_cell
from jaxrnn.interop.onnx_scopes import Scope, is_quantized
from jaxrnn.interop.source import check_once

KINDS = {"LSTM": "lstm", "GRU": "gru", "RNN": "elman"}
INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
SCALES = {"W": 8, "R": 10}  # of DynamicQuantizeLSTM, each before its zero point
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
FUNCTION_NAMES = {
    "LSTM": ("gate_activation", "activation", "output_activation"),
    "GRU": ("gate_activation", "activation"),
    "RNN": ("activation",),
}
DEFAULT_FUNCTIONS = {"LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh"), "RNN": ("Tanh",)}
KNOWN = {
    "activation_alpha",
    "activation_beta",
    "activations",
    "clip",
    "direction",
    "hidden_size",
    "input_forget",
    "layout",
    "linear_before_reset",
    "output_sequence",  # of opset 1; says only which outputs are wanted
}


def input_of(node: Any, scope: Scope, name: str) -> Any | None:
    """A constant input of a node; None for an absent one. Weights of eight bits are read as the numbers they stand
    for, in the axes of a plain LSTM."""
    index = INPUTS.index(name)
    if index >= len(node.input) or not node.input[index]:
        return None
    array = scope.constant(node.input[index])
    if array is None:
        fail(f"{name} of node {node.name!r}", "constant, an initializer", Said(f"computed as {node.input[index]!r}"))
    return _dequantized(node, scope, name, array) if is_quantized(node) and name in SCALES else array


def _dequantized(node: Any, scope: Scope, name: str, array: Any) -> Any:
    """[directions, inputs, 4 H] as [directions, 4 H, inputs]; scales and zero points for all or for each column."""
    scale, zero = (_after(node, scope, name, SCALES[name] + k) for k in (0, 1))
    if array.ndim != 3 or array.dtype not in (np.int8, np.uint8) or scale.shape != zero.shape:
        fail(f"{name} of node {node.name!r}", "numbers of eight bits, [directions, inputs, 4 H], with scales", array)
    if scale.shape not in ((array.shape[0],), (array.shape[0], array.shape[2])):
        fail(f"scale of {name} of node {node.name!r}", f"[{array.shape[0]}] or [{array.shape[0]}, 4 H]", scale)
    scale, zero = (a.astype(np.float32).reshape(array.shape[0], 1, -1) for a in (scale, zero))
    return np.swapaxes((array.astype(np.float32) - zero) * scale, 1, 2)


def _after(node: Any, scope: Scope, name: str, index: int) -> Any:
    """A scale or a zero point."""
    array = scope.constant(node.input[index]) if index < len(node.input) else None
    if array is None:
        fail(f"{name} of node {node.name!r}", "with a constant scale and zero point", Said("none"))
    return array


def is_constant(node: Any, scope: Scope, name: str) -> bool:
    """Whether an input that a caller may give is a constant of the model."""
    index = INPUTS.index(name)
    return index < len(node.input) and scope.is_constant(node.input[index])


def kind_of(node: Any) -> str:
    """The operator of ONNX that a node computes, but for rounding."""
    return "LSTM" if is_quantized(node) else str(node.op_type)


def attributes_of(node: Any) -> dict[str, Any]:
    """A node's attributes by name."""
    from onnx import helper

    check_once((a.name for a in node.attribute), f"node {node.name!r}", "attribute")
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def layer_of(node: Any, scope: Scope) -> tuple[Layer, int]:
    """The layer that a node's attributes describe, and its layout."""
    given, kind = attributes_of(node), kind_of(node)
    for name in given:
        if name not in KNOWN:
            fail(f"node {node.name!r}", f"a {node.op_type} of opset 22", Said(f"the attribute {name!r}"))
    direction = given.get("direction", b"forward").decode()
    if direction not in ("forward", "reverse", "bidirectional"):
        fail("direction", "forward, reverse or bidirectional", direction)
    if "R" not in INPUTS[: len(node.input)] or (recurrent := input_of(node, scope, "R")) is None:
        fail(f"node {node.name!r}", "with its inputs X, W and R", Said(f"{list(node.input)}"))
    size = given.get("hidden_size", recurrent.shape[-1])
    if recurrent.ndim != 3 or size < 1 or recurrent.shape[1:] != (GATES[kind] * size, size):
        fail(f"R of node {node.name!r}", f"of shape [directions, {GATES[kind]} H, H] with H = {size}", recurrent)
    options: dict[str, Any] = {"use_bias": input_of(node, scope, "B") is not None}
    if kind == "LSTM":
        options["coupled"] = bool(given.get("input_forget", 0))
        options["peepholes"] = input_of(node, scope, "P") is not None
    if kind == "GRU":
        options["reset_after"] = bool(given.get("linear_before_reset", 0))
    ways = 2 if direction == "bidirectional" else 1
    cells = [make_cell(KINDS[kind], size, options | f) for f in _functions(node, given, ways)]
    layout = given.get("layout", 0)
    if layout not in (0, 1):
        fail("layout", "0 or 1", layout)
    if direction == "bidirectional":
        return bidirectional(*cells), layout
    return reverse(cells[0]) if direction == "reverse" else cells[0], layout


def _functions(node: Any, given: Mapping[str, Any], ways: int) -> list[dict[str, Any]]:
    """The activations of each direction. alpha and beta stand in the order of the functions that take one."""
    options = FUNCTION_NAMES[kind_of(node)]
    names = [n.decode() for n in given.get("activations", ())] or list(DEFAULT_FUNCTIONS[kind_of(node)]) * ways
    if len(names) != len(options) * ways:
        fail("activations", f"{len(options)} a direction", names)
    spelled = {name.lower(): name for name in FUNCTIONS}
    for name in names:
        if name.lower() not in spelled:
            fail("activations", f"out of {tuple(FUNCTIONS)}", name)
    alphas, betas = list(given.get("activation_alpha", ())), list(given.get("activation_beta", ()))
    clip = given.get("clip")
    functions = []
    for name, option in zip(names, options * ways, strict=True):
        name = spelled[name.lower()]
        alpha = alphas.pop(0) if FUNCTIONS[name][1] is not None and alphas else None
        beta = betas.pop(0) if FUNCTIONS[name][2] is not None and betas else None
        bound = None if option == "output_activation" else clip  # clip bounds the gates, not the cell on its way out
        functions.append(named(name, alpha, beta, bound))
    for name, left in (("activation_alpha", alphas), ("activation_beta", betas)):
        if left:
            fail(name, "one number for each activation that takes one", Said(f"{len(left)} too many"))
    return [dict(zip(options, functions[k * len(options) :], strict=False)) for k in range(ways)]
