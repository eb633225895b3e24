"""The table of docs/guides/interchange.md: which cell goes to which library, and why one does not.

    python -m tests.interop.exchange

writes it anew.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jaxrnn
from jaxrnn import interop
from jaxrnn.functions.activations import hard_sigmoid

PAGE = Path(__file__).parents[2] / "docs/guides/interchange.md"
HEAD, TAIL = "<!-- table: python -m tests.interop.exchange -->\n", "<!-- end of the table -->"
TARGETS = ("torch", "keras", "flax.linen", "flax.nnx", "haiku", "equinox", "tf1", "cudnn", "onnx")
H = 8
LSTM, GRU = jaxrnn.lstm(H), jaxrnn.gru(H)
NUMBERS = jax.tree.map(np.float32, LSTM.init(jax.random.key(0), inputs=H))  # whatever JAX draws here
ROWS = {
    "lstm": LSTM,
    "lstm, use_bias=False": jaxrnn.lstm(H, use_bias=False),
    "lstm, peepholes=True": jaxrnn.lstm(H, peepholes=True),
    "lstm, coupled=True": jaxrnn.lstm(H, coupled=True),
    "lstm, forget_gate=False": jaxrnn.lstm(H, forget_gate=False),
    "lstm, projection=4": jaxrnn.lstm(H, projection=4),
    "lstm, cell_clip=1.0": jaxrnn.lstm(H, cell_clip=1.0),
    "lstm, layer_norm=True": jaxrnn.lstm(H, layer_norm=True),
    "lstm, gate_activation=hard_sigmoid": jaxrnn.lstm(H, gate_activation=hard_sigmoid),
    "lstm, learn_carry=True": jaxrnn.lstm(H, learn_carry=True),
    "gru": GRU,
    "gru, reset_after=False": jaxrnn.gru(H, reset_after=False),
    "elman": jaxrnn.elman(H),
    "elman, activation=relu": jaxrnn.elman(H, activation=jax.nn.relu),
    "elman, activation=swish": jaxrnn.elman(H, activation=jax.nn.swish),
    "mgu": jaxrnn.mgu(H),
    "phased_lstm": jaxrnn.phased_lstm(H),
    "stack of two": jaxrnn.stack([LSTM, LSTM]),
    "stack of two kinds": jaxrnn.stack([LSTM, GRU]),
    "bidirectional": jaxrnn.bidirectional(LSTM),
    "bidirectional, merge=sum": jaxrnn.bidirectional(LSTM, merge="sum"),
    "stack of bidirectional": jaxrnn.stack([jaxrnn.bidirectional(LSTM), jaxrnn.bidirectional(LSTM)]),
    "reverse": jaxrnn.reverse(LSTM),
    "residual": jaxrnn.residual(LSTM),
    "quantize": jaxrnn.quantize(LSTM, NUMBERS)[0],
}


def outcome(layer: Any, target: str) -> tuple[str, str]:
    """What becomes of a layer: "yes", "loop" or "no", and why it is no."""
    params = layer.init(jax.random.key(0), inputs=H)
    params = jax.tree.map(lambda a: np.asarray(a, np.float32 if a.dtype.kind == "f" else a.dtype), params)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made = interop.save(layer, params, target)
    except (ValueError, TypeError) as error:
        return "no", str(error)
    loops = target == "onnx" and any(node.op_type == "Scan" for node in made.graph.node)
    return ("loop" if loops else "yes"), ""


def general(why: str) -> str:
    """A reason without what names one library or layer."""
    why = re.sub(r", got .*", "", why, flags=re.S)
    why = re.sub(r"layers of lstm, .*?, stacked", "layers of the library's cells, stacked", why)
    why = re.sub(r"a model of \S+ names", "a model of the library names", why)
    why = re.sub(r"of cells that \S+ has, .*", "of cells that the library has", why)
    why = re.sub(r",? for (flax\.\w+|[a-z0-9]+)( \w+)?(?=,|$)", "", why)
    return why.replace(", which has no such option", ", without such an option")


def table() -> str:
    """As Markdown, with the reasons below."""
    reasons: dict[str, int] = {}
    lines = [f"| layer | {' | '.join(TARGETS)} |", "|---" * (1 + len(TARGETS)) + "|"]
    for name, layer in ROWS.items():
        cells = []
        for target in TARGETS:
            found, why = outcome(layer, target)
            why = general(why)
            cells.append(found if not why else f"no [{reasons.setdefault(why, len(reasons) + 1)}]")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    told = [f"{number}. {why}" for why, number in reasons.items()]
    return "\n".join([*lines, "", *told, ""])


def in_page() -> str:
    """The table that the page has."""
    return PAGE.read_text().split(HEAD)[1].split(TAIL)[0]


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(HEAD)
    PAGE.write_text(before + HEAD + table() + TAIL + rest.partition(TAIL)[2])
