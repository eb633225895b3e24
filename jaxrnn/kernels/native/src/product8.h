// Products with int8 matrices. Rows are quantised as they come; sums are exact in 32 bits, and what follows them is
// rounded operation by operation, so that every instruction set gives the same bits.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "processor.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace jaxrnn {
namespace {

constexpr int64_t kColumns8 = 64, kRows8 = 6;      // of a panel; of a tile
constexpr int64_t kGroupBytes8 = 4 * kColumns8;    // four rows of a panel, the four numbers of a column together
constexpr double kLargest8 = 127, kTiny8 = 0x1p-100;

inline int64_t groups8(int64_t K) { return (K + 3) / 4; }

// What stands in memory before is not computed with after: no multiplication and addition become one.
inline void settle(const void* memory) { __asm__ __volatile__("" : : "r"(memory) : "memory"); }

// Rows as int8 numbers within [-127, 127], each with its scale. NaN or infinity in a row make its scale NaN.
template <class T>
class Codes {
 public:
  void take(int64_t rows, int64_t K, const T* from, int64_t from_stride) {
    stride_ = (K + 3) / 4 * 4 + kColumns8;  // behind each row zeros, which tiles of any width may read
    numbers_.assign(rows * stride_, 0);
    scales_.resize(rows);
    for (int64_t r = 0; r < rows; ++r) scales_[r] = one(K, from + r * from_stride, numbers_.data() + r * stride_);
  }

  const int8_t* row(int64_t r) const { return numbers_.data() + r * stride_; }
  int64_t stride() const { return stride_; }
  T scale(int64_t r) const { return scales_[r]; }

 private:
  using Bits = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

  static T one(int64_t K, const T* from, int8_t* to) {
    constexpr Bits magnitude = ~(Bits(1) << (8 * sizeof(T) - 1));
    Bits largest = 0;  // magnitudes are ordered as their bits are, NaN last
    for (int64_t k = 0; k < K; ++k) {
      Bits bits;
      std::memcpy(&bits, from + k, sizeof bits);
      bits &= magnitude;
      largest = bits > largest ? bits : largest;
    }
    T most;
    std::memcpy(&most, &largest, sizeof most);
    if (!(most <= std::numeric_limits<T>::max())) return std::numeric_limits<T>::quiet_NaN();
    if (most < T(kTiny8)) return 0;
    // Added to this, a number is rounded to a whole one, the even one of two.
    constexpr T whole = sizeof(T) == 4 ? T(0x1.8p23) : T(0x1.8p52);
    const T inverse = T(kLargest8) / most;
    T strip[kColumns8];
    Bits rounded[kColumns8];
    for (int64_t k0 = 0; k0 < K; k0 += kColumns8) {
      const int64_t n = K - k0 < kColumns8 ? K - k0 : kColumns8;
      for (int64_t k = 0; k < n; ++k) strip[k] = from[k0 + k] * inverse;
      settle(strip);
      for (int64_t k = 0; k < n; ++k) strip[k] += whole;
      std::memcpy(rounded, strip, sizeof strip);
      for (int64_t k = 0; k < n; ++k) to[k0 + k] = static_cast<int8_t>(rounded[k]);
    }
    return most * T(1 / kLargest8);
  }

