"""The problem of a case: one set of weights and inputs for all contestants, and the truth that they must agree with.

Both follow from the case alone: a worker draws the same problem from the same seed, and only the truth travels.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.bench.cases import Case
from jaxrnn.cells import elman, gru, lstm
from jaxrnn.compose import bidirectional, stack
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import Layer
from jaxrnn.engine.scan import scan

SEGMENT = 4096  # steps; the truth of a longer sequence is made in such pieces, so that it fits into memory


class Problem(NamedTuple):
    """Arrays of one case, in NumPy and in the case's dtype."""

    params: dict[str, Any]  # as `layer.init` returns them, biases and all drawn at random: zero biases hide mistakes
    xs: Any  # [T, B, D], or [T, B, G, H] projected
    weights: Any  # [T, B, output_size], zero in padding; the loss is sum(ys * weights)
    lengths: Any  # [B] int32, or None


def make_layer(case: Case) -> Layer:
    """The case as a layer of ours."""
    one: Layer = {
        "lstm": partial(lstm, case.H, peepholes=case.peepholes),
        "gru": partial(gru, case.H, reset_after=case.form != "reset before"),
        "elman": partial(elman, case.H),
    }[case.cell]()
    if case.bidirectional:
        one = bidirectional(one, one)
    return one if case.layers == 1 else stack([one] * case.layers)


def cells_of(layer: Layer) -> list[Cell]:
    """The cells inside a layer."""
    return [layer] if isinstance(layer, Cell) else [cell for part in layer.parts for cell in cells_of(part)]


def make_problem(case: Case) -> Problem:
    """Draw the problem of a case; the weights uniform within 1/sqrt(H), which keeps long sequences stable."""
    rng = np.random.default_rng(0)
    dtype = jnp.dtype("float32" if case.dtype == "tf32" else case.dtype)
    layer = make_layer(case)

    def draw(declared: dict[str, Any]) -> dict[str, Any]:
        return {
            name: draw(p) if isinstance(p, dict) else _uniform(rng, p.shape, case.H).astype(dtype)
            for name, p in sorted(declared.items())
        }

    params = draw(layer.declare(case.D))
    if case.form == "no inner bias":
        params = _map_named(params, "recurrent_bias", np.zeros_like)
    features = (len(cells_of(layer)[0].gates), case.H) if case.projected else (case.D,)
    xs = rng.standard_normal((case.T, case.B, *features), np.float32).astype(dtype)
    weights = rng.standard_normal((case.T, case.B, layer.output_size), np.float32)
    lengths = None
    if case.ragged:
        lengths = rng.integers(1, case.T, case.B, np.int32, endpoint=True)
        lengths[0] = case.T
        weights = weights * (np.arange(case.T)[:, None] < lengths)[..., None]
    return Problem(params, xs, weights.astype(dtype), lengths)


def make_truth(case: Case) -> dict[str, Any]:
    """Outputs and gradients by the reference backend, in float64 on the same rounded numbers.

    Returns:
        float32 arrays by name: `ys`, `xs` and every parameter by its path (the last two are gradients).
    """
    layer, problem = make_layer(case), make_problem(case)
    params, xs, weights = jax.tree.map(lambda a: np.asarray(a, np.float64), problem[:3])

    def run(params: Any, xs: Any) -> Any:
        given = dict(lengths=problem.lengths, backend="reference", projected=case.projected)
        if case.T <= SEGMENT:
            return scan(layer, params, xs, **given)[1]
        piece = jax.checkpoint(lambda carry, x: scan(layer, params, x, carry, **given))
        start = layer.initial_carry((case.B,), params)
        return jax.lax.scan(piece, start, xs.reshape(-1, SEGMENT, *xs.shape[1:]))[1].reshape(weights.shape)

    def outputs_and_gradients(params: Any, xs: Any, weights: Any) -> Any:
        ys, pull = jax.vjp(run, params, xs)
        return ys, *pull(weights)

    ys, dparams, dxs = jax.jit(outputs_and_gradients)(params, xs, weights)
    named = name_answer(ys, dparams, dxs)
    return {k: np.asarray(a, np.float32) for k, a in named.items() if not _frozen(case, k)}


def name_answer(ys: Any, dparams: dict[str, Any], dxs: Any) -> dict[str, Any]:
    """Outputs and gradients as one flat dict, as the truth has them."""
    paths, _ = jax.tree.flatten_with_path(dparams)
    return {"ys": ys, "xs": dxs} | {"/".join(k.key for k in path): a for path, a in paths}


def _frozen(case: Case, name: str) -> bool:
    return case.form == "no inner bias" and name.endswith("recurrent_bias")


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], units: int) -> Any:
    return rng.uniform(-(units**-0.5), units**-0.5, shape)


def _map_named(tree: dict[str, Any], name: str, change: Any) -> dict[str, Any]:
    return {
        k: _map_named(v, name, change) if isinstance(v, dict) else change(v) if k == name else v
        for k, v in tree.items()
    }
