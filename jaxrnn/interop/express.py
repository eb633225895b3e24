"""What a cell is, in its factory's options, and whether a library has such a cell."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import jax

from jaxrnn import cells
from jaxrnn.base.errors import Said, fail
from jaxrnn.cells.gru import gru
from jaxrnn.cells.timed.cfc import scaled_tanh
from jaxrnn.compose import Bidirectional, Stack, bidirectional, stack
from jaxrnn.core.cell import Cell
from jaxrnn.core.kernels import KERNEL, OPTIONS, RECURRENT
from jaxrnn.forms.convolution import Convolution, convolution
from jaxrnn.forms.dense import dense
from jaxrnn.forms.form import Form
from jaxrnn.forms.identity import Identity
from jaxrnn.interop.rows import OTHERS, ROWS
from jaxrnn.interop.rows.row import Row

FACTORIES: dict[str, Callable[..., Cell]] = {row.kind: getattr(cells, row.kind) for row in ROWS}
SHARED: dict[str, Any] = dict(use_bias=True, learn_carry=False, input=dense, recurrent=dense)
DEFAULTS: dict[str, dict[str, Any]] = {
    "lstm": dict(
        **SHARED,
        forget_gate=True,
        peepholes=False,
        spatial=None,
        coupled=False,
        projection=None,
        cell_clip=None,
        layer_norm=False,
        truncated_gradient=False,
        activation=jax.nn.tanh,
        gate_activation=jax.nn.sigmoid,
        output_activation=jax.nn.tanh,
    ),
    "gru": dict(**SHARED, reset_after=True, activation=jax.nn.tanh, gate_activation=jax.nn.sigmoid),
    "elman": dict(**SHARED, activation=jax.nn.tanh, leak=1.0, residual=False),
}


def options_of(cell: Any) -> dict[str, Any]:
    """The options with which a factory made this cell (initialisers and dtypes aside)."""
    if not isinstance(cell, Cell) or cell.name not in FACTORIES:
        expected = f"layers of {', '.join(FACTORIES)}, stacked, in one direction or both"
        name = getattr(cell, "name", None) or repr(cell)
        hints = [f"{library}'s {n} is another cell, {why}." for library, n, kind, why in _others() if kind == name]
        fail("layer", expected, Said(name), " ".join(hints) or "Convert other layers part by part.")
    return _of_three(cell) if cell.name in DEFAULTS else _of_others(cell)


def _others() -> list[tuple[str, str, str, str]]:
    """Classes that are no cells of ours, with why: library, name, our cell of the same name, why."""
    return [(library, n, *about) for library, classes in OTHERS.items() for n, about in classes.items()]


def option(cell: Cell, name: str) -> Any:
    """One of them."""
    return options_of(cell)[name]


def defaults_of(kind: str) -> dict[str, Any]:
    """What options are when nobody says otherwise."""
    return DEFAULTS.get(kind) or dict(use_bias=True, learn_carry=False) | _own_defaults(kind)


def _of_three(cell: Cell) -> dict[str, Any]:
    """The options of an LSTM, a GRU or a simple recurrent network."""
    declared = dict(cell.parameters)
    forms = {side: declared[name].form or dense for name, side in OPTIONS.items()}
    for side, form in forms.items():
        if form != dense and not isinstance(form, Convolution):
            expected = "dense or a convolution, the forms that other libraries have"
            fail(side, expected, Said(f"{form!r} in layer {cell!r}"))
    own = dict(cell.update.options)
    options: dict[str, Any] = {"use_bias": "bias" in declared, "learn_carry": cell.learns_carry} | forms
    if cell.name == "lstm":
        options |= {
            "forget_gate": own["forget"] or own["coupled"],
            "coupled": own["coupled"],
            "peepholes": "peepholes" in declared,
            "spatial": next(iter(cell.grids), None),
            "projection": cell.projection,
            "cell_clip": own["cell_clip"],
            "layer_norm": "cell_norm" in declared,
            "truncated_gradient": own["truncated"],
        }
    if cell.name == "gru":
        options["reset_after"] = cell.update == gru(cell.size, **own).update
    return options | {name: own[name] for name in own if name in DEFAULTS[cell.name]}


# ---------------------------------------------------------------- other cells: options of their equations, and few more


def _damping(cell: Cell) -> float:
    """Of an antisymmetric kernel, whichever form is around it."""
    form: Any = dict(cell.parameters)[RECURRENT].form
    while not hasattr(form, "damping") and hasattr(form, "of"):
        form = form.of
    return float(getattr(form, "damping", 0.0))  # gone where the map has been applied


ELSEWHERE: dict[str, Callable[[Cell], Any]] = {  # options that are not among those of the equations
    "gamma": _damping,
    "project_input": lambda cell: not isinstance(dict(cell.parameters)[KERNEL].form, Identity),
    "backbone": lambda cell: cell.size if cell.projection is not None else None,
    "backbone_layers": lambda cell: _equations(cell).get("layers", 0),
    "backbone_activation": lambda cell: _equations(cell).get("backbone_activation", scaled_tanh),
}


@cache
def _own_defaults(kind: str) -> dict[str, Any]:
    """Of the options that a cell's equations keep."""
    parameters = inspect.signature(FACTORIES[kind]).parameters.values()
    given = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    kept = _equations(FACTORIES[kind](1)).keys() | ELSEWHERE.keys()
    return {name: value for name, value in given.items() if name in kept}


