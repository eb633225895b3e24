"""What runtimes compute of ONNX's recurrent nodes, and what they pass over without a word.

Seen with onnxruntime 1.32.0, OpenVINO 2026.4.1 and tract 0.23.9 (`tests/interop/test_runtimes.py`). A node that a
runtime would compute otherwise than ONNX defines it is written as a loop over its equations, which all three run right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxrnn.interop.activations import FUNCTIONS
from jaxrnn.interop.onnx_node import DEFAULT_FUNCTIONS


@dataclass(frozen=True)
class Runtime:
    """What a runtime computes of a recurrent node.

    functions: the activations that it knows; empty where it applies the default ones whatever is said. lengths: of
    rows, where "always", where all sizes are "fixed", or "never". starts: whether rows may start from states that are
    no inputs. nodes, loops: the dtypes of recurrent nodes, and of loops, that it computes with.
    """

    functions: tuple[str, ...]
    lengths: str
    clip: bool = True
    coupled: bool = True
    peepholes: bool = True
    backward: bool = True
    different: bool = True
    starts: bool = True
    nodes: tuple[str, ...] = ("float32",)
    loops: tuple[str, ...] = ("float32",)


RUNTIMES: dict[str, Runtime] = {
    "onnxruntime": Runtime(
        tuple(FUNCTIONS), "always", nodes=("float16", "float32"), loops=("float16", "float32", "float64")
    ),
    "openvino": Runtime(("Sigmoid", "Tanh", "Relu"), "fixed", coupled=False, peepholes=False, different=False),
    "tract": Runtime((), "never", clip=False, coupled=False, backward=False, starts=False),
}


def objections(
    runtime: str, operator: str, given: Mapping[str, Any], dtype: Any, asked: Any, peepholes: bool
) -> Iterator[str]:
    """Why a runtime would not compute a node as it stands; nothing where it would."""
    knows = RUNTIMES[runtime]
    functions = given["activations"]
    plain = list(DEFAULT_FUNCTIONS[operator])
    if np.dtype(dtype).name not in knows.nodes:
        yield f"has no {operator} of {np.dtype(dtype).name}"
    if knows.functions and (unknown := [f for f in functions if f not in knows.functions]):
        yield f"does not know the activation {unknown[0]}"
    if not knows.functions and functions != plain * (len(functions) // len(plain)):
        yield "passes over activations"
    if not knows.different and functions[: len(plain)] != functions[-len(plain) :]:
        yield "has the same activations in both directions"
    if not knows.clip and "clip" in given:
        yield "passes over `clip`"
    if not knows.coupled and given.get("input_forget"):
        yield "passes over `input_forget`"
    if not knows.peepholes and peepholes:
        yield "passes over peepholes"
    if not knows.backward and given["direction"] == "reverse":
        yield "runs direction=reverse forward"
    if not knows.starts and not asked.carry:
        yield "fails where initial states are no inputs"
    if asked.lengths and knows.lengths == "never":
        yield "has no lengths"
    if asked.lengths and knows.lengths == "fixed" and None in (asked.steps, asked.batch):
        yield "passes over lengths where a size is not fixed"
