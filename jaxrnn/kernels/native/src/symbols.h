// Inputs that are symbols: the rows of a kernel that they pick, and its gradient.
#pragma once

#include "part.h"

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

  void add(const Action& action, const Steps& steps) const {
    const Range own = part_.share(action.e, kWhole);
    as_number<T>(part_.plan.slots[action.b].kind, [&](auto number) {
      for_each(action.a, steps, [=](int64_t symbol, int64_t step, int64_t s, int64_t r) {
        const auto* from = part_.address(number, action.b, step, s, r);
        T* to = part_.at(action.c, 0, 0, symbol);
        for (int64_t j = own.first; j < own.last; ++j) to[j] += widened(from[j]);
      });
    });
  }

 private:
  // Each row of some steps, with the symbol that stands there.
  template <class F>
  void for_each(int64_t slot, const Steps& steps, F f) const {
    for (int64_t s = steps.first; s < steps.last; ++s)
      for (int64_t r = 0; r < part_.rows_of(s, s + 1); ++r)
        f(*part_.address(int32_t(), slot, steps.begin + s, s, r), steps.begin + s, s, r);
  }

  const Part<T>& part_;
};

}  // namespace
}  // namespace jaxrnn