def _equations(cell: Cell) -> dict[str, Any]:
    """The options of a cell's own equations, whatever is around them."""
    options = dict(cell.update.options)
    while "inner" in options:
        options = dict(options["inner"].options)
    return options


def _of_others(cell: Cell) -> dict[str, Any]:
    own = _equations(cell)
    options: dict[str, Any] = {"use_bias": "bias" in dict(cell.parameters), "learn_carry": cell.learns_carry}
    for name, default in _own_defaults(cell.name).items():
        found = own.get(name, default) if name in own or name not in ELSEWHERE else ELSEWHERE[name](cell)
        options[name] = found
    plain = make_cell(cell.name, cell.output_size, options)
    if cell.update != plain.update or _shapes(cell) != _shapes(plain):
        forms, usual = ({n: p.form or dense for n, p in c.parameters} for c in (cell, plain))
        for name, side in OPTIONS.items():
            if forms[name] != usual[name]:
                fail(side, f"{usual[name]!r}, the form that other libraries have", Said(f"{forms[name]!r} in {cell!r}"))
        fail("layer", f"{plain!r}, which other libraries have", cell)
    return options


def _shapes(cell: Cell) -> dict[str, Any]:
    return {name: (p.shape, p.role, p.form) for name, p in cell.parameters}


def make_cell(kind: str, size: int, options: dict[str, Any]) -> Cell:
    """The cell with these options."""
    if not options.get("backbone_layers", 1) or options.get("backbone", 1) is None:
        options = {name: value for name, value in options.items() if not name.startswith("backbone")}
    if options.get("mode") == "pure":  # which has no activation
        options = {name: value for name, value in options.items() if name != "activation"}
    return FACTORIES[kind](size, **options)


def with_options(layer: Any, options: Mapping[str, Any]) -> Any:
    """A layer, stacked or in both directions, with these options of its cells."""
    if isinstance(layer, Stack):
        return stack([with_options(part, options) for part in layer.layers], dropout=layer.dropout)
    if isinstance(layer, Bidirectional):
        both = (with_options(way, options) for way in (layer.forward, layer.backward))
        return bidirectional(*both, merge=layer.merge)
    return make_cell(layer.name, layer.size, options_of(layer) | dict(options))


def row_for(cell: Cell, rows: Sequence[Row]) -> Row:
    """The first row whose library's cell has all options of ours; where none has, an error names one that the nearest
    lacks."""
    found = {row: list(objections(cell, row)) for row in rows}
    row = nearest([cell], found)
    if found[row]:
        fail(*found[row][0])
    return row


def nearest(layer: Sequence[Cell], found: Mapping[Row, Sequence[Any]]) -> Row:
    """The row with the fewest objections, one of convolutions for such cells."""
    grids = any(cell.axes for cell in layer)
    return min(found, key=lambda row: (bool(found[row]), (row.windows is not None) != grids, len(found[row])))


def objections(cell: Cell, row: Row) -> Iterator[tuple[str, str, Any]]:
    """The options that a library's cell lacks where ours is not at its default: what `fail` takes."""
    options = options_of(cell)
    theirs = f"{row.library} {row.name}"
    if row.windows is not None:
        yield from _of_windows(options["input"], options["recurrent"], row.windows.state, theirs)
    defaults = defaults_of(row.kind) | dict(row.fixed)
    if "output_activation" in options and "activation" in row.can and "output_activation" not in row.can:
        defaults["output_activation"] = options["activation"]  # theirs has one function for both
    for name, value in options.items():
        if name not in row.can and value != defaults[name]:
            what = f"{_text(value)} in layer {cell.name}({cell.size})"
            yield name, f"{_text(defaults[name])} for {theirs}, which has no such option", Said(what)
        known = dict(row.values).get(name)
        if known is not None and value not in known:
            yield name, f"one of {known} for {theirs}", Said(f"{value!r} in layer {cell.name}({cell.size})")
        if name == "activation" and row.functions and value not in row.functions:
            yield name, f"one of {', '.join(map(_text, row.functions))} for {theirs}", Said(_text(value))


def _of_windows(given: Form, state: Form, shared: str, theirs: str) -> Iterator[tuple[str, str, Any]]:
    """Both products are convolutions, and that of the state has of the input's what the library's has."""
    for name, form in (("input", given), ("recurrent", state)):
        if not isinstance(form, Convolution):
            yield name, f"a convolution for {theirs}", form
            return
    window, padding = given.window, given.padding  # type: ignore[attr-defined]
    plain = convolution(window, padding="same" if shared == "window" else padding)
    if shared == "padding" and given != plain:
        yield "input", f"without strides and dilation for {theirs}, {plain!r}", given
    elif shared and state != plain:
        yield "recurrent", f"{plain!r} for {theirs} beside an input of {given!r}", state


def _text(value: Any) -> str:
    return getattr(value, "__name__", None) or repr(value)
