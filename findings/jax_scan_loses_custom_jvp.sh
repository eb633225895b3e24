#!/usr/bin/env bash
# JAX 0.10.2: a scan that is differentiated twice forgets the rule of a `jax.custom_jvp` function in its body.
#
# The second derivative of a loop is the same whether the loop is written in Python or as `jax.lax.scan`; and a function
# with a derivative of its own (a surrogate for a spike, say) has that derivative at every order. With the outer derivative
# taken of a gradient (`jacfwd(grad)`, `grad(grad)`) the scan differentiates the function's body in place of its rule:
# forward over forward is right, so no error shows, and Hessians are not even symmetric with several inputs.
# In 0.12.0 all four agree; 0.11.2 still has it.
#
# Output seen (Python 3.11, jax 0.10.2, CPU):
#   loop -2.029311, scan forward over forward -2.029311, scan forward over reverse -1.946013
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$work/env/bin/python" - <<'PY'
import jax, jax.numpy as jnp

jax.config.update("jax_enable_x64", True)


@jax.custom_jvp
def spike(v):
    return (v > 0).astype(v.dtype)


@spike.defjvp
def surrogate(primals, tangents):
    (v,), (dv,) = primals, tangents
    return spike(v), dv / (1 + jnp.abs(v)) ** 2


def step(b, h):
    return spike(0.7 * h + b) + 0.3 * h


def loop(b):
    h = jnp.array(0.1)
    for _ in range(3):
        h = step(b, h)
    return h**2


def scan(b):
    return jax.lax.scan(lambda h, _: (step(b, h), None), jnp.array(0.1), None, length=3)[0] ** 2


right = jax.jacfwd(jax.grad(loop))(0.2)
forward = jax.jacfwd(jax.jacfwd(scan))(0.2)
reverse = jax.jacfwd(jax.grad(scan))(0.2)
print(f"loop {right:.6f}, scan forward over forward {forward:.6f}, scan forward over reverse {reverse:.6f}")
assert abs(forward - right) < 1e-12
assert abs(reverse - right) > 0.05, "scan keeps the rule now"
PY
