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
#include "product16.h"

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

template <class T, class E>
void pack_strips(const Matrix& matrix, const E* from, int64_t pack, T* packed) {
  constexpr int64_t S = kStripColumns<T>;
  const Strips<T> strips(matrix);
  const int64_t gate = pack % strips.gates, K = matrix.K;
  const int64_t first = pack / strips.gates * kTogether, last = std::min(first + kTogether, strips.per_gate());
  const auto strip = [&](int64_t u) { return packed + (u * strips.gates + gate) * K * S; };
  if (!matrix.transposed) {
    for (int64_t k = 0; k < K; ++k)
      for (int64_t u = first; u < last; ++u) {
        const int64_t width = std::min(S, strips.units - u * S);
        const E* row = from + k * matrix.stride + gate * strips.units + u * S;
        T* out = strip(u) + k * S;
        if (width == S)
          for (int64_t j = 0; j < S; ++j) out[j] = widened(row[j]);
        else
          for (int64_t j = 0; j < S; ++j) out[j] = j < width ? widened(row[j]) : T(0);
      }
    return;
  }
  for (int64_t u = first; u < last; ++u)
    for (int64_t k0 = 0; k0 < K; k0 += S)  // a square at a time: both sides touch whole cache lines
      for (int64_t j = 0; j < S; ++j) {
        const bool there = u * S + j < strips.units;
        const E* row = from + (gate * strips.units + u * S + j) * matrix.stride;
        for (int64_t k = k0; k < std::min(k0 + S, K); ++k) strip(u)[k * S + j] = there ? widened(row[k]) : T(0);
      }
}

// The same of pairs.
template <class E>
void pack_pair_strips(const Matrix& matrix, const E* from, int64_t pack, uint32_t* packed) {
  constexpr int64_t S = kStripColumns<float>;
  const Strips<float> strips(matrix);
  const int64_t gate = pack % strips.gates, first = pack / strips.gates * kTogether;
  for (int64_t u = first; u < std::min(first + kTogether, strips.per_gate()); ++u) {
    const int64_t column = gate * strips.units + u * S;
    pack_pairs(from + column * (matrix.transposed ? matrix.stride : 1), matrix.stride, matrix.K,
               std::min(S, strips.units - u * S), matrix.transposed, S,
               packed + (u * strips.gates + gate) * ((matrix.K + 1) / 2) * S);
  }
}

// One product, as all its tiles have it.
template <class T>
struct Columns {
  Strips<T> strips;
  int64_t K;
  const T* packed;
  const T* a;
  int64_t a_stride;
  const T* start;
  int64_t start_stride;
  T* c;
  int64_t c_stride;

