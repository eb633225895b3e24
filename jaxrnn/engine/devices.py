"""The public entry for sequences whose time lies over devices: `scan_sharded`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec

from jaxrnn.base.dtypes import state_dtype
from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.base.hints import spelled
from jaxrnn.base.placement import explicit_mesh, lay, place
from jaxrnn.base.typing import ArrayLike, Bool, Carry, Integer, Params, PRNGKeyArray, Shaped
from jaxrnn.core.cell import Cell
from jaxrnn.core.closures import is_open, methods, still
from jaxrnn.engine.check import Arguments, check_lengths, check_scan
from jaxrnn.engine.masks import settle, valid_steps
from jaxrnn.engine.plan import Plan
from jaxrnn.engine.recurrence import devices
from jaxrnn.engine.registry import recurrence_for
from jaxrnn.engine.run import job_of
from jaxrnn.engine.sequence import Call


@spelled()
def scan_sharded(
    cell: Cell,
    params: Params,
    xs: Shaped[ArrayLike, "T ..."],
    carry: Carry | None = None,
    *,
    axis: str = "time",
    lengths: Integer[ArrayLike, "*B"] | None = None,
    mask: Bool[ArrayLike, " T *B"] | None = None,
    resets: Bool[ArrayLike, " T *B"] | None = None,
    segments: Integer[ArrayLike, " T *B"] | None = None,
    reset_carry: Carry | None = None,
    reverse: bool = False,
    rng: PRNGKeyArray | None = None,
    start_step: Any = 0,
    per_step: Mapping[str, ArrayLike] | None = None,
    projected: bool = False,
    backend: str = "auto",
) -> tuple[Carry, Any]:
    """`scan` of a cell that is linear in the state, with time sharded over devices.

        h[t] = a[t] h[t - 1] + b[t],    so that of a device's part    h = zero + whole s,    for any start s

    Each device runs its own steps at once, and one exchange of a few numbers a row and unit tells where each part
    starts from; its derivative is one exchange too. Lengths, masks, resets and segments hold across parts.

    Inside `jax.shard_map` over `axis`, arrays `[T, ...]` are this device's part of the steps; parameters, carries,
    lengths and `start_step` are those of the whole, the same on all devices, and so is the final carry. Elsewhere all
    arrays are the whole, `jax.set_mesh` says which mesh has that axis, and outputs lie over it.

    Args:
        cell: a Cell that is linear in the state, such as `jaxrnn.min_gru` or one by `jaxrnn.linear_cell`.
        params, xs, carry: as for `scan`. T is a multiple of the number of devices along `axis`: pad xs, and give the
            true number of steps as `lengths`.
        axis: the name of the mesh axis over which time lies.
        lengths, mask, resets, segments, reset_carry, reverse, rng, start_step, per_step, projected: as for `scan`.
        backend: "auto", "one_pass", "chunked" or "associative": how a device runs its part.

    Returns:
        `(carry, ys)` as of `scan`.

    Raises:
        ValueError, TypeError: as `scan`; or the cell is not linear in the state, there is no such mesh axis, or its
            devices do not divide T.

    >>> import jax, jaxrnn
    >>> mesh = jax.make_mesh((jax.device_count(),), ("time",), axis_types=(jax.sharding.AxisType.Auto,))
    >>> cell = jaxrnn.min_gru(4)
    >>> params = cell.init(jax.random.key(0), inputs=3)
    >>> xs = jax.random.normal(jax.random.key(1), (64, 2, 3))
    >>> with jax.set_mesh(mesh):
    ...     carry, ys = jaxrnn.scan_sharded(cell, params, xs, lengths=jax.numpy.array([64, 50]))
    >>> ys.shape, bool((ys[50:, 1] == 0).all())
    ((64, 2, 4), True)

    Paper: Martin & Cundy, Parallelizing linear recurrent neural nets over sequence length, ICLR 2018, section 2.2.
    """
    given = Arguments(
        lengths, mask, resets, segments, reset_carry, reverse, None, rng, start_step, per_step, projected, backend
    )
    inside, count = _devices(axis)
    if not isinstance(cell, Cell):
        fail("cell", "a single Cell that is linear in the state", cell, kind=TypeError)
    call = check_scan(cell, params, xs, carry, given._replace(lengths=None) if inside else given)
    T = call.sequence.xs.shape[0]
    if inside:
        whole = check_lengths(lengths, T * count, _batch(call, projected))
        call = call._replace(sequence=call.sequence._replace(lengths=whole))
    elif T % count:
        hint = "Pad xs, and say the true number of steps by `lengths`."
        fail("xs", f"of a number of steps that the {count} devices along {axis!r} divide", Said(f"T = {T}"), hint)
    layer, plan = still(cell), Plan(reverse, None, backend, projected)
    if inside:
        return _part(layer, plan, axis, call)
    return (_whole if is_open(layer) else _whole_jitted)(layer, plan, axis, methods(layer), call)


def _batch(call: Call, projected: bool) -> tuple[Any, ...]:
    return settle(call.sequence).batch_axes(projected)


def _devices(axis: Any) -> tuple[bool, int]:
    """Whether this is inside `shard_map` over an axis, and how many devices lie along it."""
    mesh = jax.sharding.get_abstract_mesh()
    if not isinstance(axis, str) or axis not in mesh.axis_names:
        hint = nearest(axis, mesh.axis_names) or "Call it inside `jax.shard_map`, or set a mesh: `jax.set_mesh(mesh)`."
        fail("axis", f"an axis of the mesh that is set, one of {mesh.axis_names}", axis, hint)
    return axis in mesh.manual_axes, mesh.shape[axis]


def _whole(cell: Cell, plan: Plan, axis: str, read: Hashable, call: Call) -> tuple[Carry, Any]:
    everywhere: Any = PartitionSpec()
    timed: Any = PartitionSpec(axis)
    given = call.sequence
    sequence = given._replace(
        xs=timed,
        start_step=everywhere,
        per_step=dict.fromkeys(given.per_step, timed),
        **{n: None if getattr(given, n) is None else timed for n in ("mask", "resets", "segments")},
        lengths=None if given.lengths is None else everywhere,
    )
    specs = Call(everywhere, sequence, everywhere, everywhere, everywhere)
    given = jax.tree.map(partial(_over, axis), given, sequence)
    call = call._replace(sequence=given._replace(start_step=jnp.asarray(given.start_step, jnp.int32)))

    def part(call: Call) -> tuple[Carry, Any]:
        return _part(cell, plan, axis, call)

    return jax.shard_map(part, in_specs=(specs,), out_specs=(everywhere, timed), axis_names={axis})(call)


def _over(axis: str, array: ArrayLike, spec: PartitionSpec) -> Any:
    """On a mesh with explicit axes time has to lie there already."""
    if not spec:
        return array
    array = jnp.asarray(array)
    return lay(explicit_mesh(array), array, (axis, *place(array)[1:]))


_whole_jitted = jax.jit(_whole, static_argnums=(0, 1, 2, 3))


def _part(cell: Cell, plan: Plan, axis: str, call: Call) -> tuple[Carry, Any]:
    """This device's part. Lengths are of the whole, and become a mask of the part."""
    given, here = call.sequence, lax.axis_index(axis)
    T = given.xs.shape[0]
    mask = given.mask
    if given.lengths is not None:
        within = valid_steps(T, given.lengths - (here * T).astype(given.lengths.dtype), None)
        mask = within if mask is None else within & mask
    time = jnp.asarray(given.start_step, jnp.int32) + (here * T).astype(jnp.int32)
    sequence = settle(given._replace(lengths=None, mask=mask, start_step=time))
    job = job_of(cell, call._replace(sequence=sequence), plan)
    mine = devices.marks(given.resets, sequence.segments, sequence.valid, plan.reverse)
    sizes = (T, *jax.tree.leaves(job.carry)[0].shape[:-1])
    recurrence = recurrence_for(cell, plan.backend, job.dtype, state_dtype(job.carry), sizes)
    return devices.run(recurrence, job, mine, axis)
