"""Which layers of a model are nodes of ONNX, and which loops; what is neither is refused before a graph is begun."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Params
from jaxrnn.compose import Bidirectional, Reverse
from jaxrnn.core.layer import Layer
from jaxrnn.interop.graphs.loop import check_loop, states_of
from jaxrnn.interop.graphs.node import attributes_of, states_of_node
from jaxrnn.interop.graphs.runtimes import RUNTIMES, objections

MERGES = {"sum": "Add", "mul": "Mul", "ave": "Mean"}


class Asked(NamedTuple):
    """What the caller asked for: see `jaxrnn.interop.to_onnx`."""

    lengths: bool
    carry: bool
    steps: int | None
    batch: int | None
    runtime: str | None
    symbols: bool
    embedding: Any
    head: Mapping[str, Any] | None


class Part(NamedTuple):
    """One layer of the stack: the node of ONNX that it is, or None and why it is a loop. `starts` are the initial
    states of a row, with an axis of directions first."""

    layer: Layer
    params: Params
    plan: tuple[str, dict[str, Any]] | None
    why: str
    starts: dict[str, Any]


def directions(part: Layer, params: Params) -> list[tuple[Layer, Params, bool]]:
    """The layers inside that a loop runs, each with whether it runs backward."""
    if isinstance(part, Bidirectional):
        ways = (part.forward, params["forward"], False), (part.backward, params["backward"], True)
        return [(inner, below, back != turned) for way, p, back in ways for inner, below, turned in directions(way, p)]
    if isinstance(part, Reverse):
        return [(inner, below, not back) for inner, below, back in directions(part.layer, params)]
    return [(part, params, False)]


def planned(part: Layer, params: Params, asked: Asked, dtype: Any) -> Part:
    """A node where ONNX has one and the runtime computes it as ONNX defines it; else a loop. Neither is an error."""
    plan: tuple[str, dict[str, Any]] | None = None
    why = ""
    try:
        plan = attributes_of(part)
    except ValueError as error:  # what ONNX lacks is the reason for a loop
        said = str(error)  # of the layer as a whole it says which others there are
        why = f"ONNX has no node for {part!r}" if said.startswith("`layer`") else said
    if plan is not None and asked.runtime is not None:
        peepholes = any("peepholes" in below for _, below, _ in directions(part, params))
        why = next(objections(asked.runtime, *plan, dtype, asked, peepholes), "")
        plan, why = (None, f"{asked.runtime} {why}") if why else (plan, "")
    ways = directions(part, params)
    if plan is not None:
        starts = {key: np.zeros((len(ways), plan[1]["hidden_size"]), dtype) for key in states_of_node(plan[0])}
        return Part(part, params, plan, "", starts)
    if isinstance(part, Bidirectional) and (len(ways) != 2 or part.merge not in ("concat", *MERGES)):
        fail("layer", f"of two directions, merged by one of {('concat', *MERGES)}, for onnx", part)
    for inner, _, _ in ways:
        check_loop(inner)
    each = [states_of(inner, below, dtype) for inner, below, _ in ways]
    if len({tuple((key, a.shape) for key, a in states.items()) for states in each}) > 1:
        fail("layer", "of two directions whose states have the same shapes, for onnx", part)
    return Part(part, params, None, why, {key: np.stack([states[key] for states in each]) for key in each[0]})


def check_dtype(parts: Mapping[str, Part], dtype: Any, runtime: str | None) -> None:
    """A dtype for which there is no kernel is named: it is refused for a runtime, and a warning without one."""
    name = np.dtype(dtype).name
    if runtime is not None:
        known = RUNTIMES[runtime].loops
        if name not in known:
            fail("params", f"of {' or '.join(known)} for {runtime}, which computes with no others", Said(name))
        return
    nodes = [part for part in parts.values() if part.plan is not None]
    if name not in RUNTIMES["onnxruntime"].nodes if nodes else name not in RUNTIMES["onnxruntime"].loops:
        hint = "cast the parameters to float32, or pass `runtime`, for which layers become loops where that helps"
        warnings.warn(f"onnxruntime has no kernels for layers of {name}: {hint}", stacklevel=4)
