#!/usr/bin/env bash
# xlstm 2.0.6: an `sLSTMBlock` by itself cannot be made, and what one way of streaming hands over the other refuses.
#
# `sLSTMBlockConfig` sets the number of blocks and the place among them to None on the layer and the feed-forward layer,
# over their own defaults 1 and 0, and the initialisers compute with them: TypeError, unless it stands in an
# `xLSTMBlockStack` or both are given as `_num_blocks=1, _block_idx=0`.
#
# `forward(..., return_last_state=True)` hands over the convolution's last inputs as an array of W - 1 steps, `step` as a
# tuple with one of W: whoever reads a prompt by the one cannot generate by the other.
#
# Feed the prompt step by step, or pad the array by one step in front and put it in a tuple.
#
# Output seen (Python 3.11, xlstm 2.0.6, torch 2.13.0, CPU):
#   a block alone: TypeError
#   step after forward: IndexError, forward after step: TypeError
#   step after forward, padded and in a tuple, is the whole: True
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$work/env/bin/pip" install --quiet --disable-pip-version-check xlstm==2.0.6
"$work/env/bin/python" - <<'PY'
import torch
from xlstm.blocks.slstm.block import sLSTMBlock, sLSTMBlockConfig
from xlstm.blocks.slstm.layer import sLSTMLayer, sLSTMLayerConfig


def config():
    return sLSTMLayerConfig(embedding_dim=8, num_heads=2, backend="vanilla", dropout=0.0)


def error(call):
    try:
        call()
    except Exception as raised:
        return type(raised).__name__
    return "none"


alone = error(lambda: sLSTMBlock(sLSTMBlockConfig(slstm=config(), feedforward=None)))
print(f"a block alone: {alone}")
torch.manual_seed(0)
layer, x = sLSTMLayer(config()), torch.randn(3, 6, 8)
whole = layer(x)
_, read = layer(x[:, :5], return_last_state=True)
_, stepped = layer.step(x[:, :1])
after_forward = error(lambda: layer.step(x[:, 5:], **read))
after_step = error(lambda: layer(x[:, 1:], **stepped))
print(f"step after forward: {after_forward}, forward after step: {after_step}")
window = torch.cat([torch.zeros(3, 1, 8), read["conv_state"]], 1)
y, _ = layer.step(x[:, 5:], conv_state=(window,), slstm_state=read["slstm_state"])
same = torch.allclose(y, whole[:, 5:], atol=1e-6)
print(f"step after forward, padded and in a tuple, is the whole: {same}")
assert alone == "TypeError" and "none" not in (after_forward, after_step) and same, "it goes on by either now"
PY
