"""Gate equations as operations on vectors: a jaxpr of one batch row becomes a graph of whole vectors.

An array `[..., L]` of a row is a NumPy array of vectors of length L: slices, stacks and reductions along the leading
axes are bookkeeping (`shapes`). What mixes the units of a vector (a sum over them, say) has no place here and is
declined by name. What equations make of constants alone, of integers too, is known before anything runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal

from jaxrnn.kernels.native.elementwise import expand
from jaxrnn.kernels.native.graph import Bits, Declined, Nodes, Value
from jaxrnn.kernels.native.shapes import SHAPES
from jaxrnn.programs.jaxprs import bind

# Calls of a jaxpr that are that jaxpr; not loops and branches, which have one too.
INLINED = {"jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "checkpoint", "remat2"}
INLINED |= {"ruled"}  # a function with a derivative of its own, on JAX that would forget it
UNCHANGED = frozenset({"optimization_barrier", "name"})

LOOPS = frozenset(["scan", "while", "cond", "fori_loop"])
RANDOM = frozenset(["random_seed", "random_bits", "random_wrap", "random_unwrap", "random_fold_in", "threefry2x32"])


@dataclass
class Graph(Nodes):
    """The graph that the equations of jaxprs make."""

    def interpret(self, jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Value]:
        """The outputs of a jaxpr of one row."""
        outputs = self._interpret(jaxpr, constants, arguments)
        return [self._lifted(o) for o in outputs]

    def _interpret(self, jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
        env: dict[Any, Any] = {}  # a Value; a NumPy array where it is known and no Value can be; Bits

        def read(atom: Any) -> Any:
            return self._known(atom.val) if isinstance(atom, Literal) else env[atom]

        env.update(zip(jaxpr.constvars, map(self._known, constants), strict=True))
        env.update(zip(jaxpr.invars, arguments, strict=True))
        for eqn in jaxpr.eqns:
            outputs = self._equation(eqn, [read(v) for v in eqn.invars])
            env.update(zip(eqn.outvars, outputs, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def _equation(self, eqn: Any, inputs: list[Any]) -> list[Any]:
        name, params = eqn.primitive.name, eqn.params
        inner = params.get("jaxpr") or params.get("call_jaxpr")
        if name in INLINED and inner is not None:
            return self._interpret(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), inputs)
        if name in UNCHANGED or (name == "reduce_precision" and _keeps_digits(eqn)):
            return inputs
        if any(isinstance(x, np.ndarray) for x in inputs) or not inputs:
            arrays = [self._array(x, v.aval) for x, v in zip(inputs, eqn.invars, strict=True)]
            if all(a is not None for a in arrays) and not (name in LOOPS or name in RANDOM):
                return _computed(eqn, arrays, self._known)
        if name == "bitcast_convert_type" or any(isinstance(x, Bits) for x in inputs):
            return [self._bits(eqn, inputs)]
        _check(eqn, inputs)
        values = [self._lifted(x) for x in inputs]
        if name == "convert_element_type":
            return [self._converted(values[0], eqn.invars[0].aval.dtype, params["new_dtype"])]
        if name in SHAPES:
            return SHAPES[name](self, params, *values)
        return [self._elementwise(name, params, values)]

    # ---- what is known

    def _known(self, value: Any) -> Any:
        """A constant: a Value, or where it is none (integers, numbers that differ) the array itself."""
        array = np.asarray(value)
        flat = np.atleast_1d(array).reshape(-1)
        if not _real(array.dtype):
            return array
        wide = flat.astype(np.float64)
        if array.size and (wide.view(np.int64) != wide.view(np.int64)[0]).any():
            return array
        return self.fill(array.shape, float(wide[0]) if array.size else 0.0)

    def _array(self, x: Any, aval: Any) -> np.ndarray | None:
        """A Value of constants as an array again; None where it is no constant."""
        if isinstance(x, np.ndarray):
            return x
        if isinstance(x, Bits) or any(self.nodes[i].op != "constant" for i in x.nodes.flat):
            return None
        numbers = np.array([self.number(int(i)) for i in x.nodes.flat], np.float64).reshape(x.nodes.shape)
        spread = numbers if x.length is None else np.broadcast_to(numbers[..., None], x.shape)
        return np.asarray(spread).astype(aval.dtype)

    def _lifted(self, x: Any) -> Value:
        """A Value, of what is known too: one number a vector."""
        if isinstance(x, Value):
            return x
        if isinstance(x, Bits) or not (_real(x.dtype) or np.issubdtype(x.dtype, np.integer)):
            raise Declined("the equations look at the bits of numbers")
        wide = np.atleast_1d(x).astype(np.float64)  # integers too: `pow` takes them as exponents
        if (wide.view(np.int64) != wide[..., :1].view(np.int64)).any():
            raise Declined("the equations hold constants that differ from unit to unit; a parameter may")
        nodes = np.vectorize(lambda a: self.constant(float(a)), otypes=[int])(wide[..., 0])
        return Value(np.asarray(nodes), x.shape[-1] if x.shape else None)

    # ---- the rest

    def _bits(self, eqn: Any, inputs: list[Any]) -> Any:
        """Numbers seen as whole numbers, and the one operation on them that derivatives need: a mask."""
        name, new = eqn.primitive.name, eqn.outvars[0].aval.dtype
        if name == "bitcast_convert_type" and isinstance(inputs[0], Value) and new.itemsize == _size(eqn.invars[0]):
            return Bits(inputs[0])
        if name == "bitcast_convert_type" and isinstance(inputs[0], Bits) and _real(new):
            return inputs[0].value
        if name == "and" and len([x for x in inputs if isinstance(x, Bits)]) == 1:
            (bits,) = (x for x in inputs if isinstance(x, Bits))
            (mask,) = (x for x in inputs if x is not bits)
            if isinstance(mask, np.ndarray) and mask.shape == ():
                seen = np.asarray(mask.view(np.dtype(f"f{mask.itemsize}")))
                return Bits(self._elementwise("and_bits", {}, [bits.value, self.fill((), float(seen))]))
        raise Declined(f"the equations look at the bits of numbers (`{name}`)")

    def _converted(self, x: Value, old: Any, new: Any) -> Value:
        if new == old or old == np.bool_:
            return x
        if new == np.bool_:
            return self._elementwise("ne", {}, [x, self.fill((), 0.0)])
        if all(self.nodes[i].op == "constant" for i in x.nodes.flat):
            rounded = [self.constant(float(np.asarray(self.number(int(i))).astype(new))) for i in x.nodes.flat]
            return x._replace(nodes=np.array(rounded, int).reshape(x.nodes.shape))
        raise Declined(f"the equations convert {old} to {new}")

    def _elementwise(self, name: str, params: dict[str, Any], inputs: list[Value]) -> Value:
        shapes = [v.shape for v in inputs if v.shape]
        if len({len(s) for s in shapes}) > 1:
            raise Declined(f"`{name}` mixes shapes {shapes}")
        shape = np.broadcast_shapes(*shapes)
        rows = [np.broadcast_to(v.nodes, shape[:-1]) for v in inputs]
        one = lambda *nodes: expand(self, name, params, *(int(n) for n in nodes))  # noqa: E731
        return Value(np.vectorize(one, otypes=[int])(*rows), shape[-1] if shape else None)


def _computed(eqn: Any, arrays: list[Any], known: Any) -> list[Any]:
    """What an equation makes of constants, by JAX."""
    with jax.ensure_compile_time_eval():
        return [known(r) for r in bind(eqn, arrays)]


def _real(dtype: Any) -> bool:
    return bool(jax.numpy.issubdtype(dtype, jax.numpy.floating)) or dtype == np.bool_


def _keeps_digits(eqn: Any) -> bool:
    """Of a rounding, as `checkpoint` puts it around what it saves."""
    kept, whole = eqn.params, jax.numpy.finfo(eqn.invars[0].aval.dtype)
    return bool(kept["exponent_bits"] >= whole.nexp and kept["mantissa_bits"] >= whole.nmant)


def _size(v: Any) -> int:
    return v.aval.dtype.itemsize if _real(v.aval.dtype) else 0


def _check(eqn: Any, inputs: list[Any]) -> None:
    """Raise where an equation is none of vectors."""
    name = eqn.primitive.name
    if name in LOOPS:
        raise Declined(f"the equations loop or branch (`{name}`)")
    if name in RANDOM:
        raise Declined(f"the equations draw random numbers (`{name}`)")
    if name == "dot_general":
        raise Declined("the equations multiply matrices themselves (`dot_general`), which is for `recur`")
    known = [name == "pow" and isinstance(x, np.ndarray) for x in inputs]  # an exponent
    avals = [v.aval for v, k in zip(eqn.invars, known, strict=True) if not k] + [v.aval for v in eqn.outvars]
    for aval in avals:
        if not _real(aval.dtype):
            raise Declined(f"the equations compute in {aval.dtype} (`{name}`)")
