"""What each parameter is, for optimisers that would else tell by its rank: a bias `[G, H]` is no matrix."""

from __future__ import annotations

from typing import Any

import jax

from jaxrnn.base.errors import fail
from jaxrnn.core.layer import Layer, check_params
from jaxrnn.core.parameter import Parameter
from jaxrnn.functions.by_name import path_of

VECTORS = ("clock", "peepholes", "input_norm", "recurrent_norm")  # of two axes, and no matrices
RECURRENT = ("recurrent_kernel", "projection")
ROLES = {"recurrent": "recurrent", "carry": "carry"}


def labels(params: Any, layer: Layer | None = None) -> Any:
    """What each parameter is: "kernel", "recurrent", "bias", "vector" or "carry" (a learned initial one).

    Kernels are `[D, G, H]`, a matrix for each gate: what works on matrices (muon, spectral norms) has a batch of them
    along the axis of gates.

    Args:
        params: parameters of jaxrnn's layers, of whole Flax models around them too: a tree of arrays by name.
        layer: the layer that `params` are of, where it has arrays of its user's own, whose names do not tell; they
            are what they were declared to be.

    Returns:
        The tree with a string in place of each array, as `optax.multi_transform` takes it.

    Raises:
        TypeError, ValueError: `params` do not fit `layer`, or an array has no name.

    >>> import jax, jaxrnn, optax
    >>> params = jaxrnn.lstm(8, peepholes=True).init(jax.random.key(0), inputs=4)
    >>> jaxrnn.labels(params)
    {'bias': 'bias', 'kernel': 'kernel', 'peepholes': 'vector', 'recurrent_kernel': 'recurrent'}
    >>> matrix = lambda label: label in ("kernel", "recurrent")
    >>> decay = optax.adamw(1e-3, mask=lambda params: jax.tree.map(matrix, jaxrnn.labels(params)))
    >>> gates = optax.contrib.MuonDimensionNumbers(reduction_axis=0, output_axis=-1)  # the axis between is a batch
    >>> numbers = lambda params: jax.tree.map(lambda label: gates if matrix(label) else None, jaxrnn.labels(params))
    >>> muon = optax.contrib.muon(1e-3, muon_weight_dimension_numbers=numbers)
    >>> numbers(params)["kernel"], numbers(params)["bias"]
    (MuonDimensionNumbers(reduction_axis=0, output_axis=-1), None)
    """
    if layer is None:
        return jax.tree_util.tree_map_with_path(_by_name, params)
    if not isinstance(layer, Layer):
        fail("layer", "a jaxrnn Layer, or None", layer, kind=TypeError)
    check_params(layer, params)
    return jax.tree_util.tree_map_with_path(_as_declared, layer.declare(layer.input_size(params)))


def _by_name(keys: Any, array: Any) -> str:
    path = path_of(keys)
    if not path or not hasattr(array, "shape"):
        fail(f"params{jax.tree_util.keystr(keys)}", "an array, with a name", array, kind=TypeError)
    return _of_name(str(path[-1]), len(array.shape))


def _as_declared(keys: Any, declared: Parameter) -> str:
    return ROLES.get(declared.role) or _of_name(str(path_of(keys)[-1]), 1 if declared.role == "unit" else 3)


def _of_name(name: str, axes: int) -> str:
    if name.startswith("initial_"):
        return "carry"
    if name in RECURRENT:
        return "recurrent"
    if name == "bias" or name.endswith("_bias"):
        return "bias"
    if name == "kernel" or name.endswith("_kernel"):
        return "kernel"
    return "vector" if axes < 2 or name in VECTORS else "kernel"
