// The elementwise operations that programs may use, by JAX's names. Booleans are zero and one. Python reads the names
// from the library, so that this list stands once. What is rare is computed in double, one element after the other.
#pragma once

// clang-format off
#define JAXRNN_OPERATIONS(UNARY, BINARY, TERNARY)          \
  UNARY(neg, -a)                                           \
  UNARY(abs, std::fabs(a))                                 \
  UNARY(sign, a > 0 ? T(1) : a < 0 ? T(-1) : a)            \
  UNARY(exp, exponential(a))                               \
  UNARY(logistic, sigmoid(a))                              \
  UNARY(tanh, hyperbolic_tangent(a))                       \
  UNARY(log, std::log(flushed(a)))                         \
  UNARY(log1p, std::log1p(a))                              \
  UNARY(expm1, std::expm1(a))                              \
  UNARY(erf, std::erf(a))                                  \
  UNARY(sin, std::sin(a))                                  \
  UNARY(cos, std::cos(a))                                  \
  UNARY(sqrt, std::sqrt(a))                                \
  UNARY(rsqrt, T(1) / std::sqrt(a))                        \
  UNARY(square, a * a)                                     \
  UNARY(floor, std::floor(a))                              \
  UNARY(ceil, std::ceil(a))                                \
  UNARY(round, std::round(a))                              \
  UNARY(round_even, std::nearbyint(a))                     \
  UNARY(erfc, T(std::erfc(wide(a))))                       \
  UNARY(log2, T(std::log2(wide(a))))                       \
  UNARY(cbrt, T(std::cbrt(wide(a))))                       \
  UNARY(tan, T(std::tan(wide(a))))                         \
  UNARY(asin, T(std::asin(wide(a))))                       \
  UNARY(acos, T(std::acos(wide(a))))                       \
  UNARY(atan, T(std::atan(wide(a))))                       \
  UNARY(sinh, T(std::sinh(wide(a))))                       \
  UNARY(cosh, T(std::cosh(wide(a))))                       \
  UNARY(asinh, T(std::asinh(wide(a))))                     \
  UNARY(acosh, T(std::acosh(wide(a))))                     \
  UNARY(atanh, T(std::atanh(wide(a))))                     \
  UNARY(is_finite, a - a == 0 ? T(1) : T(0))               \
  UNARY(not, T(1) - a)                                     \
  BINARY(add, a + b)                                       \
  BINARY(sub, a - b)                                       \
  BINARY(mul, a * b)                                       \
  BINARY(div, a / b)                                       \
  BINARY(max, larger(a, b))                                \
  BINARY(min, smaller(a, b))                               \
  BINARY(pow, std::pow(flushed(a), flushed(b)))            \
  BINARY(atan2, T(std::atan2(wide(a), wide(b))))           \
  BINARY(rem, T(std::fmod(wide(a), wide(b))))              \
  BINARY(nextafter, std::nextafter(flushed(a), flushed(b)))\
  BINARY(and_bits, bits<T>(to_bits(a) & to_bits(b)))       \
  BINARY(lt, a < b ? T(1) : T(0))                          \
  BINARY(le, a <= b ? T(1) : T(0))                         \
  BINARY(gt, a > b ? T(1) : T(0))                          \
  BINARY(ge, a >= b ? T(1) : T(0))                         \
  BINARY(eq, a == b ? T(1) : T(0))                         \
  BINARY(ne, a != b ? T(1) : T(0))                         \
  BINARY(and, a * b)                                       \
  BINARY(or, (a + b) != 0 ? T(1) : T(0))                   \
  BINARY(xor, a != b ? T(1) : T(0))                        \
  TERNARY(select_n, a != 0 ? c : b)                        \
  TERNARY(fma, a * b + c)                                  \
  TERNARY(fnma, c - a * b)
// clang-format on
