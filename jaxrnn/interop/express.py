"""What a cell is, in its factory's options, and whether a library has such a cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from jaxrnn.base.errors import Said, fail
from jaxrnn.cells.elman import elman
from jaxrnn.cells.gru import gru
from jaxrnn.cells.lstm import lstm
from jaxrnn.core.cell import Cell
from jaxrnn.core.kernels import OPTIONS
from jaxrnn.forms.convolution import Convolution, convolution
from jaxrnn.forms.dense import dense
from jaxrnn.forms.form import Form
from jaxrnn.interop.rows import Row

FACTORIES: dict[str, Callable[..., Cell]] = {"lstm": lstm, "gru": gru, "elman": elman}
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
    """The options with which `lstm`, `gru` or `elman` made this cell (initialisers and dtypes aside)."""
    if not isinstance(cell, Cell) or cell.name not in FACTORIES:
        expected = f"layers of {', '.join(FACTORIES)}, stacked, in one direction or both"
        fail("layer", expected, Said(getattr(cell, "name", None) or repr(cell)), "Convert other layers part by part.")
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


def make_cell(kind: str, size: int, options: dict[str, Any]) -> Cell:
    """The cell with these options."""
    return FACTORIES[kind](size, **options)


def check_expressible(cell: Cell, row: Row) -> None:
    """The library's cell has every option of ours that is not at its default; an error names the one it lacks."""
    options = options_of(cell)
    theirs = f"{row.library} {row.name}"
    if row.windows is not None:
        _check_windows(options["input"], options["recurrent"], row.windows.state, theirs)
    defaults = DEFAULTS[row.kind] | dict(row.fixed)
    if "output_activation" in options and "activation" in row.can and "output_activation" not in row.can:
        defaults["output_activation"] = options["activation"]  # theirs has one function for both
    for name, value in options.items():
        if name not in row.can and value != defaults[name]:
            what = f"{_text(value)} in layer {cell.name}({cell.size})"
            fail(name, f"{_text(defaults[name])} for {theirs}, which has no such option", Said(what))
        known = dict(row.values).get(name)
        if known is not None and value not in known:
            fail(name, f"one of {known} for {theirs}", Said(f"{value!r} in layer {cell.name}({cell.size})"))
        if name == "activation" and row.functions and value not in row.functions:
            fail(name, f"one of {', '.join(map(_text, row.functions))} for {theirs}", Said(_text(value)))


def _check_windows(given: Form, state: Form, shared: str, theirs: str) -> None:
    """Both products are convolutions, and that of the state has of the input's what the library's has."""
    for name, form in (("input", given), ("recurrent", state)):
        if not isinstance(form, Convolution):
            fail(name, f"a convolution for {theirs}", form)
    window, padding = given.window, given.padding  # type: ignore[attr-defined]
    plain = convolution(window, padding="same" if shared == "window" else padding)
    if shared == "padding" and given != plain:
        fail("input", f"without strides and dilation for {theirs}, {plain!r}", given)
    if shared and state != plain:
        fail("recurrent", f"{plain!r} for {theirs} beside an input of {given!r}", state)


def _text(value: Any) -> str:
    return getattr(value, "__name__", None) or repr(value)
