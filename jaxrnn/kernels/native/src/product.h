// Matrix products of a few rows with a matrix that stays: packed into panels of 256 bytes and multiplied in register
// tiles, or for a few steps of few rows read where it lies.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kinds.h"

namespace jaxrnn {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kTileRows = 6, kTileVectors = 4;  // 24 accumulators of 32 registers
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32, kTileRows = 6, kTileVectors = 2;  // 12 of 16
#else
constexpr int kVectorBytes = 16, kTileRows = 4, kTileVectors = 2;  // 8 of 16
#endif

template <class T>
constexpr int64_t kPanel = 256 / sizeof(T);  // columns

template <int N>
using Count = std::integral_constant<int, N>;

template <class T>
struct Vector;
template <>
struct Vector<float> {
  typedef float type __attribute__((vector_size(kVectorBytes), aligned(4)));
};
template <>
struct Vector<double> {
  typedef double type __attribute__((vector_size(kVectorBytes), aligned(8)));
};

// A [rows, K] with any two strides, so that its transpose is read in place.
template <class T>
struct Left {
  const T* data;
  int64_t row_stride, k_stride;
};

// c[r, :] = start[r, :] + sum_k a[r, k] * b[k, :] for R rows and the columns of NV vectors. What a sum starts from is
// added last, so that it can be fetched meanwhile.
template <class T, int R, int NV>
inline void tile(int64_t K, Left<T> a, const T* b, int64_t b_stride, const T* start, int64_t start_stride, T* c,
                 int64_t c_stride) {
  using V = typename Vector<T>::type;
  constexpr int lanes = kVectorBytes / sizeof(T);
  constexpr int64_t kAhead = 32;  // rows of a panel: what comes from beyond the second-level cache is there in time
  V sum[R][NV] = {};
  if (start)
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < NV; ++v) __builtin_prefetch(start + r * start_stride + v * lanes, 1);
  for (int64_t k = 0; k < K; ++k) {
    V w[NV];
    for (int v = 0; v < NV; ++v) __builtin_prefetch(b + (k + kAhead) * b_stride + v * lanes);
    for (int v = 0; v < NV; ++v) w[v] = *(const V*)(b + k * b_stride + v * lanes);
    for (int r = 0; r < R; ++r) {
      const T x = a.data[r * a.row_stride + k * a.k_stride];
      for (int v = 0; v < NV; ++v) sum[r][v] += x * w[v];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < NV; ++v)
      *(V*)(c + r * c_stride + v * lanes) = start ? *(const V*)(start + r * start_stride + v * lanes) + sum[r][v] : sum[r][v];
}

template <class T, int NV>
inline void rows_of_tile(int64_t rows, int64_t K, Left<T> a, const T* b, int64_t b_stride, const T* start,
                         int64_t start_stride, T* c, int64_t c_stride) {
  switch (rows) {
#define JAXRNN_ROWS(R) \
  case R:              \
    if constexpr (R <= kTileRows) return tile<T, R, NV>(K, a, b, b_stride, start, start_stride, c, c_stride); else return;
    JAXRNN_ROWS(1) JAXRNN_ROWS(2) JAXRNN_ROWS(3) JAXRNN_ROWS(4) JAXRNN_ROWS(5) JAXRNN_ROWS(6)
#undef JAXRNN_ROWS
  }
}

// The narrowest tile that has the first n columns of a panel.
template <class T>
inline void columns_of_tile(int64_t n, int64_t rows, int64_t K, Left<T> a, const T* b, int64_t b_stride, const T* start,
                            int64_t start_stride, T* c, int64_t c_stride) {
  constexpr int64_t lanes = kVectorBytes / sizeof(T);
  const auto with = [&](auto vectors) {
    rows_of_tile<T, vectors.value>(rows, K, a, b, b_stride, start, start_stride, c, c_stride);
  };
  if constexpr (kTileVectors == 4) {
    if (n > 3 * lanes) return with(Count<4>());
    if (n > 2 * lanes) return with(Count<3>());
  }
  n > lanes ? with(Count<2>()) : with(Count<1>());
}

// One panel: all rows of C in the panel's columns. What is no whole vector goes through a buffer.
template <class T>
void panel_product(int64_t rows, int64_t K, Left<T> a, const T* b, int64_t b_stride, const T* start,
                   int64_t start_stride, T* c, int64_t c_stride, int64_t columns) {
  constexpr int64_t lanes = kVectorBytes / sizeof(T), width = kTileVectors * lanes;
  for (int64_t j = 0; j < columns; j += width) {
    const int64_t n = columns - j < width ? columns - j : width;
    const int64_t tiles = (rows + kTileRows - 1) / kTileRows;
    for (int64_t i = 0, r = 0; i < tiles; ++i) {
      const int64_t count = (rows - r) / (tiles - i);  // even tiles: 16 rows are 5 + 5 + 6, not 6 + 6 + 4
      const Left<T> part{a.data + r * a.row_stride, a.row_stride, a.k_stride};
      T* out = c + r * c_stride + j;
      const T* from = start ? start + r * start_stride + j : nullptr;
      if (n % lanes == 0) {
        columns_of_tile<T>(n, count, K, part, b + j, b_stride, from, start_stride, out, c_stride);
      } else {
        T buffer[kTileRows * width] = {};
        if (from)
          for (int64_t s = 0; s < count; ++s)
            for (int64_t q = 0; q < n; ++q) buffer[s * width + q] = from[s * start_stride + q];
        columns_of_tile<T>(n, count, K, part, b + j, b_stride, buffer, width, buffer, width);
        for (int64_t s = 0; s < count; ++s)
          for (int64_t q = 0; q < n; ++q) out[s * c_stride + q] = buffer[s * width + q];
      }
      r += count;
    }
  }
}

// C [rows, N] = start + A [rows, K] B [K, N], B packed.
template <class T>
void multiply(int64_t rows, int64_t K, int64_t N, const T* a, int64_t a_stride, const T* packed, const T* start,
              int64_t start_stride, T* c, int64_t c_stride) {
  constexpr int64_t P = kPanel<T>;
  for (int64_t j = 0; j < N; j += P)
    panel_product<T>(rows, K, {a, a_stride, 1}, packed + j * K, P, start ? start + j : nullptr, start_stride, c + j,
                     c_stride, N - j < P ? N - j : P);
}

// C [K, N] += A^T B for A [rows, K] and B [rows, >= N rounded up to a panel].
template <class T>
void accumulate(int64_t rows, int64_t K, int64_t N, const T* a, int64_t a_stride, const T* b, int64_t b_stride, T* c,
                int64_t c_stride) {
  constexpr int64_t P = kPanel<T>;
  for (int64_t j = 0; j < N; j += P)
    panel_product<T>(K, rows, {a, 1, a_stride}, b + j, b_stride, c + j, c_stride, c + j, c_stride,
                     N - j < P ? N - j : P);
}

// As many numbers as a vector holds, widened where they are of 16 bits.
template <class T, class E>
inline typename Vector<T>::type whole_vector(const E* from) {
  using V = typename Vector<T>::type;
  if constexpr (sizeof(E) == sizeof(T)) return *(const V*)from;
  V x;
  for (int i = 0; i < int(kVectorBytes / sizeof(T)); ++i) x[i] = widened(from[i]);
  return x;
}

// Columns [first, last) of C [R, N] += A [R, Q] B [Q, N].
template <class T, int R, int Q, class E>
inline void add_rows(const T* a, int64_t a_stride, const E* b, int64_t b_stride, T* c, int64_t c_stride, int64_t first,
                     int64_t last) {
  using V = typename Vector<T>::type;
  constexpr int lanes = kVectorBytes / sizeof(T);
  int64_t j = first;
  for (; j + lanes <= last; j += lanes) {
    V sum[R];
    for (int r = 0; r < R; ++r) sum[r] = *(const V*)(c + r * c_stride + j);
    for (int q = 0; q < Q; ++q) {
      const V w = whole_vector<T>(b + q * b_stride + j);
      for (int r = 0; r < R; ++r) sum[r] += a[r * a_stride + q] * w;
    }
    for (int r = 0; r < R; ++r) *(V*)(c + r * c_stride + j) = sum[r];
  }
  for (; j < last; ++j)
    for (int r = 0; r < R; ++r)
      for (int q = 0; q < Q; ++q) c[r * c_stride + j] += a[r * a_stride + q] * widened(b[q * b_stride + j]);
}

template <class T, int Q, class E>
inline void add_rows(int64_t rows, const T* a, int64_t a_stride, const E* b, int64_t b_stride, T* c, int64_t c_stride,
                     int64_t first, int64_t last) {
  for (; rows >= 4; rows -= 4, a += 4 * a_stride, c += 4 * c_stride)
    add_rows<T, 4, Q>(a, a_stride, b, b_stride, c, c_stride, first, last);
  if (rows == 3) add_rows<T, 3, Q>(a, a_stride, b, b_stride, c, c_stride, first, last);
  if (rows == 2) add_rows<T, 2, Q>(a, a_stride, b, b_stride, c, c_stride, first, last);
  if (rows == 1) add_rows<T, 1, Q>(a, a_stride, b, b_stride, c, c_stride, first, last);
}

// Columns [first, last) of C = start + A B, B where it lies. To read B once is the whole cost: eight rows of it at a
// time are as many streams for the processor to fetch ahead, and C stays in the first-level cache.
template <class T, class E>
void multiply_in_place(int64_t rows, int64_t K, const T* a, int64_t a_stride, const E* b, int64_t b_stride,
                       const T* start, int64_t start_stride, T* c, int64_t c_stride, int64_t first, int64_t last) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = first; j < last; ++j) c[r * c_stride + j] = start ? start[r * start_stride + j] : T(0);
  int64_t k = 0;
  for (; k + 8 <= K; k += 8) add_rows<T, 8>(rows, a + k, a_stride, b + k * b_stride, b_stride, c, c_stride, first, last);
  for (; k < K; ++k) add_rows<T, 1>(rows, a + k, a_stride, b + k * b_stride, b_stride, c, c_stride, first, last);
}

// One panel of B [K, N] from a matrix [K, N], or from the transpose of a matrix [N, K]; zeros beyond N. The matrix may
// be columns of a wider one, whose rows are `stride` apart.
template <class T, class E>
void pack_panel(const E* matrix, int64_t stride, int64_t K, int64_t N, bool transposed, int64_t panel, T* packed) {
  constexpr int64_t P = kPanel<T>;
  const int64_t j0 = panel * P, n = N - j0 < P ? N - j0 : P;
  T* out = packed + j0 * K;
  if (!transposed) {
    for (int64_t k = 0; k < K; ++k)
      for (int64_t j = 0; j < P; ++j) out[k * P + j] = j < n ? widened(matrix[k * stride + j0 + j]) : T(0);
    return;
  }
  for (int64_t k0 = 0; k0 < K; k0 += 16)  // a square at a time: both sides touch whole cache lines
    for (int64_t j = 0; j < P; ++j)
      for (int64_t k = k0; k < (k0 + 16 < K ? k0 + 16 : K); ++k)
        out[k * P + j] = j < n ? widened(matrix[(j0 + j) * stride + k]) : T(0);
}

}  // namespace
}  // namespace jaxrnn
