"""Figures of what goes on over time. They need matplotlib: `pip install "jaxrnn[train]"`."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxrnn.base.checks import check_floats
from jaxrnn.base.errors import fail
from jaxrnn.dynamics.exponents import Lyapunov
from jaxrnn.dynamics.gradients import GradientNorms
from jaxrnn.dynamics.panels import found_by, panels_on, states_of


def draw_gradients(found: GradientNorms, axes: Any = None) -> Any:
    """The norm of the gradient by distance in time, of each state: the mean (geometric) over rows, and their spread.

    Args:
        found: what `gradient_norms` returns.
        axes: axes of matplotlib to draw on; None for a new figure.

    Returns:
        The matplotlib Figure.

    Raises:
        TypeError, ValueError: an argument is something else.
        ModuleNotFoundError: matplotlib is not installed.

    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> from jaxrnn import dynamics
    >>> cell = jaxrnn.gru(4)
    >>> params, xs = cell.init(jax.random.key(0), 3), jnp.ones((12, 2, 3))
    >>> figure = dynamics.draw_gradients(dynamics.gradient_norms(cell, params, xs))
    """
    found_by(found, GradientNorms, "gradient_norms")
    [panel] = panels_on(axes)
    states = states_of(found.states)
    lines = [("all", found.norms), *(states if len(states) > 1 else ())]
    for i, (name, norms) in enumerate(lines):
        with np.errstate(divide="ignore"):
            logs = np.log10(norms.reshape(len(norms), -1))
        logs = np.where(np.isfinite(logs), logs, np.nan)
        known = ~np.isnan(logs).all(1)
        at = np.arange(len(logs))[known]
        style = {"color": "black" if i == 0 else f"C{i - 1}", "linewidth": 1.8 if i == 0 else 1.2}
        panel.plot(at, np.nanmean(logs[known], 1), label=name, **style)
        if logs.shape[1] > 1:
            low, high = np.nanmin(logs[known], 1), np.nanmax(logs[known], 1)
            panel.fill_between(at, low, high, color=style["color"], alpha=0.12, linewidth=0)
    panel.yaxis.set_major_formatter(lambda v, _: f"$10^{{{v:g}}}$")
    panel.set(xlabel="distance (steps back)", ylabel="norm of the gradient", title="gradient by distance in time")
    panel.grid(alpha=0.3)
    if len(lines) > 1:
        panel.legend()
    return panel.figure


def draw_lyapunov(found: Lyapunov, axes: Any = None) -> Any:
    """The Lyapunov spectrum, and how its estimate settled; rows one by one.

    Args:
        found: what `lyapunov` returns.
        axes: two axes of matplotlib; None for a new figure.

    Returns:
        The matplotlib Figure.

    Raises:
        TypeError, ValueError: an argument is something else.
        ModuleNotFoundError: matplotlib is not installed.

    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> from jaxrnn import dynamics
    >>> cell = jaxrnn.gru(4)
    >>> params, xs = cell.init(jax.random.key(0), 3), jnp.ones((12, 2, 3))
    >>> figure = dynamics.draw_lyapunov(dynamics.lyapunov(cell, params, xs, count=2))
    """
    found_by(found, Lyapunov, "lyapunov")
    spectrum, settling = panels_on(axes, 2)
    K = found.exponents.shape[-1]
    exponents = found.exponents.reshape(-1, K)
    finite = np.where(np.isfinite(exponents), exponents, np.nan)
    for row in finite:
        spectrum.plot(np.arange(1, K + 1), row, ".-", markersize=4 if K < 60 else 2, alpha=0.8)
    spectrum.axhline(0, color="black", linewidth=0.8)
    spectrum.set(xlabel="index", ylabel="exponent (nats a step)", title="Lyapunov spectrum")
    history = found.history.reshape(len(found.steps), -1, K)
    shown = np.where(np.isfinite(history), history, np.nan)[..., : min(K, 4)]
    for row in range(shown.shape[1]):
        for k in range(shown.shape[2]):
            settling.plot(found.steps, shown[:, row, k], color=f"C{k}", alpha=0.7, linewidth=1)
    settling.axhline(0, color="black", linewidth=0.8)
    settling.set(xlabel="steps", ylabel="the largest, so far", title="how they settle")
    for panel in (spectrum, settling):
        panel.grid(alpha=0.3)
    return spectrum.figure


def draw_memory(found: Any, axes: Any = None) -> Any:
    """Memory lengths of units, sorted, of each state: the median over rows. What a row is too short for is open.

    Args:
        found: what `memory_lengths` returns.
        axes: axes of matplotlib to draw on; None for a new figure.

    Returns:
        The matplotlib Figure.

    Raises:
        TypeError, ValueError: an argument is something else.
        ModuleNotFoundError: matplotlib is not installed.

    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> from jaxrnn import dynamics
    >>> cell = jaxrnn.gru(4)
    >>> params, xs = cell.init(jax.random.key(0), 3), jnp.ones((12, 2, 3))
    >>> figure = dynamics.draw_memory(dynamics.memory_lengths(cell, params, xs))
    """
    expected = "what `jaxrnn.dynamics.memory_lengths` returns"
    for leaf in jax.tree.leaves(found):
        check_floats(leaf, "found", expected)
    states = states_of(found)
    if not states or not all(a.ndim and a.size for _, a in states):
        fail("found", expected, found, kind=TypeError)
    [panel] = panels_on(axes)
    finite = [a[np.isfinite(a)] for _, a in states]
    top = 1.3 * max((a.max() for a in finite if a.size), default=1.0)
    for i, (name, lengths) in enumerate(states):
        middle = np.sort(np.median(lengths.reshape(-1, lengths.shape[-1]), 0))
        at, open_ = np.linspace(0, 1, len(middle)), np.isinf(middle)
        panel.plot(at[~open_], np.maximum(middle[~open_], 0.1), ".-", color=f"C{i}", label=name or "state")
        panel.plot(at[open_], np.full(open_.sum(), top), "^", markerfacecolor="none", color=f"C{i}")
    panel.set_yscale("log")
    panel.set(xlabel="units, sorted (share)", ylabel="steps", title="memory length")
    panel.grid(alpha=0.3)
    if len(states) > 1:
        panel.legend()
    return panel.figure
