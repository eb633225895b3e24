#!/usr/bin/env bash
# ziglang 0.17.1 (the C and C++ compiler on PyPI): `__builtin_cpu_supports` says no to everything, without a warning.
#
# Libraries that hold the same loops for several instruction sets ask the processor with this builtin of GCC and Clang
# which of them to run. Compiled by `zig cc` the question compiles and links, and its answer is 0 for every feature, with
# `__builtin_cpu_init()` before it or without. Nothing fails; a library built this way runs its baseline loops alone
# (three times slower, where it was measured). The instruction `cpuid` itself (<cpuid.h>) tells the truth in the same
# program. Where the answers get lost was not looked into.
#
# Ask `cpuid` and `xgetbv` yourself where a library may be compiled by zig.
#
# Output seen (x86_64 with AVX2, ziglang 0.17.1):
#   builtin: sse2 0, avx 0, avx2 0, avx512f 0
#   cpuid:   sse2 1, avx2 1
set -euo pipefail
[ "$(uname -m)" = x86_64 ] && grep -qw avx2 /proc/cpuinfo || { echo "needs x86_64 with AVX2"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check ziglang==0.17.1
cat > "$work/ask.c" <<'C'
#include <cpuid.h>
#include <stdio.h>

int main(void) {
  unsigned a, b, c, d, e = 0;
  __builtin_cpu_init();
  printf("builtin: sse2 %d, avx %d, avx2 %d, avx512f %d\n", !!__builtin_cpu_supports("sse2"),
         !!__builtin_cpu_supports("avx"), !!__builtin_cpu_supports("avx2"), !!__builtin_cpu_supports("avx512f"));
  __get_cpuid(1, &a, &b, &c, &d);
  unsigned sse2 = d >> 26 & 1;
  __get_cpuid_count(7, 0, &a, &e, &c, &d);
  printf("cpuid:   sse2 %u, avx2 %u\n", sse2, e >> 5 & 1);
}
C
export ZIG_GLOBAL_CACHE_DIR="$work/cache" ZIG_LOCAL_CACHE_DIR="$work/cache"
"$work/env/bin/python" -m ziglang cc -O2 "$work/ask.c" -o "$work/ask"
"$work/ask" | tee "$work/said"
grep -q "builtin: sse2 0, avx 0, avx2 0, avx512f 0" "$work/said" && grep -q "cpuid:   sse2 1, avx2 1" "$work/said"
