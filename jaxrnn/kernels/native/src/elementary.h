// Elementary functions without branches, so that the compiler turns a loop over them into vector instructions.
// NaN goes through, infinities give the limits, and results below the normal range are flushed as XLA flushes them.
//
// The largest errors in units of the last place, float32 (all values between 2^-13 and 2^7) and float64 (a sample):
// exp 1.02 and 0.99, logistic 2.48 and 2.26, tanh 4.90 and 1.31. tests/kernels/elementary.cc measures them.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace jaxrnn {
namespace {

// Always: a loop with a call in it is not vectorised, and what a compiler inlines by itself depends on all else there is.
#define JAXRNN_INLINE inline __attribute__((always_inline))

template <class To, class From>
JAXRNN_INLINE To bits(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To result;
  std::memcpy(&result, &value, sizeof(To));
  return result;
}

JAXRNN_INLINE uint32_t to_bits(float value) { return bits<uint32_t>(value); }
JAXRNN_INLINE uint64_t to_bits(double value) { return bits<uint64_t>(value); }

// For functions of the C library, which look at bits: a number below the normal range counts as zero there too.
template <class T>
JAXRNN_INLINE T flushed(T x) {
  return std::fabs(x) < std::numeric_limits<T>::min() ? std::copysign(T(0), x) : x;
}

template <class T>
JAXRNN_INLINE double wide(T x) {
  return flushed(x);
}

// The larger, the smaller: NaN goes through, and of two zeros with different signs the larger is 0.0.
template <class T>
JAXRNN_INLINE T larger(T a, T b) {
  return a == b ? bits<T>(to_bits(a) & to_bits(b)) : (a > b || a != a) ? a : b;
}

template <class T>
JAXRNN_INLINE T smaller(T a, T b) {
  return a == b ? bits<T>(to_bits(a) | to_bits(b)) : (a < b || a != a) ? a : b;
}

// 2^n * p with n = round(x / ln 2) and p a polynomial in what is left (Cody & Waite's reduction). Adding the magic
// number leaves n in the low bits. Two factors, since 2^128 is no float but exp(88.5) is.
JAXRNN_INLINE float exponential(float x) {
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;
  const float magic = 12582912.0f;
  const float shifted = x * 1.44269504088896341f + magic;
  const float n = shifted - magic;
  const int32_t whole = bits<int32_t>(shifted) - bits<int32_t>(magic);
  const float r = (x - n * 0.693359375f) + n * 2.12194440054690583e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t half = whole >> 1;
  return p * bits<float>(uint32_t(half + 127) << 23) * bits<float>(uint32_t(whole - half + 127) << 23);
}

JAXRNN_INLINE double exponential(double x) {
  x = x < -746.0 ? -746.0 : x;
  x = x > 710.0 ? 710.0 : x;
  const double magic = 6755399441055744.0;
  const double shifted = x * 1.4426950408889634074 + magic;
  const double n = shifted - magic;
  const int64_t whole = bits<int64_t>(shifted) - bits<int64_t>(magic);
  const double r = (x - n * 6.93145751953125e-1) - n * 1.42860682030941723212e-6;
  double p = 1.0 / 6227020800.0;  // Taylor's series to r^13, |r| <= ln 2 / 2: below 1e-17
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r * r + r + 1.0;
  const int64_t half = whole >> 1;
  return p * bits<double>(uint64_t(half + 1023) << 52) * bits<double>(uint64_t(whole - half + 1023) << 52);
}

template <class T>
JAXRNN_INLINE T sigmoid(T x) {
  return T(1) / (T(1) + exponential(-x));
}

// An odd rational function of degree 13 over 6, within 4.9 units of the last place of tanh, without instructions that
// multiply and add at once 6.9; it is 1 from 7.9 on.
JAXRNN_INLINE float hyperbolic_tangent(float x) {
  float c = x < -7.90531110763549805f ? -7.90531110763549805f : x;
  c = c > 7.90531110763549805f ? 7.90531110763549805f : c;
  const float z = c * c;
  float p = -2.76076847742355e-16f;
  p = p * z + 2.00018790482477e-13f;
  p = p * z - 8.60467152213735e-11f;
  p = p * z + 5.12229709037114e-08f;
  p = p * z + 1.48572235717979e-05f;
  p = p * z + 6.37261928875436e-04f;
  p = p * z + 4.89352455891786e-03f;
  float q = 1.19825839466702e-06f;
  q = q * z + 1.18534705686654e-04f;
  q = q * z + 2.26843463243900e-03f;
  q = q * z + 4.89352518554385e-03f;
  return (x < 0 ? -x : x) < 4e-4f ? x : c * p / q;  // x^3 / 3 is below half a digit there; c * p would leave the range
}

// 1 - 2 / (exp(2 |x|) + 1) loses digits near zero, so there x + x^3 times a quotient of polynomials.
JAXRNN_INLINE double hyperbolic_tangent(double x) {
  const double z = x * x;
  const double p = (-9.64399179425052238628e-1 * z - 9.92877231001918586564e1) * z - 1.61468768441708447952e3;
  const double q = ((z + 1.12811678491632931402e2) * z + 2.23548839060100448583e3) * z + 4.84406305325125486048e3;
  const double near = x + x * z * (p / q);
  const double size = x < 0 ? -x : x;
  const double far = 1.0 - 2.0 / (exponential(2.0 * size) + 1.0);
  const double middle = size < 1e-9 ? x : near;  // the sum would lose the sign of a zero
  return size < 0.625 ? middle : x < 0 ? -far : far;
}

}  // namespace
}  // namespace jaxrnn
