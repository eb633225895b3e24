// Products with int8 matrices against plain loops over whole numbers, and a hash of their bits. Compiled and run by
// test_product8.py, once an instruction set.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "product8.h"

using namespace jaxrnn;

namespace {

uint64_t seed = 1, hash = 1469598103934665603u;
int64_t draw() { return static_cast<int64_t>((seed = seed * 6364136223846793005u + 1442695040888963407u) >> 40); }

template <class T>
bool wrong(int64_t rows, int64_t K, int64_t N, int64_t read, int64_t first) {
  const int64_t inputs = K + read + 3, stride = N + 5;
  std::vector<int8_t> b(K * stride);
  std::vector<T> a(rows * inputs), start(rows * N), packed_out(rows * N), out(rows * N);
  std::vector<float> scales(N);
  for (auto& x : b) x = static_cast<int8_t>(draw());  // -128 too
  for (auto& x : a) x = T(draw() % 2001 - 1000) / 300;
  for (auto& x : start) x = T(draw() % 2001 - 1000) / 300;
  for (auto& x : scales) x = 1.0f / static_cast<float>(1 + draw() % 1000);
  Codes<T> codes;
  codes.take(rows, inputs, a.data(), inputs);
  const int64_t panels = (N + kColumns8 - 1) / kColumns8;
  std::vector<int8_t> packed(panels * groups8(K) * kGroupBytes8);
  for (int64_t p = 0; p < panels; ++p) pack_panel8(b.data(), stride, K, N, p, packed.data());
  multiply8<T>(rows, K, N, codes, read, packed.data(), scales.data(), start.data(), N, packed_out.data(), N);
  for (const auto& [from, to] : {std::pair(int64_t(0), first), std::pair(first, N)})
    multiply8_in_place<T>(rows, K, codes, read, b.data(), stride, scales.data(), start.data(), N, out.data(), N, from, to);
  bool failed = std::memcmp(out.data(), packed_out.data(), out.size() * sizeof(T)) != 0;
  for (int64_t r = 0; r < rows; ++r) {
    T most = 0;
    for (int64_t k = 0; k < inputs; ++k) most = std::max(most, std::fabs(a[r * inputs + k]));
    for (int64_t j = 0; j < N; ++j) {
      int64_t sum = 0;
      for (int64_t k = 0; k < K; ++k)
        sum += std::lrint(a[r * inputs + read + k] * (T(127) / most)) * b[k * stride + j];
      volatile T product = T(sum) * (most * T(1 / 127.0) * T(scales[j]));
      failed |= out[r * N + j] != start[r * N + j] + product;
    }
  }
  for (size_t i = 0; i < out.size() * sizeof(T); ++i)
    hash = (hash ^ reinterpret_cast<unsigned char*>(out.data())[i]) * 1099511628211u;
  return failed;
}

}  // namespace

int main() {
  int failed = 0;
  for (int64_t rows : {1, 2, 3, 5, 6, 7, 13})
    for (int64_t K : {1, 3, 4, 16, 17, 66, 1100})
      for (int64_t N : {1, 15, 64, 65, 200})
        for (int64_t read : {0, 5}) {
          failed += wrong<float>(rows, K, N, read, N > 64 ? 64 : N / 16 * 16);
          failed += wrong<double>(rows, K, N, read, N > 64 ? 64 : N / 16 * 16);
        }
  std::printf("%llx\n", static_cast<unsigned long long>(hash));
  return failed != 0;
}
