#!/usr/bin/env bash
# jax 0.12.0.1 (0.10.2 does the same): under the interpreter of Pallas's TPU kernels, an output that is to take an
# input's memory has the size of whole blocks.
#
# `pallas_call` takes arrays that blocks do not divide: the last block is cut off at the edge, on a TPU as under
# `pltpu.InterpretParams()`, which imitates one. With `input_output_aliases={0: 0}` the interpreter gives back the padded
# array: a kernel that adds one to a (3, 128) array by blocks of two rows fails with an error of MLIR's verifier, that a
# (4, 128) array is returned where a (3, 128) one is declared. Without the alias it answers 3 rows, all right. One would
# have expected the alias to say where results lie, not what shape they have.
#
# Leave aliases out where a kernel is run by this interpreter.
#
# Output seen:
#   no alias: (3, 128), 2.0 everywhere
#   alias: fails, 4x128 where 3x128 is declared
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for python in python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[23].*/bin/python; do
  "$python" -c "import venv" 2> "$work/why" && break
done
"$python" -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check jax==0.12.0.1 jaxlib==0.12.0.1
cat > "$work/add.py" <<'P'
import re

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu


def add_one(x, y):
    y[...] = x[...] + 1


def run(**options):
    block = pl.BlockSpec((2, 128), lambda i: (i, 0))
    return pl.pallas_call(
        add_one,
        out_shape=jax.ShapeDtypeStruct((3, 128), jnp.float32),
        grid=(2,),
        in_specs=[block],
        out_specs=block,
        interpret=pltpu.InterpretParams(),
        **options,
    )(jnp.ones((3, 128), jnp.float32))


plain = run()
print(f"no alias: {plain.shape}, {plain.min()} everywhere" if (plain == plain.min()).all() else plain)
try:
    print("alias:", run(input_output_aliases={0: 0}).shape)
except Exception as error:
    shapes = re.findall(r"tensor<(\d+x\d+)xf32>", str(error))
    print(f"alias: fails, {shapes[0]} where {shapes[1]} is declared" if len(shapes) > 1 else f"alias: {error}")
P
JAX_PLATFORMS=cpu "$work/env/bin/python" "$work/add.py" | tee "$work/said"
grep -qF "no alias: (3, 128), 2.0 everywhere" "$work/said"
grep -q "alias: fails, .*x128 where .*x128 is declared" "$work/said"
