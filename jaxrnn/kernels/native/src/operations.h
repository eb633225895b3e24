// The elementwise operations that programs may use, by JAX's names. Booleans are zero and one. Python reads the names
// from the library, so that this list stands once.
#pragma once

// clang-format off
#define JAXRNN_OPERATIONS(UNARY, BINARY, TERNARY)          \
  UNARY(neg, -a)                                           \
  UNARY(abs, a < 0 ? -a : a)                               \
  UNARY(sign, a > 0 ? T(1) : a < 0 ? T(-1) : a)            \
  UNARY(exp, exponential(a))                               \
  UNARY(logistic, sigmoid(a))                              \
  UNARY(tanh, hyperbolic_tangent(a))                       \
  UNARY(log, std::log(a))                                  \
  UNARY(log1p, std::log1p(a))                              \
  UNARY(expm1, std::expm1(a))                              \
  UNARY(erf, std::erf(a))                                  \
  UNARY(sin, std::sin(a))                                  \
  UNARY(cos, std::cos(a))                                  \
  UNARY(sqrt, std::sqrt(a))                                \
  UNARY(rsqrt, T(1) / std::sqrt(a))                        \
  UNARY(square, a * a)                                     \
  UNARY(floor, std::floor(a))                              \
  UNARY(is_finite, a - a == 0 ? T(1) : T(0))               \
  UNARY(not, T(1) - a)                                     \
  BINARY(add, a + b)                                       \
  BINARY(sub, a - b)                                       \
  BINARY(mul, a * b)                                       \
  BINARY(div, a / b)                                       \
  BINARY(max, (a > b || a != a) ? a : b)                   \
  BINARY(min, (a < b || a != a) ? a : b)                   \
  BINARY(pow, std::pow(a, b))                              \
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
