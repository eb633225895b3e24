#!/usr/bin/env bash
# JAX 0.10.2 on a CPU: under `jax.jit` `v + 0.0` is `v`, so -0.0 stays -0.0 where IEEE 754 and NumPy say 0.0.
#
# -0.0 + 0.0 is +0.0 in every rounding mode but one, and adding 0.0 is the known way to be rid of a minus zero. XLA
# simplifies the addition of a constant zero away (the compiled program is a copy). Without jit the two numbers are
# arguments of a compiled addition and the sum is right, so the same function changes under jit: 1 / (v + 0.0) is inf
# without and -inf with, and likewise what reads a sign (`copysign`, `atan2`, bits compared with a reference in NumPy).
# `0.0 + v` and `v + jnp.zeros_like(v)` do the same; a zero that is an argument of the jitted function does not.
#
# Write `jnp.where(v == 0, 0.0, v)` to be rid of the sign, and compare zeros by value, not by bits. bfloat16 is alike, and
# jax 0.12.0.1 (Python 3.13) prints the same.
#
# Output seen (Python 3.11, jax 0.10.2, CPU):
#   v + 0.0: NumPy 0.0, without jit 0.0, under jit -0.0
#   1 / (v + 0.0): without jit inf, under jit -inf
#   under jit: 0.0 + v -0.0, v + zeros_like(v) -0.0, zero as an argument 0.0, where 0.0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$work/env/bin/python" - <<'PY'
import jax, jax.numpy as jnp, numpy as np

v = jnp.float32(-0.0)


def minus(x):
    return bool(np.signbit(x))


def plus(v):
    return v + 0.0


numpy, eager, jitted = np.float32(-0.0) + np.float32(0.0), plus(v), jax.jit(plus)(v)
print(f"v + 0.0: NumPy {numpy}, without jit {eager}, under jit {jitted}")
assert (minus(v), minus(numpy), minus(eager)) == (True, False, False)
assert minus(jitted), "jit adds the zero now"
eager, jitted = 1 / plus(v), jax.jit(lambda v: 1 / plus(v))(v)
print(f"1 / (v + 0.0): without jit {eager}, under jit {jitted}")
assert (eager, jitted) == (np.inf, -np.inf)
left = jax.jit(lambda v: 0.0 + v)(v)
like = jax.jit(lambda v: v + jnp.zeros_like(v))(v)
given = jax.jit(lambda v, zero: v + zero)(v, jnp.float32(0.0))
where = jax.jit(lambda v: jnp.where(v == 0, 0.0, v))(v)
print(f"under jit: 0.0 + v {left}, v + zeros_like(v) {like}, zero as an argument {given}, where {where}")
assert (minus(left), minus(like), minus(given), minus(where)) == (True, True, False, False)
PY
