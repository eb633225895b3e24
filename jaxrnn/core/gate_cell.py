"""The decorator that turns a user's gate equations into a cell factory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from keyword import iskeyword
from typing import Any, cast

import jax
import jax.numpy as jnp

from jaxrnn.base.checks import check_function, check_hashable, check_text
from jaxrnn.base.errors import fail
from jaxrnn.base.hints import spelled
from jaxrnn.base.made import options, remembered
from jaxrnn.base.typing import Array, Carry, Initializer
from jaxrnn.core.called import called
from jaxrnn.core.cell import EQUATIONS, Cell, Update, name_of
from jaxrnn.core.equations import asked_for, trace, without_dead
from jaxrnn.core.factory import Common, build
from jaxrnn.core.kernels import RECURRENT, is_multiplied
from jaxrnn.core.parameter import Parameter
from jaxrnn.core.step import one_row, product_shapes
from jaxrnn.forms.dense import dense
from jaxrnn.functions import initializers
from jaxrnn.programs.serialized import serialized

RESERVED = ("kernel", RECURRENT, "bias")


def gate_cell(
    *,
    gates: tuple[str, ...],
    carry: type,
    parameters: Mapping[str, Parameter] | None = None,
    bias_init: Mapping[str, Initializer] | None = None,
    paper: str = "",
) -> Callable[..., Callable[..., Cell]]:
    """Turn gate equations into a cell factory.

    The short form, `equations(carry, x, h)`, is for the usual case, one product with the previous output:

        carry: the carry before the step, of the class `carry`; arrays `[*B, H]`.
        x: the projected input, bias included: a named tuple of one array `[*B, H]` a gate.
        h: the product of `carry.h` and the recurrent kernel, likewise.

    The long form, `equations(carry, x, recur, theta)`, multiplies as often as it likes, and has vectors of its own:

        recur(h, gates=None, kernel="recurrent_kernel"): the product of `h [*B, H]` with a recurrent kernel, of all
            gates or of those that are named, one array a gate; for a kernel without gates one array. Calls may follow
            from each other.
        theta[name]: a vector of `parameters`, `[*B, H]`; of K of them a tuple, so that `a, b = theta["name"]`.

    Either returns `(carry, y)`, a new carry and the output `[*B, H]`. Keyword arguments with a default are options of
    the factory; keyword arguments without one are per-step inputs, which `scan` and `step` take as `per_step`. They
    arrive as they are given, without time: a number for all units of a row is `[T, *B, 1]`, or `[T, *B]` where the
    equations put in the axis. One without it that would meet units is refused.

    Args:
        gates: names of the gates, in the order of the parameters' gate axis.
        carry: a NamedTuple class of arrays `[*B, H]`, zeros at first. One field has to be `h`, in either form: the
            state that the recurrent kernel multiplies; others have any names.
        parameters: more arrays by name, `jaxrnn.Parameter(shape, init)` with shapes in D, G, H: a vector `("H",)` for
            `theta`, or K of them, `(K, "H")`, which arrive as a tuple of K vectors; `(1,)`, one number for all units,
            which arrives as a vector; or, with role "recurrent", a kernel for `recur`: `("H", "G", "H")`, whose product
            is one array a gate, or `("H", "H")`, whose product is one.
        bias_init: initial biases of some gates, such as a forget gate's ones; zeros elsewhere.
        paper: where the equations come from.

    Returns:
        A decorator; what it returns is a factory `(size, **options) -> Cell`.

    Raises:
        TypeError: `carry` is no NamedTuple class with a field `h`, or gates are not distinct names.

    >>> from typing import NamedTuple
    >>> import jax, jaxrnn
    >>> class State(NamedTuple):
    ...     h: jax.Array
    >>> @jaxrnn.gate_cell(gates=("f", "g"), carry=State)
    ... def minimal(carry, x, h, *, activation=jax.nn.tanh):
    ...     f = jax.nn.sigmoid(x.f + h.f)
    ...     h = f * carry.h + (1 - f) * activation(x.g + h.g)
    ...     return State(h), h
    >>> cell = minimal(16)
    >>> {name: p.shape for name, p in cell.init(jax.random.key(0), inputs=8).items()}
    {'bias': (2, 16), 'kernel': (8, 2, 16), 'recurrent_kernel': (16, 2, 16)}

    Two products, the second of what the first gates, and a vector:

    >>> slope = jaxrnn.Parameter(("H",), jax.nn.initializers.ones)
    >>> @jaxrnn.gate_cell(gates=("r", "n"), carry=State, parameters={"slope": slope})
    ... def twice(carry, x, recur, theta):
    ...     r = jax.nn.sigmoid(x.r + recur(carry.h, gates=("r",)).r)
    ...     h = jax.nn.tanh(theta["slope"] * (x.n + recur(r * carry.h, gates=("n",)).n))
    ...     return State(h), h
    >>> sorted(twice(16).init(jax.random.key(0), inputs=8))
    ['bias', 'kernel', 'recurrent_kernel', 'slope']
    """
    fields = getattr(carry, "_fields", ())
    if not isinstance(carry, type) or "h" not in fields:
        hint = "Its field `h` is the state that the recurrent kernel multiplies; others have any names."
        fail("carry", "a NamedTuple class with a field `h`", carry, hint, kind=TypeError)
    paper = check_declaration(gates, bias_init, parameters, paper)
    serialized(carry)

    def decorate(equations: Callable[..., tuple[Carry, Array]]) -> Callable[..., Cell]:
        signature = signature_of(equations, "equations", EQUATIONS)
        keywords = [p for p in signature if p.kind is p.KEYWORD_ONLY]
        defaults = {p.name: p.default for p in keywords if p.default is not p.empty}
        positional = [p for p in signature if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        begun = positional and positional[0].name == "x"
        if begun or len(positional) not in (3, 4) or any(p.default is not p.empty for p in positional):
            hint = "Equations of x alone, `h' = a h + b`, are for `jaxrnn.linear_cell`." if begun else ""
            fail("equations", EQUATIONS, equations, hint, kind=TypeError)
        for taken in keywords:
            if taken.name in Common.__annotations__ or taken.name == "size":
                fail("equations", "without options that every cell has", taken.name)
        asked = tuple(p.name for p in keywords if p.default is p.empty)
        name = name_of(equations)

        def factory(size: int, **given: Any) -> Cell:
            chosen = defaults | {k: given.pop(k) for k in list(given) if k in defaults}
            named = tuple(sorted(chosen.items()))
            long = len(positional) == 4
            update = Update(equations, named) if long else Update(_one_product, (("equations", equations), *named))
            common = cast(Common, given)  # `build` names what is not in it
            assemble = partial(
                build,
                name,
                size,
                gates,
                carry,
                update,
                units=parameters,
                special_bias=bias_init,
                per_step=asked,
                paper=paper,
            )
            cell = assemble(common=common)
            with_dense = (
                cell if "recurrent" not in common else assemble(common=Common(**{**common, "recurrent": dense}))
            )
            if RECURRENT in _multiplied(with_dense, needed=not long):
                return cell
            if common.get("recurrent", dense) != dense:
                fail("recurrent", "left out for equations that multiply no recurrent kernel", common["recurrent"])
            alone = update if long else Update(_no_product, update.options)
            return replace(cell, update=alone, parameters=tuple(p for p in cell.parameters if p[0] != RECURRENT))

        factory.__name__ = factory.__qualname__ = name
        factory.__module__ = equations.__module__
        factory.__doc__ = f"{equations.__doc__ or name}\n\nOptions of every cell:\n{options(Common.__doc__ or '', 4)}"
        own = [inspect.Parameter(k, inspect.Parameter.KEYWORD_ONLY, default=v) for k, v in defaults.items()]
        first, rest = inspect.signature(factory).parameters.values()
        factory.__signature__ = inspect.Signature([first, *own, rest.replace(name="common")], return_annotation=Cell)  # type: ignore[attr-defined]
        return remembered(spelled(*Common.__annotations__)(factory))

    return decorate


def signature_of(equations: Any, argument: str, expected: str) -> list[inspect.Parameter]:
    """The arguments of a user's equations."""
    check_function(equations, argument, expected)
    try:
        return list(inspect.signature(equations).parameters.values())
    except ValueError:  # some that are written in C have none
        fail(argument, expected, equations, kind=TypeError)


