"""The operations of vector programs as C expressions, by the names that `jaxrnn.kernels.native` has for them.

Where C and XLA differ the helpers say so: NaN goes through `max` and `min`, numbers below the normal range count as
zero in functions that look at their bits.
"""

from __future__ import annotations

UNARY = {
    "neg": "-{a}",
    "abs": "fabsf({a})",
    "sign": "@sign({a})",
    "exp": "expf({a})",
    "logistic": "@sigmoid({a})",
    "tanh": "tanhf({a})",
    "log": "logf(@flushed({a}))",
    "log1p": "log1pf({a})",
    "expm1": "expm1f({a})",
    "erf": "erff({a})",
    "erfc": "erfcf({a})",
    "sin": "sinf({a})",
    "cos": "cosf({a})",
    "tan": "tanf({a})",
    "asin": "asinf({a})",
    "acos": "acosf({a})",
    "atan": "atanf({a})",
    "sinh": "sinhf({a})",
    "cosh": "coshf({a})",
    "asinh": "asinhf({a})",
    "acosh": "acoshf({a})",
    "atanh": "atanhf({a})",
    "sqrt": "sqrtf({a})",
    "rsqrt": "1.0f / sqrtf({a})",
    "cbrt": "cbrtf({a})",
    "log2": "log2f(@flushed({a}))",
    "square": "{a} * {a}",
    "floor": "floorf({a})",
    "ceil": "ceilf({a})",
    "round": "roundf({a})",
    "round_even": "nearbyintf({a})",
    "is_finite": "isfinite({a}) ? 1.0f : 0.0f",
    "not": "1.0f - {a}",
}
BINARY = {
    "add": "{a} + {b}",
    "sub": "{a} - {b}",
    "mul": "{a} * {b}",
    "div": "{a} / {b}",
    "max": "@larger({a}, {b})",
    "min": "@smaller({a}, {b})",
    "pow": "powf(@flushed({a}), @flushed({b}))",
    "atan2": "atan2f({a}, {b})",
    "rem": "fmodf({a}, {b})",
    "nextafter": "nextafterf(@flushed({a}), @flushed({b}))",
    "lt": "{a} < {b} ? 1.0f : 0.0f",
    "le": "{a} <= {b} ? 1.0f : 0.0f",
    "gt": "{a} > {b} ? 1.0f : 0.0f",
    "ge": "{a} >= {b} ? 1.0f : 0.0f",
    "eq": "{a} == {b} ? 1.0f : 0.0f",
    "ne": "{a} != {b} ? 1.0f : 0.0f",
    "and": "{a} * {b}",
    "or": "{a} + {b} != 0.0f ? 1.0f : 0.0f",
    "xor": "{a} != {b} ? 1.0f : 0.0f",
}
TERNARY = {
    "select_n": "{a} != 0.0f ? {c} : {b}",
    "fma": "{a} * {b} + {c}",
    "fnma": "{c} - {a} * {b}",
}
EXPRESSIONS = UNARY | BINARY | TERNARY
NUMBERS = {name: i for i, name in enumerate(EXPRESSIONS)}
NAMES = tuple(EXPRESSIONS)


# `@` stands for the prefix of all names of a file.
HELPERS = {
    "sigmoid": """static float @sigmoid(float a) {
  return 1.0f / (1.0f + expf(-a));
}""",
    "sign": """static float @sign(float a) {
  return a > 0.0f ? 1.0f : a < 0.0f ? -1.0f : a;
}""",
    "flushed": """/* Numbers below the normal range count as zero. */
static float @flushed(float a) {
  return fabsf(a) < FLT_MIN ? copysignf(0.0f, a) : a;
}""",
    "larger": """/* NaN goes through, which fmaxf would drop; of two zeros 0.0 is the larger. */
static float @larger(float a, float b) {
  return a == b ? (signbit(a) ? b : a) : (a > b || isnan(a)) ? a : b;
}""",
    "smaller": """static float @smaller(float a, float b) {
  return a == b ? (signbit(a) ? a : b) : (a < b || isnan(a)) ? a : b;
}""",
    "product": """/* y[N] = start + x[K] times w[K][N], whose rows are `stride` numbers apart.
   `start` may be NULL, or y itself. */
static void @product(size_t K, size_t N, const float *x, const float *w, size_t stride, const float *start,
    float *y) {
  for (size_t j = 0; j < N; ++j) y[j] = start ? start[j] : 0.0f;
  for (size_t k = 0; k < K; ++k)
    for (size_t j = 0; j < N; ++j) y[j] += x[k] * w[k * stride + j];
}""",
    "quantise": """/* The whole numbers within [-127, 127] nearest to x / scale.
   Returns the scale, NaN where x has no finite maximum. */
static float @quantise(size_t n, const float *x, int8_t *codes) {
  float most = 0.0f;
  for (size_t k = 0; k < n; ++k) most = fabsf(x[k]) > most || isnan(x[k]) ? fabsf(x[k]) : most;
  const int counts = isfinite(most) && most >= 0x1p-100f;
  const float inverse = counts ? 127.0f / most : 0.0f;
  for (size_t k = 0; k < n; ++k) codes[k] = counts ? (int8_t)nearbyintf(x[k] * inverse) : 0;
  return isfinite(most) ? (counts ? most * (1.0f / 127.0f) : 0.0f) : NAN;
}""",
    "product8": """/* y[N] = start + scale * codes[K] times w[K][N] * scales[N]; sums of whole numbers are exact. */
static void @product8(size_t K, size_t N, const int8_t *codes, float scale, const int8_t *w, size_t stride,
    const float *scales, const float *start, float *y) {
  for (size_t j = 0; j < N; ++j) {
    int32_t sum = 0;
    for (size_t k = 0; k < K; ++k) sum += (int32_t)codes[k] * w[k * stride + j];
    y[j] = (start ? start[j] : 0.0f) + (float)sum * (scale * scales[j]);
  }
}""",
}
