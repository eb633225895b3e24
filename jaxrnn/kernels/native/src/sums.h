// Sums over rows in parts: added one after the other, hundreds of thousands of rows would cost a digit.
#pragma once

#include <cstdint>

#include "kinds.h"

namespace jaxrnn {
namespace {

constexpr int64_t kColumnsSummed = 64;  // whose sums are held at once
constexpr int64_t kRowsOfAPart = 64;

// Adds to `columns` sums the rows that `next` gives, until it gives null.
template <class T, class Next>
void sum_rows(Next next, int64_t columns, T* sum) {
  T whole[kColumnsSummed] = {};
  for (const auto* row = next(); row;) {
    T part[kColumnsSummed] = {};
    for (int64_t r = 0; row && r < kRowsOfAPart; ++r, row = next())
      for (int64_t j = 0; j < columns; ++j) part[j] += widened(row[j]);
    for (int64_t j = 0; j < columns; ++j) whole[j] += part[j];
  }
  for (int64_t j = 0; j < columns; ++j) sum[j] += whole[j];
}

}  // namespace
}  // namespace jaxrnn
