"""Figures of gates, fixed points and kernels. They need matplotlib: `pip install "jaxrnn[train]"`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxrnn.base.checks import check_floats
from jaxrnn.base.errors import fail
from jaxrnn.dynamics.eigenvalues import Spectrum
from jaxrnn.dynamics.equilibria import FixedPoints
from jaxrnn.dynamics.gates import Gate
from jaxrnn.dynamics.panels import dict_of, found_by, panels_on

LONGEST = 10_000  # points of a cloud


def draw_gates(found: Mapping[str, Gate], axes: Any = None) -> Any:
    """Gates as in Karpathy et al. 2015: a dot a unit, how often it is open beside how often it is shut.

    Args:
        found: what `gate_saturation` returns.
        axes: as many axes of matplotlib as there are gates; None for a new figure.

    Returns:
        The matplotlib Figure.

    Raises:
        TypeError, ValueError: an argument is something else.
        ModuleNotFoundError: matplotlib is not installed.

    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> from jaxrnn import dynamics
    >>> cell = jaxrnn.gru(4)
    >>> params, xs = cell.init(jax.random.key(0), 3), jnp.ones((12, 2, 3))
    >>> figure = dynamics.draw_gates(dynamics.gate_saturation(cell, params, xs))
    """
    dict_of(found, Gate, "gate_saturation")
    panels = panels_on(axes, len(found), (3.2, 3.2))
    for i, (panel, (name, gate)) in enumerate(zip(panels, found.items(), strict=True)):
        panel.plot([0, 1], [1, 0], color="grey", linewidth=0.6)
        panel.scatter(gate.shut, gate.open, s=18, alpha=0.5, color=f"C{i % 10}", linewidth=0)
        panel.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="shut", ylabel="open", aspect="equal")
        panel.set_title(f"{name} ({gate.function}): {gate.saturated:.0%} saturated", fontsize=10)
    return panels[0].figure


def draw_fixed_points(found: FixedPoints, trajectories: Any = None, axes: Any = None) -> Any:
    """Fixed points in the plane of the largest variance, with trajectories, and their eigenvalues.

    Args:
        found: what `fixed_points` returns.
        trajectories: carries to draw beneath and to take the plane from, arrays [T, *B, H], such as
            `jaxrnn.scan_carries` returns; None for the plane of the points.
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
    >>> figure = dynamics.draw_fixed_points(dynamics.fixed_points(cell, params, xs[0, 0], 8))
    """
    points = _flat(found_by(found, FixedPoints, "fixed_points").points, 1)
    runs = None if trajectories is None else _checked(trajectories, points.shape[1])
    plane, circle = panels_on(axes, 2, (5.5, 5.0))
    cloud = points if runs is None else runs.reshape(-1, runs.shape[-1])
    cloud = cloud[:: -(-max(len(cloud), 1) // LONGEST)]
    center = cloud.mean(0) if len(cloud) else 0.0
    basis = np.zeros((2, points.shape[1]))
    directions = np.linalg.svd(cloud - center, full_matrices=False)[2][:2] if len(cloud) else basis[:0]
    basis[: len(directions)] = directions
    if runs is not None:
        flat = ((runs - center) @ basis.T).reshape(len(runs), -1, 2)
        for row in range(min(flat.shape[1], 32)):
            plane.plot(*flat[:, row].T, color="grey", linewidth=0.6, alpha=0.5)
    at = (points - center) @ basis.T
    for stable, marker, name in ((True, "o", "stable"), (False, "X", "unstable")):
        chosen = found.stable == stable
        plane.scatter(*at[chosen].T, marker=marker, s=70, zorder=3, edgecolor="black", label=f"{name} ({chosen.sum()})")
    plane.set(xlabel="first direction", ylabel="second direction", title=f"{len(points)} fixed points")
    plane.legend()
    turn = np.exp(2j * np.pi * np.linspace(0, 1, 400))
    circle.plot(turn.real, turn.imag, color="black", linewidth=0.8)
    for i, values in enumerate(found.eigenvalues[:12]):
        circle.scatter(values.real, values.imag, s=14, alpha=0.6, color=f"C{i % 10}")
    circle.set(xlabel="real part", ylabel="imaginary part", title="eigenvalues there", aspect="equal")
    for panel in (plane, circle):
        panel.grid(alpha=0.3)
    return plane.figure


def _checked(trajectories: Any, size: int) -> np.ndarray:
    """Carries of a layer whose states have so many numbers, side by side."""
    expected = "carries of the same layer, arrays [T, *B, H]"
    leaves = jax.tree.leaves(trajectories)
    for leaf in leaves:
        check_floats(leaf, "trajectories", expected)
    one = {leaf.shape[:-1] for leaf in leaves}
    if len(one) != 1 or min(leaf.ndim for leaf in leaves) < 2 or sum(leaf.shape[-1] for leaf in leaves) != size:
        fail("trajectories", expected, trajectories)
    return _flat(trajectories, None)


def _flat(carry: Any, axes: int | None) -> np.ndarray:
    """A carry's arrays [..., H] side by side."""
    arrays = [np.asarray(a, np.float64) for a in jax.tree.leaves(carry)]
    if axes is not None:
        arrays = [a.reshape(*a.shape[:axes], math.prod(a.shape[axes:])) for a in arrays]  # of no points too
    return np.concatenate(arrays, -1)


def draw_spectra(found: Mapping[str, Spectrum], axes: Any = None) -> Any:
    """Eigenvalues of recurrent kernels beside the unit circle; singular values of those that are not square.

    Args:
        found: what `spectra` returns.
        axes: as many axes of matplotlib as there are kernels; None for a new figure.

    Returns:
        The matplotlib Figure.

    Raises:
        TypeError, ValueError: an argument is something else.
        ModuleNotFoundError: matplotlib is not installed.

    >>> import jax, jax.numpy as jnp, jaxrnn
    >>> from jaxrnn import dynamics
    >>> cell = jaxrnn.gru(4)
    >>> params, xs = cell.init(jax.random.key(0), 3), jnp.ones((12, 2, 3))
    >>> figure = dynamics.draw_spectra(dynamics.spectra(cell, params))
    """
    dict_of(found, Spectrum, "spectra")
    panels = panels_on(axes, len(found), (3.2, 3.2))
    turn = np.exp(2j * np.pi * np.linspace(0, 1, 400))
    for panel, (name, spectrum) in zip(panels, found.items(), strict=True):
        if spectrum.eigenvalues is None:
            panel.plot(np.arange(1, len(spectrum.singular_values) + 1), spectrum.singular_values, ".-", markersize=3)
            panel.set(xlabel="index", ylabel="singular value")
        else:
            panel.plot(turn.real, turn.imag, color="black", linewidth=0.8)
            panel.scatter(spectrum.eigenvalues.real, spectrum.eigenvalues.imag, s=10, alpha=0.6)
            panel.set(aspect="equal")
        panel.set_title(f"{name}: {spectrum.radius:.2f}", fontsize=9)
        panel.grid(alpha=0.3)
    return panels[0].figure
