#!/usr/bin/env bash
# XLA on CPUs: the gradient of a convolution's kernel takes some fifty times as long in a loop as outside.
#
# The fast code for convolutions takes one order of axes (`b01f_01io->b01f`), and a pass brings others into it; but that
# pass goes through a program's entry computation alone, not through the bodies of its loops. A forward convolution has
# that order anyway. The gradient with respect to its kernel has another one (`f01b_i01o->01bf`): in a `lax.scan`, where
# every convolutional recurrent network has it, it stays as it is and runs as a plain nest of loops. Values are right.
#
# Write that gradient as a product of matrices (of the patches, and the cotangent) in a rule of one's own, or do it
# outside the loop.
#
# Output seen (Python 3.11, jax 0.10.2, CPU, x86_64; jax 0.12.0 likewise):
#   unrolled: 8 ms of CPU, convolutions ['b01f_01io->b01f']
#   scan: 389 ms of CPU, convolutions ['b01f_01io->b01f', 'f01b_i01o->01bf']
#   ratio above 8: True
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$work/env/bin/python" - <<'PY'
import re, time
import jax, jax.numpy as jnp
from jax import lax

def conv(h, k):
    return lax.conv_general_dilated(h, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

h = jax.random.normal(jax.random.key(0), (4, 16, 16, 16, 32))
k = jax.random.normal(jax.random.key(1), (3, 3, 32, 64))

def unrolled(k):
    return sum((conv(x, k) ** 2).sum() for x in h)

def looped(k):
    return lax.scan(lambda total, x: (total + (conv(x, k) ** 2).sum(), None), 0.0, h)[0]

seconds = {}
for name, loss in (("unrolled", unrolled), ("scan", looped)):
    gradient = jax.jit(jax.grad(loss)).lower(k).compile()
    labels = set(re.findall(r"dim_labels=(\S+?)[, ]", gradient.as_text()))
    jax.block_until_ready(gradient(k))
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        jax.block_until_ready(gradient(k))
        best = min(best, time.process_time() - start)
    seconds[name] = best
    print(f"{name}: {1e3 * best:.0f} ms of CPU, convolutions {sorted(labels)}")
print(f"ratio above 8: {seconds['scan'] > 8 * seconds['unrolled']}")
assert seconds["scan"] > 8 * seconds["unrolled"], "gradients in loops are fast now"
PY
