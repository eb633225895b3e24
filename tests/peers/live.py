"""A cell in other hands: equations in NumPy, in PyTorch or in JAX, run over time on the same arrays and compared.

A case draws everything that is differentiated. Each program makes of it outputs, the final carry, and the gradients of
params, inputs and carry for one linear functional of the former. A cell of the collection joins a comparison by
`by_cell(cell, drawn)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from tests.oracle import complex_step
from tests.peers.weights import run

TOLERANCE = 1e-10
T, B, D, H = 5, 2, 3, 4
Shapes = dict[str, tuple[int, ...]]


class Case(NamedTuple):
    params: dict[str, Any]
    xs: Any  # [T, B, *x]
    carry: tuple[Any, ...]  # each [B, *state]
    per_step: dict[str, Any]  # each [T, B, *]
    weights: tuple[tuple[Any, ...], Any]  # of the final carry and of the outputs


def case(
    params: Shapes,
    carry: list[tuple[int, ...]],
    *,
    x: tuple[int, ...] = (D,),
    y: tuple[int, ...] = (H,),
    per_step: dict[str, Any] | None = None,
    changed: dict[str, Callable[[Any], Any]] | None = None,
    seed: int = 0,
) -> Case:
    """`changed` maps a drawn array, by name of a parameter or by number in the carry, to one that the cell can take."""
    rng = np.random.default_rng(seed)
    changed = changed or {}

    def drawn(name: str, shape: tuple[int, ...]) -> Any:
        return changed.get(name, lambda a: a)(0.7 * rng.standard_normal(shape))

    return Case(
        {name: drawn(name, shape) for name, shape in params.items()},
        changed.get("xs", lambda a: a)(rng.standard_normal((T, B, *x))),
        tuple(drawn(f"carry {k}", (B, *shape)) for k, shape in enumerate(carry)),
        per_step or {},
        (tuple(rng.standard_normal((B, *shape)) for shape in carry), rng.standard_normal((T, B, *y))),
    )


def by_oracle(equations: Callable[..., Any], drawn: Case) -> dict[str, Any]:
    """The NumPy equations of one row and one time, and their gradients by complex steps."""

    def over_time(params: Any, xs: Any, carry: Any) -> Any:
        finals, ys = [], []
        for b in range(B):
            state = tuple(a[b] for a in carry)
            row = []
            for t in range(T):
                given = {name: a[t, b] for name, a in drawn.per_step.items()}
                state, y = equations(params, state, xs[t, b], **given)
                row.append(y)
            finals.append(state)
            ys.append(np.stack(row))
        return tuple(np.stack(a) for a in zip(*finals, strict=True)), np.stack(ys, 1)

    def loss(arrays: dict[str, Any]) -> Any:
        params = {name: arrays[name] for name in drawn.params}
        final, ys = over_time(params, arrays["xs"], tuple(arrays[f"carry {k}"] for k in range(len(drawn.carry))))
        carry_weights, ys_weights = drawn.weights
        return (ys_weights * ys).sum() + sum((w * a).sum() for w, a in zip(carry_weights, final, strict=True))

    named = {f"carry {k}": a for k, a in enumerate(drawn.carry)}
    final, ys = over_time(drawn.params, drawn.xs, drawn.carry)
    return results(final, ys, complex_step(loss, {**drawn.params, "xs": drawn.xs, **named}))


def by_torch(step: Callable[..., Any], drawn: Case) -> dict[str, Any]:
    """`step(params, carry, x, **per_step) -> (carry, y)`, of PyTorch tensors with a batch axis."""
    torch = importlib.import_module("torch")
    params = {name: torch.tensor(a, requires_grad=True) for name, a in drawn.params.items()}
    xs = torch.tensor(drawn.xs, requires_grad=True)
    start = tuple(torch.tensor(a, requires_grad=True) for a in drawn.carry)
    carry, ys = start, []
    for t in range(T):
        given = {name: torch.tensor(a[t]) for name, a in drawn.per_step.items()}
        carry, y = step(params, carry, xs[t], **given)
        ys.append(y)
    carry_weights, ys_weights = drawn.weights
    loss = (torch.tensor(ys_weights) * torch.stack(ys)).sum()
    loss = loss + sum((torch.tensor(w) * a).sum() for w, a in zip(carry_weights, carry, strict=True))
    leaves = {**params, "xs": xs, **{f"carry {k}": a for k, a in enumerate(start)}}
    slopes = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
    numbers = {name: slope.numpy() for name, slope in zip(leaves, slopes, strict=True)}
    return results(tuple(a.detach().numpy() for a in carry), torch.stack(ys).detach().numpy(), numbers)


def by_jax(step: Callable[..., Any], drawn: Case) -> dict[str, Any]:
    """`step(params, carry, x, **per_step) -> (carry, y)`, of JAX arrays with a batch axis."""

    def over_time(params: Any, xs: Any, carry: Any) -> Any:
        return jax.lax.scan(lambda c, x: step(params, c, x[0], **x[1]), carry, (xs, drawn.per_step))

    (final, ys), pull = jax.vjp(over_time, drawn.params, drawn.xs, drawn.carry)
    return in_parts(final, ys, *pull(drawn.weights))


def by_cell(cell: Any, drawn: Case) -> dict[str, Any]:
    """A cell of this library on its engine."""
    weights = (cell.carry_type(*drawn.weights[0]), drawn.weights[1])
    per_step = {"per_step": drawn.per_step} if drawn.per_step else {}
    (final, ys), gradients = run(cell, drawn.params, drawn.xs, cell.carry_type(*drawn.carry), weights, **per_step)
    return in_parts(tuple(final), ys, *gradients)


def in_parts(final: Any, ys: Any, params: Any, xs: Any, carry: Any) -> dict[str, Any]:
    gradients = {**params, "xs": xs, **{f"carry {k}": a for k, a in enumerate(carry)}}
    return results(final, ys, gradients)


def results(final: tuple[Any, ...], ys: Any, gradients: dict[str, Any]) -> dict[str, Any]:
    finals = {f"final {k}": a for k, a in enumerate(final)}
    return {"outputs": ys, **finals, **{f"gradient of {name}": a for name, a in gradients.items()}}


def agree(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, a in one.items():
        np.testing.assert_allclose(
            np.asarray(other[name]), np.asarray(a), TOLERANCE, TOLERANCE, err_msg=name, strict=True
        )
