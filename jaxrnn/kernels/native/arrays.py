"""The arrays of a call: what goes in, what comes out, and how its rows and steps are cut."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.dtypes import is_integer
from jaxrnn.base.typing import Carry, Params
from jaxrnn.core.cell import Cell
from jaxrnn.core.step import Rows, Step
from jaxrnn.forms.kernel import Kernel, by_columns
from jaxrnn.forms.quantized import Quantized, holds_matrices
from jaxrnn.kernels.native import library, row
from jaxrnn.kernels.native.graph import Declined
from jaxrnn.kernels.native.row import Signature
from jaxrnn.kernels.native.symbols import inside
from jaxrnn.kernels.native.vectors import Graph

PART_BYTES = 2**20  # of kernels that are read where they lie: with less for each, to wake a thread costs more
SHORT, SHORT_HALF = 32, 16  # rows, of all steps, with as many or fewer kernels are read where they lie; of 16 bits
VECTORS = 16  # an output's equations take as long as so many of a product's numbers
BLOCK_ROWS = 80  # rows of a block, steps times batch rows: large products, and a block's arrays stay in cache
LONG = 512  # steps; of more, sums over steps keep what rounding takes from them
ROWS_AT_ONCE = 128  # of a thread at once: what a step makes of them stays in its cache
FEW_ROWS = 4  # with as many or fewer, threads share columns in place of rows
MANY_ROWS, LARGE = 32, 2**20  # and with as many where kernels have so many numbers
LEAST_UNITS = 32  # of a thread: with less, what it waits for the others is more than what it does


class Operands(NamedTuple):
    """The arrays of a call, rows `[N]` for the batch axes. None where there is nothing."""

    xs: Any  # [T, N, D], int32 [T, N] of symbols, or [T, N, G, H] projected
    kernel: Any  # a Kernel of all gates; None when projected
    bias: Any  # [G, H]
    kernels: dict[str, Kernel]  # the recurrent ones
    carry: Any  # [N, C] each
    theta: dict[str, Any]  # [N, ...]
    start: Any  # like carry
    floats: dict[str, Any]  # [T, N, ...]
    flags: dict[str, Any]
    valid: Any  # [T, N]
    reset: Any

    @property
    def inputs(self) -> int:
        """D, or the number of symbols."""
        return self.kernel.inputs

    @property
    def symbols(self) -> bool:
        """Whether inputs are symbols."""
        return self.kernel is not None and self.xs.ndim == 2

    @property
    def quantized(self) -> bool:
        """Whether some kernels are of int8."""
        kernels = (*self.kernels.values(), *([] if self.kernel is None else [self.kernel]))
        return any(isinstance(k.form, Quantized) for k in kernels)

    def params(self) -> dict[str, Any]:
        """The parameters of products, by their names."""
        return self.kernels | {n: a for n, a in (("kernel", self.kernel), ("bias", self.bias)) if a is not None}


def gather(cell: Cell, params: Params, dtype: Any, projected: bool, steps: Step, carry: Carry, rows: Rows) -> Operands:
    """The arrays of a call; batch axes become rows."""
    leaf = jax.tree.leaves(carry)[0]
    batch, T, N = leaf.shape[:-1], steps.x.shape[0], int(np.prod(leaf.shape[:-1], dtype=int))
    row_form = lambda a: a.reshape(N, *a.shape[len(batch) :])  # noqa: E731
    step_form = lambda a: a.reshape(T, N, *a.shape[1 + len(batch) :])  # noqa: E731
    floats = {n: a.astype(leaf.dtype) for n, a in steps.per_step.items() if jnp.issubdtype(a.dtype, jnp.floating)}
    held, symbols = _held(params, dtype), is_integer(steps.x.dtype)
    return Operands(
        xs=step_form(inside(steps.x, cell.input_size(params)) if symbols else steps.x.astype(dtype)),
        kernel=None if projected else _input_kernel(cell, params, held),
        bias=cell.input_bias(params, leaf.dtype) if cell.has_input_bias and not projected else None,
        kernels=dict(sorted(cell.kernels(params, held).items())),
        carry=jax.tree.map(row_form, carry),
        theta=jax.tree.map(row_form, rows.theta),
        start=jax.tree.map(row_form, rows.start),
        floats=jax.tree.map(step_form, floats),
        flags={n: step_form(a) for n, a in steps.per_step.items() if n not in floats},
        valid=None if steps.valid is None else step_form(steps.valid),
        reset=None if steps.reset is None else step_form(steps.reset),
    )


def _held(params: Params, dtype: Any) -> Any:
    """The dtype in which kernels go in. Wider ones than are multiplied are rounded there, their gradients are not."""
    if jnp.dtype(dtype).itemsize > 2:
        return dtype
    given = {a.dtype for a in jax.tree.leaves(params) if jnp.issubdtype(a.dtype, jnp.floating)}
    return dtype if given <= {jnp.dtype(dtype)} else jnp.dtype(jnp.float32)


def is_dense(cell: Cell, params: Params) -> bool:
    """Whether inputs are multiplied by matrices, a gate each, once maps have been applied."""
    return holds_matrices(cell.input_kernel(params, jnp.float32).form)


def _input_kernel(cell: Cell, params: Params, dtype: Any) -> Kernel:
    """With columns for all gates, zero at those without a kernel."""
    kernel = cell.input_kernel(params, dtype)
    arrays = tuple(by_columns(a, kernel.columns) for a in kernel.arrays)  # type: ignore[arg-type]
    return Kernel(kernel.form, arrays, tuple(range(len(cell.gates))))


def describe(operands: Operands, carries: bool, dtype: Any) -> Signature:
    """One row of the operands."""
    per_step = operands.floats | operands.flags
    return Signature(
        tuple(tuple(a.shape[1:]) for a in operands.carry),
        tuple((n, tuple(a.shape[1:]), a.dtype.name) for n, a in sorted(operands.theta.items())),
        tuple((n, tuple(a.shape[2:]), a.dtype.name) for n, a in sorted(per_step.items())),
        operands.valid is not None,
        operands.reset is not None,
        carries,
        jax.tree.leaves(operands.carry)[0].dtype.name,
        jnp.dtype(dtype).name,
    )


class Roles(NamedTuple):
    """Where each field of `Operands` has its rows."""

    xs: str = "step"
    kernel: str = "shared"
    bias: str = "shared"
    kernels: str = "shared"
    carry: str = "row"
    theta: str = "row"
    start: str = "row"
    floats: str = "step"
    flags: str = "step"
    valid: str = "step"
    reset: str = "step"


class Spec(NamedTuple):
    """The static part of a call."""

    cell: Cell
    signature: Signature
    projected: bool
    reverse: bool
    block: int | None  # steps, where the caller settled it
    saved: bool = False  # keep the results of all products for the backward call, rather than multiply again
    in_place: bool = False  # kernels are read where they lie, not packed; forward, for a few steps of few rows


class Array(NamedTuple):
    """A result of a call: its name in the tables, shape, dtype and role."""

    name: Any
    shape: tuple[int, ...]
    role: str
    dtype: Any


class Sizes(NamedTuple):
    """T steps, N rows in `groups`, `block` steps at a time; `parts` of each kernel where it is not packed; a `team` of
    threads where they share columns; `pieces` of a group's rows, which run one after the other."""

    T: int
    N: int
    groups: int
    block: int
    parts: int = 0
    team: int = 0
    pieces: int = 1

    @property
    def rows(self) -> int:
        """Of a piece."""
        return -(-self.N // (self.groups * self.pieces))


def sizes(spec: Spec, operands: Operands) -> Sizes:
    """How a call is cut. Little work is not worth a second thread."""
    T, N = operands.xs.shape[:2]
    products = row.products(spec.cell, spec.signature)
    if spec.in_place:
        kernels = jax.tree.leaves((None if operands.symbols else operands.kernel, operands.kernels))
        read = sum(k.size * k.dtype.itemsize for k in kernels)
        # Two parts a thread: the caller goes on while the others wake. Tiles wait for each other, so they are one part.
        parts = max(1, min(2 * library.threads(), read // PART_BYTES))
        return Sizes(T, N, 1, T, parts if all(len(p.tiles) == 1 for p in products) else 1)
    width = len(spec.cell.gates) * spec.cell.size
    inputs = 0 if operands.kernel is None else operands.kernel.arrays[0].size
    # Of each row and step: of cells without products in the step the input's is what there is, or vectors alone.
    work = 2 * T * N * max(sum(p.numbers for p in products), inputs, VECTORS * width)
    if team := 0 if operands.quantized else _team(spec, N, work, products):  # none of int8
        block = spec.block or -(-BLOCK_ROWS // N)
        return Sizes(T, N, 1, max(1, min(block, T)), team=team)
    groups = max(1, min(library.threads(), N)) if work > 4e6 else 1
    pieces = -(-N // (groups * ROWS_AT_ONCE))
    block = spec.block or -(-BLOCK_ROWS // max(1, -(-N // (groups * pieces))))
    return Sizes(T, N, groups, max(1, min(block, T)), pieces=max(1, pieces))


def is_short(spec: Spec, operands: Operands) -> bool:
    """Whether a forward call is so short that to pack its kernels takes longer than what packed ones save.

    Rows that begin late or end early have the same sums as rows of full length, so they are never cut in another way.
    """
    T, N = operands.xs.shape[:2]
    most = SHORT_HALF if spec.signature.half else SHORT
    return 0 < T * N <= most and not (spec.signature.masked or operands.quantized)


def _team(spec: Spec, N: int, work: int, products: tuple[row.Product, ...]) -> int:
    """How many threads at most share columns; 0 where each has rows.

    Few rows, or kernels that no core's cache holds twice (of 16 bits they are read fast enough). The choice between
    the two asks nothing about this machine: gradients of kernels add up in another order.
    """
    dense = [len(p.tiles) == 1 and (p.tiles[0].rows, p.tiles[0].columns) == (p.inputs, p.outputs) for p in products]
    numbers = sum(p.numbers for p in products)
    most = FEW_ROWS if spec.signature.half or numbers < LARGE else MANY_ROWS
    if not all(dense) or most < N:
        return 0
    units = min((p.shape[-1] for p in products), default=spec.cell.size)
    return max(1, units // LEAST_UNITS) if work > 4e6 else 1


class Findings(NamedTuple):
    """What the equations of a step allow."""

    partners: tuple[tuple[int, int] | None, ...]  # of x at each gate: see `row.partners`
    shown: int | None  # the state that is the output as well: it is kept once

    @property
    def fused(self) -> bool:
        """Whether projection and first product enter as their sum only: one array holds both."""
        return all(p == (0, gate) for gate, p in enumerate(self.partners))


@lru_cache(maxsize=512)
def findings(cell: Cell, signature: Signature) -> Findings:
    """Read them off the graphs of both directions: a function with a derivative of its own may see more there."""
    graph = Graph(frozenset(library.OPERATIONS))
    given, values = row.load_inputs(graph, row.inputs(cell, signature)), row.load_values(graph, cell, signature)
    out = row.evaluate(graph, row.trace_forward(cell, signature), given, values)
    cotangents = row.load_cotangents(graph, cell, signature)
    back = row.evaluate(graph, row.trace_backward(cell, signature), given, values, cotangents)
    roots = {int(n) for v in jax.tree.leaves((out, back), is_leaf=row.is_value) for n in v.nodes.reshape(-1)}
    partners = row.partners(graph, given.x, values, roots)
    if signature.leaves_out:  # at valid steps a state is the output where it is one without a mask
        return Findings(partners, findings(cell, signature._replace(masked=False)).shown)
    shown = [i for i, v in enumerate(out["carry"]) if np.array_equal(v.nodes, out["y"].nodes)]
    if signature.half:  # the output has fewer digits than the state, which nothing but products may then read
        read = {j for i in row.reached_from(graph, roots) for j in graph.nodes[i].inputs}
        shown = [i for i in shown if not read & {int(n) for n in given.carry[i].nodes.flat}]
    return Findings(partners, shown[0] if shown else None)


def check(cell: Cell, signature: Signature) -> None:
    """Raise `Declined` where the equations have something that vector programs lack."""
    row.check_rows(cell, signature)
    if signature.half and any(isinstance(p.form, Quantized) for _, p in cell.parameters):
        raise Declined(f"multiplies kernels of int8 with float32 or float64, not with {signature.stored}")
    findings(cell, signature)  # evaluates both directions


def forward_results(spec: Spec, operands: Operands, keep: bool) -> list[Array]:
    """What the forward call returns: the final carry, outputs, and what the backward call needs."""
    return shown_results(spec, operands) + (kept(spec, operands) if keep else [])


def shown_results(spec: Any, operands: Operands) -> list[Array]:
    """The final carry, outputs, and the carries where they are asked for."""
    cell, (T, N) = spec.cell, operands.xs.shape[:2]
    dtype, shapes = spec.signature.dtype, list(enumerate(spec.signature.carry))
    results = [Array(("final", i), (N, *shape), "row", dtype) for i, shape in shapes]
    results.append(Array(("y", 0), (T, N, cell.output_size), "step", spec.signature.stored))
    if spec.signature.carries:
        results += [Array(("carries", i), (T, N, *shape), "step", dtype) for i, shape in shapes]
    return results


def kept(spec: Spec, operands: Operands) -> list[Array]:
    """What the forward call returns for the backward call alone: carries before every step, results of products."""
    cell, (T, N) = spec.cell, operands.xs.shape[:2]
    shown, dtype = findings(cell, spec.signature).shown, spec.signature.dtype
    before = enumerate(spec.signature.carry)
    arrays = [Array(("before", i), (T, N, *shape), "step", dtype) for i, shape in before if i != shown]
    if spec.saved:
        products = enumerate(row.products(spec.cell, spec.signature))
        arrays += [Array(("saved", k), (T, N, *p.shape), "step", spec.signature.stored) for k, p in products]
    if keeps_projection(spec, operands):
        arrays.append(Array(("projection", 0), (T, N, len(cell.gates), cell.size), "step", spec.signature.stored))
    return arrays


def keeps_projection(spec: Spec, operands: Operands) -> bool:
    """Whether what came of the inputs is kept for the backward call: of cells that multiply nothing else, if saved."""
    return spec.saved and not (spec.projected or operands.symbols) and row.projects_alone(spec.cell, spec.signature)


def backward_results(spec: Spec, operands: Operands, live: frozenset[str]) -> dict[tuple[str, int], Array]:
    """Cotangents, by field of `Operands` and place in it. `live`: the fields asked for, where they cost a product."""
    signature = spec.signature
    T, N = operands.xs.shape[:2]
    real = lambda arrays: [i for i, (_, _, dtype) in enumerate(arrays) if dtype != "bool"]  # noqa: E731
    shapes: dict[tuple[str, int], tuple[int, ...]] = {}
    dtypes: dict[tuple[str, int], Any] = {}  # where they are not the carry's
    for i, shape in enumerate(signature.carry):
        shapes["carry", i] = (N, *shape)
        if signature.resets:
            shapes["start", i] = (N, *shape)
    for i in real(signature.theta):
        shapes["theta", i] = (N, *signature.theta[i][1])
    for place, i in enumerate(real(signature.per_step)):
        shapes["floats", place] = (T, N, *signature.per_step[i][1])
    for field in ("xs", "kernel", "bias", "kernels"):
        if field in live:
            leaves = {(field, i): a for i, a in enumerate(jax.tree.leaves(getattr(operands, field)))}
            shapes |= {key: a.shape for key, a in leaves.items()}
            dtypes |= {key: a.dtype for key, a in leaves.items()}
    roles = Roles()._asdict()
    return {
        key: Array((f"d{key[0]}", key[1]), shape, roles[key[0]], dtypes.get(key, signature.dtype))
        for key, shape in shapes.items()
    }


def is_long_sum(spec: Spec, operands: Operands, result: Array) -> bool:
    """Whether a result of the backward call is a float32 sum over so many steps that it would lose digits."""
    return result.name[0] in ("dstart", "dtheta") and operands.xs.shape[0] > LONG and spec.signature.dtype == "float32"
