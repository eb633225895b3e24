#!/usr/bin/env bash
# JAX 0.12.0.1: a compilation cache that once ran out of room warns in every process from then on, and does not mend itself.
#
# The persistent cache (`JAX_COMPILATION_CACHE_DIR`) writes an entry straight to its final name. Where the write stops half
# way (a full disk, a quota, a limit on the size of files, a kill), half an entry stays there. Every later process finds it,
# cannot decompress it, says so as a UserWarning and compiles; it does not write the entry again, since one of that name is
# there. A good engineer would have guessed a temporary name and a rename, or that an entry that cannot be read is replaced.
#
# Delete the entries (or the folder) after a disk was full; where warnings are errors, filter this one.
#
# Output seen (Python 3.13, jax 0.12.0.1, CPU):
#   with a limit on the size of files: an entry of 1024 bytes
#   process 1 without a limit: warns, entry of 1024 bytes
#   process 2 without a limit: warns, entry of 1024 bytes
#   the entry deleted: quiet, a whole entry
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(command -v python3.13 || command -v python3)
"$python" -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check jax==0.12.0.1 jaxlib==0.12.0.1
export JAX_PLATFORMS=cpu JAX_COMPILATION_CACHE_DIR="$work/cache"
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0 JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES=-1
cat > "$work/once.py" <<'PY'
import jax
import jax.numpy as jnp


@jax.jit
def named(x):
    return jnp.sin(x) @ jnp.cos(x).T


print(named.lower(jax.ShapeDtypeStruct((64, 64), "float32")).compile() is not None)
PY
size() { stat -c %s "$work"/cache/jit_named-*-cache; }
(ulimit -f 1; trap '' XFSZ; "$work/env/bin/python" "$work/once.py" > /dev/null 2>&1)
echo "with a limit on the size of files: an entry of $(size) bytes"
[ "$(size)" = 1024 ]
for process in 1 2; do
  "$work/env/bin/python" "$work/once.py" > /dev/null 2> "$work/said"
  grep -q "Error reading persistent compilation cache entry for 'jit_named'" "$work/said"
  echo "process $process without a limit: warns, entry of $(size) bytes"
  [ "$(size)" = 1024 ]
done
rm "$work"/cache/jit_named-*
"$work/env/bin/python" "$work/once.py" > /dev/null 2> "$work/said"
! grep -q "Error reading" "$work/said"
[ "$(size)" -gt 1024 ]
echo "the entry deleted: quiet, a whole entry"
