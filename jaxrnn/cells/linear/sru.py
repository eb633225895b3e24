r"""The simple recurrent unit and the quasi-recurrent network: averages by gates that see inputs alone.

    f, r, i, o = sigmoid(x_f), sigmoid(x_r), sigmoid(x_i), sigmoid(x_o),  z = tanh(x_z)
    c' = f * c + (1 - f) * x_z,   y = r * activation(c') + (1 - r) * x       sru
    c' = f * c + (1 - f) * z,     y = c'                                     qrnn, pooling f
    c' = f * c + (1 - f) * z,     y = o * c'                                 qrnn, pooling fo
    c' = f * c + i * z,           y = o * c'                                 qrnn, pooling ifo

The highway's x is the input as it is, of H features. The second version of the SRU, whose gates see the old c, is not
linear in the state. The paper's highway has alpha x for x, alpha = sqrt(1 + 2 exp(b)) where gates r start with biases
b: with `project_input`, at the start of that kernel. Gates of the QRNN see a window of W inputs by
`windowed(qrnn(H), window=W, inputs=D)`; the cell by itself sees one. Salesforce's f is what is taken of the new.

Papers:
    Lei, Zhang, Wang, Dai & Artzi, Simple recurrent units for highly parallelizable recurrence, EMNLP 2018
    (arXiv:1709.02755).
    Bradbury, Merity, Xiong & Socher, Quasi-recurrent neural networks, ICLR 2017 (arXiv:1611.01576).
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, Unpack

from jax.nn import sigmoid, tanh

from jaxrnn.base.typing import Activation, Array
from jaxrnn.core.cell import Cell
from jaxrnn.core.factory import Common, factory, within
from jaxrnn.core.linear_cell import UNSEEN, assemble, linear_of
from jaxrnn.core.options import Flag, Function, choices
from jaxrnn.forms.identity import identity
from jaxrnn.programs.serialized import serialized

POOLINGS = {"f": ("z", "f"), "fo": ("z", "f", "o"), "ifo": ("z", "f", "o", "i")}


@serialized
class CellCarry(NamedTuple):
    """The cell's state, which is not its output."""

    c: Array  # [*B, H]


@factory(*UNSEEN)
def sru(size: int, *, activation: Function = tanh, project_input: Flag = False, **common: Unpack[Common]) -> Cell:
    """Simple recurrent unit, gates z, f, r, and x, which is the input as it is.

    The equations are at the head of this file. Parameters: `kernel [H, 3, H]` of z, f and r, `bias [2, H]` of f and r;
    with `project_input` `kernel [D, 4, H]`. `input` is the form of the kernel, dense or heads where the input is bare.

    Args:
        size: H, the number of units.
        activation: any function of one array.
        project_input: give the highway's input a kernel, so that it may have any number of features.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `CellCarry(c)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.sru(4).init(jax.random.key(0), inputs=4)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (2, 4), 'kernel': (4, 3, 4)}
    """
    bare = lambda form: identity("x", of=form)  # noqa: E731
    return assemble(
        "sru",
        size,
        ("z", "f", "r", "x"),
        CellCarry,
        linear_of(_sru, _highway),
        {"activation": activation},
        bias_gates=("f", "r"),
        paper="Lei et al. 2018",
        common=common if project_input else within(common, "input", bare, matrices=True),
    )


@factory(*UNSEEN)
def qrnn(size: int, *, pooling: Annotated[str, choices(*POOLINGS)] = "fo", **common: Unpack[Common]) -> Cell:
    """Quasi-recurrent network: pooling with gates z, f, o, i, as many as it has.

    The equations are at the head of this file. Parameters: `kernel [D, G, H]`, `bias [G, H]`. A convolution of width W:
    `jaxrnn.windowed(jaxrnn.qrnn(H), window=W, inputs=D)`.

    Args:
        size: H, the number of units.
        pooling: "f", "fo" or "ifo", by its gates.
        **common: see `jaxrnn.core.factory.Common`.

    Returns:
        A Cell whose carry is `CellCarry(c)`.

    Raises:
        TypeError, ValueError: an option is of the wrong type or out of range; the message names it.

    >>> import jax, jaxrnn
    >>> params = jaxrnn.qrnn(4).init(jax.random.key(0), inputs=3)
    >>> {name: a.shape for name, a in params.items()}
    {'bias': (3, 4), 'kernel': (3, 3, 4)}
    """
    linear = linear_of(_ifo if pooling == "ifo" else _f, None if pooling == "f" else _gated)
    return assemble("qrnn", size, POOLINGS[pooling], CellCarry, linear, paper="Bradbury et al. 2017", common=common)


def _sru(x: Any) -> tuple[Array, Array]:
    return sigmoid(x.f), sigmoid(-x.f) * x.z


def _highway(carry: CellCarry, x: Any, *, activation: Activation) -> Array:
    return sigmoid(x.r) * activation(carry.c) + sigmoid(-x.r) * x.x


def _f(x: Any) -> tuple[Array, Array]:
    return sigmoid(x.f), sigmoid(-x.f) * tanh(x.z)


def _ifo(x: Any) -> tuple[Array, Array]:
    return sigmoid(x.f), sigmoid(x.i) * tanh(x.z)


def _gated(carry: CellCarry, x: Any) -> Array:
    return sigmoid(x.o) * carry.c
