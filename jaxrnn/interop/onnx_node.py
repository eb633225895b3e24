"""One recurrent node of ONNX: its inputs that are constant, and the layer that its attributes describe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxrnn.base.errors import Said, fail
from jaxrnn.compose.bidirectional import bidirectional
from jaxrnn.compose.reverse import reverse
from jaxrnn.core.layer import Layer
from jaxrnn.interop.activations import FUNCTIONS, named
from jaxrnn.interop.express import make_cell
from jaxrnn.interop.source import check_once

KINDS = {"LSTM": "lstm", "GRU": "gru", "RNN": "elman"}
INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
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


def input_of(node: Any, tensors: Mapping[str, Any], name: str) -> Any | None:
    """A constant input of a node; None for an absent one."""
    index = INPUTS.index(name)
    if index >= len(node.input) or not node.input[index]:
        return None
    tensor = tensors.get(node.input[index])
    if tensor is None:
        fail(f"{name} of node {node.name!r}", "constant, an initializer", Said(f"computed as {node.input[index]!r}"))
    from onnx import numpy_helper

    return numpy_helper.to_array(tensor)


def is_constant(node: Any, tensors: Mapping[str, Any], name: str) -> bool:
    """Whether an input that a caller may give is a constant of the model."""
    index = INPUTS.index(name)
    return index < len(node.input) and node.input[index] in tensors


def attributes_of(node: Any) -> dict[str, Any]:
    """A node's attributes by name."""
    from onnx import helper

    check_once((a.name for a in node.attribute), f"node {node.name!r}", "attribute")
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def layer_of(node: Any, tensors: Mapping[str, Any]) -> tuple[Layer, int]:
    """The layer that a node's attributes describe, and its layout."""
    given = attributes_of(node)
    for name in given:
        if name not in KNOWN:
            fail(f"node {node.name!r}", f"a {node.op_type} of opset 22", Said(f"the attribute {name!r}"))
    direction = given.get("direction", b"forward").decode()
    if direction not in ("forward", "reverse", "bidirectional"):
        fail("direction", "forward, reverse or bidirectional", direction)
    if "R" not in INPUTS[: len(node.input)] or (recurrent := input_of(node, tensors, "R")) is None:
        fail(f"node {node.name!r}", "with its inputs X, W and R", Said(f"{list(node.input)}"))
    size = given.get("hidden_size", recurrent.shape[-1])
    if recurrent.ndim != 3 or size < 1 or recurrent.shape[1:] != (GATES[node.op_type] * size, size):
        fail(
            f"R of node {node.name!r}", f"of shape [directions, {GATES[node.op_type]} H, H] with H = {size}", recurrent
        )
    options: dict[str, Any] = {"use_bias": input_of(node, tensors, "B") is not None}
    if node.op_type == "LSTM":
        options["coupled"] = bool(given.get("input_forget", 0))
        options["peepholes"] = input_of(node, tensors, "P") is not None
    if node.op_type == "GRU":
        options["reset_after"] = bool(given.get("linear_before_reset", 0))
    ways = 2 if direction == "bidirectional" else 1
    cells = [make_cell(KINDS[node.op_type], size, options | f) for f in _functions(node, given, ways)]
    layout = given.get("layout", 0)
    if layout not in (0, 1):
        fail("layout", "0 or 1", layout)
    if direction == "bidirectional":
        return bidirectional(*cells), layout
    return reverse(cells[0]) if direction == "reverse" else cells[0], layout


def _functions(node: Any, given: Mapping[str, Any], ways: int) -> list[dict[str, Any]]:
    """The activations of each direction. alpha and beta stand in the order of the functions that take one."""
    options = FUNCTION_NAMES[node.op_type]
    names = [n.decode() for n in given.get("activations", ())] or list(DEFAULT_FUNCTIONS[node.op_type]) * ways
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
