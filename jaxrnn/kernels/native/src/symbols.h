// Inputs that are symbols: the rows of a kernel that they pick, and its gradient.
#pragma once

#include <algorithm>
#include <vector>

#include "part.h"
#include "sums.h"

namespace jaxrnn {
namespace {

template <class T>
class Symbols {
 public:
  explicit Symbols(const Part<T>& part) : part_(part) {}

  void take(const Action& action, const Steps& steps) const {
    const Range own = part_.share(action.e, kWhole);
    const Slot& rows = part_.plan.slots[action.b];
    const T* start = action.d < 0 ? nullptr : part_.at(action.d, 0, 0, 0);
    as_number<T>(rows.kind, [&](auto number) {
      const auto* table = reinterpret_cast<const decltype(number)*>(part_.buffers[rows.buffer]) + rows.offset;
      for_each(action.a, steps, [=](int64_t symbol, int64_t step, int64_t s, int64_t r) {
        const auto* from = table + symbol * rows.row_stride;
        T* to = part_.at(action.c, step, s, r);
        for (int64_t j = own.first; j < own.last; ++j) to[j] = start ? widened(from[j]) + start[j] : widened(from[j]);
      });
    });
  }

  // To the kernel's gradient the rows of a block, those with the same symbol together.
  void add(const Action& action, const Steps& steps) {
    const Range own = part_.share(action.e, kWhole);
    link(action, steps);
    as_number<T>(part_.plan.slots[action.b].kind, [&](auto number) {
      const auto* rows = part_.address(number, action.b, steps);
      const int64_t stride = part_.stride(action.b), count = symbols_.size();
      for (int64_t i = 0; i < count; ++i) {
        const int64_t symbol = symbols_[i];
        if (first_[symbol] != i) continue;
        T* to = part_.at(action.c, 0, 0, symbol);
        for (int64_t j = own.first; j < own.last; j += kColumnsSummed) {
          const auto next = [&, at = i]() mutable {
            const auto* row = at < 0 ? nullptr : rows + at * stride + j;
            at = at < 0 ? at : next_[at];
            return row;
          };
          sum_rows(next, std::min(kColumnsSummed, own.last - j), to + j);
        }
        first_[symbol] = -1;
      }
    });
  }

 private:
  // Finds the first row of a block with each symbol, and the next one after each row; -1 where there is none.
  void link(const Action& action, const Steps& steps) {
    first_.resize(action.d, -1);
    symbols_.clear();
    for_each(action.a, steps, [&](int64_t symbol, int64_t, int64_t, int64_t) { symbols_.push_back(symbol); });
    next_.resize(symbols_.size());
    for (int64_t i = symbols_.size() - 1; i >= 0; --i) {
      next_[i] = first_[symbols_[i]];
      first_[symbols_[i]] = i;
    }
  }

  // Each row of some steps, with the symbol that stands there.
  template <class F>
  void for_each(int64_t slot, const Steps& steps, F f) const {
    for (int64_t s = steps.first; s < steps.last; ++s)
      for (int64_t r = 0; r < part_.rows_of(s, s + 1); ++r)
        f(*part_.address(int32_t(), slot, steps.begin + s, s, r), steps.begin + s, s, r);
  }

  const Part<T>& part_;
  std::vector<int64_t> symbols_, next_, first_;
};

}  // namespace
}  // namespace jaxrnn
