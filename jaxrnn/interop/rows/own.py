"""Our own parameters, in files: of cells that another library has too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from jaxrnn import cells
from jaxrnn.interop.parameters import canonical, gates_of
from jaxrnn.interop.rows import ncps, torchrecurrent, unirep
from jaxrnn.interop.rows.row import ALL_ACTIVATIONS, FORMS, RESET_AFTER, RESET_BEFORE, Array, Row, Windows

OURS = (
    Array("kernel", "kernel", "d g h"),
    Array("recurrent_kernel", "recurrent_kernel", "r g h"),
    Array("bias", "bias", "g h", when="use_bias"),
)
OURS_LSTM = (
    Array("peepholes", "peepholes", "k h", when="peepholes"),
    Array("projection", "projection", "h p", when="projection"),
)
INNER = Array("recurrent_bias", "recurrent_bias", "h", when="use_bias")
OURS_CAN = ("cell_clip", "truncated_gradient", *ALL_ACTIVATIONS)


# ---------------------------------------------------------------- cells of which a library of cells has one too

SIZE = 1  # of cells that are asked what they declare
THEIRS = (*torchrecurrent.ROWS, *ncps.ROWS, *unirep.ROWS)
OTHER_OPTIONS = ("implicit", "reset", "backbone", "backbone_activation", *ALL_ACTIVATIONS)
BARE = (("project_input", False),)


def as_declared(row: Row) -> Row:
    """The row of our own parameters for the cell of another row, as that declares them."""
    given = {name: value for name, value in row.fixed if value or name != "backbone_layers"}
    behind = {"backbone": SIZE} if "backbone_layers" in given else {}
    cell = getattr(cells, row.kind)(SIZE, **given, **behind)
    arrays = []
    for name in cell.declare(SIZE):
        axes = canonical(cell, name)
        when = "use_bias" if name == "bias" or name.endswith("_bias") else ""
        arrays.append(Array(name, name, " ".join(axes), when, gates_of(cell, SIZE, name) if "g" in axes else ()))
    shown = f"{row.kind}({', '.join(f'{name}={value!r}' for name, value in given.items())})" if given else row.kind
    can = tuple(n for n in ("use_bias", *row.can, *OTHER_OPTIONS) if n not in dict(row.fixed))
    return Row(
        "jaxrnn", shown, row.kind, cell.gates, tuple(arrays), can, row.fixed,
        values=row.values, shared_names=row.shared_names,
    )  # fmt: skip


def others() -> Iterable[Row]:
    """Each once."""
    bare = (replace(row, fixed=BARE) for row in THEIRS if row.kind in ("mut1", "mut2"))
    wanted = {(row.kind, row.fixed): row for row in (*THEIRS, *bare) if row.kind not in ("lstm", "gru", "elman")}
    own = {row.kind: row for row in unirep.ROWS}  # whose names are no other cell's
    return (as_declared(replace(row, shared_names=kind not in own)) for (kind, _), row in wanted.items())


ROWS = (
    Row("jaxrnn", "lstm", "lstm", "ifgo", (*OURS, *OURS_LSTM), ("use_bias", "peepholes", "projection", *OURS_CAN)),
    Row(
        "jaxrnn",
        "lstm(input=convolution)",
        "lstm",
        "ifgo",
        (
            Array("kernel", "kernel", "w d g h"),
            Array("recurrent_kernel", "recurrent_kernel", "v r g h"),
            OURS[2],
            OURS_LSTM[0],
        ),
        ("use_bias", "peepholes", *FORMS, *OURS_CAN),
        windows=Windows(""),
    ),
    Row("jaxrnn", "gru", "gru", "rzn", (*OURS, INNER), ("use_bias", *ALL_ACTIVATIONS), RESET_AFTER),
    Row("jaxrnn", "gru(reset_after=False)", "gru", "rzn", OURS, ("use_bias", *ALL_ACTIVATIONS), RESET_BEFORE),
    Row("jaxrnn", "elman", "elman", "h", OURS, ("use_bias", "leak", "residual", *ALL_ACTIVATIONS)),
    *others(),
)
