"""A cell's step as a function in C: the input's projection, then vectors and products in turn, as natively."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.core.cell import Cell
from jaxrnn.core.kernels import KERNEL
from jaxrnn.kernels.c.products import Weights, runs_of_gates, with_tiles
from jaxrnn.kernels.c.text import File, identifier
from jaxrnn.kernels.c.vectors import Program, new_graph
from jaxrnn.kernels.native import row
from jaxrnn.kernels.native.backend import NOT_ON_A_ROW, no_program
from jaxrnn.kernels.native.graph import Declined, Value
from jaxrnn.kernels.native.program import stores
from jaxrnn.kernels.native.row import Signature

F32 = np.dtype(np.float32)


class CellStep:
    """One cell of a model: its constants and its state in the file, and how its step is called."""

    def __init__(self, file: File, path: str, cell: Cell, params: Any, *, symbols: bool) -> None:
        self.file, self.cell, self.symbols = file, cell, symbols
        self.params = cell.prepare(params)
        self.path, self.stem = path, f"{path}_" if path else ""
        self.signature, self.sizes = _signature(cell)
        self.inputs, self.outputs = cell.input_size(params), cell.output_size
        self.carry = self._carry()
        self._write()

    # ---- constants and state

    def _carry(self) -> list[str]:
        """The members that hold the state; each has its numbers to begin with."""
        initial = self.cell.initial_carry((), self.params, F32)
        found = []
        for name, array in zip(initial._fields, jax.tree.leaves(initial), strict=True):
            values = np.asarray(array, np.float32)
            member = self.file.member(
                identifier(f"{self.stem}{name}"), values.size, f"state of {self._said()}", state=True
            )
            found.append(member)
            if values.any():
                begin = self.file.constant(f"{self.stem}initial_{name}", values, f"{self._said()}, where it begins")
                self.file.resets.append(f"memcpy({member}, {begin}, sizeof {begin});")
            else:
                self.file.resets.append(f"for (size_t j = 0; j < {values.size}; ++j) {member}[j] = 0.0f;")
        return found

    def _said(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.cell.name}({self.cell.size})"

    # ---- the function

    def _write(self) -> None:
        cell, file = self.cell, self.file
        program, graph = Program(), new_graph()
        products = row.products(cell, self.signature)
        for i, member in enumerate(self.carry):
            program.array(("carry", i), member)
            program.array(("final", i), member)
        program.array(("y", 0), "y")
        theta = cell.theta(self.params, (), F32, None)
        for i, (name, _, _) in enumerate(self.signature.theta):
            held = np.asarray(theta[name], np.float32)
            program.array(("theta", i), file.constant(f"{self.stem}{name}", held, f"{self._said()}, {name}"))
        for field in ("floats", "flags"):
            kind = np.bool_ if field == "flags" else np.floating
            names = [n for n, _, dtype in self.signature.per_step if jnp.issubdtype(dtype, kind)]
            for i, name in enumerate(names):
                program.array((field, i), identifier(name))
        given = row.load_inputs(graph, row.inputs(cell, self.signature))
        values = row.load_values(graph, cell, self.signature)
        traced = row.trace_forward(cell, self.signature)
        out = row.evaluate(graph, traced, given, values)
        roots = {int(n) for v in jax.tree.leaves(out, is_leaf=row.is_value) for n in v.nodes.reshape(-1)}
        partners = row.partners(graph, given.x, values, roots)
        fused = all(p == (0, gate) for gate, p in enumerate(partners))
        program.local(("x", 0), len(cell.gates) * cell.size, "sums" if fused else "projected")
        for k, p in enumerate(products):
            if p.between:
                program.local(("between", k), p.between, f"between_{k}")
            if k or not fused:
                program.local(("values", k), p.outputs, f"product_{k}")
        if fused:  # only the sum of projection and product is used: one array holds both
            program.tables.numbers["values", 0] = program.tables.numbers["x", 0]
            first = values[0].nodes.copy()
            values[0].nodes.reshape(-1)[:] = graph.constant(-0.0)  # which changes no sum
            given = given._replace(x=given.x._replace(nodes=first))
            out = row.evaluate(graph, traced, given, values)
        kernels = cell.kernels(self.params, F32)
        weights = {n: Weights(file, f"{self.stem}{n}", k, self._said()) for n, k in kernels.items()}
        body = self._projection(program)
        stages = [self._multiplied(program, graph, k, v) for k, v in enumerate(out["multiplied"])]
        last = [s for i, v in enumerate(out["carry"]) for s in stores(("final", i), v, last=True)]
        for k, loops in enumerate(program.stages(graph, [*stages, [*last, *stores(("y", 0), out["y"])]])):
            body += loops
            if k < len(products):
                body += self._product(program, weights[products[k].kernel], products[k], k, fused=fused and k == 0)
        file.work = max(file.work, program.tables.scratch)
        given_too = "".join(f", const float *{name}" for name in self.sizes)
        argument = "int32_t symbol" if self.symbols else "const float *x"
        head = f"static void {file.prefix}_{self.stem}advance(struct {file.prefix} *m, {argument}{given_too}, float *y)"
        file.function(head, [*program.declarations(body), *body], f"One step of {self._said()}.")

    def _product(self, program: Program, weights: Weights, p: row.Product, k: int, *, fused: bool) -> list[str]:
        """The k-th product of a step; of the first one `fused`, added to the projection."""

        def reach(name: str) -> Callable[[int], str]:
            return lambda first: program.reach((name, k), first)

        start = reach("values") if fused else lambda first: "NULL"
        return weights.product(
            p.tiles, reach("multiplied"), reach("values"), reach("between"), start, p.inputs, p.between
        )

    def _multiplied(self, program: Program, graph: Any, k: int, value: Value) -> list[Any]:
        """What is multiplied: a state where it lies, else a copy."""
        for i, shape in enumerate(self.signature.carry):
            if np.array_equal(value.nodes, graph.load(("carry", i), shape).nodes):
                program.tables.numbers["multiplied", k] = program.tables.numbers["carry", i]
                return []
        program.local(("multiplied", k), value.length or 1, f"multiplied_{k}")
        return stores(("multiplied", k), value)

    def _projection(self, program: Program) -> list[str]:
        """x of all gates: the bias, and the input times its kernel."""
        cell, width = self.cell, len(self.cell.gates) * self.cell.size
        kernel = with_tiles(cell.input_kernel(self.params, F32))
        bias = None
        if cell.has_input_bias:
            held = np.asarray(cell.input_bias(self.params, F32), np.float32)
            bias = self.file.constant(f"{self.stem}bias", held, f"{self._said()}, bias")
        runs = runs_of_gates(kernel)
        covered = sum(1 for c in kernel.columns or () if c is not None) == len(cell.gates)
        body = []
        if not covered:
            value = f"{bias}[j]" if bias else "0.0f"
            body.append(f"for (size_t j = 0; j < {width}; ++j) ({program.reach(('x', 0))})[j] = {value};")
        if runs and self.symbols:  # of rows that there are
            body.append(f"symbol = symbol < 0 ? 0 : symbol < {kernel.inputs} ? symbol : {kernel.inputs - 1};")
        if not runs:
            return [*body, "(void)symbol;" if self.symbols else "(void)x;"]
        weights = Weights(self.file, f"{self.stem}{KERNEL}", kernel, self._said())
        for gate, tiles in runs:
            if tiles.between:
                program.local(("between of x", gate), tiles.between, f"between_of_x{gate}")
            target = lambda first, gate=gate: program.reach(("x", 0), gate * cell.size + first)  # noqa: E731
            between = lambda first, gate=gate: program.reach(("between of x", gate), first)  # noqa: E731

            def start(first: int, gate: int = gate) -> str:
                at = gate * cell.size + first
                return "NULL" if bias is None else f"{bias} + {at}" if at else bias

            sizes = kernel.inputs, tiles.between
            if self.symbols:
                body += weights.taken(tiles.tiles, target, between, start, *sizes)
            else:
                body += weights.product(
                    tiles.tiles, lambda first: f"x + {first}" if first else "x", target, between, start, *sizes
                )
        return body


def _signature(cell: Cell) -> tuple[Signature, dict[str, int]]:
    """What a step reads, and how many numbers each per-step input has."""
    reason = no_program(cell)
    carry = tuple(tuple(s) for s in cell.carry_shapes(()))
    theta = tuple(sorted((n, a.shape, F32.name) for n, a in cell.theta_shapes(F32).items()))
    # How many numbers per-step inputs have is known when they are given; here whichever form the equations take.
    usual = [[(n, shape, kind) for n in cell.per_step] for shape in ((), (cell.size,)) for kind in (F32.name, "bool")]
    for given in usual if reason is None else ():
        signature = Signature(carry, theta, tuple(sorted(given)), False, False, False, F32.name, F32.name)
        try:
            row.check_rows(cell, signature)
            graph = new_graph()
            inside = row.load_inputs(graph, row.inputs(cell, signature))
            row.evaluate(graph, row.trace_forward(cell, signature), inside, row.load_values(graph, cell, signature))
            return signature, {identifier(n): int(np.prod(shape, dtype=int)) for n, shape, _ in signature.per_step}
        except Declined as found:
            reason = reason or str(found)
        except Exception as error:  # of a user's equations, whatever it is
            reason = reason or f"{NOT_ON_A_ROW}: {error}"
    fail("cell", "one that runs natively, whose program C is made of", Said(f"{cell!r}, which is none: {reason}"))