  int64_t stride_ = 0;
  std::vector<int8_t> numbers_;
  std::vector<T> scales_;
};

// sums[r, :] = codes[r, :] times a panel, for up to kRows8 rows. `totals` are 128 times the sums of their codes.
using Tile8 = void (*)(int64_t rows, int64_t groups, const int8_t* codes, int64_t stride, const int8_t* panel,
                       const int32_t* totals, int32_t* sums);

#if defined(__AVX2__)
inline int32_t four(const int8_t* codes) {
  int32_t value;
  std::memcpy(&value, codes, sizeof value);
  return value;
}
#endif

#if defined(__AVX512BW__)
// One instruction multiplies four pairs and adds them up, unsigned by signed: 128 is added to the matrix's numbers.
template <int R, int U>
__attribute__((target("avx512vnni"))) void tile_vnni(int64_t groups, const int8_t* codes, int64_t stride,
                                                      const int8_t* panel, const int32_t* totals, int32_t* sums) {
  const __m512i offset = _mm512_set1_epi8(-128);
  __m512i sum[U][R][4];  // U: groups whose sums do not wait for each other
  for (int u = 0; u < U; ++u)
    for (int r = 0; r < R; ++r)
      for (int v = 0; v < 4; ++v) sum[u][r][v] = _mm512_setzero_si512();
  int64_t g = 0;
  for (; g + U <= groups; g += U)
    for (int u = 0; u < U; ++u) {
      __m512i w[4];
      for (int v = 0; v < 4; ++v)
        w[v] = _mm512_xor_si512(_mm512_loadu_si512(panel + (g + u) * kGroupBytes8 + 64 * v), offset);
      for (int r = 0; r < R; ++r) {
        const __m512i a = _mm512_set1_epi32(four(codes + r * stride + 4 * (g + u)));
        for (int v = 0; v < 4; ++v) sum[u][r][v] = _mm512_dpbusd_epi32(sum[u][r][v], w[v], a);
      }
    }
  for (; g < groups; ++g)
    for (int v = 0; v < 4; ++v) {
      const __m512i w = _mm512_xor_si512(_mm512_loadu_si512(panel + g * kGroupBytes8 + 64 * v), offset);
      for (int r = 0; r < R; ++r)
        sum[0][r][v] = _mm512_dpbusd_epi32(sum[0][r][v], w, _mm512_set1_epi32(four(codes + r * stride + 4 * g)));
    }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < 4; ++v) {
      __m512i all = _mm512_sub_epi32(sum[0][r][v], _mm512_set1_epi32(totals[r]));
      for (int u = 1; u < U; ++u) all = _mm512_add_epi32(all, sum[u][r][v]);
      _mm512_storeu_si512(sums + r * kColumns8 + 16 * v, all);
    }
}

inline void rows_vnni(int64_t rows, int64_t groups, const int8_t* codes, int64_t stride, const int8_t* panel,
                      const int32_t* totals, int32_t* sums) {
  switch (rows) {
#define JAXRNN_ROWS(R, U) \
  case R:                 \
    return tile_vnni<R, U>(groups, codes, stride, panel, totals, sums);
    JAXRNN_ROWS(1, 4) JAXRNN_ROWS(2, 2) JAXRNN_ROWS(3, 1) JAXRNN_ROWS(4, 1) JAXRNN_ROWS(5, 1) JAXRNN_ROWS(6, 1)
#undef JAXRNN_ROWS
  }
}
#endif

#if defined(__AVX2__)
// Magnitudes of the matrix times codes with its signs: no sum of two products leaves 16 bits.
inline void rows_widened(int64_t rows, int64_t groups, const int8_t* codes, int64_t stride, const int8_t* panel,
                         const int32_t*, int32_t* sums) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t half = 0; half < 2; ++half) {
      __m256i sum[4] = {};
      for (int64_t g = 0; g < groups; ++g) {
        const __m256i a = _mm256_set1_epi32(four(codes + r * stride + 4 * g));
        for (int v = 0; v < 4; ++v) {
          const auto* from = reinterpret_cast<const __m256i*>(panel + g * kGroupBytes8 + 128 * half + 32 * v);
          const __m256i w = _mm256_loadu_si256(from);
          const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
          sum[v] = _mm256_add_epi32(sum[v], _mm256_madd_epi16(pairs, ones));
        }
      }
      for (int v = 0; v < 4; ++v)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + r * kColumns8 + 32 * half + 8 * v), sum[v]);
    }
}
#else
// On any machine, four columns at a time: of each number the bits of even and of odd places as 16 bits, whose products
// are added in pairs that do not leave these.
inline void rows_widened(int64_t rows, int64_t groups, const int8_t* codes, int64_t stride, const int8_t* panel,
                         const int32_t*, int32_t* sums) {
  typedef int16_t Short __attribute__((vector_size(16)));
  typedef int32_t Long __attribute__((vector_size(16)));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < kColumns8; j += 16) {
      Long sum[4] = {};
      for (int64_t g = 0; g < groups; ++g) {
        const int8_t* a = codes + r * stride + 4 * g;
        const Short even = {a[0], a[2], a[0], a[2], a[0], a[2], a[0], a[2]};
        const Short odd = {a[1], a[3], a[1], a[3], a[1], a[3], a[1], a[3]};
        for (int v = 0; v < 4; ++v) {
          Short w;
          std::memcpy(&w, panel + g * kGroupBytes8 + 4 * j + 16 * v, sizeof w);
          const Short pairs = ((w << 8) >> 8) * even + (w >> 8) * odd;
          const Long both = (Long)pairs;
          sum[v] += ((both << 16) >> 16) + (both >> 16);
        }
      }
      std::memcpy(sums + r * kColumns8 + j, sum, sizeof sum);
    }
}
#endif

