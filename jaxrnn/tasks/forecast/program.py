"""The model of forecasts as a function of arrays."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.train.program import Program
from jaxrnn.train.task import Params


def program_of(task: Any, params: Params) -> Program:
    """Arrays of the past and of the steps ahead to quantiles, or to what a distribution is given by."""
    (F, G), h, data = task.features.sizes, task.data.horizon, task.data
    quantiles = task.model.output == "quantiles"

    def function(inputs: jax.Array, lengths: jax.Array, ahead: jax.Array, level: jax.Array) -> tuple[jax.Array]:
        ys = task.network.read(params, inputs, lengths)
        state = jnp.take_along_axis(ys, (lengths - 1)[None, :, None], 0)[0]
        out = task.network.forecast(params, state, ahead)
        return (task.values(out, level) if quantiles else out,)

    z = f"log(1 + value / ({data.log:g} size))" if data.log else "value / size"
    note = (
        f"z = {z}; inputs are (z - level) / {task.features.deviation:.6g}, 0 in a gap, whether there is a "
        "value, calendar, covariates; ahead as jaxrnn.tasks.forecast.features makes it; "
        + ("quantiles are values / size" if quantiles else "distribution: place, width (, degrees of freedom) of z")
    )
    arguments: dict[str, tuple[tuple[int | str, ...], str]] = {
        "inputs": (("B", "T", F), "float32"),
        "lengths": (("B",), "int32"),
        "ahead": (("B", h, G), "float32"),
        "level": (("B",), "float32"),
    }
    return Program(function, arguments, ("quantiles" if quantiles else "distribution",), note)
