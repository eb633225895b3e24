r"""Bistable recurrent cells.

    a = 1 + tanh(x_a + h_a)                   feedback: above 1 a unit has two stable states
    c = sigmoid(x_c + h_c)                    how much of the old state is kept
    h' = c * h + (1 - c) * tanh(x_n + a * h)

with h_a and h_c products with a diagonal kernel (brc) or a dense one (nbrc, neuromodulated). x_n has no bias.

Papers:
    Vecoven, Ernst & Drion, A bio-inspired bistable recurrent cell allows for long-lasting memory, PLOS ONE 16(6), 2021
    (doi:10.1371/journal.pone.0252676).
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, diagonals, factory
from jaxrnn.forms.diagonal import diagonal
from jaxrnn.functions.initializers import ones


@factory(recurrent=diagonal)
def brc(size: int, **common: Unpack[Common]) -> Cell:
    """Bistable recurrent cell, gates a, c, n.

    The equations are at the head of this file. Parameters: `kernel [D, 3, H]`, `recurrent_kernel [2, H]` of a and c,
    which starts at one, `bias [2, H]` of a and c. `recurrent` is `jaxrnn.diagonal` by default.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.brc(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (2, 4), 'kernel': (3, 3, 4), 'recurrent_kernel': (2, 4)}
    """
    return _bistable("brc", size, diagonals(common, ones))


@factory()
def nbrc(size: int, **common: Unpack[Common]) -> Cell:
    """Neuromodulated bistable recurrent cell, gates a, c, n.

    The equations are at the head of this file. Parameters: `kernel [D, 3, H]`, `recurrent_kernel [H, 2, H]` and
    `bias [2, H]` of a and c.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.nbrc(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (2, 4), 'kernel': (3, 3, 4), 'recurrent_kernel': (4, 2, 4)}
    """
    return _bistable("nbrc", size, common)


def _bistable(name: str, size: int, common: Common) -> Cell:
    return build(
        name,
        size,
        ("a", "c", "n"),
        GRUCarry,
        Update(_brc),
        recurrent_gates=("a", "c"),
        bias_gates=("a", "c"),
        paper="Vecoven et al. 2021",
        common=common,
    )


def _brc(carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[GRUCarry, Array]:
    h = recur(carry.h, gates=("a", "c"))
    a = 1 + tanh(x.a + h.a)
    c = sigmoid(x.c + h.c)
    new = c * carry.h + (1 - c) * tanh(x.n + a * carry.h)
    return GRUCarry(new), new
