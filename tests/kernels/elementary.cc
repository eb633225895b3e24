// The largest error of every function of elementary.h, in units of the last place of the exact result. Compiled and
// run by test_elementary.py, once an instruction set.
//
// Arguments: the distance of the float32 bit patterns that are tried, between 2^-13 and 2^7 in size and elsewhere; and
// the number of float64 values.

#include <xmmintrin.h>

#include <cstdio>
#include <cstdlib>

#include "elementary.h"

namespace {

using jaxrnn::bits;

template <class T>
struct Worst {
  double error = 0;
  T at = 0;
  long wrong = 0;  // neither finite and near, nor the same infinity, zero or NaN
};

// Results below the normal range are flushed: there, zero of the same sign is right, and so is the least normal number.
template <class T, class Wide>
inline void compare(T x, T got, Wide exact, Worst<T>& worst) {
  constexpr int digits = sizeof(T) == 4 ? 24 : 53, least = sizeof(T) == 4 ? -126 : -1022;
  const T rounded = static_cast<T>(exact);
  if (exact != exact || got != got || rounded - rounded != 0 || got - got != 0) {
    worst.wrong += !(got == rounded || (got != got && exact != exact));
    return;
  }
  const Wide tiny = std::ldexp(Wide(1), least);
  if (std::fabs(exact) < tiny) {
    worst.wrong += std::fabs(Wide(got)) > tiny || std::signbit(got) != std::signbit(exact);
    return;
  }
  const double error = static_cast<double>(std::fabs(Wide(got) - exact) / std::ldexp(Wide(1), std::ilogb(exact) + 1 - digits));
  if (error > worst.error) worst.error = error, worst.at = x;
}

template <class T>
T apply(int function, T x) {
  return function == 0 ? jaxrnn::exponential(x) : function == 1 ? jaxrnn::sigmoid(x) : jaxrnn::hyperbolic_tangent(x);
}

template <class Wide>
Wide truth(int function, Wide x) {
  return function == 0 ? std::exp(x) : function == 1 ? 1 / (1 + std::exp(-x)) : std::tanh(x);
}

template <class T>
void report(const char* type, int function, const Worst<T>& worst) {
  const char* names[] = {"exp", "logistic", "tanh"};
  std::printf("%s %s %.3f %.9g %ld\n", type, names[function], worst.error, static_cast<double>(worst.at), worst.wrong);
}

template <class T>
inline T flushed(T x) {  // as the processor reads it
  const T tiny = sizeof(T) == 4 ? T(1.17549435e-38) : T(2.2250738585072014e-308);
  return std::fabs(x) < tiny ? std::copysign(T(0), x) : x;
}

}  // namespace

int main(int count, char** arguments) {
  const uint64_t near = std::strtoull(arguments[1], nullptr, 10), far = std::strtoull(arguments[2], nullptr, 10);
  const uint64_t many = std::strtoull(arguments[3], nullptr, 10);
  constexpr long kStrip = 4096;
  static float x[kStrip], y[kStrip];
  const unsigned before = _mm_getcsr();
  for (int function = 0; function < 3; ++function) {
    Worst<float> worst;
    for (uint64_t from = 0, by = 0; from < (1ull << 32); from += kStrip * by) {
      const uint32_t exponent = static_cast<uint32_t>(from) << 1 >> 24;
      by = exponent >= 127 - 14 && exponent < 127 + 7 ? near : far;
      const long n = std::min<uint64_t>(kStrip, ((1ull << 32) - from + by - 1) / by);
      for (long i = 0; i < n; ++i) x[i] = bits<float>(static_cast<uint32_t>(from + i * by));
      _mm_setcsr(before | 0x8040);  // as the library runs
      for (long i = 0; i < n; ++i) y[i] = apply(function, x[i]);
      _mm_setcsr(before);
      for (long i = 0; i < n; ++i) compare<float, double>(x[i], y[i], truth<double>(function, flushed(x[i])), worst);
    }
    report("float32", function, worst);
  }
  for (int function = 0; function < 3 && many > 0; ++function) {
    Worst<double> worst;
    uint64_t state = 0x9e3779b97f4a7c15;
    for (uint64_t i = 0; i < many; ++i) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      const double part = static_cast<double>(state >> 11) * 0x1p-53;  // [0, 1)
      double x = i % 4 == 0 ? bits<double>(state) : i % 4 == 1 ? part * 1500 - 750 : i % 4 == 2 ? part * 50 - 25 : part * 2 - 1;
      _mm_setcsr(before | 0x8040);
      const double y = apply(function, x);
      _mm_setcsr(before);
      compare<double, long double>(x, y, truth<long double>(function, flushed(x)), worst);
    }
    report("float64", function, worst);
  }
  return count == 4 ? 0 : 1;
}