inline Tile8 best_tile8() {
#if defined(__AVX512BW__)
  if (Processor().vnni) return &rows_vnni;
#endif
  return &rows_widened;
}

// out[j] = start[j] + sums[j] * (scale * scales[j]) for n columns.
template <class T>
inline void finish8(int64_t n, const int32_t* sums, T scale, const float* scales, const T* start, T* out) {
  T strip[kColumns8];
  for (int64_t j = 0; j < n; ++j) strip[j] = T(sums[j]) * (scale * T(scales[j]));
  settle(strip);
  for (int64_t j = 0; j < n; ++j) out[j] = start ? start[j] + strip[j] : strip[j];
}

// Four rows of up to 64 columns, the four numbers of a column together; zeros beyond.
inline void pack_group8(const int8_t* matrix, int64_t stride, int64_t rows, int64_t columns, int8_t* out) {
  int8_t edge[4][kColumns8];
  const int8_t* from[4];
  for (int64_t i = 0; i < 4; ++i) {
    from[i] = matrix + i * stride;
    if (i < rows && columns == kColumns8) continue;
    std::memset(edge[i], 0, kColumns8);
    if (i < rows) std::memcpy(edge[i], from[i], columns);
    from[i] = edge[i];
  }
#if defined(__AVX512BW__)
  __m512i row[4], pair[4], lane[4], half[4];
  for (int i = 0; i < 4; ++i) row[i] = _mm512_loadu_si512(from[i]);
  for (int i = 0; i < 2; ++i) {
    pair[2 * i] = _mm512_unpacklo_epi8(row[2 * i], row[2 * i + 1]);
    pair[2 * i + 1] = _mm512_unpackhi_epi8(row[2 * i], row[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {  // of each 16 columns four at place i, and so on
    lane[2 * i] = _mm512_unpacklo_epi16(pair[i], pair[2 + i]);
    lane[2 * i + 1] = _mm512_unpackhi_epi16(pair[i], pair[2 + i]);
  }
  for (int i = 0; i < 2; ++i) {
    half[2 * i] = _mm512_shuffle_i32x4(lane[2 * i], lane[2 * i + 1], 0x44);
    half[2 * i + 1] = _mm512_shuffle_i32x4(lane[2 * i], lane[2 * i + 1], 0xee);
  }
  for (int i = 0; i < 2; ++i) {
    _mm512_storeu_si512(out + 128 * i, _mm512_shuffle_i32x4(half[i], half[2 + i], 0x88));
    _mm512_storeu_si512(out + 128 * i + 64, _mm512_shuffle_i32x4(half[i], half[2 + i], 0xdd));
  }
#else
  for (int64_t j = 0; j < kColumns8; ++j)
    for (int64_t i = 0; i < 4; ++i) out[4 * j + i] = from[i][j];
#endif
}

// One panel of B [K, N], whose rows are `stride` apart.
inline void pack_panel8(const int8_t* matrix, int64_t stride, int64_t K, int64_t N, int64_t panel, int8_t* packed) {
  const int64_t j = panel * kColumns8, columns = N - j < kColumns8 ? N - j : kColumns8;
  int8_t* out = packed + panel * groups8(K) * kGroupBytes8;
  for (int64_t k = 0; k < K; k += 4, out += kGroupBytes8)
    pack_group8(matrix + k * stride + j, stride, K - k < 4 ? K - k : 4, columns, out);
}

// Rows in tiles, as even as they can be: begin(first row, count).
template <class Task>
inline void in_tiles8(int64_t rows, Task&& task) {
  const int64_t tiles = (rows + kRows8 - 1) / kRows8;
  for (int64_t i = 0, r = 0, count; i < tiles; ++i, r += count) task(r, count = (rows - r) / (tiles - i));
}

// 128 times the sums of codes [read, read + 4 groups) of each row.
template <class T>
inline void sum_codes8(int64_t rows, const Codes<T>& codes, int64_t read, int64_t groups, int32_t* totals) {
  for (int64_t r = 0; r < rows; ++r) {
    int32_t total = 0;
    for (int64_t k = 0; k < 4 * groups; ++k) total += codes.row(r)[read + k];
    totals[r] = 128 * total;
  }
}

// C [rows, N] = start + codes B, B [K, N] packed; codes from place `read` of each row.
template <class T>
void multiply8(int64_t rows, int64_t K, int64_t N, const Codes<T>& codes, int64_t read, const int8_t* packed,
               const float* scales, const T* start, int64_t start_stride, T* c, int64_t c_stride) {
  static const Tile8 tile = best_tile8();
  const int64_t groups = groups8(K);
  std::vector<int32_t> totals(rows);
  sum_codes8(rows, codes, read, groups, totals.data());
  for (int64_t j = 0; j < N; j += kColumns8, packed += groups * kGroupBytes8)
    in_tiles8(rows, [&](int64_t first, int64_t count) {
      int32_t sums[kRows8 * kColumns8];
      tile(count, groups, codes.row(first) + read, codes.stride(), packed, totals.data() + first, sums);
      for (int64_t s = 0, r = first; s < count; ++s, ++r)
        finish8<T>(N - j < kColumns8 ? N - j : kColumns8, sums + s * kColumns8, codes.scale(r), scales + j,
                   start ? start + r * start_stride + j : nullptr, c + r * c_stride + j);
    });
}

// Columns [first, last) of C = start + codes B, B where it lies: 16 rows of it at a time, each a stream for the
// processor to fetch ahead, become a piece of a panel that stays in the first-level cache.
template <class T>
void multiply8_in_place(int64_t rows, int64_t K, const Codes<T>& codes, int64_t read, const int8_t* b, int64_t b_stride,
                        const float* scales, const T* start, int64_t start_stride, T* c, int64_t c_stride,
                        int64_t first, int64_t last) {
  static const Tile8 tile = best_tile8();
  constexpr int64_t groups = 4;
  const int64_t width = (last - first + kColumns8 - 1) / kColumns8 * kColumns8;
  std::vector<int32_t> all(rows * width), totals(rows);
  for (int64_t k = 0; k < K; k += 4 * groups) {
    sum_codes8(rows, codes, read + k, groups, totals.data());
    for (int64_t j = first; j < last; j += kColumns8) {
      int8_t panel[groups * kGroupBytes8];
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t at = k + 4 * g, left = at < K ? K - at : 0;
        pack_group8(b + (left ? at : 0) * b_stride + j, b_stride, left < 4 ? left : 4,
                    last - j < kColumns8 ? last - j : kColumns8, panel + g * kGroupBytes8);
      }
      in_tiles8(rows, [&](int64_t row, int64_t count) {
        int32_t sums[kRows8 * kColumns8];
        tile(count, groups, codes.row(row) + read + k, codes.stride(), panel, totals.data() + row, sums);
        for (int64_t s = 0; s < count; ++s)
          for (int64_t i = 0; i < kColumns8; ++i) all[(row + s) * width + j - first + i] += sums[s * kColumns8 + i];
      });
    }
  }
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = first; j < last; j += kColumns8)
      finish8<T>(last - j < kColumns8 ? last - j : kColumns8, all.data() + r * width + j - first, codes.scale(r),
                 scales + j, start ? start + r * start_stride + j : nullptr, c + r * c_stride + j);
}

}  // namespace
}  // namespace jaxrnn
