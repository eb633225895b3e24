"""What the lowering for TPUs or GPUs says of a cell: it is asked on any machine, once for each; nothing is compiled."""

from __future__ import annotations

import re
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental.pallas import tpu as pltpu
from jax.sharding import AbstractDevice, AbstractMesh, use_abstract_mesh

from jaxrnn.base.platform import INTERPRETED, INTERPRETED_GPU, platform
from jaxrnn.core.cell import Cell
from jaxrnn.engine.lift import Lifted
from jaxrnn.forms.dense import dense
from jaxrnn.forms.heads import Heads
from jaxrnn.forms.kernel import Kernel
from jaxrnn.kernels.native.arrays import Operands, shown_results
from jaxrnn.kernels.native.graph import Declined
from jaxrnn.kernels.native.primitive import Form
from jaxrnn.kernels.native.row import Signature, check_rows
from jaxrnn.kernels.pallas import by_unit, layout, lower, tiles
from jaxrnn.kernels.pallas.layout import Spec
from jaxrnn.kernels.pallas.step import trace

# Some rules of the lowering ask which chip it is for.
DESCRIBED = AbstractMesh((), (), abstract_device=AbstractDevice("TPU v5 lite", num_cores=1, platform="tpu"))
T, N = 3, tiles.ROWS[-1]  # of the sequence that is lowered to find out
NOT_ON_ROWS = "the equations do not run on rows of a batch"
MISSING = re.compile(r"primitive in Pallas (?:TPU|Mosaic GPU) lowering(?: for \w+)?: ([\w-]+)")
SHARED = re.compile(r"smem_bytes=(\d+) > max_smem_bytes=(\d+)")
HOPPER = "9.0"  # whose products of warpgroups these are


def for_gpus() -> bool:
    """Whether kernels are made for GPUs."""
    return platform() in ("gpu", INTERPRETED_GPU)


def where() -> str | None:
    """Why nothing runs here; None on TPUs with memory enough, on GPUs of a kind, and in the interpreters."""
    if platform() not in ("tpu", "gpu", INTERPRETED, INTERPRETED_GPU):
        return f"runs on TPUs and GPUs, and JAX's default backend is {platform()!r}"
    if for_gpus():
        return _which_gpu()
    if jax.default_backend() != "tpu" or platform() == INTERPRETED:  # a chip that is described
        return None
    there = pltpu.get_tpu_info().vmem_capacity_bytes
    if there >= tiles.LIMIT:
        return None
    return f"asks for {tiles.LIMIT:,} bytes of fast memory, and this TPU has {there:,}"


def _which_gpu() -> str | None:
    if jax.__version_info__ < (0, 12):
        return f"has kernels for GPUs with JAX 0.12, and this is {jax.__version__}"
    if jax.default_backend() != "gpu" or platform() == INTERPRETED_GPU:
        return None
    there = getattr(jax.devices()[0], "compute_capability", None)
    return None if there == HOPPER else f"is for GPUs of compute capability {HOPPER}, and that of this one is {there}"


def usual(cell: Cell, stored: str, dtype: str) -> str | None:
    """Why a cell does not run, with per-step inputs as they usually are."""
    carry = tuple(tuple(s) for s in cell.carry_shapes(()))
    units = [(n, a.shape, dtype) for n, a in cell.theta_shapes(dtype).items()]
    masks = [(n.name, cell.mask_shape(n), "bool") for n in cell.noises]
    fixed = [m for m, n in zip(masks, cell.noises, strict=True) if n.fixed]
    read = cell.update.read if isinstance(cell.update, Lifted) else ()
    theta = tuple(sorted((*units, *fixed, *read)))
    drawn = [m for m, n in zip(masks, cell.noises, strict=True) if not n.fixed]
    # They are known when they are given; some equations are declined whatever these are.
    given = [(shape, kind) for shape in ((cell.size,), ()) for kind in (dtype, "bool")] if cell.per_step else [((), "")]
    signatures = [[*drawn, *((n, *form) for n in cell.per_step)] for form in given]
    reasons = [
        why_not(cell, Signature(carry, theta, tuple(sorted(given)), True, True, False, dtype, stored))
        for given in signatures
    ]
    fitting = [r for r in reasons if r is None or not r.startswith(NOT_ON_ROWS)]
    return None if None in fitting else [*fitting, *reasons][0]


def why_not(cell: Cell, signature: Signature) -> str | None:
    """Why a cell does not run on rows of this form; None where it does."""
    return _why_not(cell, signature, for_gpus(), jax.config.values["jax_default_matmul_precision"])


