"""Making cells: the options and declarations that every gated cell shares."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, TypedDict, cast

import numpy as np

from jaxrnn.base.checks import check_function, check_hashable, check_size
from jaxrnn.base.dtypes import promote
from jaxrnn.base.errors import Said, fail
from jaxrnn.base.hints import refuse_unknown, spelled
from jaxrnn.base.made import P, complete, remembered, same
from jaxrnn.base.typing import Initializer
from jaxrnn.core.cell import Cell, Noise, Update
from jaxrnn.core.elementwise import by_units
from jaxrnn.core.integration import VECTORS, integrated
from jaxrnn.core.kernels import KERNEL, OPTIONS, RECURRENT, columns_of, has_gates, held, is_elementwise
from jaxrnn.core.options import Conflict, DType, Flag, FormOf, check_conflicts, checked, described, kinds_of
from jaxrnn.core.parameter import Parameter
from jaxrnn.forms.dense import dense
from jaxrnn.forms.form import Form
from jaxrnn.forms.gates import only
from jaxrnn.functions import initializers


class Common(TypedDict, total=False):
    """The arguments that every factory takes beside its own.

    use_bias: add a bias to every gate (default true).
    kernel_init, recurrent_kernel_init, bias_init: an initialiser, or a dict of them by gate.
    input, recurrent: the form of the kernel that the input, and of that which the state is multiplied with
        (`jaxrnn.forms`; default: dense).
    multiplicative: integrate input x and recurrent product h of every gate as alpha x h + beta_input x + beta_state h,
        with vectors `[G, H]` that start at one, in place of their sum (Wu et al. 2016; default false).
    learn_carry: make the initial carry a parameter.
    carry_init: draws it (default: zeros).
    dtype: of products and outputs (default: what inputs and parameters promote to).
    param_dtype: of parameters (default: JAX's float).
    carry_dtype: of gates and carry (default: as dtype, float32 at least).
    """

    use_bias: Flag
    kernel_init: Initializer | Mapping[str, Initializer] | None
    recurrent_kernel_init: Initializer | Mapping[str, Initializer] | None
    bias_init: Initializer | Mapping[str, Initializer] | None
    input: FormOf
    recurrent: FormOf
    multiplicative: Flag
    carry_init: Initializer | None
    learn_carry: Flag
    dtype: DType
    param_dtype: DType
    carry_dtype: DType


KINDS = kinds_of(Common)
DEFAULTS = dict.fromkeys(Common.__annotations__) | {
    "use_bias": True,
    "learn_carry": False,
    "multiplicative": False,
    "input": dense,
    "recurrent": dense,
}
CHRONO = Conflict(
    "chrono",
    "None with bias_init, or without a bias, which it initialises",
    lambda o: o.bias_init is not None or not o.use_bias,
)


def factory(*conflicts: Conflict, **other: Any) -> Callable[[Callable[P, Cell]], Callable[P, Cell]]:
    """A factory of the collection: options are checked as they are declared, its cells know how they were made, and
    `help` shows equations and all options. `other` are defaults of common options that are another for this cell."""
    standard = DEFAULTS | other

    def decorate(function: Callable[P, Cell]) -> Callable[P, Cell]:
        signature = inspect.signature(function)
        own = {p.name: p.default for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}
        kinds = kinds_of(function)
        text = complete(function, Common.__doc__)
        function.__doc__ = text and described(text, signature, kinds)

        @remembered
        @wraps(function)
        def made(*args: P.args, **chosen: P.kwargs) -> Cell:
            return function(*args, **cast(Any, other | chosen))

        @wraps(function)
        def make(*args: P.args, **given: P.kwargs) -> Cell:
            options = checked(KINDS | kinds, given)
            named = signature.bind(*args, **given).arguments
            size = check_size(named["size"], "size")
            check_conflicts(conflicts, {**standard, **own, "size": size}, options, given)
            chosen = {n: v for n, v in options.items() if n not in DEFAULTS or not same(v, standard[n])}
            return made(*args, **chosen)

        return spelled(*Common.__annotations__)(make)

    return decorate


def build(
    name: str,
    size: int,
    gates: tuple[str, ...],
    carry: type,
    update: Update,
    *,
    carry_sizes: tuple[str | int, ...] | None = None,
    input_gates: tuple[str, ...] | None = None,
    recurrent_gates: tuple[str, ...] | None = None,
    bias_gates: tuple[str, ...] | None = None,
    units: Mapping[str, Parameter] | None = None,
    bias_role: str = "input",
    special_bias: Mapping[str, Initializer] | Initializer | None = None,
    projection: int | None = None,
    per_step: tuple[str, ...] = (),
    depth: int = 1,
    reads: int | str | None = None,
    paper: str = "",
    common: Common,
) -> Cell:
    """Assemble a cell: the declarations that every gated cell has, and its own `units` beside them.

    `input_gates`, `recurrent_gates` and `bias_gates` have a kernel for the input, for the state, a bias; None for all.
    The sizes of a carry's arrays are H, P, or numbers. A step of some `depth` has further recurrent kernels and biases,
    `recurrent_kernel_2`, `bias_2` and so on; these biases are for the equations to add. Equations that read the inputs
    themselves say how many these are (`reads`, a number or "D"), multiply them by `recur(x, kernel="kernel")` and add
    the bias.
    """
    refuse_unknown(name, common, Common.__annotations__, "functions")
    common = cast(Common, checked(KINDS, common))
    size = check_size(size, "size")
    for option, value in update.options:
        check_hashable(value, option)
    use_bias, learn_carry = (common.get(name, DEFAULTS[name]) for name in ("use_bias", "learn_carry"))
    forms = {
        "input": _of_gates(common.get("input", dense), input_gates),
        "recurrent": _of_gates(common.get("recurrent", dense), recurrent_gates),
    }
    gate_init = {
        "kernel_init": (forms["input"].init("input") or initializers.glorot_uniform, None),
        "recurrent_kernel_init": (forms["recurrent"].init("recurrent") or initializers.orthogonal, None),
        "bias_init": (initializers.zeros, special_bias if isinstance(special_bias, Mapping) else None),
    }
    inits: dict[str, Initializer] = {
        arg: initializers.per_gate(arg, common.get(arg), gates, default, special)  # type: ignore[arg-type]
        for arg, (default, special) in gate_init.items()
    }
    if callable(special_bias) and common.get("bias_init") is None:
        inits["bias_init"] = special_bias
    declared = {
        KERNEL: Parameter((reads or "D", "G", "H"), inits["kernel_init"], "input" if reads is None else "recurrent"),
        RECURRENT: Parameter(("P", "G", "H"), inits["recurrent_kernel_init"], "recurrent"),
    }
    declared |= {
        name: replace(declared[name], form=forms[side]) for name, side in OPTIONS.items() if forms[side] != dense
    }
    for kernel, inputs in ((KERNEL, size), (RECURRENT, projection or size)):  # whether they fit, by what is known here
        sizes = {"D": inputs, "P": inputs, "G": len(gates), "H": size}
        held(kernel, declared[kernel].resolve(sizes, np.float32), gates)
    if use_bias:
        some = None if bias_gates is None else only(*bias_gates)
        declared["bias"] = Parameter(("G", "H"), inits["bias_init"], bias_role if reads is None else "unit", form=some)
    for micro in range(2, depth + 1):
        declared[f"{RECURRENT}_{micro}"] = declared[RECURRENT]
        if use_bias:
            declared[f"bias_{micro}"] = Parameter(("G", "H"), inits["bias_init"])
    declared |= units or {}
    if common.get("multiplicative", False):
        if reads is not None:
            fail("multiplicative", "False for equations that multiply their inputs themselves", True)
        update, declared = _integrating(update, declared, gates)
    elementwise = {name: p for name, p in declared.items() if is_elementwise(p)}
    if elementwise:
        columns = tuple((n, columns_of(n, p, gates) if has_gates(p) else None) for n, p in elementwise.items())
        update = Update(by_units, (("inner", update), ("gates", gates), ("kernels", columns)))
    states = carry_sizes or ("H",) * len(carry._fields)  # type: ignore[attr-defined]
    if learn_carry:
        given = common.get("carry_init")
        init = initializers.zeros if given is None else given
        check_function(init, "carry_init", initializers.INITIALIZER)
        check_hashable(init, "carry_init")
        declared |= {f"initial_{f}": Parameter((s,), init, "carry") for f, s in zip(carry._fields, states, strict=True)}  # type: ignore[attr-defined]
    elif common.get("carry_init") is not None:
        fail("carry_init", "given with learn_carry=True", common["carry_init"])
    dtypes: dict[str, Any] = {name: common.get(name) for name in ("dtype", "param_dtype", "carry_dtype")}
    products, state = dtypes["dtype"], dtypes["carry_dtype"]
    if products and state and promote(products, state) != state:
        fail(
            "carry_dtype",
            f"a dtype that holds {products.name}, the dtype of products",
            state,
            kind=TypeError,
        )
    return Cell(
        name,
        size,
        gates,
        carry,
        states,
        update,
        tuple(declared.items()),
        projection,
        (),
        per_step,
        reads=reads is not None,
        paper=paper,
        **dtypes,
    )


def _integrating(
    update: Update, declared: dict[str, Parameter], gates: tuple[str, ...]
) -> tuple[Update, dict[str, Parameter]]:
    """Equations and declarations with multiplicative integration; it adds the bias that the projection would."""
    for name in VECTORS.keys() & declared.keys():
        fail("multiplicative", f"False for equations with a parameter {name!r} of their own", True)
    bias = declared.get("bias")
    own = bias is not None and bias.role == "input"
    columns = columns_of("bias", bias, gates) if own and bias is not None else None
    if own and bias is not None:
        declared = declared | {"bias": replace(bias, role="unit")}
    return Update(integrated, (("inner", update), ("gates", gates), ("bias", columns))), declared | VECTORS


def within(common: Common, side: str, make: Callable[[Form], Form], *, matrices: bool = False) -> Common:
    """The options, with the form of one side inside another, which may ask for matrices."""
    form = cast(Form, common.get(side, dense))
    if matrices and not form.matrices:
        fail(side, "a form of matrices, such as jaxrnn.dense or jaxrnn.heads(N)", form)
    return cast(Common, {**common, side: make(form)})


def diagonals(common: Common, init: Initializer) -> Common:
    """The options, with an initialiser of a recurrent kernel of one number a unit, unless they have one."""
    own = Common(recurrent_kernel_init=init) if common.get("recurrent", dense).elementwise else Common()
    return Common(**{**own, **common})


def _of_gates(form: Form, gates: tuple[str, ...] | None) -> Form:
    """A form for kernels of these gates, where it does not name gates itself."""
    return form if gates is None or form.names_gates else only(*gates, of=form)


def add_noise(
    cell: Cell, name: str, wrap: Callable[..., Any], options: Mapping[str, Any], noises: tuple[Noise, ...]
) -> Cell:
    """A cell whose equations are wrapped by `wrap` and receive the masks of `noises`."""
    if not isinstance(cell, Cell):
        fail("cell", f"a Cell ({name} wraps gate equations)", cell, kind=TypeError)
    taken = {n.name for n in cell.noises}
    for noise in noises:
        if noise.name in taken:
            fail("cell", f"a cell without {name}", Said(f"{cell.name}, which has it already"))
    update = Update(wrap, (("inner", cell.update), *sorted(options.items())))
    return replace(cell, name=f"{name}({cell.name})", update=update, noises=cell.noises + noises)
