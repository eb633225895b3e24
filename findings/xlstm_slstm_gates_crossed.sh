#!/usr/bin/env bash
# xlstm 2.0.6: in `sLSTMLayer` the linear map named `igate` drives the forget gate, and `fgate` the input gate.
#
# The layer hands its cell [fgate(x), igate(x), zgate(x), ogate(x)], and the cell reads them in the order i, f, z, o, in
# which its biases are stored and initialised too. Networks that are trained and read by this package alone are not
# wrong, only named so; but whoever moves weights by their names ("fgate" to the forget gate of another sLSTM), prunes or
# looks at a gate, or freezes one, has the other one, and no shape tells.
#
# Swap the two names when weights are moved.
#
# Output seen (Python 3.11, xlstm 2.0.6, torch 2.13.0, CPU):
#   columns i of the cell are fgate(x): True, igate(x): False
#   columns f of the cell are igate(x): True, fgate(x): False
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$work/env/bin/pip" install --quiet --disable-pip-version-check xlstm==2.0.6
"$work/env/bin/python" - <<'PY'
import torch
from xlstm.blocks.slstm.layer import sLSTMLayer, sLSTMLayerConfig

torch.manual_seed(0)
layer = sLSTMLayer(
    sLSTMLayerConfig(embedding_dim=8, num_heads=2, conv1d_kernel_size=0, backend="vanilla", dropout=0.0)
)
seen = []
layer.slstm_cell.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
x = torch.randn(1, 3, 8)
layer(x)
columns = dict(zip("ifzo", seen[0].split(8, -1)))
maps = {"i": layer.igate, "f": layer.fgate}
same = lambda gate, name: torch.allclose(columns[gate], maps[name](x))
print(f"columns i of the cell are fgate(x): {same('i', 'f')}, igate(x): {same('i', 'i')}")
print(f"columns f of the cell are igate(x): {same('f', 'i')}, fgate(x): {same('f', 'f')}")
assert same("i", "f") and same("f", "i") and not same("i", "i"), "the names are the gates' now"
PY
