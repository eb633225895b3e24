"""Resemblyzer: the speaker encoder's three layers, in torch, with the checkpoint that ships."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import torch

folder = Path(importlib.util.find_spec("resemblyzer").origin).parent
checkpoint = torch.load(folder / "pretrained.pt", map_location="cpu", weights_only=True)
lstm = torch.nn.LSTM(40, 256, 3)  # as VoiceEncoder makes it
lstm.load_state_dict({n[5:]: a for n, a in checkpoint["model_state"].items() if n.startswith("lstm.")})
xs = np.random.default_rng(0).standard_normal((20, 2, 40)).astype("f")
with torch.no_grad():
    ys = lstm(torch.tensor(xs))[0].numpy()
np.savez(sys.argv[1], xs=xs, ys=ys, runtime=f"torch {torch.__version__}", source=str(folder / "pretrained.pt"))
