"""The training step of a configuration, compiled for described chips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
from jax.sharding import Mesh

from jaxrnn.base.errors import fail
from jaxrnn.base.platform import made_for
from jaxrnn.plan.plan import Plan, described, held, plan_step
from jaxrnn.plan.topology import described_devices
from jaxrnn.train.config import Experiment
from jaxrnn.train.loop import abstract_state, used_shardings
from jaxrnn.train.meshes import by_rows, make_mesh
from jaxrnn.train.optimizer import make_optimizer
from jaxrnn.train.step import check_rows, make_step


def plan_experiment(experiment: Experiment, topology: str) -> Plan:
    """What each chip of a topology has to do in a step of an experiment's training.

    Args:
        experiment: as `jaxrnn.train.read_experiment` gives it; its `mesh` says who shares what.
        topology: such as "v5e:4x4", see `described_devices`.

    Returns:
        The plan, with what is saved for the backward pass.

    Raises:
        PlanError: There is no such topology.
        ValueError: The mesh does not fit its chips, or the batch the mesh; or the data cannot be read.

    >>> import jax
    >>> from jaxrnn.plan import plan_experiment
    >>> from jaxrnn.tasks import TASKS
    >>> from jaxrnn.train import find_config, read_experiment
    >>> experiment = read_experiment(find_config("adding"), ["--model.hidden", "8"], TASKS)
    >>> with jax.numpy_dtype_promotion("standard"):  # JAX's default, by which optimizers compute
    ...     plan = plan_experiment(experiment, "cpu:1")
    >>> sorted(plan.arguments), plan.collectives
    (['batch', 'carry and counters', 'optimizer', 'parameters'], ())
    """
    if not isinstance(experiment, Experiment):
        fail("experiment", "an Experiment", experiment, kind=TypeError)
    mesh = make_mesh(described_devices(topology), experiment.mesh)
    state, host = abstract_state(experiment, mesh), next(experiment.task.batches())
    check_rows(host, mesh)
    batch = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=by_rows(mesh)), host)
    optimizer = make_optimizer(experiment.optimizer, experiment.loop.steps)
    shardings = jax.tree.map(lambda leaf: leaf.sharding, state)
    used = used_shardings(experiment, state, mesh)
    loss = jax.jit(experiment.task.loss, inline=True)  # traced for the step, and not again for what is saved
    plan = plan_step(make_step(loss, optimizer, shardings, used), state, batch, names=("state", "batch"))
    parts = {"parameters": held(state.params), "optimizer": held(state.opt_state), "batch": plan.arguments["batch"]}
    others = plan.arguments["state"] - parts["parameters"] - parts["optimizer"]
    params = state.params if used is None else _lying(state.params, used)
    saved = None if plan.refused else _saved(loss, params, state.carry, batch, state.key, mesh)
    return replace(plan, arguments=parts | {"carry and counters": others}, saved=saved)


def _lying(shapes: Any, places: Any) -> Any:
    return jax.tree.map(lambda a, place: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=place), shapes, places)


def _saved(loss: Callable[..., Any], params: Any, carry: Any, batch: Any, key: Any, mesh: Mesh) -> int:
    """Bytes a chip of what the backward pass needs of the forward one, but for what was given."""

    def forward(params: Any, carry: Any, batch: Any, key: Any) -> list[Any]:
        rng = jax.random.wrap_key_data(key)  # lying as that of a step does, or the loss were traced again
        pull = jax.vjp(lambda params: loss(params, carry, batch, rng), params, has_aux=True)[1]
        return [a for a in jax.tree.leaves(pull) if not jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key)]

    with made_for(described(mesh.devices.flat[0])):
        traced = jax.jit(forward).trace(params, carry, batch, key)
        given = [v for v in traced.jaxpr.jaxpr.outvars if v in traced.jaxpr.jaxpr.invars]
        places = dict(zip(traced.jaxpr.jaxpr.invars, jax.tree.leaves((params, carry, batch, key)), strict=True))
        sizes = traced.lower().compile().memory_analysis().output_size_in_bytes
    return sizes - sum(held(places[v]) for v in given)
