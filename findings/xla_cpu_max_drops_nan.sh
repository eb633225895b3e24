#!/usr/bin/env bash
# JAX 0.10.2 on a CPU: `jnp.max` and `jnp.min` of 4,096 float32 numbers or more drop a NaN.
#
# NumPy's `max` propagates NaN, StableHLO says that `maximum` does, and `jnp.max` of 4,095 numbers does too. From 4,096
# elements of input on (in all, whatever the shape and the axis) XLA hands the reduction to its YNNPACK fusion, which
# returns the largest of the others, and -inf where all are NaN; the gradient is finite as well. float64 does the same;
# bfloat16 and float16 propagate. `jnp.sum`, `jnp.argmax` and `jax.lax.top_k` see the NaN. So a check written as
# `jnp.max(jnp.abs(x - y)) < 1e-6`, a gradient clipped by its largest entry, or `jnp.linalg.norm(x, ord=jnp.inf)` passes
# on a diverged model, and a test with a small array does not show it.
#
# Ask `jnp.isnan(x).any()` beside the maximum: `jnp.where(jnp.isnan(x).any(), jnp.nan, jnp.max(x))` is right, while the
# same `where` inside the maximum gives -inf. Or take `x[jnp.argmax(x)]`; or set
# XLA_FLAGS=--xla_cpu_experimental_ynn_fusion_type= (nothing after the sign), with which every line below is NaN.
# jax 0.12.0.1 (Python 3.13) prints the same. Seen on x86-64.
#
# Output seen (Python 3.11, jax 0.10.2, CPU):
#   4,095 elements: max nan, min nan
#   4,096 elements: max 0.0, min 0.0
#   5,000 elements: NumPy nan, argmax 3, top_k nan, sum nan
#   5,000 elements: norm of order inf 0.0, all of them NaN -inf, gradient finite True
#   rows of (50, 100), the first with a NaN: 0.0
#   where beside the maximum nan, inside it -inf, x[argmax] nan
#   YNNPACK off: 4,096 elements: max nan
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2
export JAX_PLATFORMS=cpu
env -u XLA_FLAGS "$work/env/bin/python" - <<'PY'
import jax, jax.numpy as jnp, numpy as np


def zeros(*shape):
    return jnp.zeros(shape).at[(0,) * (len(shape) - 1) + (3,)].set(jnp.nan)


for n in (4095, 4096):
    x = zeros(n)
    print(f"{n:,} elements: max {jnp.max(x)}, min {jnp.min(x)}")
    assert bool(jnp.isnan(jnp.max(x))) == (n < 4096) == bool(jnp.isnan(jnp.min(x))), "the size has moved"
x = zeros(5000)
top = jax.lax.top_k(x, 1)[0][0]
print(f"5,000 elements: NumPy {np.max(np.asarray(x))}, argmax {jnp.argmax(x)}, top_k {top}, sum {jnp.sum(x)}")
assert np.isnan(np.max(np.asarray(x))) and jnp.argmax(x) == 3 and jnp.isnan(top) and jnp.isnan(jnp.sum(x))
norm, whole, grad = jnp.linalg.norm(x, ord=jnp.inf), jnp.max(jnp.full(5000, jnp.nan)), jax.grad(jnp.max)(x)
finite = bool(jnp.isfinite(grad).all())
print(f"5,000 elements: norm of order inf {norm}, all of them NaN {whole}, gradient finite {finite}")
assert norm == 0 and whole == -jnp.inf and finite
rows = jnp.max(zeros(50, 100), axis=1)
print(f"rows of (50, 100), the first with a NaN: {rows[0]}")
assert rows[0] == 0
beside = jax.jit(lambda x: jnp.where(jnp.isnan(x).any(), jnp.nan, jnp.max(x)))(x)
inside = jax.jit(lambda x: jnp.max(jnp.where(jnp.isnan(x).any(), jnp.nan, x)))(x)
print(f"where beside the maximum {beside}, inside it {inside}, x[argmax] {x[jnp.argmax(x)]}")
assert jnp.isnan(beside) and inside == -jnp.inf and jnp.isnan(x[jnp.argmax(x)])
for kind in (jnp.bfloat16, jnp.float16):
    assert jnp.isnan(jnp.max(x.astype(kind)))
PY
XLA_FLAGS=--xla_cpu_experimental_ynn_fusion_type= "$work/env/bin/python" - <<'PY'
import jax.numpy as jnp

high = jnp.max(jnp.zeros(4096).at[3].set(jnp.nan))
print(f"YNNPACK off: 4,096 elements: max {high}")
assert jnp.isnan(high)
PY
