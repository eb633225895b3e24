#!/usr/bin/env bash
# Flax 0.12.12: `nnx.RNN` and `linen.RNN` do not run where the batch lies on an explicit mesh axis, JAX's default kind.
#
# `jax.make_mesh` makes explicit axes unless told otherwise: where an array lies is part of its type. A Linear layer
# takes such a batch as it is. A recurrent layer starts its carry from zeros that are made from the input's shape alone,
# so that they lie nowhere; after one step the carry lies where the inputs do, and the scan refuses a carry that changes
# its type. It is so for all of Flax's cells, in NNX and in linen, with nothing but the batch sharded.
#
# Pass an `initial_carry` that was put on the mesh, or make the mesh with `axis_types=(AxisType.Auto,)`.
#
# Output seen (Python 3.13, flax 0.12.12, jax 0.12.0.1, CPU as eight devices):
#   a Linear layer: float32[8@data,4,4]
#   nnx.RNN of LSTMCell: TypeError, float32[8,4] became float32[8@data,4]
#   nnx.RNN of GRUCell: TypeError, float32[8,4] became float32[8@data,4]
#   linen.RNN of LSTMCell: TypeError, float32[8,4] became float32[8@data,4]
#   nnx.RNN of LSTMCell, automatic axes: (8, 4, 4)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(command -v python3.13 || command -v python3)
"$python" -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check flax==0.12.12 jax==0.12.0.1 jaxlib==0.12.0.1
export JAX_PLATFORMS=cpu XLA_FLAGS=--xla_force_host_platform_device_count=8
"$work/env/bin/python" - <<'PY'
import re

import jax
import jax.numpy as jnp
from flax import linen, nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec

xs = jnp.ones((8, 4, 3))
outside = linen.RNN(linen.LSTMCell(4))
variables = outside.init(jax.random.key(0), xs)


def batch(mesh):
    return jax.device_put(xs, NamedSharding(mesh, PartitionSpec("data")))


def refused(name, run):
    try:
        run()
    except TypeError as error:
        before, after = re.search(r"has type (float32\S+) but .* has type (float32[^\s;.]+)", str(error)).groups()
        print(f"{name}: TypeError, {before} became {after}")
        assert (before, after) == ("float32[8,4]", "float32[8@data,4]")
        return
    raise SystemExit(f"{name}: works now")


assert jax.make_mesh((8,), ("data",)).axis_types == (AxisType.Explicit,)
mesh = jax.make_mesh((8,), ("data",))
with jax.set_mesh(mesh):
    x = batch(mesh)
    print("a Linear layer:", jax.typeof(nnx.Linear(3, 4, rngs=nnx.Rngs(0))(x)))
    refused("nnx.RNN of LSTMCell", lambda: nnx.RNN(nnx.LSTMCell(3, 4, rngs=nnx.Rngs(0)))(x))
    refused("nnx.RNN of GRUCell", lambda: nnx.RNN(nnx.GRUCell(3, 4, rngs=nnx.Rngs(0)))(x))
    refused("linen.RNN of LSTMCell", lambda: outside.apply(variables, x))
mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
with jax.set_mesh(mesh):
    print("nnx.RNN of LSTMCell, automatic axes:", nnx.RNN(nnx.LSTMCell(3, 4, rngs=nnx.Rngs(0)))(batch(mesh)).shape)
PY
