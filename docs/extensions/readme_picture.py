"""The README's picture of impulse responses, `docs/static/responses.svg`; run this file to draw it again."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from pictures import GREY, response

CELLS = {
    "elman": "#e6ab02",
    "gru": "#7570b3",
    "lstm": "#1b9e77",
    "min_gru": "#66a61e",
    "lru": "#d95f02",
    "cornn": "#e7298a",
}

with plt.rc_context({"font.size": 9, "svg.fonttype": "none", "svg.hashsalt": "jaxrnn"}):
    figure, axes = plt.subplots(figsize=(8, 2.8), layout="constrained")
    for name, colour in CELLS.items():
        felt = response(name)
        axes.plot(np.maximum(felt.mean(1) / felt.max(), 1e-12), color=colour, label=name, lw=1.6)
    axes.set(yscale="log", ylim=(1e-5, 1.5), xlabel="steps after the impulse", ylabel="response")
    axes.legend(frameon=False, labelcolor="linecolor", ncols=6, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=GREY)
    for part in (axes.xaxis.label, axes.yaxis.label, *axes.spines.values()):
        part.set_color(GREY)
    figure.savefig(Path(__file__).parent.parent / "static/responses.svg", transparent=True, metadata={"Date": None})
