#!/usr/bin/env bash
# rnn-jax 0.0.2: the LSTM's forget gate is not the one that starts at one, and the GRU has no weights for its candidate.
#
# Two surprises, both silent. `LongShortTermMemory` wraps Equinox's cell and sets the third quarter of the bias to 1, with
# the comment "Initialize the forget gate bias to ones"; Equinox's order is input, forget, candidate, output
# (`i, f, g, o = jnp.split(lin, 4)`), so the candidate starts at tanh(1) and the forget gate at Equinox's uniform draw:
# what was meant to help long memories adds a constant to every step. `LongShortTermMemoryCell` beside it is right.
# `GatedRecurrentUnitCell` cites Cho et al. (2014), whose candidate has weights of its own and reads r * h; here it uses
# the update gate's weights again (`w_ii`, `w_ih`), reads z * h, has no bias and is a relu by default. The update gate
# reads r * h in place of h. So it has two thirds of a GRU's parameters, and numbers of neither published form.
#
# Set the bias yourself with `equinox.tree_at` (the second quarter), and use `GatedRecurrentUnit` (Equinox's) for a GRU.
#
# (The package says Python 3.11, and its cells need 3.12: they hold a `type` statement.)
#
# Output seen (Python 3.13, rnn-jax 0.0.2 without its dependencies, equinox 0.13.8, jax 0.12.0.1, CPU):
#   LongShortTermMemory's bias: input no, forget no, candidate ones, output no
#   GRU of 3 to 2: 24 parameters, by Cho et al. with a bias a gate 36
#   its step is that of the update gate's weights to within 1e-06 True
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(command -v python3.13 || command -v python3)
"$python" -m venv "$work/env"
pip=("$work/env/bin/pip" install --quiet --disable-pip-version-check)
"${pip[@]}" equinox==0.13.8 jax==0.12.0.1 jaxlib==0.12.0.1
"${pip[@]}" --no-deps rnn-jax==0.0.2
JAX_PLATFORMS=cpu "$work/env/bin/python" - <<'PY'
import equinox as eqx, jax, jax.numpy as jnp, numpy as np
from rnn_jax.cells.gated import GatedRecurrentUnitCell, LongShortTermMemory

key = jax.random.key(0)
quarters = jnp.split(LongShortTermMemory(3, 2, key=key).lstm.bias, 4)
ones = [bool((q == 1).all()) for q in quarters]
names = ("input", "forget", "candidate", "output")
print("LongShortTermMemory's bias: " + ", ".join(f"{n} {'ones' if o else 'no'}" for n, o in zip(names, ones)))
assert ones == [False, False, True, False], "another gate starts at one now"
# That Equinox's second quarter forgets: with it far above the others a state stays.
cell = eqx.tree_at(lambda c: c.bias, eqx.nn.LSTMCell(3, 2, key=key), jnp.repeat(jnp.array([-50.0, 50, 0, 0]), 2))
c = cell(jnp.ones(3), (jnp.zeros(2), jnp.array([0.3, -0.7])))[1]
np.testing.assert_allclose(c, [0.3, -0.7], rtol=1e-5)


def count(module):
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(module, eqx.is_array)))


gru = GatedRecurrentUnitCell(3, 2, key=key)
here, there = count(gru), 3 * (2 * 3 + 2 * 2 + 2)
print(f"GRU of 3 to 2: {here} parameters, by Cho et al. with a bias a gate {there}")
x, h = jnp.array([0.5, -0.3, 0.8]), jnp.array([0.4, 0.9])
r = jax.nn.sigmoid(gru.w_fi @ x + gru.w_fh @ h + gru.b_f)
z = jax.nn.sigmoid(gru.w_ii @ x + gru.w_ih @ (r * h) + gru.b_i)
right = (1 - z) * h + z * jax.nn.relu(gru.w_ii @ x + gru.w_ih @ (z * h))
same = bool(jnp.abs(gru(x, (h,))[1] - right).max() < 1e-6)
print(f"its step is that of the update gate's weights to within 1e-06 {same}")
assert here == 24 and same
PY
