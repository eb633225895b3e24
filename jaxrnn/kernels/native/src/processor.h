// What this processor can do and its operating system lets it do. From the processor itself, since not every compiler's
// `__builtin_cpu_supports` tells the truth: that of zig 0.17 says no to all.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace jaxrnn {

struct Processor {
  bool avx2 = false, avx512 = false;  // each with the instructions that multiply and add at once
  bool vnni = false;                  // AVX-512 that adds four products of bytes
  bool avx512_bf16 = false;           // with products of two pairs of bfloat16

  Processor() {
#if defined(__x86_64__)
    unsigned a, b, c, d;
    constexpr unsigned fma_osxsave_avx = 1u << 12 | 1u << 27 | 1u << 28;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & fma_osxsave_avx) != fma_osxsave_avx) return;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    unsigned saved, upper;  // registers that the system keeps for each thread
    __asm__("xgetbv" : "=a"(saved), "=d"(upper) : "c"(0));
    const auto all = [](unsigned bits, unsigned wanted) { return (bits & wanted) == wanted; };
    avx2 = all(b, 1u << 5) && all(saved, 0x06);
    avx512 = avx2 && all(b, 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31) && all(saved, 0xe6);  // F, DQ, BW, VL
    vnni = avx512 && all(c, 1u << 11);
    avx512_bf16 = avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && all(a, 1u << 5);
#endif
  }
};

}  // namespace jaxrnn
