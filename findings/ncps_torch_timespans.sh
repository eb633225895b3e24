#!/usr/bin/env bash
# ncps 1.0.1 (PyTorch): a batch with `timespans` raises, or where batch and units are as many mixes the sequences' times.
#
# `CfC` and `LTC` exist for irregular times, their `forward` takes `timespans` beside an input of (B, L, C), and a single
# sequence works. For a batch they squeeze the step's times to (B,), which then broadcast against (B, H) along the units:
# RuntimeError for most sizes, whether the times are (B, L) or (B, L, 1). With B equal to H nothing is raised, and unit k
# of every sequence advances by the time of sequence k.
#
# Expand the times over the units yourself, `timespans[..., None].expand(-1, -1, units)`, which gives each sequence's own
# numbers for both (not for a CfC with a wiring of several layers: run its sequences one at a time).
#
# Output seen (Python 3.11, ncps 1.0.1, torch 2.13.0, CPU; 4 units, largest difference from each sequence by itself):
#   CfC: batch of 2 RuntimeError, batch of 4 6.9e-02, expanded over the units 1.5e-07
#   LTC: batch of 2 RuntimeError, batch of 4 3.6e-01, expanded over the units 1.2e-07
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check ncps==1.0.1 torch==2.13.0 numpy==2.4.6
"$work/env/bin/python" - <<'PY'
import torch
from ncps.torch import LTC, CfC
from ncps.wirings import FullyConnected


def seen(layer, batch, expand=False):
    x, times = torch.randn(batch, 6, 3), torch.rand(batch, 6) + 0.1
    alone = torch.cat([layer(x[b : b + 1], timespans=times[b : b + 1])[0] for b in range(batch)])
    found = []
    for shape in (times[..., None].expand(-1, -1, 4),) if expand else (times, times[..., None]):
        try:
            found.append((layer(x, timespans=shape)[0] - alone).abs().max().item())
        except RuntimeError as error:
            assert "must match the size of tensor b" in str(error), error
            found.append(None)
    assert len(set(found)) == 1, found
    return found[0]


with torch.no_grad():
    for make in (lambda: CfC(3, 4), lambda: LTC(3, FullyConnected(4))):
        torch.manual_seed(0)
        layer = make()
        raised, mixed, expanded = seen(layer, 2) is None, seen(layer, 4), max(seen(layer, n, True) for n in (2, 4))
        what = "RuntimeError" if raised else "works"
        name = type(layer).__name__
        print(f"{name}: batch of 2 {what}, batch of 4 {mixed:.1e}, expanded over the units {expanded:.1e}")
        assert raised and mixed > 0.01, "times of a batch work now"
        assert expanded < 1e-6
PY
