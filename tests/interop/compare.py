"""The comparison that every library's test makes: outputs, final carry, and gradients in the library's own names.

The gradient with respect to a foreign weight is that of our scan *through* `load`: one wrong gate, sign or transpose
in the conversion gives another gradient under that name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import jaxrnn
from jaxrnn import interop
from tests.promotion import default_promotion

TOLERANCE = 1e-10  # float64, absolute and relative
T, B, D, H, P = 7, 4, 3, 5, 2
LENGTHS = np.array([7, 3, 5, 1])


def randomised(tree: Any, seed: int = 0) -> Any:
    """The same tree in float64 with every entry drawn anew: zero biases hide mistakes."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda a: 0.5 * rng.standard_normal(np.shape(a)), tree)


def inputs(layer: Any, seed: int = 1, steps: int = T, batch: int = B) -> tuple[Any, Any]:
    """xs and a carry of the layer."""
    rng = np.random.default_rng(seed)
    xs = rng.standard_normal((steps, batch, D))
    shapes = layer.carry_shapes((batch,))
    carry = jax.tree.map(rng.standard_normal, shapes, is_leaf=lambda s: type(s) is tuple and isinstance(s[0], int))
    return xs, carry


def ours(load: Callable[[Any], Any], weights: Any, xs: Any, carry: Any, **options: Any) -> Any:
    """`((carry, ys), pull)`: our outputs, and the pullback to (weights, xs, carry)."""

    def run(weights: Any, xs: Any, carry: Any) -> Any:
        layer, params = load(weights)
        return jaxrnn.scan(layer, params, xs, carry, chunk=3, **options)

    return jax.vjp(run, weights, xs, carry)


def cotangent_of(outputs: Any, seed: int = 2) -> Any:
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda a: rng.standard_normal(a.shape), outputs)


def close(got: Any, wanted: Any, what: str = "", tolerance: float = TOLERANCE) -> None:
    """Leaves in the same order, equal to the tolerance."""
    got, wanted = jax.tree.leaves(got), jax.tree.leaves(wanted)
    assert len(got) == len(wanted), what
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), tolerance, tolerance, err_msg=what, strict=True)


def compare(
    theirs: Callable[[Any, Any, Any], Any], weights: Any, expected: Any, library: str, options: Any = None, **load: Any
) -> None:
    """A JAX library's `theirs(weights, xs, carry) -> (carry, ys)` against ours: values, and every gradient."""
    xs, carry = inputs(expected)
    assert interop.load(weights, library, **load).layer == expected
    with default_promotion():
        wanted, their_pull = jax.vjp(theirs, weights, xs, carry)
    got, pull = ours(lambda w: interop.load(w, library, **load), weights, xs, carry, **(options or {}))
    close(got, wanted, "outputs")
    cotangent = cotangent_of(got)
    with default_promotion():
        gradients = their_pull(jax.tree.unflatten(jax.tree.structure(wanted), jax.tree.leaves(cotangent)))
    for name, a, b in zip(("weights", "xs", "carry"), pull(cotangent), gradients, strict=True):
        close(a, b, f"gradient of {name}")


def saved_runs(theirs: Callable[[Any, Any, Any], Any], weights: Any, layer: Any, library: str, **save: Any) -> None:
    """The library itself, with weights that `save` made out of ours, gives our outputs."""
    params = randomised(layer.init(jax.random.key(0), D), 5)
    if "recurrent_bias" in params and library == "flax.nnx":
        params["recurrent_bias"] *= 0
    xs, carry = inputs(layer, 6)
    saved = interop.save(layer, params, library, **save)
    assert jax.tree.structure(saved) == jax.tree.structure(weights)
    got = jaxrnn.scan(layer, params, xs, carry)
    with default_promotion():
        close(theirs(saved, xs, carry), got)
