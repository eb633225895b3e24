"""What a layer declares: arrays by name, with their shapes, initialisers and roles."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

from jaxrnn.base.checks import check_choice, check_function, check_size
from jaxrnn.base.dtypes import check_dtype
from jaxrnn.base.errors import fail
from jaxrnn.base.typing import Initializer
from jaxrnn.forms.around import check_form
from jaxrnn.forms.form import Columns, Form

SYMBOLS = ("D", "G", "H", "P")
SHAPE = f"a tuple of positive integers and symbols out of {SYMBOLS}"
ROLES = ("input", "recurrent", "unit", "carry")


@dataclass(frozen=True)
class Parameter:
    """Declares one array. `shape` may hold the symbols D, G, H, P, or a sum such as "D+H", until `resolve` replaces
    them by numbers.

    Roles: `input` arrays make the projection of x, `recurrent` arrays multiply a state (`recur`), `unit` arrays reach
    the equations as `theta` (K vectors at each position of a grid are `(K, *S, "H")`), `carry` arrays are a learned
    initial carry. `dtype` is that of the array; None for the cell's `param_dtype`. `form` is that of an array with the
    role input or recurrent, such as `jaxrnn.heads(4)`: `shape` is then what it stands for, and what is held may be
    several arrays; None for dense.

    >>> import jax, jaxrnn
    >>> scale = jaxrnn.Parameter(("H",), jax.nn.initializers.ones)
    >>> @jaxrnn.gate_cell(gates=("g",), carry=jaxrnn.ElmanCarry, parameters={"scale": scale})
    ... def scaled(carry, x, h, theta):
    ...     h = theta.scale * jax.numpy.tanh(x.g + h.g)
    ...     return jaxrnn.ElmanCarry(h), h
    >>> scaled(4).init(jax.random.key(0), inputs=3)["scale"].shape
    (4,)
    """

    shape: tuple[str | int, ...]
    init: Initializer  # (key, shape, dtype) -> array
    role: str = "unit"  # input, recurrent, unit or carry
    dtype: Any = None
    form: Form | None = None
    exact = False  # whether the array is of this dtype and no other

    def __post_init__(self) -> None:
        if not isinstance(self.shape, tuple):
            fail("shape", SHAPE, self.shape, kind=TypeError)
        if any(isinstance(size, str) and not {*size.split("+")} <= {*SYMBOLS} for size in self.shape):
            fail("shape", SHAPE, self.shape)
        shape = (s if isinstance(s, str) else check_size(s, f"shape[{i}]") for i, s in enumerate(self.shape))
        object.__setattr__(self, "shape", tuple(shape))
        check_function(self.init, "init", "an initialiser (key, shape, dtype) -> array")
        check_choice(self.role, "role", ROLES)
        object.__setattr__(self, "dtype", check_dtype(self.dtype, "dtype"))
        if self.form is not None:
            check_form(self.form, "form")

    def resolve(self, sizes: dict[str, int], dtype: Any) -> Parameter:
        """The same declaration with every symbol replaced by its size."""
        resolved = copy(self)  # of what has been checked: every single step asks for this
        shape = (sum(int(sizes[part]) for part in s.split("+")) if isinstance(s, str) else s for s in self.shape)
        object.__setattr__(resolved, "shape", tuple(shape))
        object.__setattr__(resolved, "dtype", self.dtype or dtype)
        return resolved


@dataclass(frozen=True)
class Held(Parameter):
    """One of the arrays that hold a kernel."""

    kernel: str = ""  # its name
    held: Form | None = None  # its form
    columns: Columns | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        """It was made of what is checked."""
