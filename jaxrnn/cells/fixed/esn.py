r"""The echo state network: a random reservoir that is not trained, read by a linear readout that is.

    h' = (1 - leak) * h + leak * tanh(x + h @ recurrent_kernel)

with x = x @ kernel + bias. The leak scales the tanh too. All parameters are frozen: their gradients are zero, those of
inputs and states are not. The readout's weights are a ridge regression's, in closed form: `jaxrnn.fit_readout`.
Feedback of outputs is an input of its own.

Papers:
    Jaeger, The "echo state" approach to analysing and training recurrent neural networks, GMD Report 148, 2001.
    Jaeger et al., Optimization and applications of echo state networks with leaky-integrator neurons, Neural Networks
    20(3), 2007.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import jax
import jax.numpy as jnp
from jax import lax
from jax.nn import tanh

from jaxrnn.base.dtypes import promote
from jaxrnn.base.typing import Array
from jaxrnn.cells.elman import ElmanCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory
from jaxrnn.core.options import Conflict, Positive, Share
from jaxrnn.forms.maps import frozen
from jaxrnn.functions.initializers import Uniform

SQUARINGS = 32  # of a matrix, until its norm tells the spectral radius to the last digit


@dataclass(frozen=True)
class Reservoir:
    """A sparse normal matrix `[R, R]` of a spectral radius; one without eigenvalues but zero is left as it is.

    >>> A = Reservoir(0.9, 0.5)(jax.random.key(0), (20, 20), jnp.float32)
    >>> round(float(abs(jnp.linalg.eigvals(A)).max()), 3)
    0.9
    """

    radius: float
    connectivity: float

    def __call__(self, key: Array, shape: tuple[int, ...], dtype: Any = float) -> Array:
        wide = promote(dtype, jnp.float32)
        places, numbers = jax.random.split(key)
        drawn = jax.random.normal(numbers, shape, wide)
        drawn = jnp.where(jax.random.bernoulli(places, self.connectivity, shape), drawn, 0)
        return (drawn * scale_to(self.radius, drawn)).astype(dtype)


def scale_to(radius: float, matrix: Array) -> Array:
    """What a matrix `[R, R]` is to be multiplied by, so that its largest absolute eigenvalue is `radius`.

    By Gelfand's formula |A^n|^(1/n), n = 2^32, with products alone: accelerators have no eigenvalues of such matrices.
    """

    def square(state: tuple[Array, Array], weight: Array) -> tuple[tuple[Array, Array], None]:
        a, log = state
        norm = jnp.linalg.norm(a)
        a = a / jnp.where(norm > 0, norm, 1)
        return (jnp.matmul(a, a, precision=lax.Precision.HIGHEST), log + weight * jnp.log(norm)), None

    weights = 0.5 ** jnp.arange(SQUARINGS, dtype=matrix.dtype)
    (_, log), _ = lax.scan(square, (matrix, jnp.zeros((), matrix.dtype)), weights)
    return jnp.where(jnp.isfinite(log), radius * jnp.exp(-log), 1)


@factory(
    *(
        Conflict(name, "left alone with recurrent_kernel_init", lambda o: o.recurrent_kernel_init is not None)
        for name in ("radius", "connectivity")
    ),
    input=frozen(),
    recurrent=frozen(),
)
def esn(
    size: int,
    *,
    radius: Positive = 0.9,
    connectivity: Share = 0.1,
    leak: Share = 1.0,
    input_scale: Positive = 1.0,
    **common: Unpack[Common],
) -> Cell:
    """The echo state network, one gate h.

    The equations are at the head of this file. Parameters: `kernel [D, 1, H]`, `recurrent_kernel [H, 1, H]` and
    `bias [1, H]`. `input` and `recurrent` are `jaxrnn.forms.frozen()` by default; `jaxrnn.dense` there is trained.

    Args:
        size: H, the number of units.
        radius: the spectral radius of the recurrent kernel, at first.
        connectivity: of the recurrent kernel's numbers the share that is not zero.
        leak: in (0, 1], how fast the state follows.
        input_scale: kernel and bias are drawn uniformly within [-input_scale, input_scale).
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `ElmanCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> cell = jaxrnn.esn(100, leak=0.3)
    >>> params = cell.init(jax.random.key(0), inputs=1)
    >>> xs = jax.numpy.sin(jax.numpy.arange(500.0) / 5)[:, None, None]
    >>> carry, readout = jaxrnn.fit_readout(cell, params, xs[:-1], xs[1:], washout=50)  # to tell the next number
    >>> carry, ys = jaxrnn.scan(cell, params, xs[:-1])
    >>> bool(abs(readout(ys) - xs[1:])[50:].max() < 0.01)
    True
    """
    drawn: dict[str, Any] = dict(
        kernel_init=Uniform(input_scale),
        bias_init=Uniform(input_scale),
        recurrent_kernel_init=Reservoir(radius, connectivity),
    )
    given = {name: value for name, value in common.items() if value is not None}
    return build(
        "esn",
        size,
        ("h",),
        ElmanCarry,
        Update(_esn, (("leak", leak),)),
        bias_role="unit",
        paper="Jaeger 2001; Jaeger et al. 2007",
        common=Common(**{**drawn, **given}),  # type: ignore[typeddict-item]
    )


def _esn(carry: ElmanCarry, x: Any, recur: Any, theta: dict[str, Any], *, leak: float) -> tuple[ElmanCarry, Array]:
    net = x.h + recur(carry.h).h
    if "bias" in theta:
        (bias,) = theta["bias"]
        net = net + lax.stop_gradient(bias)
    h = (1 - leak) * carry.h + leak * tanh(net)
    return ElmanCarry(h), h
