"""Noise inside a cell: recurrent dropout and zoneout. Each maps a Cell to a Cell with the same parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxrnn.base.checks import check_rate
from jaxrnn.base.errors import Said, fail, nearest
from jaxrnn.base.made import remembered
from jaxrnn.base.typing import Array, Carry
from jaxrnn.core.cell import Cell, Noise
from jaxrnn.core.factory import add_noise


@remembered
def recurrent_dropout(cell: Cell, rate: float) -> Cell:
    """Variational dropout on the recurrent state: h * m / (1 - rate) enters every recurrent product.

    One mask a row, the same at all times and for all gates; without `rng` nothing is dropped. A given mask (bool
    `[T, *B, R]`, true where the state is kept) may be passed as `per_step={"recurrent_dropout": mask}`.

    Args:
        cell: any Cell.
        rate: the probability of dropping a unit, in [0, 1).

    Returns:
        A Cell with the same parameters and carry.

    Raises:
        TypeError: `cell` is not a Cell. ValueError: `rate` is out of range, or the cell has recurrent dropout already.

    Paper: Gal & Ghahramani, A theoretically grounded application of dropout in recurrent neural networks, NIPS 2016.

    >>> import jaxrnn
    >>> jaxrnn.recurrent_dropout(jaxrnn.lstm(8), 0.25).name
    'recurrent_dropout(lstm)'
    """
    rate = check_rate(rate, "rate")
    noise = Noise("recurrent_dropout", 1 - rate, "P", fixed=True)
    return add_noise(cell, "recurrent_dropout", _recurrent_dropout, {"keep": 1 - rate}, (noise,))


@remembered
def zoneout(cell: Cell, **rates: float) -> Cell:
    """Zoneout: at every step each unit of a state keeps its old value with the given probability.

    Without `rng` the states take their expected value, rate * old + (1 - rate) * new. Given masks (bool `[T, *B, H]`,
    true where the old value is kept) may be passed as `per_step={"zoneout_c": mask}`.

    Args:
        cell: any Cell.
        **rates: probabilities in [0, 1), by field of the carry.

    Returns:
        A Cell with the same parameters and carry.

    Raises:
        TypeError: `cell` is not a Cell. ValueError: a rate is out of range, or its name is no field of the carry.

    Paper: Krueger et al., Zoneout: regularizing RNNs by randomly preserving hidden activations, ICLR 2017.

    >>> import jaxrnn
    >>> jaxrnn.zoneout(jaxrnn.lstm(8), c=0.5, h=0.05).name
    'zoneout(lstm)'
    """
    if not isinstance(cell, Cell):
        fail("cell", "a Cell", cell, kind=TypeError)
    fields = cell.carry_type._fields  # type: ignore[attr-defined]
    if not rates:
        fail(
            "rates", f"given by field of the carry, out of {fields}", Said("none"), "For example zoneout(cell, h=0.1)."
        )
    for name in rates:
        if name not in fields:
            fail("rates", f"named after fields of the carry, out of {fields}", name, nearest(name, fields))
    rates = {name: check_rate(rate, name) for name, rate in rates.items()}
    sizes = dict(zip(fields, cell.carry_sizes, strict=True))
    noises = tuple(Noise(f"zoneout_{name}", rate, sizes[name], fixed=False) for name, rate in rates.items())
    return add_noise(cell, "zoneout", _zoneout, {"rates": tuple(rates.items())}, noises)


def _recurrent_dropout(
    carry: Carry,
    x: Any,
    recur: Any,
    theta: dict[str, Any],
    *,
    inner: Callable[..., Any],
    keep: float,
    **per_step: Array,
) -> tuple[Carry, Array]:
    mask = per_step.pop("recurrent_dropout", theta.get("recurrent_dropout"))
    recur = recur if mask is None else _Dropped(recur, mask, keep)
    return inner(carry, x, recur, theta, **per_step)


@dataclass
class _Dropped:
    """A recurrent product whose state is masked; other kernels, such as a projection, see the whole state."""

    recur: Any
    mask: Array
    keep: float

    def __call__(self, h: Array, gates: tuple[str, ...] | None = None, kernel: str = "recurrent_kernel") -> Any:
        if kernel == "recurrent_kernel":
            h = jnp.where(self.mask, h / self.keep, jnp.zeros_like(h))
        return self.recur(h, gates, kernel)


def _zoneout(
    carry: Any,
    x: Any,
    recur: Any,
    theta: dict[str, Any],
    *,
    inner: Callable[..., Any],
    rates: tuple[tuple[str, float], ...],
    **per_step: Array,
) -> tuple[Carry, Array]:
    masks = {name: per_step.pop(f"zoneout_{name}", None) for name, _ in rates}
    new, y = inner(carry, x, recur, theta, **per_step)
    mixed = new
    for name, rate in rates:
        before, after = getattr(carry, name), getattr(new, name)
        mask = masks[name]
        kept = rate * before + (1 - rate) * after if mask is None else jnp.where(mask, before, after)
        mixed = mixed._replace(**{name: kept})
    # Where the output is a state, it is the state after zoneout.
    return mixed, next((kept for kept, state in zip(mixed, new, strict=True) if state is y), y)
