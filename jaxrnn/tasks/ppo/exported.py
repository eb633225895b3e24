"""A policy as one step function for other programs: what is seen and remembered in, an action and a memory out.

    action, said, *memory = step(seen [B, O], start [B], *memory)

`start` is true before the first step of an episode; then what was remembered does not count. `action` is the likeliest.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.errors import fail
from jaxrnn.base.files import write_bytes
from jaxrnn.cells import gru
from jaxrnn.interop.graphs.loop import states_of
from jaxrnn.interop.graphs.plan import Asked, planned
from jaxrnn.interop.graphs.whole import model_of, write_part
from jaxrnn.interop.graphs.written import Graph, ints, value
from jaxrnn.tasks.ppo.agent import Agent
from jaxrnn.tasks.ppo.worlds import World
from jaxrnn.train import exporting
from jaxrnn.train.program import Program
from jaxrnn.train.task import Params

STABLEHLO, ONNX = "policy.stablehlo", "policy.onnx"
NOTE = (
    "seen is what the world shows; start is true before the first step of an episode, and then the memory given does "
    "not count; action is the likeliest, said what the policy says of all; next_memory_0 is the next step's memory_0"
)


def step_of(agent: Agent, world: World, params: Params) -> tuple[Any, Any]:
    """The step function of one seed's parameters, and the memory with which an agent sets out, [1, H] each."""
    like = agent.initial_carry(1)
    form = jax.tree.structure(like)

    def step(seen: jax.Array, start: jax.Array, *memory: jax.Array) -> tuple[jax.Array, ...]:
        carry, said, _ = agent.act(world, params, jax.tree.unflatten(form, memory), seen[None], start[None])
        said = jax.tree.map(lambda a: a[0], said)
        return said.likeliest(), said[0], *jax.tree.leaves(carry)

    return step, tuple(jax.tree.leaves(like))


def program_of(agent: Agent, world: World, params: Params) -> Program:
    """The step function with the names of what goes in and comes out."""
    step, memory = step_of(agent, world, params)
    kind = jnp.zeros(()).dtype.name
    arguments: dict[str, Any] = {"seen": (("B", world.observations), kind), "start": (("B",), "bool")}
    arguments |= {f"memory_{i}": (("B", *a.shape[1:]), a.dtype.name) for i, a in enumerate(memory)}
    results = ("action", "said", *(f"next_memory_{i}" for i in range(len(memory))))
    return Program(step, arguments, results, NOTE, partial(onnx_of, agent, world, params))


def as_stablehlo(agent: Agent, world: World, params: Params) -> bytes:
    """The step function as `jax.export.deserialize` reads it, for any number of rows, on CPUs, GPUs and TPUs."""
    return exporting.as_stablehlo(program_of(agent, world, params))


def as_onnx(agent: Agent, world: World, params: Params) -> bytes:
    """The step function as an ONNX model."""
    return bytes(onnx_of(agent, world, params).SerializeToString())


def onnx_of(agent: Agent, world: World, params: Params) -> Any:
    """The step function as an ONNX model; inputs seen, start, memory_0 (and memory_1), outputs action, said,
    next_memory_N. The carry's order is ours: an LSTM's first memory is its cell, c."""
    if not agent.memory:
        fail("model.memory", "true for onnx, where memories go in and out", agent.memory)
    layer = gru(agent.hidden) if agent.layer is None else agent.layer
    arrays, dtype = _arrays(params["memory"]), np.dtype(params["policy"]["kernel"].dtype)
    asked = Asked(False, True, None, None, None, False, None, None)
    part = planned(layer, arrays, asked, dtype)
    names = list(states_of(layer, arrays, dtype))  # in the carry's order, which is not that of ONNX's nodes
    graph, states = Graph(), {}
    encoded = graph.add("Relu", graph.add("Gemm", "seen", *_dense(params["encoder"])))
    x = graph.add("Unsqueeze", encoded, ints(0))  # one step
    starts = graph.add("Unsqueeze", "start", ints(1))
    for name in part.starts:
        kept = graph.add("Where", starts, np.zeros((), dtype), f"memory_{names.index(name)}")
        states[name] = graph.add("Unsqueeze", kept, ints(0))  # one direction
    y, finals = write_part(graph, "policy", part, x, agent.hidden, states, "", asked, dtype)
    remembered = graph.add("Squeeze", y, ints(0))
    graph.add("Gemm", remembered, *_dense(params["policy"]), out="said")
    if world.continuous:
        graph.add("Identity", "said", out="action")
    else:
        graph.add("ArgMax", "said", out="action", axis=-1, keepdims=0)
    sizes = [len(part.starts[name][0]) for name in names]
    inputs = [value("seen", dtype, ["B", world.observations]), value("start", np.bool_, ["B"])]
    inputs += [value(f"memory_{i}", dtype, ["B", size]) for i, size in enumerate(sizes)]
    said = value("said", dtype, ["B", world.actions])
    action = value("action", dtype, ["B", world.actions]) if world.continuous else value("action", np.int64, ["B"])
    outputs = [action, said]
    for i, (name, size) in enumerate(zip(names, sizes, strict=True)):
        graph.add("Squeeze", finals[name], ints(0), out=f"next_memory_{i}")
        outputs.append(value(f"next_memory_{i}", dtype, ["B", size]))
    return model_of(graph, inputs, outputs)


def _dense(params: Params) -> tuple[Any, Any]:
    return np.asarray(params["kernel"]), np.asarray(params["bias"])


def export_policy(agent: Agent, world: World, params: Params, folder: Path) -> list[str]:
    """Write the policy of one seed's parameters into a folder; the names of the files, or why there is none."""
    write_bytes(folder / STABLEHLO, as_stablehlo(agent, world, params))
    if not agent.memory:
        return [STABLEHLO, f"no {ONNX} (an agent without memory has nothing to hand on)"]
    if find_spec("onnx") is None:
        return [STABLEHLO, f"no {ONNX} (pip install onnx)"]
    write_bytes(folder / ONNX, as_onnx(agent, world, params))
    return [STABLEHLO, ONNX]


def _arrays(tree: Any) -> Any:
    """The cell's own parameters, below the names of the modules around it."""
    while not any(name.endswith("kernel") for name in tree):
        (tree,) = tree.values()
    return tree
