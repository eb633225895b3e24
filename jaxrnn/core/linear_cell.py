"""The decorator that turns a linear recurrence into a cell factory, and what factories of linear cells share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from jaxrnn.base.errors import fail
from jaxrnn.base.hints import spelled
from jaxrnn.base.made import options, remembered
from jaxrnn.base.typing import Initializer
from jaxrnn.core.cell import Cell, Update, name_of
from jaxrnn.core.factory import DEFAULTS, Common, build
from jaxrnn.core.gate_cell import check_declaration, signature_of
from jaxrnn.core.kernels import RECURRENT
from jaxrnn.core.linear import DRIVE, SHOWS, Linear, linear_step
from jaxrnn.core.options import Conflict
from jaxrnn.core.parameter import Parameter
from jaxrnn.programs.serialized import serialized

OTHER = "Equations that read the carry are for `jaxrnn.gate_cell`."
OF_STATES = ("recurrent", "recurrent_kernel_init", "multiplicative")  # common options that say nothing here
UNSEEN = tuple(Conflict(o, "left out, since no gate sees the state", lambda o: True) for o in OF_STATES)


def linear_cell(
    *,
    gates: tuple[str, ...],
    carry: type,
    shows: Callable[..., Any] | None = None,
    parameters: Mapping[str, Parameter] | None = None,
    bias_init: Mapping[str, Initializer] | None = None,
    paper: str = "",
) -> Callable[..., Callable[..., Cell]]:
    """Turn a recurrence that is linear in the state, `h' = a h + b`, into a cell factory.

    The function says a and b, from the input alone: `equations(x)`; with vectors of its own `equations(x, theta)`; with
    products of what it makes of the input `equations(x, recur, theta)`.

        x: the projected input, bias included: a named tuple of one array `[*B, H]` a gate.
        theta[name]: a vector of `parameters`, `[*B, H]`; of K of them a tuple.

    It returns `(a, b)`, arrays `[*B, H]`, for a carry of one array. For a carry of two, a pair `(re, im)`, both are
    complex; or a is a matrix of two by two a unit, `((a11, a12), (a21, a22))`, and b a pair. Keyword arguments with a
    default are options of the factory; keyword arguments without one are per-step inputs.

    The cell is one like any other. What runs it (`jaxrnn.explain`) may do all steps at once.

    Args:
        gates: names of the gates, in the order of the parameters' gate axis.
        carry: a NamedTuple class of one array `[*B, H]` or two, of any names, zeros at first.
        shows: the output `[*B, H]` of a step, a function `(carry, x)` of its new carry, or `(carry, x, recur, theta)`
            as of `jaxrnn.gate_cell`: products that it makes are made of all steps at once. Keyword arguments as above.
            None: the output is the state, of a pair the first.
        parameters: more arrays by name, as of `jaxrnn.gate_cell`; those with role "recurrent" are for `shows`.
        bias_init: initial biases of some gates; zeros elsewhere.
        paper: where the equations come from.

    Returns:
        A decorator; what it returns is a factory `(size, **options) -> Cell`.

    Raises:
        TypeError: `carry` is no NamedTuple class of one or two fields, or gates are not distinct names.

    >>> from typing import NamedTuple
    >>> import jax, jaxrnn
    >>> class State(NamedTuple):
    ...     h: jax.Array
    >>> @jaxrnn.linear_cell(gates=("f", "g"), carry=State)
    ... def gated_average(x):
    ...     f = jax.nn.sigmoid(x.f)
    ...     return f, (1 - f) * x.g
    >>> cell = gated_average(16)
    >>> {name: p.shape for name, p in cell.init(jax.random.key(0), inputs=8).items()}
    {'bias': (2, 16), 'kernel': (8, 2, 16)}
    >>> carry, ys = jaxrnn.scan(cell, cell.init(jax.random.key(0), inputs=8), jax.numpy.ones((100, 2, 8)))
    >>> ys.shape
    (100, 2, 16)
    """
    fields = getattr(carry, "_fields", ())
    if not isinstance(carry, type) or len(fields) not in (1, 2):
        fail("carry", "a NamedTuple class of one array, or of two", carry, kind=TypeError)
    paper = check_declaration(gates, bias_init, parameters, paper)
    shown = None if shows is None else _shown(shows)
    serialized(carry)

    def decorate(equations: Callable[..., Any]) -> Callable[..., Cell]:
        taken = _driven(equations)
        defaults = taken.defaults | (shown.defaults if shown else {})
        asked = tuple(dict.fromkeys((*taken.asked, *(shown.asked if shown else ()))))
        name = name_of(equations)

        def factory(size: int, **given: Any) -> Cell:
            chosen = defaults | {k: given.pop(k) for k in list(given) if k in defaults}
            for option in OF_STATES:
                if given.get(option, DEFAULTS[option]) != DEFAULTS[option]:
                    fail(option, "left out, since no gate sees the state", given[option])
            return assemble(
                name,
                size,
                gates,
                carry,
                linear_of(equations, shows),
                chosen,
                units=parameters,
                special_bias=bias_init,
                per_step=asked,
                paper=paper,
                common=cast(Common, given),
            )

        factory.__name__ = factory.__qualname__ = name
        factory.__module__ = equations.__module__
        factory.__doc__ = f"{equations.__doc__ or name}\n\nOptions of every cell:\n{options(Common.__doc__ or '', 4)}"
        own = [inspect.Parameter(k, inspect.Parameter.KEYWORD_ONLY, default=v) for k, v in defaults.items()]
        first, rest = inspect.signature(factory).parameters.values()
        factory.__signature__ = inspect.Signature([first, *own, rest.replace(name="common")], return_annotation=Cell)  # type: ignore[attr-defined]
        return remembered(spelled(*Common.__annotations__)(factory))

    return decorate


def linear_of(drive: Callable[..., Any], shows: Callable[..., Any] | None = None) -> Linear:
    """The declaration of two functions, by their signatures."""
    driven = _driven(drive)
    if shows is None:
        return Linear(drive, None, driven.names, (), driven.arity)
    shown = _shown(shows)
    return Linear(drive, shows, driven.names, shown.names, driven.arity, shown.arity == 4)


def assemble(
    name: str,
    size: int,
    gates: tuple[str, ...],
    carry: type,
    linear: Linear,
    chosen: Mapping[str, Any] | None = None,
    *,
    common: Common,
    **declarations: Any,
) -> Cell:
    """A linear cell with options `chosen`: what `build` makes of it, without a kernel of the state."""
    update = Update(linear_step, (("linear", linear), *sorted((chosen or {}).items())))
    cell = build(name, size, gates, carry, update, common=common, **declarations)
    return replace(cell, parameters=tuple(p for p in cell.parameters if p[0] != RECURRENT))


class _Taken:
    """The arguments of a user's function: those it takes by position, and options and per-step inputs by name."""

    def __init__(self, function: Any, argument: str, expected: str) -> None:
        signature = signature_of(function, argument, expected)
        keywords = [p for p in signature if p.kind is p.KEYWORD_ONLY]
        positional = [p for p in signature if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if any(p.default is not p.empty for p in positional):
            fail(argument, expected, function, kind=TypeError)
        self.positional = [p.name for p in positional]
        self.names = tuple(p.name for p in keywords)
        self.defaults = {p.name: p.default for p in keywords if p.default is not p.empty}
        self.asked = tuple(p.name for p in keywords if p.default is p.empty)
        self.arity = len(self.positional)
        for name in self.names:
            if name in Common.__annotations__ or name in ("size", "linear"):
                fail(argument, "without options that every cell has", name)


def _driven(equations: Any) -> _Taken:
    """What equations take: the input, and nothing of the state."""
    taken = _Taken(equations, "equations", DRIVE)
    if taken.arity not in (1, 2, 3) or "carry" in taken.positional:
        fail("equations", DRIVE, equations, OTHER, kind=TypeError)
    return taken


def _shown(shows: Any) -> _Taken:
    """What the output of a step takes: the new carry and the input, and products of its own."""
    taken = _Taken(shows, "shows", SHOWS)
    if taken.arity not in (2, 4):
        fail("shows", SHOWS, shows, kind=TypeError)
    return taken