def check_declaration(gates: Any, bias_init: Any, parameters: Any, paper: Any) -> str:
    """What every declaration of a cell has; returns the paper."""
    check_gates(gates)
    if not isinstance(bias_init, Mapping | None):
        fail("bias_init", "a dict of initialisers by gate", bias_init, kind=TypeError)
    initializers.per_gate("bias_init", bias_init, gates, initializers.zeros)
    if not isinstance(parameters, Mapping | None):
        fail("parameters", "a dict of jaxrnn.Parameter by name", parameters, kind=TypeError)
    for name, parameter in (parameters or {}).items():
        check_parameter(name, parameter, gates)
    return check_text(paper, "paper")


def check_parameter(name: Any, parameter: Any, gates: tuple[str, ...]) -> None:
    """A vector or some of them, or a recurrent kernel of all gates or of none."""
    if not isinstance(name, str):
        fail("parameters", "a dict keyed by names", name, kind=TypeError)
    if name in RESERVED:
        fail("parameters", f"a dict without {RESERVED}, which every cell declares", name)
    if not isinstance(parameter, Parameter):
        fail(f"parameters[{name!r}]", "a jaxrnn.Parameter", parameter, kind=TypeError)
    check_hashable(parameter.init, f"parameters[{name!r}].init")
    shape = parameter.shape
    if parameter.role == "unit":
        if parameter.form is not None:
            fail(f"parameters[{name!r}].form", 'None but for the role "recurrent"', parameter.form)
        if len(shape) not in (1, 2) or (len(shape) == 2 and shape[0] in ("D", "H", "P")):
            expected = 'a vector ("H",), or K of them (K, "H")'
            fail(f"parameters[{name!r}]", expected, shape, 'A kernel that `recur` multiplies has the role "recurrent".')
    elif parameter.role == "recurrent":
        if len(shape) not in (2, 3) or (len(shape) == 3 and shape[1] not in ("G", len(gates))):
            expected = f'a kernel ("H", "G", "H") of all gates {gates}, or ("H", "H") of none'
            fail(f"parameters[{name!r}]", expected, shape)
    else:
        fail(f"parameters[{name!r}]", 'of the role "unit" or "recurrent"', parameter.role)