@lru_cache(maxsize=256)
def _why_not(cell: Cell, signature: Signature, gpu: bool, precision: str | None) -> str | None:
    for name, shape, dtype in signature.per_step:
        if len(shape) != 1 or not (dtype in ("bool", "int32") or jnp.issubdtype(dtype, jnp.floating)):
            return f"reads per-step inputs of a vector a row, and {name!r} is {dtype}{list(shape)}"
    for name, shape, _ in signature.theta:
        if len(shape) not in (1, 2):
            return f"reads vectors, and {name!r} is of shape {shape}"
    try:
        check_rows(cell, signature)
    except Exception as error:  # of a user's equations, whatever it is; they say it again where they run as they stand
        return f"{NOT_ON_ROWS}: {error}"
    try:
        if gpu:
            by_unit.check(cell, signature, trace(cell, signature, cell.size + 1), cell.size + 1)
            return _lowered(cell, signature._replace(stored="bfloat16"), gpu)
        return _too_large(cell, signature) or _lowered(cell, signature, gpu)
    except Declined as reason:
        return str(reason)


def _too_large(cell: Cell, signature: Signature) -> str | None:
    spec = Spec(cell, signature, False, None, False, False)
    traced = trace(cell, signature, N)
    needed = max(
        tiles.least(layout.forward(spec, 1, 2 * N, True)), tiles.least(layout.backward(spec, traced, 1, 2 * N))
    )
    if needed <= tiles.BUDGET:
        return None
    return (
        f"holds all kernels in a TPU's fast memory: {needed:,} bytes with a tile, where {tiles.BUDGET:,} are the most"
    )


def _lowered(cell: Cell, signature: Signature, gpu: bool) -> str | None:
    """What the lowering has no form of, forward or backward."""
    spec = Spec(cell, signature, False, None, False, gpu)
    form, leaves, results = _call(spec)
    described = nullcontext() if gpu else use_abstract_mesh(DESCRIBED)
    for run, given in ((lower.run_forward, leaves), (lower.run_backward, (*leaves, *results))):
        try:
            with described:
                traced = jax.jit(run, static_argnames="form").trace(*given, form=form)
                traced.lower(lowering_platforms=("cuda" if gpu else "tpu",))
        except Exception as error:  # of several types, by primitive and version
            way = "" if run is lower.run_forward else " in a derivative"
            if missing := MISSING.search(str(error)):
                return f"has no `{missing[1]}`{way}"
            if large := SHARED.search(str(error)):
                needed, there = map(int, large.groups())
                said = f"{needed:,} bytes, where {there:,} are the most"
                return f"holds a head's kernels in a GPU's shared memory{way}: {said}"
            return f"is not lowered{way}: {str(error).splitlines()[0]}"
    return None


def _call(spec: Spec) -> tuple[Form, tuple[Any, ...], tuple[Any, ...]]:
    """A call of that form: its static part, the operands, and what the backward call is given besides."""
    cell, signature = spec.cell, spec.signature
    array = lambda shape, dtype: jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))  # noqa: E731
    carry = cell.carry_type(*(array((N, *s), signature.dtype) for s in signature.carry))
    per_step = {n: array((T, N, *s), dtype) for n, s, dtype in signature.per_step}
    floats = {n: a for n, a in per_step.items() if jnp.issubdtype(a.dtype, jnp.floating)}
    flags = array((T, N), bool)
    operands = Operands(
        xs=array((T, N, len(cell.gates), cell.seen), signature.stored),
        kernel=None,
        bias=None,
        kernels=_kernels(spec),
        carry=carry,
        theta={n: array((N, *s), dtype) for n, s, dtype in signature.theta},
        start=carry if signature.resets else None,
        floats=floats,
        flags={n: a for n, a in per_step.items() if n not in floats},
        valid=flags if signature.masked else None,
        reset=flags if signature.resets else None,
    )
    leaves, tree = jax.tree.flatten(operands)
    live = tuple(i for i, a in enumerate(leaves) if jnp.issubdtype(a.dtype, jnp.floating))
    shown = [array(a.shape, a.dtype) for a in shown_results(spec, operands)]
    kept = [array(a.shape, a.dtype) for a in lower.PALLAS.kept(spec, operands)]
    form = Form(spec, tree, keep=True, live=live)
    return form, tuple(leaves), (*kept, shown[len(carry)], *shown)


def _kernels(spec: Spec) -> dict[str, Kernel]:
    """The kernels as they are multiplied: a matrix a gate, or one for each head."""

    def one(k: Kernel) -> Kernel:
        heads = by_unit.heads_of(spec.cell, spec.signature.stored) if spec.gpu else 1
        shape = (k.inputs // heads, *(() if k.columns is None else (k.stored,)), k.units // heads)
        array = jax.ShapeDtypeStruct((heads, *shape) if spec.gpu else shape, jnp.dtype(spec.signature.stored))
        return Kernel(Heads(heads) if spec.gpu else dense, (array,), k.columns)

    return {n: one(k) for n, k in sorted(spec.cell.kernel_shapes(spec.signature.stored).items())}
