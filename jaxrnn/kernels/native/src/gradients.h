// Sums over rows: gradients of what all rows share.
#pragma once

#include <algorithm>

#include "compiler.h"
#include "part.h"
#include "product.h"
#include "product16.h"
#include "sums.h"

namespace jaxrnn {
namespace {

constexpr int64_t kRowsOfASum = 128;  // of a product: a panel of them stays in the first-level cache, and no digit is lost

template <class T>
class Gradients {
 public:
  explicit Gradients(const Part<T>& part) : part_(part) {
    int64_t pairs = 0;
    const int64_t rows = std::min(kRowsOfASum, part.plan.block * part.active.rows());
    for (const Action& action : part.plan.after)
      if (in_pairs(action)) pairs = std::max(pairs, pairs_to_accumulate(rows, action.d));
    pairs_ = lines<uint32_t>(pairs);
  }

  // Of a kernel, from what it was multiplied by and the cotangents of the product.
  void accumulate(const Action& action, const Steps& steps) const {
    const int64_t rows = part_.rows_of(steps), sums = (rows + kRowsOfASum - 1) / kRowsOfASum;
    for (int64_t i = 0, first = 0, count; i < sums; ++i, first += count) {
      count = (rows - first) / (sums - i);
      accumulate(action, steps, first, count);
    }
  }

  // Of a bias.
  void sum(const Action& action, const Steps& steps) const {
    const Range own = part_.share(action.e, kWhole);
    T* to = part_.at(action.c, 0, 0, 0);
    as_number<T>(part_.plan.slots[action.a].kind, [&](auto number) {
      const auto* from = part_.address(number, action.a, steps);
      const int64_t rows = part_.rows_of(steps), stride = part_.stride(action.a);
      for (int64_t j = own.first; j < own.last; j += kColumnsSummed) {
        const auto next = [&, r = int64_t(0)]() mutable { return r < rows ? from + j + stride * r++ : nullptr; };
        sum_rows(next, std::min(kColumnsSummed, own.last - j), to + j);
      }
    });
  }

 private:
  // Of `rows` rows from the one at `first` on.
  void accumulate(const Action& action, const Steps& steps, int64_t first, int64_t rows) const {
    const int64_t a_stride = part_.stride(action.a), b_stride = part_.stride(action.b);
    const Range own = part_.share(action.d, kTileRows);  // rows of the sum
    if constexpr (sizeof(T) == sizeof(float))
      if (in_pairs(action))
        return accumulate_pairs(rows, own.last - own.first, action.e,
                                part_.address(Bfloat16(), action.a, steps) + first * a_stride + own.first, a_stride,
                                part_.address(Bfloat16(), action.b, steps) + first * b_stride, b_stride,
                                part_.at(action.c, 0, 0, own.first), part_.stride(action.c), pairs_.get());
    jaxrnn::accumulate<T>(rows, own.last - own.first, action.e,
                          part_.at(action.a, steps) + first * a_stride + own.first, a_stride,
                          part_.at(action.b, steps) + first * b_stride, b_stride,
                          part_.at(action.c, 0, 0, own.first), part_.stride(action.c));
  }

  bool in_pairs(const Action& action) const {
    return action.kind == kAccumulate && part_.plan.slots[action.a].kind == kBfloat16;
  }

  const Part<T>& part_;
  Lines<uint32_t> pairs_;  // of both sides of a kernel's gradient
};

}  // namespace
}  // namespace jaxrnn
