"""What a recurrent network does besides being trained: memory, chaos, gates, fixed points, spectra.

Every function takes a layer, its parameters, and where something has to run, inputs, time first: any cell, stack or
composed layer, gated or linear, a module of `jaxrnn.nnx` or `jaxrnn.linen`, a cell of Flax's. It returns NumPy arrays;
each has a figure function, `draw_...`, which needs matplotlib. `calls` finds the recurrent layers in a larger model.
"""

from jaxrnn.dynamics.eigenvalues import Spectrum, spectra
from jaxrnn.dynamics.equilibria import FixedPoints, fixed_points
from jaxrnn.dynamics.exponents import Lyapunov, lyapunov
from jaxrnn.dynamics.figures_of_states import draw_fixed_points, draw_gates, draw_spectra
from jaxrnn.dynamics.figures_of_time import draw_gradients, draw_lyapunov, draw_memory
from jaxrnn.dynamics.gates import Gate, NoGates, gate_saturation
from jaxrnn.dynamics.gradients import GradientNorms, gradient_norms, memory_lengths
from jaxrnn.dynamics.heard import Seen, calls

__all__ = [
    "FixedPoints",
    "Gate",
    "GradientNorms",
    "Lyapunov",
    "NoGates",
    "Seen",
    "Spectrum",
    "calls",
    "draw_fixed_points",
    "draw_gates",
    "draw_gradients",
    "draw_lyapunov",
    "draw_memory",
    "draw_spectra",
    "fixed_points",
    "gate_saturation",
    "gradient_norms",
    "lyapunov",
    "memory_lengths",
    "spectra",
]


def __dir__() -> list[str]:
    return __all__
