#!/usr/bin/env bash
# Live peers of the linear cells, each pinned: two environments, since no one version of Python has them all. Nothing may
# be skipped. Uses the processors' PyTorch.
#
#   bash tests/peers/linear_peers.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/../.."
work=${1:-$(mktemp -d)}

environment() { # name, python, packages
  local pip="$work/$1/bin/pip"
  [ -d "$work/$1" ] || "$2" -m venv "$work/$1"
  "$pip" install --quiet --disable-pip-version-check pytest optax equinox==0.13.8 "${@:3}"
}

compare() { # name, tests
  local said
  said=$(PYTHONPATH=$PWD "$work/$1/bin/python" -m pytest -n 0 -q -rs -p no:cacheprovider tests/peers/test_linear.py -k "$2")
  echo "$said"
  if grep -q SKIPPED <<<"$said"; then
    echo "a peer is missing" >&2
    return 1
  fi
}

environment first python3.11 jax==0.10.2 flax==0.12.8 pytest-xdist torch==2.13.0 sru==2.6.0 ninja minGRU-pytorch==0.2.1 \
  LRU-pytorch==0.1.3 s5-pytorch==0.2.1 accelerated-scan==0.3.1 rnn-jax==0.0.2 einops jaxtyping sentencepiece absl-py
"$work/first/bin/pip" install --quiet --disable-pip-version-check --no-deps recurrentgemma==1.0.1 typeguard==2.13.3
compare first "not discretax"
# It asks for Python 3.12, and runs with 3.13.
environment second python3.13 jax flax pytest-xdist
"$work/second/bin/pip" install --quiet --disable-pip-version-check --ignore-requires-python discretax==0.3.0
compare second discretax
