#!/usr/bin/env bash
# jax2onnx 0.17.1: an export leaves functions that were jitted before it unusable in the same process.
#
# `to_onnx` reads a function and returns a model, so it should change nothing; training, then exporting, then evaluating
# in one script is the ordinary order. It traces with primitives of its own in place of `jnp.zeros` and others, and where
# the function calls one made with `jax.jit`, JAX keeps that trace in its cache: later calls with the same shapes, direct
# or under another jit or grad, raise NotImplementedError, "MLIR translation rule for primitive 'jax.numpy.zeros' not found
# for platform cpu". Other shapes, functions that were called with the same shapes before the export, and functions defined
# after it are fine.
#
# Call `jax.clear_caches()` after each export (every function compiles again), or export in a process of its own.
#
# Output seen (Python 3.11, jax2onnx 0.17.1, jax 0.10.2, CPU):
#   directly: NotImplementedError
#   under jit: NotImplementedError
#   under grad: NotImplementedError
#   other shape: [1. 1. 1. 1.]
#   called before: [1. 1. 1.]
#   after clear_caches: [1. 1. 1.]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check jax2onnx==0.17.1 jax==0.10.2 jaxlib==0.10.2
JAX_PLATFORMS=cpu "$work/env/bin/python" - <<'PY'
import jax, jax.numpy as jnp
from jax2onnx import to_onnx


def add(x):
    return x + jnp.zeros(x.shape)


f, called = jax.jit(lambda x: add(x)), jax.jit(lambda x: add(x))
x = jnp.ones(3)
called(x)
to_onnx(lambda x: f(x), [(3,)])
to_onnx(lambda x: called(x), [(3,)])


def attempt(name, make, works):
    try:
        seen = str(make())
    except NotImplementedError as error:
        assert "primitive 'jax.numpy.zeros' not found" in str(error), error
        seen = "NotImplementedError"
    print(f"{name}: {seen}")
    assert (seen != "NotImplementedError") == works, "other than before"


attempt("directly", lambda: f(x), False)
attempt("under jit", lambda: jax.jit(lambda x: f(x))(x), False)
attempt("under grad", lambda: jax.grad(lambda x: f(x).sum())(x), False)
attempt("other shape", lambda: f(jnp.ones(4)), True)
attempt("called before", lambda: called(x), True)
jax.clear_caches()
attempt("after clear_caches", lambda: f(x), True)
PY
