"""Multiplicative integration: a gate's two parts are multiplied with each other as well as added.

    a = alpha * (x @ W) * (h @ U) + beta_input * (x @ W) + beta_state * (h @ U) + b

Equations see it as an input `beta_input * (x @ W) + b` and a product `(h @ U) * (alpha * (x @ W) + beta_state)`.

Paper: Wu et al., On multiplicative integration with recurrent neural networks, NIPS 2016 (arXiv:1606.06630), eq. (4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxrnn.base.typing import Array, Carry
from jaxrnn.core.kernels import RECURRENT
from jaxrnn.core.parameter import Parameter
from jaxrnn.core.step import gate_tuple
from jaxrnn.forms.form import Columns
from jaxrnn.forms.kernel import each_of
from jaxrnn.functions.initializers import ones

VECTORS = {name: Parameter(("G", "H"), ones) for name in ("alpha", "beta_input", "beta_state")}


def integrated(
    carry: Carry,
    x: Any,
    recur: Any,
    theta: dict[str, Any],
    *,
    inner: Callable[..., Any],
    gates: tuple[str, ...],
    bias: Columns | None,
    **per_step: Array,
) -> tuple[Carry, Array]:
    """Equations of inputs and products that are integrated so; `bias` of the gates is added here."""
    own = {name: a for name, a in theta.items() if name not in VECTORS}
    alpha, scale, shift = (gate_tuple(gates)(*theta[name]) for name in VECTORS)
    scaled = [s * a for s, a in zip(scale, x, strict=True)]
    if bias is not None:
        biases = each_of(own.pop("bias"), bias, None)
        scaled = [a if b is None else a + b for a, b in zip(scaled, biases, strict=True)]
    factors = {g: a * z + b for g, a, z, b in zip(gates, alpha, x, shift, strict=True)}
    return inner(carry, gate_tuple(gates)(*scaled), _Integrated(recur, factors), own, **per_step)


@dataclass
class _Integrated:
    """A recurrent product, times what the input makes of it; other kernels' stay as they are."""

    recur: Any
    factors: dict[str, Array]

    def __call__(self, h: Array, gates: tuple[str, ...] | None = None, kernel: str = RECURRENT) -> Any:
        product = self.recur(h, gates, kernel)
        if kernel != RECURRENT:
            return product
        return type(product)(*(a * self.factors[g] for g, a in zip(product._fields, product, strict=True)))
