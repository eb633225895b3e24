"""What JAX does with shapes, as bookkeeping along the leading axes: vectors stay whole.

Each takes the graph, the primitive's parameters and values, and returns its results.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from jaxrnn.kernels.native.graph import Declined, Nodes, Value


def _keeps_units(name: str, ok: Any) -> None:
    if not ok:
        raise Declined(f"`{name}` moves or cuts the units of a vector")


def _broadcast(graph: Nodes, params: dict[str, Any], x: Value) -> list[Value]:
    shape, dims = params["shape"], params["broadcast_dimensions"]
    if not shape:
        return [x]
    if x.length is None:
        return [Value(np.broadcast_to(x.nodes, shape[:-1]), shape[-1])]
    _keeps_units("broadcast_in_dim", dims[-1] == len(shape) - 1 and x.length in (1, shape[-1]))
    spread = [1] * (len(shape) - 1)
    for d, n in zip(dims[:-1], x.nodes.shape, strict=True):
        spread[d] = n
    return [Value(np.broadcast_to(x.nodes.reshape(spread), shape[:-1]), shape[-1])]


def _reshape(graph: Nodes, params: dict[str, Any], x: Value) -> list[Value]:
    shape = params["new_sizes"]
    if x.length is None or not shape:
        _keeps_units("reshape", int(np.prod(x.shape)) == 1 and set(shape) <= {1})
        return [Value(x.nodes.reshape(shape[:-1]), 1) if shape else Value(x.nodes.reshape(()), None)]
    _keeps_units("reshape", shape[-1] == x.length)
    return [Value(x.nodes.reshape(shape[:-1]), x.length)]


def _squeeze(graph: Nodes, params: dict[str, Any], x: Value) -> list[Value]:
    dims = params["dimensions"]
    _keeps_units("squeeze", len(x.shape) - 1 not in dims)
    return [Value(np.squeeze(x.nodes, tuple(dims)), x.length)]


def _slice(graph: Nodes, params: dict[str, Any], x: Value) -> list[Value]:
    start, stop = params["start_indices"], params["limit_indices"]
    strides = params["strides"] or (1,) * len(start)
    _keeps_units("slice", start[-1] == 0 and stop[-1] == x.length and strides[-1] == 1)
    return [Value(x.nodes[tuple(map(slice, start[:-1], stop[:-1], strides[:-1]))], x.length)]


def _pad(graph: Nodes, params: dict[str, Any], x: Value, filling: Value) -> list[Value]:
    config = [tuple(map(int, c)) for c in params["padding_config"]]
    _keeps_units("pad", config[-1] == (0, 0, 0))
    nodes = x.nodes
    for axis, (low, high, inner) in enumerate(config[:-1]):  # below zero, what is cut off
        count = nodes.shape[axis]
        between = np.insert(nodes, np.repeat(np.arange(1, count), inner), int(filling.nodes), axis)
        cut = np.take(between, range(max(0, -low), between.shape[axis] - max(0, -high)), axis)
        widths = [(max(0, low), max(0, high)) if a == axis else (0, 0) for a in range(nodes.ndim)]
        nodes = np.pad(cut, widths, constant_values=int(filling.nodes))
    return [Value(nodes, x.length)]


def _concatenate(graph: Nodes, params: dict[str, Any], *xs: Value) -> list[Value]:
    _keeps_units("concatenate", params["dimension"] < len(xs[0].shape) - 1)
    return [Value(np.concatenate([x.nodes for x in xs], axis=params["dimension"]), xs[0].length)]


def _stack(graph: Nodes, params: dict[str, Any], *xs: Value) -> list[Value]:
    _keeps_units("stack", params["axis"] < len(xs[0].shape))
    return [Value(np.stack([x.nodes for x in xs], axis=params["axis"]), xs[0].length)]


def _unstack(graph: Nodes, params: dict[str, Any], x: Value) -> list[Value]:
    _keeps_units("unstack", params["axis"] < len(x.shape) - 1)
    return [Value(part, x.length) for part in np.moveaxis(x.nodes, params["axis"], 0)]


def _transpose(graph: Nodes, params: dict[str, Any], x: Value) -> list[Value]:
    order = params["permutation"]
    _keeps_units("transpose", not order or order[-1] == len(order) - 1)
    return [Value(x.nodes.transpose(order[:-1]), x.length) if order else x]


def _reverse(graph: Nodes, params: dict[str, Any], x: Value) -> list[Value]:
    _keeps_units("rev", len(x.shape) - 1 not in params["dimensions"])
    return [Value(np.flip(x.nodes, params["dimensions"]), x.length)]


def _split(graph: Nodes, params: dict[str, Any], x: Value) -> list[Value]:
    _keeps_units("split", params["axis"] < len(x.shape) - 1)
    ends = list(itertools.accumulate(params["sizes"]))
    return [Value(part, x.length) for part in np.split(x.nodes, ends[:-1], params["axis"])]


def _reduce(graph: Nodes, params: dict[str, Any], x: Value, *, name: str, op: str, start: float) -> list[Value]:
    """One vector after the other, as XLA does."""
    axes = sorted(params["axes"])
    if len(x.shape) - 1 in axes:
        left = [n for i, n in enumerate(x.shape) if i not in axes]
        if x.length != 1 or left[-1:] not in ([], [1]):
            raise Declined(f"`{name}` mixes the units of a vector")
        whole = _reduce(graph, {"axes": axes[:-1]}, x, name=name, op=op, start=start)[0].nodes
        return [Value(whole.reshape(left[:-1]), 1 if left else None)]  # of a vector of one number
    rows = np.moveaxis(x.nodes, axes, range(len(axes)))
    rows = rows.reshape(-1, *rows.shape[len(axes) :])
    total = np.asarray(rows[0] if len(rows) else np.full(rows.shape[1:], graph.constant(start)))
    for row in rows[1:]:
        total = graph.apply_all(op, total, np.asarray(row))
    return [Value(total, x.length)]


def _cumulate(graph: Nodes, params: dict[str, Any], x: Value) -> list[Value]:
    axis, order = params["axis"], -1 if params["reverse"] else 1
    if axis == len(x.shape) - 1:
        raise Declined("`cumsum` mixes the units of a vector")
    rows = [np.asarray(row) for row in np.moveaxis(x.nodes, axis, 0)[::order]]
    for i, row in enumerate(rows[1:]):
        rows[i + 1] = graph.apply_all("add", rows[i], row)
    return [Value(np.moveaxis(np.array(rows[::order]), 0, axis), x.length)]


MOVES: dict[str, Callable[..., list[Value]]] = {
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "expand_dims": _reshape,
    "slice": _slice,
    "pad": _pad,
    "concatenate": _concatenate,
    "stack": _stack,
    "unstack": _unstack,
    "transpose": _transpose,
    "rev": _reverse,
    "split": _split,
    "cumsum": _cumulate,
}
REDUCTIONS: dict[str, Callable[..., list[Value]]] = {
    f"reduce_{name}": partial(_reduce, name=f"reduce_{name}", op=op, start=start)
    for name, op, start in (
        ("sum", "add", 0.0),
        ("prod", "mul", 1.0),
        ("max", "max", -np.inf),
        ("min", "min", np.inf),
        ("and", "and", 1.0),
        ("or", "or", 0.0),
    )
}
SHAPES = MOVES | REDUCTIONS
