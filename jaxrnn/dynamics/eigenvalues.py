"""Spectra of recurrent kernels: eigenvalues and singular values, gate by gate."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Params
from jaxrnn.core.cell import Cell
from jaxrnn.core.kernels import columns_of, has_gates, is_elementwise, is_multiplied, kernel_of
from jaxrnn.core.layer import Layer, check_params
from jaxrnn.core.linear import declared
from jaxrnn.core.parameter import Parameter
from jaxrnn.core.prepared import prepared
from jaxrnn.dynamics.modules import EXPECTED
from jaxrnn.dynamics.systems import as_map, asked_dtype, cast, pose, precision, settled, vectors
from jaxrnn.forms.kernel import Kernel


class Spectrum(NamedTuple):
    """Of one matrix."""

    eigenvalues: np.ndarray | None  # [H] complex, the largest first; None of a matrix that is not square
    singular_values: np.ndarray  # the largest first

    @property
    def radius(self) -> float:
        """The largest absolute value of an eigenvalue, or singular value where there are none."""
        values = self.singular_values if self.eigenvalues is None else self.eigenvalues
        return float(np.abs(values).max(initial=0.0))


def spectra(layer: Any, params: Params | None, *, dtype: Any = None) -> dict[str, Spectrum]:
    """Eigenvalues and singular values of every recurrent kernel, gate by gate.

    Kernels of every form are taken as the matrices [R, H] that they are, `h[t-1] @ W`. A linear cell has none: of it,
    the matrix is that of its recurrence, `h[t] = A h[t-1] + b`, under an input of zero. A kernel over positions (a
    convolution) has as many as the positions want, and is left out.

    Args:
        layer, params: as of `gradient_norms`; any Layer, also one without a step.
        dtype: float32 or float64 for the making of matrices; their spectra are computed in float64.

    Returns:
        A dict from where a kernel is, as "recurrent_kernel/f", in a composed layer "layer_0/recurrent_kernel/f", to
        its `Spectrum(eigenvalues, singular_values)`, with `radius`.

    Raises:
        TypeError, ValueError: an argument does not fit; the message names it.

    >>> import jax, jaxrnn
    >>> from jaxrnn import dynamics
    >>> cell = jaxrnn.gru(8)
    >>> found = dynamics.spectra(cell, cell.init(jax.random.key(0), inputs=3))
    >>> {name: round(spectrum.radius, 4) for name, spectrum in found.items()}
    {'recurrent_kernel/r': 1.0, 'recurrent_kernel/z': 1.0, 'recurrent_kernel/n': 1.0}
    """
    dtype = asked_dtype(dtype)
    found = settled(layer, params)
    if found is None:
        hint = "`jaxrnn.interop.load(module)` makes a layer and its parameters of it."
        fail("layer", "a Layer or a module of jaxrnn, whose kernels are known", layer, hint, kind=TypeError)
    inner, given = found
    check_params(inner, given)
    with precision(dtype):
        return {name: _spectrum(matrix) for name, matrix in _matrices(inner, cast(given, dtype), "")}


def _spectrum(matrix: np.ndarray) -> Spectrum:
    square = matrix.shape[0] == matrix.shape[1]
    values = np.linalg.eigvals(matrix).astype(complex) if square else None
    if values is not None:
        values = values[np.argsort(-np.abs(values), kind="stable")]
    return Spectrum(values, np.linalg.svd(matrix, compute_uv=False))


def _matrices(layer: Layer, params: Params, path: str) -> list[tuple[str, np.ndarray]]:
    if isinstance(layer, Cell):
        given = prepared(layer.declare(layer.input_size(params)), params)
        return _linear(layer, given, path) if declared(layer) is not None else _of_cell(layer, given, path)
    found: list[tuple[str, np.ndarray]] = []
    names = [name for name, inner in layer.declare(layer.input_size(params)).items() if isinstance(inner, dict)]
    parts = [(n, p) for n, p in zip(names, layer.parts, strict=False)] if len(names) == len(layer.parts) else []
    if not parts and len(layer.parts) == 1:  # around a layer whose parameters are its own
        return _matrices(layer.parts[0], params, path)
    if not parts:
        fail("layer", EXPECTED, Said(f"{layer!r}, whose parts do not lie in its parameters one by one"))
    for name, part in parts:
        found += _matrices(part, params[name], f"{path}{name}/")
    return found


def _of_cell(cell: Cell, params: Params, path: str) -> list[tuple[str, np.ndarray]]:
    found = []
    for name, parameter in cell.parameters:
        if parameter.role != "recurrent" or (parameter.form is not None and parameter.form.axes):
            continue
        kernel = kernel_of(name, parameter, cell.gates, params)
        for gate, matrix in _by_gate(cell, name, parameter, kernel):
            found.append((f"{path}{name}/{gate}" if gate else f"{path}{name}", matrix))
    return found


def _by_gate(cell: Cell, name: str, parameter: Parameter, kernel: Kernel) -> list[tuple[str, np.ndarray]]:
    if is_elementwise(parameter):
        stored = np.asarray(kernel.arrays[0], np.float64)
        matrices = [np.diag(v) for v in stored.reshape(-1, stored.shape[-1])]
    elif is_multiplied(parameter):
        product = np.asarray(kernel.product(jnp.eye(kernel.inputs, dtype=kernel.dtype)), np.float64)
        matrices = [product[:, g] for g in range(product.shape[1])] if product.ndim == 3 else [product]
    else:
        return []
    if not has_gates(parameter):
        return [(str(i) if len(matrices) > 1 else "", m) for i, m in enumerate(matrices)]
    columns = columns_of(name, parameter, cell.gates)
    first = {c: gate for gate, c in reversed(list(zip(cell.gates, columns, strict=True))) if c is not None}
    return [(first.get(i, str(i)), m) for i, m in enumerate(matrices)]


def _linear(cell: Cell, params: Params, path: str) -> list[tuple[str, np.ndarray]]:
    """A of one row, from the derivative of its step at an input of zero."""
    if cell.asked or cell.axes:
        return []
    xs = jnp.zeros((1, 1, cell.input_size(params)), cell.compute_dtype(params, jnp.zeros((), jnp.float32)))
    posed = pose(cell, params, xs)
    advance = as_map(posed.step, posed.row)
    jacobian = jax.jit(jax.jacfwd(lambda z: advance(posed.params, z, posed.xs[0, 0], {})[0]))
    return [(f"{path}recurrence", np.asarray(jacobian(vectors(posed.carry)[0]), np.float64).T)]
