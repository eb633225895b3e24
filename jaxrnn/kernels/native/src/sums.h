// Sums over rows in parts: added one after the other, hundreds of thousands of rows would cost a digit.
#pragma once

#include <algorithm>

#include "kinds.h"

namespace jaxrnn {
namespace {

constexpr int64_t kColumnsSummed = 64;  // whose sums are held at once
constexpr int64_t kRowsOfAPart = 64;

template <class T, class Number>
void sum_rows(const Number* from, int64_t stride, int64_t rows, int64_t columns, T* sum) {
  T whole[kColumnsSummed] = {};
  for (int64_t first = 0; first < rows; first += kRowsOfAPart) {
    T part[kColumnsSummed] = {};
    for (int64_t r = first; r < std::min(rows, first + kRowsOfAPart); ++r)
      for (int64_t j = 0; j < columns; ++j) part[j] += widened(from[r * stride + j]);
    for (int64_t j = 0; j < columns; ++j) whole[j] += part[j];
  }
  for (int64_t j = 0; j < columns; ++j) sum[j] += whole[j];
}

}  // namespace
}  // namespace jaxrnn
