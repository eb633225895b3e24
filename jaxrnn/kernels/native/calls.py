"""The two calls of the library, forward and backward, written down as tables.

Forward, a block of steps projects its inputs in one product, then goes step by step: vectors, product, vectors. What is
kept for the backward call is the carry before every step, and what came of its products where memory allows.

Backward, a block opens all its steps at once (projection, products), goes back step by step, and ends with one product
for each kernel's gradient. Rows of the batch go in groups, one a thread; nothing is exchanged between them.
"""

from __future__ import annotations

import jax
import numpy as np

from jaxrnn.kernels.native import library, row
from jaxrnn.kernels.native.arrays import (
    Operands,
    Spec,
    backward_results,
    findings,
    forward_results,
    is_long_sum,
    keeps_projection,
    sizes,
)
from jaxrnn.kernels.native.call import Call, Prepared
from jaxrnn.kernels.native.program import NONE, added, stores
from jaxrnn.kernels.native.vectors import Graph


def prepare_forward(spec: Spec, operands: Operands, keep: bool) -> Prepared:
    """The tables of the forward call."""
    cell, signature, size = spec.cell, spec.signature, sizes(spec, operands)
    call = Call(spec, size, operands, forward_results(spec, operands, keep))
    tables, graph = call.tables, call.graph
    for i, shape in enumerate(signature.carry):  # the state lives in the final carry
        tables.starts.append((tables.numbers["final", i], tables.numbers["carry", i], 0, shape[0]))
        tables.numbers["carry", i] = tables.numbers["final", i]
    alone = spec.in_place and size.T == 1  # then all its products are shared among threads, one after the other
    early = tables.step if alone else tables.before
    early += call.projection(at_once=False)
    given, values = call.inputs()
    out = row.evaluate(graph, row.trace_forward(cell, signature), given, values)
    stages = [call.multiplied(k, v) for k, v in enumerate(out["multiplied"])]
    last = [s for i, v in enumerate(out["carry"]) for s in stores(("final", i), v, last=True)]
    last += stores(("y", 0), out["y"])
    if signature.carries:
        last += [s for i, v in enumerate(out["carries"]) for s in stores(("carries", i), v)]
    if keep:
        shown = findings(cell, signature).shown
        last += [s for i, v in enumerate(given.carry) if i != shown for s in stores(("before", i), v)]
        if spec.saved:
            last += [s for k, v in enumerate(call.kept(given, values)) for s in stores(("saved", k), v)]
        if keeps_projection(spec, operands):
            last += stores(("projection", 0), given.x)
    for k, actions in enumerate(tables.stages(graph, [*stages, last])):
        tables.step += actions
        if k < len(call.products):
            tables.step += call.product(k)
    return call.finish()


def prepare_backward(spec: Spec, operands: Operands, live: frozenset[str]) -> Prepared:
    """The tables of the backward call: of operands, what the forward call kept, and cotangents of its results."""
    cell, signature, size = spec.cell, spec.signature, sizes(spec, operands)
    results = list(backward_results(spec, operands, live).values())
    lost = [a._replace(name=(*a.name, "lost")) for a in results if is_long_sum(spec, operands, a)]
    results += lost
    call = Call(spec, size, operands, results, back=True)
    tables, graph, numbers = call.tables, call.graph, call.tables.numbers
    shared = [a for a in results if a.role == "shared"]
    for a in shared:
        tables.starts.append((numbers[a.name], NONE, int(np.prod(a.shape[:-2], dtype=int)), int(np.prod(a.shape[-2:]))))
    for a in results:
        if a.role == "row":
            source = numbers["ct_final", a.name[1]] if a.name[0] == "dcarry" else NONE
            tables.starts.append((numbers[a.name], source, 0, int(np.prod(a.shape[1:]))))
    for i, _ in enumerate(signature.carry):
        numbers["carry", i] = numbers["before", i]
        numbers["ct_carry", i] = numbers["dcarry", i]
    if not call.opened and (None in call.summed or not spec.saved):
        tables.before += call.projection(at_once=True)
    elif "kernel" in live:
        tables.before += call.gather()

    given, values = call.inputs()
    if not spec.saved:
        opened = row.evaluate(graph, row.trace_forward(cell, signature), given, values)["multiplied"]
        stages = [[*stores(("multiplied", k), v)] for k, v in enumerate(opened)]
        for k, actions in enumerate(tables.stages(graph, stages)):
            tables.before += [*actions, *call.product(k)]

    backward = Graph(frozenset(library.OPERATIONS))
    call.graph = backward
    given, values = call.inputs()
    cotangents = row.load_cotangents(backward, cell, signature)
    out = row.evaluate(backward, row.trace_backward(cell, signature), given, values, cotangents)
    needed = row.reached(backward, [out[k] for k in ("carry", "x", "theta", "start", "floats", "values")])
    order = range(len(call.products) - 1, -1, -1)
    stages = [[*stores(("dvalues", k), out["values"][k])] for k in order]
    last = [s for i, v in enumerate(out["carry"]) for s in stores(("dcarry", i), v, last=True)]
    sums = {("dstart", i): v for i, v in enumerate(jax.tree.leaves(out["start"], is_leaf=row.is_value))}
    sums |= {("dtheta", i): out["theta"][n] for i, (n, _, dtype) in enumerate(signature.theta) if dtype != "bool"}
    for at, v in sums.items():
        last += added(backward, at, v, (*at, "lost") if lost else None)
    for i, v in enumerate(jax.tree.leaves(out["floats"], is_leaf=row.is_value)):
        last += stores(("dfloats", i), v)
    same = bool(call.products) and np.array_equal(out["x"].nodes, out["values"][0].nodes)
    if spec.projected:
        last += stores(("dxs", 0), out["x"]) if "xs" in live else []
    elif same:
        numbers["dx", 0] = numbers["dvalues", 0]
    else:  # takes the place of x, which the step has read by then, unless that has more digits
        free = None in call.summed and not call.pairs and not call.opened
        numbers["dx", 0] = numbers["x", 0] if free else tables.local(("dx", 0), call.width, multiplied=True)
        last += stores(("dx", 0), out["x"], last=True)
    if spec.saved and "kernels" in live:
        last += [s for k, v in enumerate(out["multiplied"]) for s in stores(("multiplied", k), v)]
    for k, actions in zip([*order, NONE], tables.stages(backward, [*stages, last]), strict=True):
        tables.step += actions
        if k != NONE and int(cotangents["multiplied"][k].nodes) in needed:
            tables.step += call.product_transposed(k)
    tables.after += call.gradients(live)
    return call.finish()
