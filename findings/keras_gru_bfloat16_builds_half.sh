#!/usr/bin/env bash
# Keras 3.15.1 on JAX: a Sequential model of a GRU in bfloat16 reports built=True with one of its three weights.
#
# `dtype="bfloat16"` is a documented argument of every layer, and a Sequential model with an Input builds all its weights
# at once or raises. Here nothing is raised: the orthogonal recurrent initialiser calls `jnp.linalg.qr`, for which JAX on a
# CPU raises NotImplementedError in bfloat16 and float16; `Sequential.build` takes any NotImplementedError for "shape
# inference is not implemented" and returns (keras/src/models/sequential.py, `except NotImplementedError: return`). The
# model then has the kernel alone: `summary()`, `count_params()` and `get_weights()` are short, and only the first call
# raises, an AttributeError about a `recurrent_kernel`. LSTM and SimpleRNN do the same. The functional interface, and a
# layer called by itself, raise the true error.
#
# Use the policy "mixed_bfloat16" (float32 weights), or give another recurrent_initializer; and compare
# `len(model.weights)` with what you expect, `model.built` says nothing.
#
# Output seen (Python 3.11, keras 3.15.1, jax 0.10.2, CPU):
#   GRU bfloat16: built True, 1 of 3 weights, 96 parameters
#   GRU float16: built True, 1 of 3 weights, 96 parameters
#   LSTM bfloat16: built True, 1 of 3 weights, 128 parameters
#   SimpleRNN bfloat16: built True, 1 of 3 weights, 32 parameters
#   GRU float32: built True, 3 of 3 weights, 168 parameters
#   GRU mixed_bfloat16: built True, 3 of 3 weights, 168 parameters
#   GRU bfloat16, recurrent_initializer="zeros": built True, 3 of 3 weights, 168 parameters
#   calling the model: AttributeError: 'GRUCell' object has no attribute 'recurrent_kernel'
#   functional: NotImplementedError: Unsupported dtype bfloat16.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.10.2 jaxlib==0.10.2
KERAS_HOME="$work/keras" KERAS_BACKEND=jax JAX_PLATFORMS=cpu "$work/env/bin/python" - <<'PY'
import keras, numpy as np
from keras import layers


def model(layer, dtype, weights, note="", **options):
    it = keras.Sequential([keras.Input((5, 8)), layer(4, dtype=dtype, **options)])
    print(
        f"{layer.__name__} {dtype}{note}: built {it.built}, {len(it.weights)} of 3 weights, {it.count_params()} parameters"
    )
    assert it.built and len(it.weights) == weights, "other weights than before"
    return it


half = model(layers.GRU, "bfloat16", 1)
model(layers.GRU, "float16", 1)
model(layers.LSTM, "bfloat16", 1)
model(layers.SimpleRNN, "bfloat16", 1)
model(layers.GRU, "float32", 3)
model(layers.GRU, "mixed_bfloat16", 3)
model(layers.GRU, "bfloat16", 3, ', recurrent_initializer="zeros"', recurrent_initializer="zeros")
try:
    half(np.zeros((2, 5, 8), "float32"))
    raise SystemExit("the model runs now")
except AttributeError as error:
    said = "'GRUCell' object has no attribute 'recurrent_kernel'"
    assert said in str(error), error
    print(f"calling the model: AttributeError: {said}")
try:
    layers.GRU(4, dtype="bfloat16")(keras.Input((5, 8)))
    raise SystemExit("the functional interface builds it now")
except NotImplementedError as error:
    said = "Unsupported dtype bfloat16."
    assert said in str(error), error
    print(f"functional: NotImplementedError: {said}")
PY
