"""Weights of eight bits that a graph multiplies by MatMulInteger, as the numbers they stand for.

What makes them, onnxruntime's `quantize_dynamic`, keeps a name `w` as `w_quantized`, `w_scale` and `w_zero_point`. A
product has its weights on the right, [inputs, outputs], the other way round than torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from jaxrnn.base.errors import fail
from jaxrnn.interop.source import Entry

ENDS = ("_quantized", "_scale", "_zero_point")


def plain(graph: Any, entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries, with one of floats in place of each of eight bits and its scale and zero point."""
    named = {entry.name: entry for entry in entries}
    found = {}
    for node in graph.node:
        name = node.input[1] if node.op_type == "MatMulInteger" else ""
        stem = name.removesuffix(ENDS[0])
        if name in named and stem != name and stem + ENDS[1] in named and len(named[name].shape) == 2:
            found[stem] = [named.get(stem + end) for end in ENDS]
    gone = {stem + end for stem in found for end in ENDS}
    made = [
        Entry(stem, numbers.shape[::-1], np.dtype(np.float32), partial(_floats, stem, numbers, scale, zero))
        for stem, (numbers, scale, zero) in found.items()
        if numbers is not None and scale is not None
    ]
    return (*(entry for entry in entries if entry.name not in gone), *made)


def _floats(name: str, numbers: Entry, scale: Entry, zero: Entry | None) -> Any:
    """(q - zero) scale, [outputs, inputs]; a scale for all or for each output."""
    array, step = np.asarray(numbers.read()), np.asarray(scale.read(), np.float32)
    start = np.zeros_like(step) if zero is None else np.asarray(zero.read(), np.float32)
    if array.dtype not in (np.int8, np.uint8) or step.size not in (1, array.shape[1]) or start.size != step.size:
        fail(name, f"numbers of eight bits with a scale and a zero point for all, or for {array.shape[1]}", scale)
    return ((array.astype(np.float32) - start.reshape(-1)) * step.reshape(-1)).T
