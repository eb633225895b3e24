#!/usr/bin/env bash
# Flax 0.12.12: `nnx.tabulate` raises for an `nnx.RNN` that runs, and leaves the classes that it touched unusable.
#
# Two surprises. First: the summary of an RNN over an LSTMCell raises TypeError, "argument of type 'NoneType' is not
# iterable". The RNN calls its cell with the carry, a pair of arrays, as first of several arguments; the printing of such
# nested arguments puts None in place of the pair and looks for a key in it (flax/nnx/summary.py,
# `_unflatten_to_simple_structure`).
# Second: a function that only prints should leave nothing behind, at least not for other objects. tabulate replaces the
# methods of every class in the model, `RngStream` among them, and puts them back in its last lines without `finally`; so
# after any exception inside (a mistake in the input's shape is enough) each new layer fails at its construction, and each
# call of another model at that call, with "no attribute '_nnx_tabulate_id'", until Python starts again.
#
# Tabulate `model.cell` by itself with one carry and one step in a process apart, or print `nnx.state` instead; in a
# notebook restart the kernel after an error of tabulate.
#
# Output seen (Python 3.13, flax 0.12.12, jax 0.12.0.1, CPU):
#   model (2, 5, 4)
#   tabulate: TypeError: argument of type 'NoneType' is not iterable
#   a new layer: AttributeError: 'RngStream' object has no attribute '_nnx_tabulate_id'
#   another model's call: AttributeError: 'RNN' object has no attribute '_nnx_tabulate_id'
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(command -v python3.13 || command -v python3)
"$python" -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check flax==0.12.12 jax==0.12.0.1 jaxlib==0.12.0.1
JAX_PLATFORMS=cpu "$work/env/bin/python" - <<'PY'
import jax.numpy as jnp
from flax import nnx


def rnn():
    return nnx.RNN(nnx.LSTMCell(3, 4, rngs=nnx.Rngs(0)))


def attempt(name, make, kind):
    try:
        make()
    except kind as error:
        said = str(error).splitlines()[0]
        print(f"{name}: {kind.__name__}: {said}")
        return said
    raise SystemExit(f"{name}: works now")


x = jnp.ones((2, 5, 3))
model, other = rnn(), rnn()
print(f"model {model(x).shape}")
assert other(x).shape == (2, 5, 4)
assert "'NoneType' is not iterable" in attempt("tabulate", lambda: nnx.tabulate(model, x), TypeError)
assert "_nnx_tabulate_id" in attempt("a new layer", lambda: nnx.Linear(3, 4, rngs=nnx.Rngs(0)), AttributeError)
assert "_nnx_tabulate_id" in attempt("another model's call", lambda: other(x), AttributeError)
PY
