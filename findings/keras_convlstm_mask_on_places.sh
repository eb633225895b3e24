#!/usr/bin/env bash
# Keras 3.15.1, JAX backend: the mask of a ConvLSTM, `[batch, time]` as for every recurrent layer, is laid on the last axis
# of the grid.
#
# `ConvLSTM2D` takes `mask` and hands it to the loop over time, where a step's mask `[batch]` meets states
# `[batch, rows, columns, filters]` without its axes being put first: it is broadcast from the back. For most sizes this
# raises. Where a trailing axis happens to be as long as the batch, no error comes: places (or filters) of all rows are
# held in place of steps of one row, and the outputs are others than those of a shorter sequence.
#
# Give the mask as `[batch, time, 1, 1, 1]`.
#
# Output seen (Python 3.11, keras 3.15.1, jax 0.10.2, CPU):
#   row 0, all of whose steps count, is as without a mask: False
#   row 1, whose last two steps do not, is as the first three alone: False
#   with the mask as [batch, time, 1, 1, 1]: True True
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.10.2 jaxlib==0.10.2
KERAS_BACKEND=jax JAX_PLATFORMS=cpu "$work/env/bin/python" - <<'PY'
import numpy as np, keras

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(2, 5, 3, 2, 1)).astype("float32")  # two rows, five steps, a grid of 3 x 2
mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)
layer = keras.layers.ConvLSTM2D(2, 2, padding="same")
plain, short = np.asarray(layer(x)), np.asarray(layer(x[:, :3]))


def same(y):
    y = np.asarray(y)
    return np.allclose(y[0], plain[0], atol=1e-6), np.allclose(y[1], short[1], atol=1e-6)


wrong, right = same(layer(x, mask=mask)), same(layer(x, mask=mask[:, :, None, None, None]))
print(f"row 0, all of whose steps count, is as without a mask: {wrong[0]}")
print(f"row 1, whose last two steps do not, is as the first three alone: {wrong[1]}")
print("with the mask as [batch, time, 1, 1, 1]:", *right)
assert wrong == (False, False) and right == (True, True), "masks lie on steps now"
PY
