#!/usr/bin/env bash
# flax 0.12.8: `linen.ConvLSTMCell` with strides moves its window over the state in strides too.
#
# `strides` is given to both convolutions, that of the input and that of the state. So the state's product is smaller than
# the state. With the carry that the cell itself makes this raises. With a carry of the size that a strided input gives,
# which looks right, it raises too, but for an axis of two places: there the state's product has one, which is broadcast,
# and both places read the same one. No error comes, and the numbers are those of no ConvLSTM.
#
# Stride before the cell.
#
# Output seen (Python 3.11, flax 0.12.8, jax 0.10.2, CPU):
#   the cell's own carry: TypeError
#   8 rows, 4 after strides of 2: TypeError
#   4 rows, 2 after strides of 2: taken; state's product has rows 1
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check flax==0.12.8 jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$work/env/bin/python" - <<'PY'
import jax, jax.numpy as jnp
from flax import linen as nn

cell = nn.ConvLSTMCell(3, (3, 3), strides=(2, 1))
key = jax.random.key(0)


def outcome(carry, x):
    try:
        cell.init_with_output(key, carry, x)
    except TypeError:
        return "TypeError"
    return "taken"


def carry_of(rows):
    return (jnp.zeros((2, rows, 5, 3)),) * 2


small, large = jnp.ones((2, 4, 5, 2)), jnp.ones((2, 8, 5, 2))
own = outcome(cell.initialize_carry(key, small.shape), small)
four, two = outcome(carry_of(4), large), outcome(carry_of(2), small)
_, seen = cell.init_with_output(key, carry_of(2), small, capture_intermediates=True)
rows = seen["intermediates"]["hh"]["__call__"][0].shape[1]
print(f"the cell's own carry: {own}")
print(f"8 rows, 4 after strides of 2: {four}")
print(f"4 rows, 2 after strides of 2: {two}; state's product has rows {rows}")
assert (own, four, two, rows) == ("TypeError", "TypeError", "taken", 1), "the state keeps its size now"
PY
