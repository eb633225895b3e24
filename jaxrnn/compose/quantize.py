"""Layers with int8 kernels, of trained ones."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import jax
import numpy as np

from jaxrnn.base.checks import is_traced
from jaxrnn.base.dtypes import promote
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Params
from jaxrnn.core.cell import Cell
from jaxrnn.core.kernels import KERNEL
from jaxrnn.core.layer import Layer, check_params
from jaxrnn.core.parameter import Held, Parameter
from jaxrnn.forms.around import Around
from jaxrnn.forms.dense import dense
from jaxrnn.forms.form import Arrays, Form
from jaxrnn.forms.kernel import Kernel
from jaxrnn.forms.quantized import Quantized


def quantize(cell: Layer, params: Params) -> tuple[Layer, dict[str, Any]]:
    """The same layer with int8 kernels, for inference: a quarter of the memory to read at each step.

    Input and recurrent kernels are int8 numbers with a float32 scale for each column; the states and inputs that they
    multiply are quantised as they come, each row and step by its own maximum, and sums are exact
    (`jaxrnn.forms.quantized`). All else, and every option, stays as it is: gates, carry and outputs have the dtypes
    that they had. What is no product of matrices keeps its kernel: `diagonal`, `convolution`, `identity`, a form of
    one's own. Maps (`orthogonal`, `weight_norm`, ...) are applied.

    Gradients through such kernels raise: there is none that would be of use. What follows the layer can be trained.

    Args:
        cell: a Cell, or a Layer composed of cells.
        params: its parameters, as they were trained.

    Returns:
        `(cell, params)`, a Layer of the same kind and its parameters: a kernel is an int8 array of the same name, and
        beside it is its scale, `kernel_scale [G, H]`.

    Raises:
        TypeError, ValueError: an argument does not fit; a kernel holds NaN or infinity; the layer has int8 kernels
            already, or none that could be.

    Paper: Jacob et al., Quantization and training of neural networks for efficient integer-arithmetic-only inference,
    CVPR 2018 (arXiv:1712.05877), whose weights these are.

    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> cell = jaxrnn.lstm(64)
    >>> params = cell.init(jax.random.key(0), inputs=32)
    >>> small, numbers = jaxrnn.quantize(cell, params)
    >>> {name: (a.shape, a.dtype.name) for name, a in numbers.items() if name.startswith("recurrent")}
    {'recurrent_kernel': ((64, 4, 64), 'int8'), 'recurrent_kernel_scale': ((4, 64), 'float32')}
    >>> xs = jax.random.normal(jax.random.key(1), (20, 1, 32))
    >>> float(abs(jaxrnn.scan(small, numbers, xs)[1] - jaxrnn.scan(cell, params, xs)[1]).max()) < 0.01
    True
    """
    if not isinstance(cell, Layer):
        fail("cell", "a jaxrnn Layer", cell, kind=TypeError)
    if not all(c.derivable for c in _cells(cell)):
        fail("cell", "a layer with floating kernels", Said(f"{cell!r}, whose kernels are int8"))
    check_params(cell, params)
    inputs = cell.input_size(params)
    found = jax.tree.leaves(params, is_leaf=lambda a: isinstance(a, Kernel))
    made = _layer(cell, promote(*(a.dtype for a in found)))
    if made == cell:
        fail("cell", "a layer with kernels of matrices: dense ones, heads or of low rank", cell)
    return made, _arrays(cell.declare(inputs), made.declare(inputs), params, "params")


def _cells(layer: Layer) -> list[Cell]:
    return [layer] if isinstance(layer, Cell) else [c for part in layer.parts for c in _cells(part)]


# ---------------------------------------------------------------- layers


def _layer(layer: Any, dtype: Any) -> Any:
    """The same with int8 kernels in all cells."""
    if isinstance(layer, Cell):
        return replace(layer, parameters=tuple((n, _parameter(layer, n, p, dtype)) for n, p in layer.parameters))
    inside = {f.name: getattr(layer, f.name) for f in fields(layer)} if is_dataclass(layer) else {}
    layers = {name: value for name, value in inside.items() if _are_layers(value)}
    if {*layer.parts} != {part for value in layers.values() for part in _each(value)}:
        fail("cell", "made of layers that are its fields, as a dataclass has them", layer, kind=TypeError)
    change = lambda value: tuple(_layer(v, dtype) for v in value) if isinstance(value, tuple) else _layer(value, dtype)  # noqa: E731
    return replace(layer, **{name: change(value) for name, value in layers.items()})


def _are_layers(value: Any) -> bool:
    return bool(value != ()) and all(isinstance(part, Layer) for part in _each(value))


def _each(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _parameter(cell: Cell, name: str, parameter: Parameter, dtype: Any) -> Parameter:
    """A kernel as int8, where it is one of matrices; else what it was."""
    multiplied = parameter.role == "recurrent" or (name == KERNEL and not cell.reads)
    form = (parameter.form or dense).holding(lambda form: Quantized(form, dtype)) if multiplied else None
    return parameter if form is None else replace(parameter, form=form)


# ---------------------------------------------------------------- parameters


def _arrays(declared: dict[str, Any], made: dict[str, Any], params: Any, path: str) -> dict[str, Any]:
    """The parameters of the layer that was made."""
    kernels = dict.fromkeys(p.kernel for p in made.values() if isinstance(p, Held) and p.held and not p.held.derivable)
    found: dict[str, Any] = {}
    for kernel in kernels:
        names = [n for n, p in made.items() if isinstance(p, Held) and p.kernel == kernel]
        found |= dict(zip(names, _encoded(declared, made[names[0]], kernel, params, path), strict=True))
    rest = [name for name in made if name not in found]
    for name in rest:
        inner = isinstance(made[name], dict)
        found[name] = _arrays(declared[name], made[name], params[name], f"{path}[{name!r}]") if inner else params[name]
    return {name: found[name] for name in made}


def _encoded(declared: dict[str, Any], made: Held, kernel: str, params: Any, path: str) -> Arrays:
    """A kernel's int8 numbers and scales."""
    names = [n for n, p in declared.items() if n == kernel or (isinstance(p, Held) and p.kernel == kernel)]
    if isinstance(params.get(kernel), Kernel):
        arrays = params[kernel].arrays
    else:
        for name in names:
            if not is_traced(params[name]) and not np.isfinite(np.asarray(params[name], np.float64)).all():
                fail(f"{path}[{name!r}]", "finite numbers", Said("NaN or infinity"))
        form = getattr(declared[names[0]], "held", None) or dense
        arrays = form.prepared(tuple(params[n] for n in names))[1]
    return _innermost(made.held).encoded(tuple(map(jax.numpy.asarray, arrays)))


def _innermost(form: Form | None) -> Quantized:
    while not isinstance(form, Quantized):
        assert isinstance(form, Around)
        form = form.of
    return form
