"""Modules of Flax as what this room reads: jaxrnn's own by their functional layer, other cells by their protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax

from jaxrnn.base.errors import Said, fail
from jaxrnn.base.typing import Array, Carry
from jaxrnn.core.layer import Layer

EXPECTED = "a jaxrnn Layer such as jaxrnn.lstm(128), a module of jaxrnn.nnx or jaxrnn.linen, or a cell of Flax's"


def functional_of(module: Any, params: Any, argument: str) -> tuple[Layer, Any] | None:
    """The layer and the parameters of a module of jaxrnn; None for a cell of Flax's."""
    from flax import linen, nnx

    if isinstance(module, nnx.Module):
        if params is not None:
            fail("params", "None for an NNX module, which holds its own", params)
        layer = getattr(module, "functional", None)
        if layer is not None:
            return layer, module.params  # type: ignore[attr-defined]
        _check_cell(module, nnx.RNNCellBase, argument)
        return None
    if isinstance(module, linen.Module):
        given = _variables(params)
        layer = getattr(module, "functional", None)
        if layer is not None:
            return layer, _below(given)
        _check_cell(module, linen.RNNCellBase, argument)
        return None
    fail(argument, EXPECTED, module, kind=TypeError)


def _check_cell(module: Any, kind: type, argument: str) -> None:
    if not isinstance(module, kind):
        hint = "Of a larger model, `jaxrnn.dynamics.calls` finds the recurrent layers and what they ran on."
        fail(argument, EXPECTED, Said(f"a {type(module).__name__}"), hint, kind=TypeError)


def _variables(params: Any) -> Any:
    """What linen's `init` returns, or the parameters in it, without boxes."""
    from flax import linen

    if not isinstance(params, dict) or not params:
        fail("params", "the variables or the parameters of the linen module, as its `init` returns them", params)
    return linen.meta.unbox(params.get("params", params))


def _below(params: Any) -> Any:
    """Of a module around a cell module, the cell's parameters."""
    return params["cell"] if isinstance(params, dict) and set(params) == {"cell"} else params


@dataclass(frozen=True)
class NNXStep:
    """A step of an NNX cell, whose variables are its parameters."""

    graph: Any

    def __call__(self, params: Any, carry: Carry, x: Array, per_step: dict[str, Any]) -> tuple[Carry, Array]:
        from flax import nnx

        return nnx.merge(self.graph, *params)(carry, x)


@dataclass(frozen=True)
class LinenStep:
    """A step of a linen cell."""

    module: Any

    def __call__(self, params: Any, carry: Carry, x: Array, per_step: dict[str, Any]) -> tuple[Carry, Array]:
        return self.module.apply({"params": params}, carry, x)


def flax_cell(module: Any, params: Any, shape: tuple[int, ...]) -> tuple[Any, Any, Carry]:
    """A cell of Flax's as a step, its parameters, and its carry for inputs of this shape [*B, D]."""
    from flax import nnx

    if isinstance(module, nnx.Module):
        graph, *states = nnx.split(module, nnx.Param, ...)
        return NNXStep(graph), tuple(states), module.initialize_carry(shape, nnx.Rngs(0))  # type: ignore[attr-defined]
    return LinenStep(module), _variables(params), module.initialize_carry(jax.random.key(0), shape)
