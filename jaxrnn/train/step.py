"""One training step on the devices: gradient, update, and the guard against loss or gradients that are not finite.

Where arrays lie is said by `meshes.py`. One device is a mesh of one. The compiler inserts the sums over devices, so the
step is written once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrnn.programs.serialized import serialized
from jaxrnn.train.group_arrays import spread, strongest
from jaxrnn.train.meshes import MeshOptions, by_rows, lie
from jaxrnn.train.task import Batch, Carry, Params, Task

KEPT = "params"  # what a loss gives by this name takes the place of parameters


def replaced(params: Params, part: Params) -> Params:
    """Parameters, in nested dicts, with some of them replaced."""
    return {k: replaced(v, part[k]) if isinstance(v, dict) and k in part else part.get(k, v) for k, v in params.items()}


Outcome = dict[str, jax.Array]


@serialized
class TrainState(NamedTuple):
    """All that training changes on the devices."""

    params: Params
    opt_state: optax.OptState
    carry: Carry  # [B, ...], sharded by rows
    key: jax.Array  # raw PRNG key; step n draws from fold_in(key, n), so it never changes
    step: jax.Array  # int32: batches seen
    skipped: jax.Array  # int32: batches skipped because of their loss or gradient
    skipped_in_a_row: jax.Array  # int32


def check_rows(batch: Batch, mesh: Mesh) -> None:
    """Raise a ValueError where the rows of a batch do not divide over `data`."""
    for array in jax.tree.leaves(batch):
        if array.shape[0] % mesh.shape["data"]:
            raise ValueError(
                f"batch of {array.shape[0]} rows: expected a multiple of the {mesh.shape['data']} devices that share "
                "them; change the batch size, or mesh.data"
            )


def place(batch: Batch, mesh: Mesh) -> Batch:
    """Put a host batch on the devices, rows split over `data`; of several processes each puts the rows of its own."""
    check_rows(batch, mesh)
    return spread(batch, by_rows(mesh))


def init_state(
    task: Task, optimizer: optax.GradientTransformation, seed: int, params: Params | None = None
) -> TrainState:
    """The state before the first step; fresh, or with parameters that there are."""
    init_key, key = jax.random.split(jax.random.key(seed))
    params = task.init(init_key) if params is None else params
    return TrainState(
        params=params,
        opt_state=optimizer.init(params),
        carry=task.initial_carry(params),
        key=jax.random.key_data(key),
        step=jnp.int32(0),
        skipped=jnp.int32(0),
        skipped_in_a_row=jnp.int32(0),
    )


def state_shardings(state: TrainState, mesh: Mesh, options: MeshOptions = MeshOptions()) -> TrainState:
    """The sharding of every array of a state (abstract or not)."""
    whole = jax.tree.map(lambda _: NamedSharding(mesh, PartitionSpec()), state)
    there = {name: lie(getattr(state, name), mesh, options) for name in ("params", "opt_state")}
    return whole._replace(**there, carry=jax.tree.map(lambda _: by_rows(mesh), state.carry))


def make_step(
    loss: Callable[..., Any],
    optimizer: optax.GradientTransformation,
    shardings: TrainState,
    used: Params | None = None,
) -> Callable[..., Any]:
    """The compiled step of a task's loss, `(state, batch, asked) -> (state, outcome)`; the state's memory is reused.

    `shardings` are those of the state, `used` those of its parameters while they are used, where they lie elsewhere
    then.

    `outcome` is a dict of scalars: loss, grad_norm, finite, skipped, skipped_in_a_row and the task's own, of which a
    `loss` takes the place of what was differentiated. Where one of them, gradient or new carry is not finite,
    parameters, optimizer state and carry stay those of before. With `asked`, of `asked_to_stop`, the outcome has a
    `stop` too, which is the same on all processes.
    """

    def step(
        state: TrainState, batch: Batch, asked: jax.Array | None = None
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        rng = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        gradient = jax.value_and_grad(loss, has_aux=True)
        params = state.params if used is None else jax.lax.with_sharding_constraint(state.params, used)
        (value, (carry, metrics)), grads = gradient(params, state.carry, batch, rng)
        if used is not None:  # first summed, then parted: parted at once, they would be summed in every turn of a loop
            grads = jax.lax.with_sharding_constraint(grads, used)
            grads = jax.lax.with_sharding_constraint(grads, shardings.params)
        norm = optax.tree.norm(grads)
        finite = jnp.isfinite(value) & jnp.isfinite(norm)
        for array in jax.tree.leaves((carry, metrics)):
            finite &= jnp.isfinite(array).all()
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        kept = metrics.pop(KEPT) if isinstance(metrics.get(KEPT), dict) else {}
        new = (replaced(optax.apply_updates(state.params, updates), kept), opt_state, carry)
        old = (state.params, state.opt_state, state.carry)
        params, opt_state, carry = jax.tree.map(lambda n, o: jnp.where(finite, n, o), new, old)
        state = TrainState(
            params=params,
            opt_state=opt_state,
            carry=carry,
            key=state.key,
            step=state.step + 1,
            skipped=jnp.where(finite, state.skipped, state.skipped + 1),
            skipped_in_a_row=jnp.where(finite, 0, state.skipped_in_a_row + 1),
        )
        outcome = {
            "loss": value,
            "grad_norm": norm,
            "finite": finite,
            "skipped": state.skipped,
            "skipped_in_a_row": state.skipped_in_a_row,
        }
        return state, outcome | metrics | ({} if asked is None else {"stop": strongest(asked)})

    return jax.jit(step, donate_argnums=0, out_shardings=(shardings, None))
