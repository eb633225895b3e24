// Products of bfloat16 numbers whose sums are float32. Matrices are packed as pairs of neighbours along the sum, which is
// what the processor's dot products read (AVX512-BF16); elsewhere each half of a pair is widened in its register. So a
// packed matrix looks the same everywhere, in half of the memory.
//
// A sum is |error| <= K u sum |a b| + 2 K tiny off, u = 2^-24 and tiny = 2^-126, whatever order the terms are added
// in: the product of two bfloat16 is exact in float32, so only sums round; dot products take numbers below the normal
// range for zero and put out no such number. tests/kernels/product16.cc tries it.
#pragma once

#include <cstring>

#include "kinds.h"
#include "product.h"

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace jaxrnn {
namespace {

constexpr int64_t kPairPanel = kPanel<float>;  // columns

// A [rows, pairs]: the first of pair p in row r lies at data[r * row_stride + p * pair_stride], the second behind it.
struct Pairs {
  const Bfloat16* data;
  int64_t row_stride, pair_stride;

  const Bfloat16* at(int64_t r, int64_t p) const { return data + r * row_stride + p * pair_stride; }
  int32_t both(int64_t r, int64_t p) const {
    int32_t pair;
    std::memcpy(&pair, at(r, p), 4);
    return pair;
  }
};

// Where results go, as float32 or rounded to bfloat16, or what sums start from.
struct Sums {
  char* data;
  int64_t stride;
  bool narrow;

  Sums at(int64_t r, int64_t j) const { return {data + (r * stride + j) * (narrow ? 2 : 4), stride, narrow}; }
  float get(int64_t r, int64_t j) const {
    const Sums place = at(r, j);
    return narrow ? widened(*(const Bfloat16*)place.data) : *(const float*)place.data;
  }
  void set(int64_t r, int64_t j, float x) const {
    const Sums place = at(r, j);
    if (narrow)
      *(Bfloat16*)place.data = Narrowed<Bfloat16>::of(x);
    else
      *(float*)place.data = x;
  }
};

using FloatVector = Vector<float>::type;
typedef uint32_t PairVector __attribute__((vector_size(kVectorBytes), aligned(4)));
typedef uint16_t HalfVector __attribute__((vector_size(kVectorBytes / 2), aligned(2)));

inline FloatVector load(const Sums& from) {
  if (!from.narrow) return *(const FloatVector*)from.data;
  return (FloatVector)(__builtin_convertvector(*(const HalfVector*)from.data, PairVector) << 16);
}

inline void store(const Sums& to, FloatVector x) {
  if (!to.narrow) {
    *(FloatVector*)to.data = x;
    return;
  }
  const PairVector u = (PairVector)x, rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
  *(HalfVector*)to.data = __builtin_convertvector(x != x ? u >> 16 | 0x40 : rounded, HalfVector);
}

// sum[r][v] += the pair of row r times the vector of pairs at b(v).
template <int R, int NV, class At, class Pair>
inline void add_pairs(FloatVector (&sum)[R][NV], At b, Pair pair) {
#if defined(__AVX512BF16__)
  __m512bh w[NV];
  for (int v = 0; v < NV; ++v) w[v] = (__m512bh)_mm512_loadu_si512(b(v));
  for (int r = 0; r < R; ++r) {
    const __m512bh x = (__m512bh)_mm512_set1_epi32(pair(r));
    for (int v = 0; v < NV; ++v) sum[r][v] = (FloatVector)_mm512_dpbf16_ps((__m512)sum[r][v], w[v], x);
  }
#else
  FloatVector w[NV];  // of one half at a time: both would not fit into the registers
  for (int v = 0; v < NV; ++v) w[v] = (FloatVector)(*(const PairVector*)b(v) << 16);
  for (int r = 0; r < R; ++r) {
    const FloatVector x = (FloatVector)((PairVector{} + uint32_t(pair(r))) << 16);
    for (int v = 0; v < NV; ++v) sum[r][v] += x * w[v];
  }
  for (int v = 0; v < NV; ++v) w[v] = (FloatVector)(*(const PairVector*)b(v) & 0xffff0000u);
  for (int r = 0; r < R; ++r) {
    const FloatVector x = (FloatVector)((PairVector{} + uint32_t(pair(r))) & 0xffff0000u);
    for (int v = 0; v < NV; ++v) sum[r][v] += x * w[v];
  }
#endif
}

// C = start + A B for R rows and the columns of NV vectors; A has K numbers in a row, of which the last may be single.
template <int R, int NV>
inline void pair_tile(int64_t K, Pairs a, const uint32_t* b, const Sums* start, Sums c) {
  constexpr int lanes = kVectorBytes / 4;
  FloatVector sum[R][NV] = {};
  if (start)
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < NV; ++v) __builtin_prefetch(start->at(r, v * lanes).data, 1);
  const auto at = [&](int v) { return b + v * lanes; };
  for (int64_t p = 0; p < K / 2; ++p, b += kPairPanel)
    add_pairs<R, NV>(sum, at, [&](int r) { return a.both(r, p); });
  if (K % 2) add_pairs<R, NV>(sum, at, [&](int r) { return int32_t(a.at(r, K / 2)->bits); });
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < NV; ++v) {
      const FloatVector x = sum[r][v];
      store(c.at(r, v * lanes), start ? load(start->at(r, v * lanes)) + x : x);
    }
}

