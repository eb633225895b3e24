// Products of bfloat16 numbers and conversions of 16-bit numbers, against the same in double. Compiled and run by
// test_halves.py for every instruction set; prints what is wrong, nothing where all is right.

#include <cmath>
#include <cstdio>
#include <limits>
#include <vector>

#include "product16.h"

using namespace jaxrnn;

namespace {

constexpr double kTiny = 1.1754943508222875e-38, kUnit = 1.0 / (1 << 24);
uint64_t seed = 1;

uint32_t random_bits() { return uint32_t((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 33); }

// Of both signs and many sizes; some below the normal range.
std::vector<Bfloat16> numbers(int64_t count) {
  std::vector<Bfloat16> result(count);
  for (auto& x : result) x.bits = uint16_t(random_bits() % 64 ? 0x3b00 + random_bits() % 0x500 | random_bits() % 2 << 15 : random_bits() % 0x100);
  return result;
}

// Whether a sum of K terms of this total size may be so far off: see product16.h. `narrow`: and is then rounded once.
bool near(double found, double exact, double size, int64_t K, bool narrow) {
  const double sum = (K + 1) * kUnit * size * 1.001 + 2 * (K + 1) * kTiny;
  return std::fabs(found - exact) <= sum + (narrow ? (std::fabs(exact) + sum) / 256 : 0);
}

void products(int64_t rows, int64_t K, int64_t N) {
  const int64_t stride = K + 3, pairs = (K + 1) / 2, padded = (N + kPairPanel - 1) / kPairPanel * kPairPanel;
  auto a = numbers(rows * stride);
  const auto b = numbers(K * N);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = K; k < stride; ++k) a[r * stride + k].bits = 0x7fc0;  // NaN between rows is not read
  std::vector<Bfloat16> turned(K * N);
  for (int64_t k = 0; k < K; ++k)
    for (int64_t j = 0; j < N; ++j) turned[j * K + k] = b[k * N + j];
  std::vector<uint32_t> packed(pairs * padded), again(pairs * padded), memory(pairs_to_accumulate(rows, N));
  for (int64_t p = 0; p < padded / kPairPanel; ++p) {
    pack_pair_panel(b.data(), N, K, N, false, p, packed.data());
    pack_pair_panel(turned.data(), K, K, N, true, p, again.data());
  }
  if (packed != again) std::printf("packed from the transpose, K %ld N %ld\n", long(K), long(N));
  for (const bool narrow : {false, true})
    for (const bool from : {false, true}) {
      std::vector<float> wide(rows * N, 0.75f);
      std::vector<Bfloat16> half(rows * N, Bfloat16{0x3f40});
      const Sums c{narrow ? (char*)half.data() : (char*)wide.data(), N, narrow};
      multiply_pairs(rows, K, N, a.data(), stride, packed.data(), from ? &c : nullptr, c);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < N; ++j) {
          double exact = from ? 0.75 : 0, size = exact;
          for (int64_t k = 0; k < K; ++k) {
            const double term = double(widened(a[r * stride + k])) * widened(b[k * N + j]);
            exact += term, size += std::fabs(term);
          }
          if (!near(c.get(r, j), exact, size, K, narrow))
            std::printf("product %ld %ld %ld: %g, not %g\n", long(rows), long(K), long(N), c.get(r, j), exact);
        }
    }
  // C [K, N] += A^T B over `rows`, for another B.
  const auto d = numbers(rows * N);
  std::vector<uint32_t> scratch(pairs_to_accumulate(rows, K));
  std::vector<float> sums(K * N, 0.75f);
  accumulate_pairs(rows, K, N, a.data(), stride, d.data(), N, sums.data(), N, scratch.data());
  for (int64_t k = 0; k < K; ++k)
    for (int64_t j = 0; j < N; ++j) {
      double exact = 0.75, size = exact;
      for (int64_t r = 0; r < rows; ++r) {
        const double term = double(widened(a[r * stride + k])) * widened(d[r * N + j]);
        exact += term, size += std::fabs(term);
      }
      if (!near(sums[k * N + j], exact, size, rows, false))
        std::printf("sum %ld %ld %ld: %g, not %g\n", long(rows), long(K), long(N), sums[k * N + j], exact);
    }
}

double value(uint16_t bits, int digits, int exponents) {  // of a 16-bit number, by its definition
  const int exponent = bits >> digits & ((1 << exponents) - 1), bias = (1 << (exponents - 1)) - 1;
  const int digit = bits & ((1 << digits) - 1);
  const double sign = bits >> 15 ? -1 : 1;
  if (exponent == (1 << exponents) - 1) return digit ? NAN : sign * INFINITY;
  return sign * std::ldexp(exponent ? (1 << digits) + digit : digit, (exponent ? exponent : 1) - bias - digits);
}

template <class E>
void conversions(const char* name, int digits, int exponents) {
  const auto same = [](double x, double y) { return std::isnan(x) ? std::isnan(y) : x == y && std::signbit(x) == std::signbit(y); };
  const uint16_t infinity = ((1 << exponents) - 1) << digits;
  for (uint32_t i = 0; i < 0x10000; ++i) {
    const E number{uint16_t(i)};
    const double exact = value(i, digits, exponents);
    if (!same(exact, widened(number))) std::printf("%s %x widened: %g, not %g\n", name, i, widened(number), exact);
    const E back = Narrowed<E>::of(float(exact));
    if (!same(exact, widened(back))) std::printf("%s %x and back: %x\n", name, i, back.bits);
    if ((i & 0x7fff) >= infinity) continue;
    // Between this number and the next: below the middle, in the middle, above it.
    const double next = (i & 0x7fff) == infinity - 1 ? 2 * exact - value(i - 1, digits, exponents) : value(i + 1, digits, exponents);
    const float middle = float((exact + next) / 2), far = i >> 15 ? -INFINITY : INFINITY;
    const auto check = [&](float x, uint32_t wanted) {
      if (Narrowed<E>::of(x).bits != wanted) std::printf("%s of %g: %x, not %x\n", name, x, Narrowed<E>::of(x).bits, wanted);
    };
    check(std::nextafter(middle, 0.0f), i);
    check(middle, i + (i & 1));
    check(std::nextafter(middle, far), i + 1);
  }
}

}  // namespace

int main() {
  for (const int64_t rows : {1, 2, 5, 7, 13, 16})
    for (const int64_t K : {1, 2, 3, 37, 64})
      for (const int64_t N : {1, 15, 64, 67, 130}) products(rows, K, N);
  conversions<Bfloat16>("bfloat16", 7, 8);
  conversions<Float16>("float16", 10, 5);
}