def check_gates(gates: Any) -> None:
    """Distinct names."""
    if not isinstance(gates, tuple) or not gates or len(set(gates)) != len(gates) or not all(map(_is_name, gates)):
        fail("gates", "a tuple of distinct names", gates, kind=TypeError)


def _is_name(gate: Any) -> bool:
    return isinstance(gate, str) and gate.isidentifier() and not iskeyword(gate) and not gate.startswith("_")


def _one_product(
    carry: Any, x: Any, recur: Any, theta: dict[str, Any], *, equations: Callable[..., Any], **named: Any
) -> tuple[Carry, Array]:
    """The form of most cells: exactly one product, with the previous output."""
    return called(equations, "equations", EQUATIONS, {"carry": carry, "x": x, "h": recur(carry.h)}, named)


def _no_product(
    carry: Any, x: Any, recur: Any, theta: dict[str, Any], *, equations: Callable[..., Any], **named: Any
) -> tuple[Carry, Array]:
    """For equations that make nothing of the product: there is none."""
    nothing = jax.tree.map(jnp.zeros_like, x)
    return called(equations, "equations", EQUATIONS, {"carry": carry, "x": x, "h": nothing}, named)


def _multiplied(cell: Cell, *, needed: bool) -> set[str]:
    """The recurrent kernels that a cell's equations multiply (and need); all of them, where only a call can tell."""
    if cell.per_step:
        return {name for name, p in cell.parameters if is_multiplied(p)}
    kernels, theta = cell.kernel_shapes(jnp.float32), cell.theta_shapes(jnp.float32)
    shapes = partial(product_shapes, cell.gates, kernels, jnp.float32)
    try:
        traced = trace(cell.update, shapes, *one_row(cell, jnp.float32, theta), {})
    except Exception:  # of a user's equations, whatever it is; they say it where they run
        return set(kernels)
    return asked_for(without_dead(traced.jaxpr) if needed else traced.jaxpr)
