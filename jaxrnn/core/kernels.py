"""A cell's kernels: declared as one parameter each, held as the arrays of its form, multiplied as a `Kernel`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Array, Axis, Initializer
from jaxrnn.core.parameter import Held, Parameter
from jaxrnn.forms.dense import dense
from jaxrnn.forms.form import Columns
from jaxrnn.forms.kernel import Kernel
from jaxrnn.functions.initializers import PerGate

KERNEL, RECURRENT = "kernel", "recurrent_kernel"
OPTIONS = {KERNEL: "input", RECURRENT: "recurrent"}  # of factories, which say the forms of these


def has_gates(parameter: Parameter) -> bool:
    """Whether an array has an axis of gates."""
    return len(parameter.shape) == 3


def columns_of(name: str, parameter: Parameter, gates: tuple[str, ...]) -> Columns:
    """Of each gate the stored one that it reads."""
    return (parameter.form or dense).columns(gates, OPTIONS.get(name, name))


def held(name: str, parameter: Parameter, gates: tuple[str, ...]) -> dict[str, Parameter]:
    """The arrays that hold a parameter whose sizes are known."""
    form = parameter.form
    if form is None:
        return {name: parameter}
    columns = columns_of(name, parameter, gates) if has_gates(parameter) or name == "bias" else None
    stored, init = None if columns is None else _stored(columns), _of_stored(parameter.init, columns)
    role, dtype = parameter.role, parameter.dtype
    inputs, units = int(parameter.shape[0]), int(parameter.shape[-1])
    if name == "bias":
        return {name: Parameter((stored or 0, units), init, role, dtype)}
    weights = form.weights(inputs, stored, units, init, OPTIONS.get(name, name))
    return {
        name + suffix: Held(
            weight.shape, weight.init, role, weight.dtype or dtype, None, name, form, columns, weight.dtype is not None
        )
        for suffix, weight in zip(form.names, weights, strict=True)
    }


def kernel_of(name: str, parameter: Parameter, gates: tuple[str, ...], params: Mapping[str, Any]) -> Kernel:
    """A kernel as it is multiplied, from the arrays that hold it, or as `prepare` has left it."""
    found = params.get(name)
    if isinstance(found, Kernel):
        return found
    form = parameter.form or dense
    columns = columns_of(name, parameter, gates) if has_gates(parameter) else None
    return Kernel(form, tuple(params[name + suffix] for suffix in form.names), columns).prepared()


def inputs_of(name: str, parameter: Parameter, params: Mapping[str, Any]) -> int:
    """R of a kernel, by the shapes of what holds it."""
    found = params.get(name)
    if isinstance(found, Kernel):
        return found.inputs
    form = parameter.form or dense
    shapes = [getattr(params.get(name + suffix), "shape", ()) for suffix in form.names]
    try:
        return int(form.inputs_of(shapes))
    except (IndexError, TypeError):
        names = [name + suffix for suffix in form.names]
        fail(f"params[{names[0]!r}]", f"an array of a kernel of the form {form!r}", params.get(names[0]))


def check_product(
    name: str, kernel: Kernel, axes: tuple[Axis, ...], result: Any, index: tuple[int, ...] | None = None
) -> Array:
    """What a form, maybe a user's own, made of inputs `[*axes, R]`, of all stored gates or those that are asked for."""
    gates = () if kernel.columns is None else (kernel.stored if index is None else len(index),)
    shape = (*kernel.form.positions(axes), *gates, kernel.units)
    if getattr(result, "shape", None) != shape:
        held = ", ".join(str(a.shape) for a in kernel.arrays)
        given = f"for {name!r}, arrays of shapes {held}, and inputs of shape {(*axes, kernel.inputs)}"
        fail(f"product of {kernel.form!r}", f"a function that returns an array of shape {shape} {given}", result)
    return result


def _stored(columns: Columns) -> int:
    return len({c for c in columns if c is not None})


def _of_stored(init: Initializer, columns: Columns | None) -> Initializer:
    """The initialiser of the stored gates: of each the first gate that reads it."""
    if columns is None or not isinstance(init, PerGate) or columns == tuple(range(len(columns))):
        return init
    return PerGate(tuple(init.inits[columns.index(c)] for c in range(_stored(columns))))


def is_multiplied(parameter: Parameter) -> bool:
    """Whether products with a recurrent kernel are for backends to make."""
    return parameter.role == "recurrent" and not is_elementwise(parameter)


def is_elementwise(parameter: Parameter) -> bool:
    """Whether they are products of numbers, and part of the equations."""
    return parameter.role == "recurrent" and parameter.form is not None and parameter.form.elementwise
