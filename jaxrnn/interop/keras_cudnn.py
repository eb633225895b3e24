"""CuDNNLSTM and CuDNNGRU of Keras 2, whose weights are cuDNN's bytes in arrays of Keras's shapes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from jaxrnn.functions.activations import get_activation
from jaxrnn.interop.source import Entry, segments

TELLS = (("gate_activation", get_activation("sigmoid", "recurrent_activation")),)  # cuDNN has no other
GATES = {8: 4, 6: 3}  # biases in units: of an LSTM, of a GRU; twice those of a cell that adds one


def usual(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries with those of cuDNN as a plain layer's. A flat bias of two for each column of the recurrent kernel is
    theirs alone."""
    entries = tuple(entries)
    by_path: dict[tuple[str, ...], dict[str, Entry]] = {}
    for entry in entries:
        *path, name = segments(entry.name) or ("",)
        by_path.setdefault(tuple(path), {})[name] = entry
    turned = {e.name: e for cell in by_path.values() for e in _turned(cell)}
    return tuple(turned.get(e.name, e) for e in entries)


def _turned(cell: dict[str, Entry]) -> tuple[Entry, ...]:
    kernel, recurrent, bias = (cell.get(name) for name in ("kernel", "recurrent_kernel", "bias"))
    if kernel is None or recurrent is None or bias is None or len(kernel.shape) != 2 or len(recurrent.shape) != 2:
        return ()
    units = recurrent.shape[0]
    gates = GATES.get(bias.shape[0] // units if len(bias.shape) == 1 and units and not bias.shape[0] % units else 0)
    if gates is None or recurrent.shape[1] != gates * units or kernel.shape[1] != gates * units:
        return ()

    def biases() -> Any:
        both = bias.read().reshape(2, -1)
        return both.sum(0) if gates == GATES[8] else both  # a GRU's stay apart, as reset_after has them

    shape = (gates * units,) if gates == GATES[8] else (2, gates * units)
    return (
        kernel._replace(read=lambda: _by_gate(kernel.read(), gates, lambda g: g.reshape(g.shape[::-1]).T), tells=TELLS),
        recurrent._replace(read=lambda: _by_gate(recurrent.read(), gates, lambda g: g.T)),
        bias._replace(shape=shape, read=biases),
    )


def _by_gate(kernel: Any, gates: int, turn: Any) -> Any:
    """Each gate's block of columns by itself."""
    return np.hstack([turn(np.ascontiguousarray(gate)) for gate in np.hsplit(kernel, gates)])
