"""What an installed wheel must do where there is no compiler: run natively, print its help, train."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np

import jaxrnn

assert Path(jaxrnn.__file__).is_relative_to(sys.prefix), f"not the installed package: {jaxrnn.__file__}"
assert "CXX" not in os.environ
assert not any(map(shutil.which, ("g++", "clang++", "c++", "cc", "gcc"))), "a compiler is in reach"
cell = jaxrnn.lstm(37)
assert "runs on 'native'" in str(jaxrnn.explain(cell)), jaxrnn.explain(cell)
rng = np.random.default_rng(0)
params = {n: rng.standard_normal(p.shape).astype(np.float32) / 4 for n, p in cell.declare(5).items()}
xs = rng.standard_normal((19, 7, 5)).astype(np.float32)
gradients = [
    jax.grad(lambda p, backend=backend: (jaxrnn.scan(cell, p, xs, backend=backend)[1] ** 2).sum())(params)
    for backend in ("native", "reference")
]
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-4), *gradients)
for command in (["--help"], ["train", "char_lm", "--loop.steps", "20", "--run", "run"]):
    subprocess.run(["jaxrnn", *command], check=True, stdout=subprocess.DEVNULL)
print(f"jaxrnn {jaxrnn.__version__} runs natively from {Path(jaxrnn.__file__).parent}")
