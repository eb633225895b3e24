// What the numbers of an array are, and how those of 16 bits become float32 and come of it again.
#pragma once

#include <cstdint>

#include "elementary.h"

namespace jaxrnn {

enum Kind : int64_t { kComputed, kBoolean, kBfloat16, kFloat16 };  // kWhole: as the loops compute, float32 or float64

namespace {

struct Boolean {
  unsigned char bits;
};
struct Bfloat16 {
  uint16_t bits;
};
struct Float16 {
  uint16_t bits;
};

template <class T>
inline T widened(T x) {
  return x;
}
inline float widened(Boolean x) { return x.bits ? 1.0f : 0.0f; }
inline float widened(Bfloat16 x) { return bits<float>(uint32_t(x.bits) << 16); }

// Without branches, so that loops over it become vector instructions. Numbers below float16's normal range come out
// exactly, for float32 has them in its normal range: what is added to the exponent is subtracted as a number again.
inline float widened(Float16 x) {
  const uint32_t size = uint32_t(x.bits & 0x7fff) << 13, exponent = size & 0x0f800000;
  const float normal = bits<float>(size + (exponent == 0x0f800000 ? (255u - 31u) << 23 : (127u - 15u) << 23));
  const float low = bits<float>(size + (113u << 23)) - 6.103515625e-05f;  // 2^-14
  return bits<float>(to_bits(exponent == 0 ? low : normal) | uint32_t(x.bits & 0x8000) << 16);
}

// E from what is computed: to nearest, in the middle to even; NaN stays NaN, and what is too large is infinite.
template <class E>
struct Narrowed {
  static E of(E x) { return x; }
};
template <>
struct Narrowed<Bfloat16> {
  static Bfloat16 of(float x) {
    const uint32_t u = to_bits(x), rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
    return {uint16_t(x != x ? u >> 16 | 0x40 : rounded)};
  }
};
template <>
struct Narrowed<Float16> {
  static Float16 of(float x) {
    const uint32_t u = to_bits(x), size = u & 0x7fffffff;
    const float whole = bits<float>(size);
    const uint32_t normal = (size - (112u << 23) + 0xfff + (size >> 13 & 1)) >> 13;
    const uint32_t low = to_bits(whole + 0.5f) - to_bits(0.5f);  // 0.5 has its last digit at 2^-24, as they do
    const uint32_t found = size < 113u << 23 ? low : size >= 143u << 23 ? 0x7c00 : normal;
    return {uint16_t((size > 0x7f800000 ? 0x7e00 : found) | (u >> 16 & 0x8000))};
  }
};
// Calls act with a number of this kind, of which only the type matters. Those of 16 bits go with float32 alone.
template <class T, class Act>
inline void as_number(int64_t kind, Act act) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (kind == kBfloat16) return act(Bfloat16());
    if (kind == kFloat16) return act(Float16());
  }
  act(T());
}

template <class T, class Act>
inline void as_kind(int64_t kind, Act act) {
  kind == kBoolean ? act(Boolean()) : as_number<T>(kind, act);
}

}  // namespace
}  // namespace jaxrnn