  // c[r, :] = start[r, :] + sum_k a[r, k] * b[k, :] for R rows and the columns of C strips.
  template <int R, int C>
  void tile(int64_t row, int64_t strip) const {
    using V = typename Vector<T>::type;
    constexpr int64_t S = kStripColumns<T>;
    constexpr int lanes = kVectorBytes / sizeof(T), vectors = S / lanes;
    V sum[R][C * vectors] = {};
    const int64_t length = K * S;
    const T *b = packed + strip * length, *left = a + row * a_stride;
    for (int64_t k = 0; k < K; ++k, b += S) {
      T x[R];
      for (int r = 0; r < R; ++r) x[r] = left[r * a_stride + k];
      for (int s = 0; s < C; ++s)
        for (int v = 0; v < vectors; ++v) {
          const V w = *(const V*)(b + s * length + v * lanes);
          for (int r = 0; r < R; ++r) sum[r][s * vectors + v] += x[r] * w;
        }
    }
    for (int s = 0; s < C; ++s) {
      const int64_t j = strips.column(strip + s), width = strips.width(strip + s);
      for (int r = 0; r < R; ++r) {
        T* out = c + (row + r) * c_stride + j;
        const T* from = start ? start + (row + r) * start_stride + j : nullptr;
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
};

// The same of pairs.
struct PairColumns {
  Strips<float> strips;
  int64_t K;
  const uint32_t* packed;
  Pairs a;
  const Sums* start;
  Sums c;

  template <int R, int C>
  void tile(int64_t row, int64_t strip) const {
    constexpr int64_t S = kStripColumns<float>;
    constexpr int lanes = kVectorBytes / 4, vectors = S / lanes;
    FloatVector sum[R][C * vectors] = {};
    const int64_t length = (K + 1) / 2 * S;
    const uint32_t* b = packed + strip * length;
    const auto at = [&](int v) { return b + v / vectors * length + v % vectors * lanes; };
    for (int64_t p = 0; p < K / 2; ++p, b += S)
      add_pairs<R, C * vectors>(sum, at, [&](int r) { return a.both(row + r, p); });
    if (K % 2) add_pairs<R, C * vectors>(sum, at, [&](int r) { return int32_t(a.at(row + r, K / 2)->bits); });
    for (int s = 0; s < C; ++s) {
      const int64_t j = strips.column(strip + s), width = strips.width(strip + s);
      for (int r = 0; r < R; ++r)
        for (int v = 0; v < vectors; ++v) {
          const FloatVector total = sum[r][s * vectors + v];
          const int64_t column = j + v * lanes;
          if (width == S)
            store(c.at(row + r, column), start ? load(start->at(row + r, column)) + total : total);
          else
            for (int i = 0; i < lanes && v * lanes + i < width; ++i)
              c.set(row + r, column + i, start ? start->get(row + r, column + i) + total[i] : total[i]);
        }
    }
  }
};

// The strips that R rows are multiplied with at once: as many as keep all sums in registers.
template <class T>
constexpr int strips_at_once(int rows) {
  const int vectors = 64 / kVectorBytes, most = kSums / (rows * vectors);
  return most >= 8 ? 8 : most >= 4 ? 4 : most >= 2 ? 2 : 1;
}

template <class T, int R, int C, class Product>
inline void row_of_tiles(const Product& product, int64_t row, int64_t first, int64_t last) {
  if constexpr (C > 0) {
    for (; first + C <= last; first += C) product.template tile<R, C>(row, first);
    if (first < last) row_of_tiles<T, R, C / 2>(product, row, first, last);
  }
}

constexpr int kRowsAtOnce = kSums / (64 / kVectorBytes) < 6 ? kSums / (64 / kVectorBytes) : 6;

template <class T, class Product>
inline void rows_of_strips(int64_t rows, const Product& product, int64_t row, int64_t first, int64_t last) {
  switch (rows) {
#define JAXRNN_ROWS(R)                                                                      \
  case R:                                                                                   \
    if constexpr (R <= kRowsAtOnce)                                                         \
      return row_of_tiles<T, R, strips_at_once<T>(R)>(product, row, first, last);           \
    else                                                                                    \
      return;
    JAXRNN_ROWS(1) JAXRNN_ROWS(2) JAXRNN_ROWS(3) JAXRNN_ROWS(4) JAXRNN_ROWS(5) JAXRNN_ROWS(6)
#undef JAXRNN_ROWS
  }
}

// C = start + A B in the columns of the strips [first, last), `backwards` from the last of them: then what the product
// before left in a cache is read first.
template <class T, class Product>
void multiply_strips(int64_t rows, const Product& product, int64_t first, int64_t last, bool backwards) {
  const int64_t tiles = (rows + kRowsAtOnce - 1) / kRowsAtOnce;
  const int64_t together = strips_at_once<T>(static_cast<int>((rows + tiles - 1) / tiles));
  const int64_t panels = (last - first + together - 1) / together;
  for (int64_t i = 0; i < panels; ++i) {
    const int64_t from = first + (backwards ? panels - 1 - i : i) * together, to = std::min(from + together, last);
    for (int64_t t = 0, r = 0; t < tiles; ++t) {
      const int64_t count = (rows - r) / (tiles - t);
      rows_of_strips<T>(count, product, r, from, to);
      r += count;
    }
  }
}

}  // namespace
}  // namespace jaxrnn
