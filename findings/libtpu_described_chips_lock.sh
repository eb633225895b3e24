#!/usr/bin/env bash
# libtpu 0.0.50.1 with jax 0.12.0.1: describing chips that nobody has takes the machine's lock on its TPUs.
#
# `jax.experimental.topologies` describes a slice of TPUs on a machine without any, so that a program can be compiled for
# it. No chip is opened. Yet the first call takes the lock that keeps two processes off one chip, for the life of the
# process: a second process on the machine that describes chips, such as another worker of a test suite, is refused,
# with the advice to delete the lock's file as root. One would have expected a lock on chips to be taken where one is
# opened, as it is by `jax.devices()` on a machine that has some.
#
# libtpu's own variable for several processes on a machine, ALLOW_MULTIPLE_LIBTPU_LOAD=1, lets all of them describe.
#
# Output seen:
#   first: 4 chips described
#   second: ABORTED: Internal error when accessing libtpu multi-process lockfile.
#   second, ALLOW_MULTIPLE_LIBTPU_LOAD=1: 4 chips described
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for python in python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[23].*/bin/python; do
  "$python" -c "import venv" 2> "$work/why" && break
done
"$python" -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check jax==0.12.0.1 jaxlib==0.12.0.1 libtpu==0.0.50.1
cat > "$work/describe.py" <<'P'
import os
import subprocess
import sys

from jax.experimental import topologies

who = sys.argv[1]
try:
    found = topologies.get_topology_desc(platform="tpu", topology_name="v5e:2x2", chips_per_host_bounds=(2, 2, 1))
    print(f"{who}: {len(found.devices)} chips described", flush=True)
except Exception as error:
    print(f"{who}: {str(error).split(' Run ')[0]}", flush=True)
if who == "first":  # and still there
    subprocess.run([sys.executable, __file__, "second"], check=True)
    name = "ALLOW_MULTIPLE_LIBTPU_LOAD"
    subprocess.run([sys.executable, __file__, f"second, {name}=1"], check=True, env=os.environ | {name: "1"})
P
env -u ALLOW_MULTIPLE_LIBTPU_LOAD JAX_PLATFORMS=cpu TPU_SKIP_MDS_QUERY=1 TPU_WORKER_ID=0 TPU_WORKER_HOSTNAMES=localhost \
  TPU_ACCELERATOR_TYPE=v5litepod-4 "$work/env/bin/python" "$work/describe.py" first | tee "$work/said"
grep -q "^first: 4 chips described" "$work/said"
grep -q "^second: ABORTED: Internal error when accessing libtpu multi-process lockfile" "$work/said"
grep -q "^second, ALLOW_MULTIPLE_LIBTPU_LOAD=1: 4 chips described" "$work/said"
