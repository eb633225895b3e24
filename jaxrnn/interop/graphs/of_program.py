"""A pure function of arrays as one graph of ONNX: JAX's primitives one by one, calls of the engine as whole layers.

Each call of `jaxrnn.scan` inside is what `to_onnx` makes of its layer: ONNX's LSTM, GRU or RNN where it is one, else a
loop over its equations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import JaxprEqn

from jaxrnn.base.dtypes import is_float, promote
from jaxrnn.base.errors import Said, fail
from jaxrnn.core.layer import Layer
from jaxrnn.engine.scan import instead, scan
from jaxrnn.interop.graphs.loop import states_of
from jaxrnn.interop.graphs.plan import Asked, check_dtype, directions, planned
from jaxrnn.interop.graphs.program import traced, write
from jaxrnn.interop.graphs.whole import model_of, parts_of, write_part
from jaxrnn.interop.graphs.written import Graph, element_of, ints, value

INT32, INT64 = 6, 7


class Recurrence(NamedTuple):
    """A call of the engine: its layer, and the tree of its operands (params, xs, carry, lengths) with their shapes."""

    layer: Layer
    tree: Any
    shapes: tuple[Any, ...]


def program_to_onnx(function: Callable[..., Any], arguments: Mapping[str, Any], results: Sequence[str]) -> Any:
    """An `onnx.ModelProto`.

    Args:
        function: of the arguments, by position, to a tuple of arrays.
        arguments: by name, `jax.ShapeDtypeStruct`s, whose sizes are numbers or symbols.
        results: names of what comes out.

    Raises:
        ValueError: the function is of operations that ONNX lacks, or calls the engine with more than lengths and a
            carry.
    """
    found: dict[str, Recurrence] = {}
    with instead(lambda *call: _heard(found, *call)):
        closed, made = traced(function, *arguments.values())
    if not isinstance(made, tuple) or len(made) != len(results):
        fail("program", f"a function that returns {len(results)} arrays: {', '.join(results)}", Said(str(made)))
    graph = Graph()
    for name, argument in arguments.items():
        for axis, n in enumerate(argument.shape):
            if not isinstance(n, int) and str(n).isidentifier() and str(n) not in graph.sizes:
                graph.sizes[str(n)] = graph.add("Shape", name, out=f"size_{n}", start=axis, end=axis + 1)
    calls = {name: _writer(name, said) for name, said in found.items()}
    names = write(graph, closed, tuple(arguments), "the program", calls)
    for name, out in zip(results, names, strict=True):
        graph.add("Identity", out, out=name)
    inputs = [value(name, a.dtype, _axes(a)) for name, a in arguments.items()]
    return model_of(graph, inputs, [value(name, a.dtype, _axes(a)) for name, a in zip(results, made, strict=True)])


def _axes(array: Any) -> list[Any]:
    return [n if isinstance(n, int) else str(n) for n in array.shape]


def _heard(
    found: dict[str, Recurrence], layer: Layer, params: Any, xs: Any, carry: Any, given: Any, carries: bool
) -> Any:
    """The call as a function with a name, which is in the program as a whole."""
    others = given._replace(lengths=None, backend="auto", chunk=None, start_step=0)
    if carries or others != type(given)() or np.ndim(xs) != (2 if np.issubdtype(xs.dtype, np.integer) else 3):
        expected = "one that calls jaxrnn.scan with a batch axis, and nothing but lengths and a carry, for onnx"
        fail("program", expected, Said(f"{layer!r} called otherwise"))

    def recurrence(params: Any, xs: Any, carry: Any, lengths: Any) -> Any:
        with instead(None):
            return scan(layer, params, xs, carry, lengths=lengths)

    name = recurrence.__name__ = f"recurrence_{len(found)}"
    operands = (params, xs, carry, given.lengths)
    leaves, tree = jax.tree.flatten(operands)
    found[name] = Recurrence(layer, tree, tuple(np.shape(leaf) for leaf in leaves))
    return jax.jit(recurrence)(*operands)


def _writer(name: str, said: Recurrence) -> Callable[[Graph, JaxprEqn, list[Any]], Sequence[Any]]:
    def written(graph: Graph, equation: JaxprEqn, inputs: list[Any]) -> Sequence[Any]:
        kinds: list[Any] = [var.aval for var in equation.invars]
        if tuple(kind.shape for kind in kinds) != said.shapes:
            fail("program", "one that calls jaxrnn.scan as it stands, not by vmap, for onnx", said.layer)
        params, x, carry, lengths = jax.tree.unflatten(said.tree, inputs)
        if any(isinstance(leaf, str) for leaf in jax.tree.leaves(params)):
            fail("program", "one with the parameters of its layers closed over, for onnx", said.layer)
        params = jax.tree.map(np.asarray, params)
        dtype = promote(*(a.dtype for a in jax.tree.leaves(params) if is_float(a.dtype)))
        read = jax.tree.unflatten(said.tree, kinds)[1].dtype
        if np.issubdtype(read, np.integer):  # of which onnxruntime has a kernel
            depth = ints(said.layer.input_size(params))
            x = graph.add("OneHot", graph.add("Cast", x, to=INT64), depth, np.array([0, 1], np.float32))
        x = graph.add("Cast", x, to=element_of(dtype, "params"))
        lengths = "" if lengths is None else graph.add("Cast", lengths, to=INT32)
        found = _layers(graph, name, said.layer, params, x, carry, lengths, dtype)
        outs: list[Any] = [var.aval for var in equation.outvars]
        return [
            each if out.dtype == dtype else graph.add("Cast", each, to=element_of(out.dtype, "program"))
            for each, out in zip(found, outs, strict=True)
        ]

    return written


def _layers(
    graph: Graph, name: str, layer: Layer, params: Any, x: str, carry: Any, lengths: str, dtype: Any
) -> list[str]:
    """The carry's leaves after all steps, and the outputs."""
    features, given, after = layer.input_size(params), iter(jax.tree.leaves(carry)), []
    asked = Asked(bool(lengths), carry is not None, None, None, None, False, None, None)
    parts = {key: planned(part, below, asked, dtype) for key, (part, below) in parts_of(layer, params).items()}
    check_dtype(parts, dtype, None)
    for key, part in parts.items():
        # A carry has each direction's states in their own order, a node all directions of each.
        ways = [list(states_of(inner, below, dtype)) for inner, below, _ in directions(part.layer, part.params)]
        states = {}
        if carry is not None:
            own = [{state: graph.add("Unsqueeze", next(given), ints(0)) for state in way} for way in ways]
            states = {state: graph.add("Concat", *(way[state] for way in own), axis=0) for state in part.starts}
        x, finals = write_part(graph, f"{name}_{key}", part, x, features, states, lengths, asked, dtype)
        features = part.layer.output_size
        numbered = [(np.array(k, np.int64), state) for k, way in enumerate(ways) for state in way]
        after += [graph.add("Gather", finals[state], k, axis=0) for k, state in numbered]
    return [*after, x]
