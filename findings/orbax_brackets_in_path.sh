#!/usr/bin/env bash
# Orbax 0.12.8: a checkpoint saved below a folder with brackets in its name cannot be restored.
#
# `runs[1]` is an ordinary name on Linux, and `lr=[0.1]` one that a sweep writes; a save that returns, with
# `commit_success.txt` written, can be restored. But Orbax looks for the parts to merge with a glob below the path, in
# which `[1]` is a set of characters: it finds none, logs a warning ("Skipping merge of OCDBT checkpoints: No per-process
# OCDBT checkpoint subdirs found"), commits a folder without its top `manifest.ocdbt`, and says so only when one restores,
# which may be after the training. Renaming the folder afterwards does not help. `[`, `]`, `{1}`, `*` and `?` are fine.
#
# Keep a closed pair of brackets out of the whole path, or read a checkpoint back before relying on it.
#
# Output seen (Python 3.11, orbax-checkpoint 0.12.8, jax 0.10.2, CPU):
#   runs: committed True, manifest True, restored [0. 1. 2.]
#   runs[1]: committed True, manifest False, ValueError: NOT_FOUND
#   runs[1] renamed to runs-1: ValueError: NOT_FOUND
#   runs[: committed True, manifest True, restored [0. 1. 2.]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check orbax-checkpoint==0.12.8 jax==0.10.2 jaxlib==0.10.2
cd "$work"
JAX_PLATFORMS=cpu "$work/env/bin/python" - 2>"$work/log" <<'PY' || { cat "$work/log"; exit 1; }
from pathlib import Path

import jax.numpy as jnp, orbax.checkpoint as ocp


def restore(path):
    with ocp.StandardCheckpointer() as keeper:
        try:
            return f"restored {keeper.restore(path, {'w': jnp.zeros(3)})['w']}"
        except ValueError as error:
            return f"ValueError: {str(error).split(':')[0]}"


for name, whole in (("runs", True), ("runs[1]", False), ("runs[", True)):
    path = Path.cwd() / name / "last"
    with ocp.StandardCheckpointer() as keeper:
        keeper.save(path, {"w": jnp.arange(3.0)})
    committed, manifest = (path / "commit_success.txt").exists(), (path / "manifest.ocdbt").exists()
    seen = restore(path)
    print(f"{name}: committed {committed}, manifest {manifest}, {seen}")
    assert committed and manifest == whole, "brackets are saved now"
    assert seen == ("restored [0. 1. 2.]" if whole else "ValueError: NOT_FOUND"), seen
    if not whole:
        plain = Path.cwd() / "runs-1"
        path.parent.rename(plain)
        seen = restore(plain / "last")
        print(f"{name} renamed to {plain.name}: {seen}")
        assert seen == "ValueError: NOT_FOUND", seen
PY
grep -q "Skipping merge of OCDBT checkpoints" "$work/log"