template <int NV>
inline void rows_of_pair_tile(int64_t rows, int64_t K, Pairs a, const uint32_t* b, const Sums* start, Sums c) {
  switch (rows) {
#define JAXRNN_ROWS(R) \
  case R:              \
    if constexpr (R <= kTileRows) return pair_tile<R, NV>(K, a, b, start, c); else return;
    JAXRNN_ROWS(1) JAXRNN_ROWS(2) JAXRNN_ROWS(3) JAXRNN_ROWS(4) JAXRNN_ROWS(5) JAXRNN_ROWS(6)
#undef JAXRNN_ROWS
  }
}

inline void columns_of_pair_tile(int64_t n, int64_t rows, int64_t K, Pairs a, const uint32_t* b, const Sums* start,
                                 Sums c) {
  constexpr int64_t lanes = kVectorBytes / 4;
  const auto with = [&](auto vectors) { rows_of_pair_tile<vectors.value>(rows, K, a, b, start, c); };
  if constexpr (kTileVectors == 4) {
    if (n > 3 * lanes) return with(Count<4>());
    if (n > 2 * lanes) return with(Count<3>());
  }
  n > lanes ? with(Count<2>()) : with(Count<1>());
}

// One panel, as `panel_product`.
inline void pair_panel_product(int64_t rows, int64_t K, Pairs a, const uint32_t* b, const Sums* start, Sums c,
                               int64_t columns) {
  constexpr int64_t lanes = kVectorBytes / 4, width = kTileVectors * lanes;
  for (int64_t j = 0; j < columns; j += width) {
    const int64_t n = columns - j < width ? columns - j : width, tiles = (rows + kTileRows - 1) / kTileRows;
    for (int64_t i = 0, r = 0; i < tiles; ++i) {
      const int64_t count = (rows - r) / (tiles - i);
      const Pairs part{a.at(r, 0), a.row_stride, a.pair_stride};
      if (n % lanes == 0) {
        const Sums from = start ? start->at(r, j) : Sums{};
        columns_of_pair_tile(n, count, K, part, b + j, start ? &from : nullptr, c.at(r, j));
      } else {
        float buffer[kTileRows * width] = {};
        const Sums sums{(char*)buffer, width, false};
        if (start)
          for (int64_t s = 0; s < count; ++s)
            for (int64_t q = 0; q < n; ++q) sums.set(s, q, start->get(r + s, j + q));
        columns_of_pair_tile(n, count, K, part, b + j, &sums, sums);
        for (int64_t s = 0; s < count; ++s)
          for (int64_t q = 0; q < n; ++q) c.set(r + s, j + q, sums.get(s, q));
      }
      r += count;
    }
  }
}

// C [rows, N] = start + A [rows, K] B [K, N], B packed.
inline void multiply_pairs(int64_t rows, int64_t K, int64_t N, const Bfloat16* a, int64_t a_stride,
                           const uint32_t* packed, const Sums* start, Sums c) {
  for (int64_t j = 0; j < N; j += kPairPanel) {
    const Sums from = start ? start->at(0, j) : Sums{};
    pair_panel_product(rows, K, {a, a_stride, 2}, packed + j * ((K + 1) / 2), start ? &from : nullptr, c.at(0, j),
                       N - j < kPairPanel ? N - j : kPairPanel);
  }
}

