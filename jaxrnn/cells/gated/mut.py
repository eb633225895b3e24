r"""The three best of ten thousand cells that were bred from one another.

    h' = z * n + (1 - z) * h                  of all three: z takes the new

    z = sigmoid(x_z)                          mut1
    r = sigmoid(x_r + h_r)
    n = tanh((r * h) @ recurrent_n + tanh(input) + b_n)

    z = sigmoid(x_z + h_z)                    mut2
    r = sigmoid(input + h_r + b_r)
    n = tanh(x_n + (r * h) @ recurrent_n)

    z = sigmoid(x_z + tanh(h) @ recurrent_z)  mut3
    r = sigmoid(x_r + h_r)
    n = tanh(x_n + (r * h) @ recurrent_n)

The input that mut1 and mut2 read as it is has as many features as there are units.

Papers:
    Jozefowicz, Zaremba & Sutskever, An empirical exploration of recurrent network architectures, ICML 2015.
"""

from __future__ import annotations

from typing import Any, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Array
from jaxrnn.cells.gru import GRUCarry
from jaxrnn.core.cell import Cell, Update
from jaxrnn.core.factory import Common, build, factory, within
from jaxrnn.core.options import Flag
from jaxrnn.forms.identity import identity

PAPER = "Jozefowicz et al. 2015"


@factory()
def mut1(size: int, *, project_input: Flag = False, **common: Unpack[Common]) -> Cell:
    """The first of three cells of a search, gates r, z, n.

    The equations are at the head of this file. Parameters: `kernel [H, 2, H]` of r and z, `recurrent_kernel [H, 2, H]`
    of r and n, `bias [3, H]`; with `project_input` `kernel [D, 3, H]`. `input` is the form of the kernel, dense or
    heads where the input is bare.

    Args:
        size: H, the number of units.
        project_input: give the bare input a kernel, so that it may have any number of features (torchrecurrent).
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.mut1(4).init(jax.random.key(0), inputs=4)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (3, 4), 'kernel': (4, 2, 4), 'recurrent_kernel': (4, 2, 4)}
    """
    return build(
        "mut1",
        size,
        ("r", "z", "n"),
        GRUCarry,
        Update(_mut1),
        recurrent_gates=("r", "n"),
        bias_role="unit",  # n has it outside of the input's tanh
        paper=PAPER,
        common=common if project_input else _bare("n", common),
    )


@factory()
def mut2(size: int, *, project_input: Flag = False, **common: Unpack[Common]) -> Cell:
    """The second of three cells of a search, gates z, n, r.

    The equations are at the head of this file. Parameters: `kernel [H, 2, H]` of z and n, `recurrent_kernel [H, 3, H]`,
    `bias [3, H]`; with `project_input` `kernel [D, 3, H]`. `input` is the form of the kernel, dense or heads where the
    input is bare.

    Args:
        size: H, the number of units.
        project_input: give the bare input a kernel, so that it may have any number of features (torchrecurrent).
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.mut2(4).init(jax.random.key(0), inputs=4)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (3, 4), 'kernel': (4, 2, 4), 'recurrent_kernel': (4, 3, 4)}
    """
    return build(
        "mut2",
        size,
        ("z", "n", "r"),
        GRUCarry,
        Update(_mut2),
        paper=PAPER,
        common=common if project_input else _bare("r", common),
    )


@factory()
def mut3(size: int, **common: Unpack[Common]) -> Cell:
    """The third of three cells of a search, gates r, z, n.

    The equations are at the head of this file. Parameters: `kernel [D, 3, H]`, `recurrent_kernel [H, 3, H]`,
    `bias [3, H]`.

    Args:
        size: H, the number of units.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `GRUCarry(h)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.mut3(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (3, 4), 'kernel': (3, 3, 4), 'recurrent_kernel': (4, 3, 4)}
    """
    update = Update(_mut3)
    return build("mut3", size, ("r", "z", "n"), GRUCarry, update, paper=PAPER, common=common)


def _bare(gate: str, common: Common) -> Common:
    """The options of a cell, one gate of which sees the input as it is."""
    return within(common, "input", lambda form: identity(gate, of=form), matrices=True)


def _mut1(carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[GRUCarry, Array]:
    b_r, b_z, b_n = theta.get("bias", (0, 0, 0))
    r = sigmoid(x.r + b_r + recur(carry.h, gates=("r",)).r)
    return _mutant(carry, x.z + b_z, recur(r * carry.h, gates=("n",)).n + tanh(x.n) + b_n)


def _mut2(carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[GRUCarry, Array]:
    h = recur(carry.h, gates=("z", "r"))
    return _mutant(carry, x.z + h.z, x.n + recur(sigmoid(x.r + h.r) * carry.h, gates=("n",)).n)


def _mut3(carry: GRUCarry, x: Any, recur: Any, theta: dict[str, Any]) -> tuple[GRUCarry, Array]:
    r = sigmoid(x.r + recur(carry.h, gates=("r",)).r)
    z = x.z + recur(tanh(carry.h), gates=("z",)).z
    return _mutant(carry, z, x.n + recur(r * carry.h, gates=("n",)).n)


def _mutant(carry: GRUCarry, z: Array, n: Array) -> tuple[GRUCarry, Array]:
    z = sigmoid(z)
    h = z * tanh(n) + (1 - z) * carry.h
    return GRUCarry(h), h
