"""The problem of a case: one set of weights and inputs for all contestants, and the truth that they must agree with.

Both follow from the case alone: a worker draws the same problem from the same seed, and only the truth travels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.bench.cases import ALONE, APPLICATIONS, CELLS, FORMS, Case
from jaxrnn.bench.recurrence import make_arrays, make_states
from jaxrnn.cells import COLLECTION, elman, gru, lstm
from jaxrnn.compose import bidirectional, stack
from jaxrnn.core.cell import Cell
from jaxrnn.core.layer import Layer
from jaxrnn.engine.scan import scan

COMPARED = dict(T=8, B=4)
COMPARED_ALONE = dict(T=1000, B=2)
ENDING = 0.05  # the share of steps at which an episode starts
SEGMENT = 4096  # steps; the truth of a longer sequence is made in such pieces, so that it fits into memory


class Problem(NamedTuple):
    """Arrays of one case, in NumPy and in the case's dtype."""

    params: dict[str, Any]  # as `layer.init` returns them, biases and all drawn at random: zero biases hide mistakes
    xs: Any  # [T, B, D], or [T, B, G, H] projected; of a recurrence alone (a, b)
    weights: Any  # [T, B, output_size], zero in padding; the loss is sum(ys * weights)
    lengths: Any  # [B] int32, or None
    per_step: dict[str, Any] = {}  # what equations ask for, and resets, bool [T, B]


def make_layer(case: Case) -> Layer:
    """The case as a layer of ours."""
    form: dict[str, Any] = dict(recurrent=FORMS[case.recurrent].form) if case.recurrent else {}
    made: dict[str, Callable[[int], Layer]] = {
        "lstm": partial(lstm, peepholes=case.peepholes, **form),
        "gru": partial(gru, reset_after=case.form != "reset before", **form),
        "elman": partial(elman, **form),
    }
    one = made[case.cell](case.H) if case.cell in made else COLLECTION[case.cell](case.H)
    if case.bidirectional:
        one = bidirectional(one, one)
    return one if case.layers == 1 else stack([one] * case.layers)


def compared(case: Case) -> Case:
    """The case whose numbers are compared: of the collection's other cells the first steps of some rows.

    Some of them are chaotic as they are drawn: after a hundred steps two float32 programs have little in common. And
    some hold so much in a plain loop that there is no truth of them all.
    """
    whole = case.cell in CELLS or case.cell in APPLICATIONS
    sizes = COMPARED_ALONE if case.cell == ALONE else COMPARED
    return case if whole else replace(case, **{name: min(getattr(case, name), most) for name, most in sizes.items()})


def cells_of(layer: Layer) -> list[Cell]:
    """The cells inside a layer."""
    return [layer] if isinstance(layer, Cell) else [cell for part in layer.parts for cell in cells_of(part)]


def make_problem(case: Case) -> Problem:
    """Draw the problem of a case; the weights uniform within 1/sqrt(H), which keeps long sequences stable.

    Those of the collection's other cells are as the cell draws them, since not every number suits every equation.
    """
    if case.cell in APPLICATIONS:
        from jaxrnn.bench import application  # needs what training needs

        return Problem(application.make_params(case), *application.make_symbols(case), None)
    if case.cell == ALONE:
        return Problem({}, *make_arrays(case), None)
    rng = np.random.default_rng(0)
    dtype = jnp.dtype("float32" if case.dtype == "tf32" else case.dtype)
    layer = make_layer(case)

    def draw(declared: dict[str, Any]) -> dict[str, Any]:
        return {
            name: draw(p) if isinstance(p, dict) else _uniform(rng, p.shape, case.H).astype(dtype)
            for name, p in sorted(declared.items())
        }

    params = draw(layer.declare(case.D)) if case.cell in CELLS else _initial(layer, case)
    if case.form == "no inner bias":
        params = _map_named(params, "recurrent_bias", np.zeros_like)
    features = (len(cells_of(layer)[0].gates), case.H) if case.projected else (case.D,)
    xs = rng.standard_normal((case.T, case.B, *features), np.float32).astype(dtype)
    weights = rng.standard_normal((case.T, case.B, layer.output_size), np.float32)
    lengths = None
    if case.ragged:
        own = np.random.default_rng(0)  # so that all cells have the same
        lengths = own.integers(case.shortest, case.T, case.B, endpoint=True).astype(np.int32)
        lengths[0] = case.T
        weights = weights * (np.arange(case.T)[:, None] < lengths)[..., None]
    asked = sorted(layer.asked)
    given = {name: PER_STEP[name](rng.standard_normal, case.T, case.B, case.D).astype(dtype) for name in asked}
    if case.resets:
        given["resets"] = rng.random((case.T, case.B)) < ENDING
    return Problem(params, xs, weights.astype(dtype), lengths, given)


# What cells ask for at each step: times, and which inputs were seen how long ago.
PER_STEP: dict[str, Callable[..., Any]] = {
    "dt": lambda draw, T, B, D: np.abs(draw((T, B))) + 0.1,
    # Early times alone: of a late one float32 does not hold the phase well enough to be compared.
    "t": lambda draw, T, B, D: (np.arange(T) % 2)[:, None] + np.zeros((T, B)),
    "observed": lambda draw, T, B, D: draw((T, B, D)) > -0.3,
    "elapsed": lambda draw, T, B, D: np.abs(draw((T, B, D))) + 0.1,
    "mass": lambda draw, T, B, D: np.abs(draw((T, B, 2))),
}


def _initial(layer: Layer, case: Case) -> Any:
    """As the layer draws them, in float32 whatever this process computes in."""
    with jax.enable_x64(False):
        return jax.tree.map(np.asarray, layer.init(jax.random.key(0), case.D))


def make_truth(case: Case) -> dict[str, Any]:
    """Outputs and gradients by the reference backend, in float64 on the same rounded numbers.

    Returns:
        float32 arrays by name: `ys`, `xs` and every parameter by its path (the last two are gradients).
    """
    problem = make_problem(case)
    if case.cell == ALONE:
        return make_states(problem.xs, problem.weights)
    if case.cell in APPLICATIONS:
        from jaxrnn.bench import application

        batch = application.make_batch(case, problem.xs, problem.weights)
        wide = jax.tree.map(lambda a: np.asarray(a, np.float64), problem.params)
        return application.differentiate(case, wide, batch)
    layer = make_layer(case)
    params, xs, weights = jax.tree.map(lambda a: np.asarray(a, np.float64), problem[:3])
    asked = {name: np.asarray(a, np.float64) for name, a in problem.per_step.items() if name != "resets"}
    resets = problem.per_step.get("resets")

    def run(params: Any, xs: Any) -> Any:
        given = dict(
            lengths=problem.lengths, backend="reference", projected=case.projected, per_step=asked, resets=resets
        )
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