// Numbers of 4 bytes that `accumulate_pairs` needs for itself. Rows of A are a cache line more than K apart.
inline int64_t pairs_to_accumulate(int64_t rows, int64_t K) { return (rows + 1) / 2 * (K + 16 + kPairPanel); }

inline void pair_rows(const Bfloat16* first, const Bfloat16* second, int64_t count, uint32_t* out) {
  if (second)
    for (int64_t j = 0; j < count; ++j) out[j] = first[j].bits | uint32_t(second[j].bits) << 16;
  else
    for (int64_t j = 0; j < count; ++j) out[j] = first[j].bits;
}

// C [K, N] += A^T B for A [rows, K] and B [rows, N], both paired here along their rows.
inline void accumulate_pairs(int64_t rows, int64_t K, int64_t N, const Bfloat16* a, int64_t a_stride, const Bfloat16* b,
                             int64_t b_stride, float* c, int64_t c_stride, uint32_t* memory) {
  const int64_t pairs = (rows + 1) / 2, stride = K + 16;
  uint32_t *left = memory, *panel = memory + pairs * stride;
  const auto second = [&](const Bfloat16* data, int64_t data_stride, int64_t p) {
    return 2 * p + 1 < rows ? data + (2 * p + 1) * data_stride : nullptr;
  };
  for (int64_t p = 0; p < pairs; ++p) pair_rows(a + 2 * p * a_stride, second(a, a_stride, p), K, left + p * stride);
  for (int64_t j = 0; j < N; j += kPairPanel) {
    const int64_t columns = N - j < kPairPanel ? N - j : kPairPanel;
    for (int64_t p = 0; p < pairs; ++p) {
      uint32_t* out = panel + p * kPairPanel;
      pair_rows(b + 2 * p * b_stride + j, second(b + j, b_stride, p), columns, out);
      for (int64_t q = columns; q < kPairPanel; ++q) out[q] = 0;
    }
    const Sums sums{(char*)(c + j), c_stride, false};
    pair_panel_product(K, 2 * pairs, {(const Bfloat16*)left, 2, 2 * stride}, panel, &sums, sums, columns);
  }
}

// n columns of B [K, n] in rows of `width` pairs, zeros beyond; rounded where the matrix holds more than bfloat16. The
// matrix is [K, n] or the transpose of [n, K], whose rows are `stride` apart.
template <class E>
void pack_pairs(const E* matrix, int64_t stride, int64_t K, int64_t n, bool transposed, int64_t width, uint32_t* out) {
  const int64_t pairs = (K + 1) / 2;
  const auto narrowed = [](E x) { return uint32_t(Narrowed<Bfloat16>::of(widened(x)).bits); };
  if (!transposed) {
    for (int64_t p = 0; p < pairs; ++p, out += width) {
      const E *first = matrix + 2 * p * stride, *second = first + stride;
      if (2 * p + 1 < K)
        for (int64_t j = 0; j < n; ++j) out[j] = narrowed(first[j]) | narrowed(second[j]) << 16;
      else
        for (int64_t j = 0; j < n; ++j) out[j] = narrowed(first[j]);
      for (int64_t j = n; j < width; ++j) out[j] = 0;
    }
    return;
  }
  for (int64_t p0 = 0; p0 < pairs; p0 += 16)  // a square at a time: both sides touch whole cache lines
    for (int64_t j = 0; j < width; ++j)
      for (int64_t p = p0; p < (p0 + 16 < pairs ? p0 + 16 : pairs); ++p) {
        const E* from = matrix + j * stride + 2 * p;
        const uint32_t second = j < n && 2 * p + 1 < K ? narrowed(from[1]) << 16 : 0;
        out[p * width + j] = j < n ? narrowed(from[0]) | second : 0;
      }
}

// One panel of pairs, as `pack_panel`.
template <class E>
void pack_pair_panel(const E* matrix, int64_t stride, int64_t K, int64_t N, bool transposed, int64_t panel,
                     uint32_t* packed) {
  const int64_t j = panel * kPairPanel, n = N - j < kPairPanel ? N - j : kPairPanel;
  pack_pairs(matrix + j * (transposed ? stride : 1), stride, K, n, transposed, kPairPanel, packed + j * ((K + 1) / 2));
}

}  // namespace
}  // namespace jaxrnn
