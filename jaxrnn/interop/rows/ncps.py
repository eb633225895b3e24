"""ncps's closed-form continuous-time cell, PyTorch's `CfCCell`: with layers before the gates, or without."""

from __future__ import annotations

from jaxrnn.interop.rows.row import Array, Row

NAMES = (("f", "ff1"), ("g", "ff2"), ("a", "time_a"), ("b", "time_b"))
DEPTHS = range(1, 5)  # of what comes before the gates
PURE = (Array("w_tau", "tau", "1 p"), Array("A", "amplitude", "1 p"))
DIRECT = (Array("{g}/weight", ("kernel", "recurrent_kernel"), "h +"), Array("{g}/bias", "bias", "h"))


def row(name: str, gates: str, arrays: tuple[Array, ...], layers: int, can: tuple[str, ...] = ()) -> Row:
    pure = gates.startswith("f") and len(gates) == 1
    return Row(
        "ncps",
        f"CfCCell({name})",
        "cfc",
        "z" if layers else gates,
        (*arrays, *(PURE if pure else ())),
        can if pure else ("mode", *can),
        (("backbone_layers", layers), *((("mode", "pure"),) if pure else ())),
        spelled=NAMES,
        values=() if pure else (("mode", ("default", "no_gate")),),
        shared_names=True,
    )


def behind(layers: int, gates: str) -> tuple[Array, ...]:
    """Layers, each followed by its activation, then a layer for each gate."""
    first = (
        Array("backbone/0/weight", ("kernel", "recurrent_kernel"), "gh +"),
        Array("backbone/0/bias", "bias", "gh"),
    )
    more = [
        array
        for k in range(1, layers)
        for array in (
            Array(f"backbone/{2 * k}/weight", f"backbone_{k + 1}_kernel", "h u"),
            Array(f"backbone/{2 * k}/bias", f"backbone_{k + 1}_bias", "h"),
        )
    ]
    names = dict(NAMES)
    heads = [
        array
        for g in gates
        for array in (Array(f"{names[g]}/weight", f"{g}_kernel", "p h"), Array(f"{names[g]}/bias", f"{g}_bias", "p"))
    ]
    return (*first, *more, *heads)


ROWS = (
    row("backbone_layers=0", "fgab", DIRECT, 0),
    row("pure, backbone_layers=0", "f", DIRECT, 0),
    *(row(f"backbone_layers={n}", "fgab", behind(n, "fgab"), n, ("backbone", "backbone_activation")) for n in DEPTHS),
    *(row(f"pure, backbone_layers={n}", "f", behind(n, "f"), n, ("backbone", "backbone_activation")) for n in DEPTHS),
)
