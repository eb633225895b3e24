"""One training step on the devices: gradient, update, and the guard against loss or gradients that are not finite.

The arrays of a batch and of the carry are split by rows over the mesh axis `data`; everything else is replicated. One
device is a mesh of one. The compiler inserts the sums over devices, so the step is written once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrnn.programs.serialized import serialized
from jaxrnn.train.task import Batch, Carry, Params, Task


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


def make_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh with the one axis `data` over the given devices (all there are by default)."""
    return Mesh(np.array(jax.devices() if devices is None else devices), ("data",))


def place(batch: Batch, mesh: Mesh) -> Batch:
    """Put a host batch on the devices, rows split over `data`."""
    for array in jax.tree.leaves(batch):
        if array.shape[0] % mesh.size:
            raise ValueError(
                f"batch of {array.shape[0]} rows: expected a multiple of the {mesh.size} devices; change the batch size"
            )
    return jax.device_put(batch, NamedSharding(mesh, PartitionSpec("data")))


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


def state_shardings(state: TrainState, mesh: Mesh) -> TrainState:
    """The sharding of every array of a state (abstract or not)."""
    whole, rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))
    return jax.tree.map(lambda _: whole, state)._replace(carry=jax.tree.map(lambda _: rows, state.carry))


def make_step(task: Task, optimizer: optax.GradientTransformation, shardings: TrainState) -> Callable[..., Any]:
    """The compiled step `(state, batch) -> (state, outcome)`; the given state's memory is reused.

    `outcome` is a dict of scalars: loss, grad_norm, finite, skipped, skipped_in_a_row and the task's own, of which a
    `loss` takes the place of what was differentiated. Where one of them, gradient or new carry is not finite,
    parameters, optimizer state and carry stay those of before.
    """

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
        rng = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        gradient = jax.value_and_grad(task.loss, has_aux=True)
        (loss, (carry, metrics)), grads = gradient(state.params, state.carry, batch, rng)
        norm = optax.tree.norm(grads)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)
        for array in jax.tree.leaves((carry, metrics)):
            finite &= jnp.isfinite(array).all()
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        new = (optax.apply_updates(state.params, updates), opt_state, carry)
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
            "loss": loss,
            "grad_norm": norm,
            "finite": finite,
            "skipped": state.skipped,
            "skipped_in_a_row": state.skipped_in_a_row,
        }
        return state, outcome | metrics

    return jax.jit(step, donate_argnums=0, out_shardings=(shardings, None))
