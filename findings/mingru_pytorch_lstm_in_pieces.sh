#!/usr/bin/env bash
# minGRU-pytorch 0.2.1: `minLSTM` continued from its own state gives other numbers than in one piece.
#
# `forward(x, prev_hidden, return_next_prev_hidden=True)` returns the last hidden state to be passed with the next piece,
# and the package's `minGRU` gives the same numbers whole, in pieces and step by step. `minLSTM` does so whole and step by
# step; but a piece of two steps or more takes `log_g(prev_hidden)` as the logarithm of the state, so passes it through g
# once more and starts from h + 0.5 (where h >= 0). Training by truncated backpropagation, or reading a long text in
# chunks, is silently off.
#
# Pass the state through the inverse of g before a piece of two steps or more (h - 0.5 where h >= 0.5, log(h / (1 - h))
# where less), or run such pieces step by step.
#
# Output seen (Python 3.11, minGRU-pytorch 0.2.1, torch 2.13.0, CPU; largest difference from one piece of 8 steps):
#   minGRU: step by step 4.8e-07, pieces of 5 and 3 3.6e-07
#   minLSTM: step by step 3.6e-07, pieces of 5 and 3 3.1e-01, with the inverse of g 2.4e-07
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check minGRU-pytorch==0.2.1 torch==2.13.0 numpy==2.4.6
"$work/env/bin/python" - <<'PY'
import torch
from minGRU_pytorch.minGRU import minGRU
from minGRU_pytorch.minLSTM import minLSTM


def off(layer, x, pieces, change=lambda h: h):
    """The largest difference between x in pieces and x whole."""
    outputs, hidden = [], None
    for piece in x.split(pieces, dim=1):
        y, hidden = layer(piece, hidden, return_next_prev_hidden=True)
        outputs.append(y)
        hidden = change(hidden)
    return (torch.cat(outputs, 1) - layer(x)).abs().max().item()


def back(h):
    return torch.where(h >= 0.5, h - 0.5, torch.logit(h.clamp(max=0.5)))


with torch.no_grad():
    for kind in (minGRU, minLSTM):
        torch.manual_seed(0)
        layer, x = kind(4), torch.randn(1, 8, 4)
        steps, pieces = off(layer, x, 1), off(layer, x, [5, 3])
        said = f"{kind.__name__}: step by step {steps:.1e}, pieces of 5 and 3 {pieces:.1e}"
        if kind is minLSTM:
            repaired = off(layer, x, [5, 3], back)
            said += f", with the inverse of g {repaired:.1e}"
            assert repaired < 1e-5
        print(said)
        assert steps < 1e-5
        assert pieces < 1e-5 if kind is minGRU else pieces > 0.01, "minLSTM continues now"
PY
