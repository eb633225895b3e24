"""A policy as one step function for other programs: what is seen and remembered in, an action and a memory out.

    action, said, *memory = step(seen [B, O], start [B], *memory)

`start` is true before the first step of an episode; then what was remembered does not count. `action` is the likeliest.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxrnn
from jaxrnn.base.files import write_bytes
from jaxrnn.interop.onnx_export import content, export
from jaxrnn.tasks.ppo.agent import Agent
from jaxrnn.tasks.ppo.worlds import World
from jaxrnn.train.task import Params

STABLEHLO, ONNX = "policy.stablehlo", "policy.onnx"
WITH_NODES = ("gru", "lstm", "elman")  # for which ONNX has an operation
PLATFORMS = ("cpu", "cuda", "tpu")


def step_of(agent: Agent, world: World, params: Params) -> tuple[Any, Any]:
    """The step function of one seed's parameters, and the memory with which an agent sets out, [1, H] each."""
    like = agent.initial_carry(1)
    form = jax.tree.structure(like)

    def step(seen: jax.Array, start: jax.Array, *memory: jax.Array) -> tuple[jax.Array, ...]:
        carry, said, _ = agent.act(world, params, jax.tree.unflatten(form, memory), seen[None], start[None])
        said = jax.tree.map(lambda a: a[0], said)
        return said.likeliest(), said[0], *jax.tree.leaves(carry)

    return step, tuple(jax.tree.leaves(like))


def as_stablehlo(agent: Agent, world: World, params: Params) -> bytes:
    """The step function as `jax.export.deserialize` reads it, for any number of rows, on CPUs, GPUs and TPUs."""
    step, memory = step_of(agent, world, params)
    (rows,) = jax.export.symbolic_shape("B")
    seen = jax.ShapeDtypeStruct((rows, world.observations), jnp.zeros(()).dtype)
    kept = [jax.ShapeDtypeStruct((rows, *a.shape[1:]), a.dtype) for a in memory]
    start = jax.ShapeDtypeStruct((rows,), jnp.bool_)
    return bytes(jax.export.export(jax.jit(step), platforms=PLATFORMS)(seen, start, *kept).serialize())


def as_onnx(agent: Agent, world: World, params: Params) -> bytes:
    """The step function as an ONNX model; inputs seen, start, memory_0 (and memory_1), outputs action, said, memory_N.

    The carry's order is ours: an LSTM's first memory is its cell, c.
    """
    from onnx import TensorProto, checker, helper, numpy_helper

    layer = jaxrnn.gru(agent.hidden) if agent.layer is None else agent.layer
    recurrent = export(layer, _arrays(params["memory"]))
    (node,) = recurrent.graph.node[:1]  # what follows brings directions together; there is one
    states = ["c", "h"] if agent.cell == "lstm" else ["h"]
    dtype = recurrent.graph.input[0].type.tensor_type.elem_type
    number = helper.tensor_dtype_to_np_dtype(dtype)
    weights = {f"{name}_{part}": params[name][part] for name in ("encoder", "policy") for part in ("kernel", "bias")}
    weights |= {"zero": np.zeros(()), "time": np.array([0]), "last": np.array([1])}
    node.input[0], node.input[4] = "encoded", ""  # one step each: no lengths
    node.output[0] = ""
    one, two = helper.make_node, "memory"
    nodes = [
        one("Gemm", ["seen", "encoder_kernel", "encoder_bias"], ["encoding"]),
        one("Relu", ["encoding"], ["positive"]),
        one("Unsqueeze", ["positive", "time"], ["encoded"]),
        one("Unsqueeze", ["start", "last"], ["starts"]),
    ]
    for i, state in enumerate(states):
        nodes.append(one("Where", ["starts", "zero", f"{two}_{i}"], [f"kept_{state}"]))
        nodes.append(one("Unsqueeze", [f"kept_{state}", "time"], [f"initial_{state}_0"]))
    nodes.append(node)
    for i, state in enumerate(states):
        nodes.append(one("Squeeze", [f"Y_{state}_0", "time"], [f"next_{two}_{i}"]))
    nodes.append(one("Gemm", [f"next_{two}_{len(states) - 1}", "policy_kernel", "policy_bias"], ["said"]))
    if world.continuous:
        nodes.append(one("Identity", ["said"], ["action"]))
    else:
        nodes.append(one("ArgMax", ["said"], ["action"], axis=-1, keepdims=0))
    value = helper.make_tensor_value_info
    memory = [value(f"{two}_{i}", dtype, ["B", agent.hidden]) for i in range(len(states))]
    after = [value(f"next_{two}_{i}", dtype, ["B", agent.hidden]) for i in range(len(states))]
    inputs = [value("seen", dtype, ["B", world.observations]), value("start", TensorProto.BOOL, ["B"]), *memory]
    action = (
        value("action", dtype, ["B", world.actions]) if world.continuous else value("action", TensorProto.INT64, ["B"])
    )
    outputs = [action, value("said", dtype, ["B", world.actions]), *after]
    arrays = [
        numpy_helper.from_array(np.asarray(a, None if name in ("time", "last") else number), name)
        for name, a in weights.items()
    ]
    graph = helper.make_graph(nodes, "policy", inputs, outputs, [*recurrent.graph.initializer, *arrays])
    model = helper.make_model(graph, opset_imports=recurrent.opset_import, producer_name="jaxrnn")
    model.ir_version = recurrent.ir_version
    checker.check_model(model)
    return content(model)


def export_policy(agent: Agent, world: World, params: Params, folder: Path) -> list[str]:
    """Write the policy of one seed's parameters into a folder; the names of the files, or why there is none."""
    write_bytes(folder / STABLEHLO, as_stablehlo(agent, world, params))
    if agent.cell not in WITH_NODES:
        return [STABLEHLO, f"no {ONNX} (ONNX has no operation for {agent.cell})"]
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
