#!/usr/bin/env bash
# Flax 0.12.12 in tree mode: `nnx.grad(f)(model)` raises for a model that holds an `nnx.Dropout`.
#
# With NNX_GRAPH_MODE and NNX_GRAPH_UPDATES false, modules are ordinary pytrees and the transforms those of JAX, so the
# plain example of the guide, the gradient of a loss by the model, should work for every model made of Flax's own layers,
# as it does by default. There `nnx.grad` differentiates the Params alone; in tree mode every leaf, and a Dropout's stream
# holds its count (uint32) and key as leaves: TypeError, "grad requires real- or complex-valued inputs ... but got uint32",
# in `model.eval()` as well. `nnx.DiffState(0, nnx.Param)`, the usual way to name the Params, is refused in tree mode.
#
# Ask that one transform for the graph (`nnx.grad(f, graph=True, graph_updates=True)` or `nnx.compat.grad(f)`), or pass
# allow_int=True and leave the leaves of dtype float0 out of the update.
#
# Output seen (Python 3.13, flax 0.12.12, jax 0.12.0.1, CPU):
#   default, without dropout: works
#   default, with dropout: works
#   tree mode, without dropout: works
#   tree mode, with dropout: TypeError: grad requires real- or complex-valued inputs, but got uint32
#   tree mode, with dropout, eval: TypeError: grad requires real- or complex-valued inputs, but got uint32
#   tree mode, with dropout, DiffState: ValueError
#   tree mode, with dropout, graph=True, graph_updates=True: works
#   tree mode, with dropout, nnx.compat.grad: works
#   tree mode, with dropout, allow_int=True: works
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(command -v python3.13 || command -v python3)
"$python" -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check flax==0.12.12 jax==0.12.0.1 jaxlib==0.12.0.1
export JAX_PLATFORMS=cpu
cat >"$work/check.py" <<'PY'
import sys

import jax.numpy as jnp
from flax import nnx

tree = sys.argv[1] == "tree mode"
x = jnp.ones((2, 3))


class Net(nnx.Module):
    def __init__(self, dropout, rngs):
        self.linear = nnx.Linear(3, 4, rngs=rngs)
        if dropout:
            self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        x = self.linear(x)
        return self.dropout(x) if hasattr(self, "dropout") else x


def loss(model):
    return (model(x) ** 2).mean()


def attempt(name, model, seen, grad=nnx.grad, **options):
    try:
        grad(loss, **options)(model)
        said = "works"
    except TypeError as error:
        assert "grad requires real- or complex-valued inputs" in str(error) and "got uint32" in str(error), error
        said = "TypeError: grad requires real- or complex-valued inputs, but got uint32"
    except ValueError as error:
        assert "`argnums` cannot contain `DiffState`" in str(error), error
        said = "ValueError"
    print(f"{sys.argv[1]}, {name}: {said}")
    assert said.split(":")[0] == seen, "other than before"


model = Net(True, nnx.Rngs(0))
attempt("without dropout", Net(False, nnx.Rngs(0)), "works")
attempt("with dropout", model, "TypeError" if tree else "works")
if tree:
    still = Net(True, nnx.Rngs(0))
    still.eval()
    attempt("with dropout, eval", still, "TypeError")
    attempt("with dropout, DiffState", model, "ValueError", argnums=nnx.DiffState(0, nnx.Param))
    attempt("with dropout, graph=True, graph_updates=True", model, "works", graph=True, graph_updates=True)
    attempt("with dropout, nnx.compat.grad", model, "works", grad=nnx.compat.grad)
    attempt("with dropout, allow_int=True", model, "works", allow_int=True)
PY
env -u NNX_GRAPH_MODE -u NNX_GRAPH_UPDATES "$work/env/bin/python" "$work/check.py" default
NNX_GRAPH_MODE=false NNX_GRAPH_UPDATES=false "$work/env/bin/python" "$work/check.py" "tree mode"
