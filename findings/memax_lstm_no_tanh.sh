#!/usr/bin/env bash
# memax 0.1.1: the LSTM of `memax.equinox` puts out o * c, without the tanh of c.
#
# Its docstring is "The Long Short-Term Memory layer" with a link to Hochreiter and Schmidhuber's paper, in which the
# output is the gate times a squashed cell, as in every framework. Here `h = f_o * c`: hidden states are not bounded by
# one and, as h feeds the gates, a state that counts up saturates them. Weights moved from another LSTM give other numbers
# in silence, and results with it are not those of an LSTM.
#
# Subclass `LSTMMagma` with h = o * tanh(c), or do not compare it with an LSTM by name. (Its carry is (c, h), too, where
# others have (h, c).)
#
# Output seen (Python 3.11, memax 0.1.1, equinox 0.13.8, jax 0.10.2, CPU):
#   h [0.1632 1.1851], o * c [0.1632 1.1851], o * tanh(c) [0.1521 0.5159]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check memax==0.1.1 equinox==0.13.8 jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$work/env/bin/python" - <<'PY'
import jax, jax.numpy as jnp, numpy as np
from memax.equinox.set_actions.lstm import LSTMMagma

cell = LSTMMagma(2, jax.random.key(0))
x, c, h = jnp.array([0.5, -0.3]), jnp.array([1.5, 4.0]), jnp.array([0.2, -0.1])
new_c, new_h = cell((c, h), (x, jnp.zeros(2)))
o = jax.nn.sigmoid(cell.W_o(x) + cell.U_o(h))
plain, squashed = o * new_c, o * jnp.tanh(new_c)


def four(v):
    return np.array2string(np.asarray(v), precision=4)


print(f"h {four(new_h)}, o * c {four(plain)}, o * tanh(c) {four(squashed)}")
np.testing.assert_allclose(new_h, plain, rtol=1e-6)
assert jnp.abs(new_h - squashed).max() > 0.1, "the tanh is there now"
PY
