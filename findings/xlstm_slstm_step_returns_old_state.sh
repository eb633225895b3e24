#!/usr/bin/env bash
# xlstm 2.0.6: `sLSTMCell.step` returns the state that it was given, not the new one.
#
# `forward` over a sequence returns (outputs, final state). `step`, for one step at a time, computes the new states, takes
# the output from them and returns the argument. Whoever generates with
#     y, state = cell.step(x, state)
# stays at the first state: each output is that of a first step, and nothing fails. The package's own layer does not call
# it.
#
# Call `forward` with one step instead.
#
# Output seen (Python 3.11, xlstm 2.0.6, torch 2.13.0, CPU):
#   step: the state moved: False; forward over one step: True
#   third output by steps is that of a first step: True, the sequence's third: False
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$work/env/bin/pip" install --quiet --disable-pip-version-check xlstm==2.0.6
"$work/env/bin/python" - <<'PY'
import torch
from xlstm.blocks.slstm.cell import sLSTMCell, sLSTMCellConfig

torch.manual_seed(0)
cell = sLSTMCell(sLSTMCellConfig(hidden_size=4, num_heads=1, backend="vanilla", dtype="float32", enable_automatic_mixed_precision=False))
torch.nn.init.normal_(cell._recurrent_kernel_)
zeros, x = torch.zeros(4, 1, 4), torch.randn(1, 3, 16)
_, moved = cell(x[:, :1], zeros)
_, kept = cell.step(x[:, :1], zeros)
print(f"step: the state moved: {not torch.equal(kept, zeros)}; forward over one step: {not torch.equal(moved, zeros)}")
whole, _ = cell(x, zeros)
state, outputs = zeros, []
for t in range(3):
    y, state = cell.step(x[:, t : t + 1], state)
    outputs.append(y.reshape(-1))
alone, _ = cell(x[:, 2:], zeros)
first = torch.allclose(outputs[2], alone.reshape(-1))
third = torch.allclose(outputs[2], whole.reshape(3, -1)[2])
print(f"third output by steps is that of a first step: {first}, the sequence's third: {third}")
assert torch.equal(kept, zeros) and first and not third, "step returns the new state now"
PY
