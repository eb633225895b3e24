// Products whose columns threads share: a matrix in strips of one cache line's columns, each [K, kStripColumns].
//
// The result of a product has `units` columns a gate. The strips of all gates for the same units lie behind each other,
// so that a range of units is a range of strips: a thread multiplies and reads again the units that it goes on with.
// Every sum runs over k from first to last whatever the range, and so do its bits.
#pragma once

#include <algorithm>
#include <cstdint>

#include "plan.h"
#include "product.h"

namespace jaxrnn {
namespace {

constexpr int kSums = kVectorBytes == 64 ? 24 : 12;  // vectors of sums that stay in registers

template <class T>
constexpr int64_t kStripColumns = 64 / sizeof(T);

// The strips of a matrix.
template <class T>
struct Strips {
  int64_t gates, units;

  explicit Strips(const Matrix& matrix) : gates(matrix.N / matrix.units), units(matrix.units) {}
  int64_t per_gate() const { return (units + kStripColumns<T> - 1) / kStripColumns<T>; }
  int64_t first_unit(int64_t strip) const { return strip / gates * kStripColumns<T>; }
  int64_t column(int64_t strip) const { return strip % gates * units + first_unit(strip); }
  int64_t width(int64_t strip) const { return std::min(kStripColumns<T>, units - first_unit(strip)); }
};

// What strips are packed in at a time: four of one gate, that lie beside each other.
constexpr int64_t kTogether = 4;

template <class T>
int64_t packs(const Matrix& matrix) {
  const Strips<T> strips(matrix);
  return strips.gates * ((strips.per_gate() + kTogether - 1) / kTogether);
}

template <class T>
void pack_strips(const Matrix& matrix, const T* from, int64_t pack, T* packed) {
  constexpr int64_t S = kStripColumns<T>;
  const Strips<T> strips(matrix);
  const int64_t gate = pack % strips.gates, K = matrix.K;
  const int64_t first = pack / strips.gates * kTogether, last = std::min(first + kTogether, strips.per_gate());
  const auto strip = [&](int64_t u) { return packed + (u * strips.gates + gate) * K * S; };
  if (!matrix.transposed) {
    for (int64_t k = 0; k < K; ++k)
      for (int64_t u = first; u < last; ++u) {
        const int64_t width = std::min(S, strips.units - u * S);
        const T* row = from + k * matrix.stride + gate * strips.units + u * S;
        T* out = strip(u) + k * S;
        if (width == S)
          std::copy_n(row, S, out);
        else
          for (int64_t j = 0; j < S; ++j) out[j] = j < width ? row[j] : T(0);
      }
    return;
  }
  for (int64_t u = first; u < last; ++u)
    for (int64_t k0 = 0; k0 < K; k0 += S)  // a square at a time: both sides touch whole cache lines
      for (int64_t j = 0; j < S; ++j) {
        const bool there = u * S + j < strips.units;
        const T* row = from + (gate * strips.units + u * S + j) * matrix.stride;
        for (int64_t k = k0; k < std::min(k0 + S, K); ++k) strip(u)[k * S + j] = there ? row[k] : T(0);
      }
}

// One product, as all its tiles have it.
template <class T>
struct Columns {
  Strips<T> strips;
  int64_t K;
  const T* packed;
  int64_t a_stride, start_stride, c_stride;
};

// c[r, :] = start[r, :] + sum_k a[r, k] * b[k, :] for R rows and the columns of C strips.
template <class T, int R, int C>
inline void tile_of_strips(const Columns<T>& in, const T* a, const T* start, T* c, int64_t strip) {
  using V = typename Vector<T>::type;
  constexpr int64_t S = kStripColumns<T>;
  constexpr int lanes = kVectorBytes / sizeof(T), vectors = S / lanes;
  V sum[R][C * vectors] = {};
  const int64_t K = in.K, length = K * S;
  const T* b = in.packed + strip * length;
  for (int64_t k = 0; k < K; ++k, b += S) {
    T x[R];
    for (int r = 0; r < R; ++r) x[r] = a[r * in.a_stride + k];
    for (int s = 0; s < C; ++s)
      for (int v = 0; v < vectors; ++v) {
        const V w = *(const V*)(b + s * length + v * lanes);
        for (int r = 0; r < R; ++r) sum[r][s * vectors + v] += x[r] * w;
      }
  }
  for (int s = 0; s < C; ++s) {
    const int64_t j = in.strips.column(strip + s), width = in.strips.width(strip + s);
    for (int r = 0; r < R; ++r) {
      T* out = c + r * in.c_stride + j;
      const T* from = start ? start + r * in.start_stride + j : nullptr;
      for (int v = 0; v < vectors; ++v) {
        const V total = sum[r][s * vectors + v];
        if (width == S)
          *(V*)(out + v * lanes) = from ? *(const V*)(from + v * lanes) + total : total;
        else
          for (int i = 0; i < lanes && v * lanes + i < width; ++i)
            out[v * lanes + i] = from ? from[v * lanes + i] + total[i] : total[i];
      }
    }
  }
}

// The strips that R rows are multiplied with at once: as many as keep all sums in registers.
template <class T>
constexpr int strips_at_once(int rows) {
  const int vectors = 64 / kVectorBytes, most = kSums / (rows * vectors);
  return most >= 8 ? 8 : most >= 4 ? 4 : most >= 2 ? 2 : 1;
}

template <class T, int R, int C>
inline void row_of_tiles(const Columns<T>& in, const T* a, const T* start, T* c, int64_t first, int64_t last) {
  if constexpr (C > 0) {
    for (; first + C <= last; first += C) tile_of_strips<T, R, C>(in, a, start, c, first);
    if (first < last) row_of_tiles<T, R, C / 2>(in, a, start, c, first, last);
  }
}

constexpr int kRowsAtOnce = kSums / (64 / kVectorBytes) < 6 ? kSums / (64 / kVectorBytes) : 6;

template <class T>
inline void rows_of_strips(int64_t rows, const Columns<T>& in, const T* a, const T* start, T* c, int64_t first,
                           int64_t last) {
  switch (rows) {
#define JAXRNN_ROWS(R)                                                                                     \
  case R:                                                                                                  \
    if constexpr (R <= kRowsAtOnce)                                                                        \
      return row_of_tiles<T, R, strips_at_once<T>(R)>(in, a, start, c, first, last);                       \
    else                                                                                                   \
      return;
    JAXRNN_ROWS(1) JAXRNN_ROWS(2) JAXRNN_ROWS(3) JAXRNN_ROWS(4) JAXRNN_ROWS(5) JAXRNN_ROWS(6)
#undef JAXRNN_ROWS
  }
}

// C = start + A B in the columns of the strips [first, last), `backwards` from the last of them: then what the product
// before left in a cache is read first.
template <class T>
void multiply_strips(int64_t rows, const Columns<T>& in, const T* a, const T* start, T* c, int64_t first, int64_t last,
                     bool backwards) {
  const int64_t tiles = (rows + kRowsAtOnce - 1) / kRowsAtOnce;
  const int64_t together = strips_at_once<T>(static_cast<int>((rows + tiles - 1) / tiles));
  const int64_t panels = (last - first + together - 1) / together;
  for (int64_t i = 0; i < panels; ++i) {
    const int64_t from = first + (backwards ? panels - 1 - i : i) * together, to = std::min(from + together, last);
    for (int64_t t = 0, r = 0; t < tiles; ++t) {
      const int64_t count = (rows - r) / (tiles - t);
      rows_of_strips<T>(count, in, a + r * in.a_stride, start ? start + r * in.start_stride : nullptr,
                        c + r * in.c_stride, from, to);
      r += count;
    }
  }
}

}  // namespace
}  // namespace jaxrnn
