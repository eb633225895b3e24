// The products of a call, each with a matrix that stays: in panels, in strips, of int8 numbers, or read where it lies.
#pragma once

#include <algorithm>

#include "columns.h"
#include "part.h"
#include "product.h"
#include "product16.h"
#include "product8.h"

namespace jaxrnn {
namespace {

template <class T>
class Products {
 public:
  // With `team` threads multiply their own columns. `share` has others take parts of what is read where it lies.
  Products(const Part<T>& part, bool team, const Share& share) : part_(part), team_(team), share_(share) {}

  bool in_place(const Action& action) const {
    return (action.kind == kProduct && part_.plan.matrices[action.b].offset < 0) ||
           (action.kind == kProduct8 && part_.plan.matrices8[action.b].offset < 0);
  }

  // Those that follow each other, a share of their columns in each task: one that starts from what another left reads
  // the columns of its own task.
  void run(const Action* from, const Action* to, const Steps& steps) {
    const int64_t rows = part_.rows_of(steps);
    const auto multiply_part = [=](int64_t part) {
      Codes<T> codes;  // each part's own: to wait for another's would take longer
      for (const Action* action = from; action != to; ++action) {
        const bool int8 = action->kind == kProduct8;
        const int64_t N = int8 ? part_.plan.matrices8[action->b].N : part_.plan.matrices[action->b].N;
        const int64_t whole = (N + kWhole - 1) / kWhole;
        const int64_t left = std::min(N, part * whole / part_.plan.parts * kWhole);
        const int64_t right = std::min(N, (part + 1) * whole / part_.plan.parts * kWhole);
        if (int8) {
          multiply8(*action, steps, codes, left, right);
          continue;
        }
        const Matrix& matrix = part_.plan.matrices[action->b];
        const T* start = action->d < 0 ? nullptr : part_.at(action->d, steps);
        as_number<T>(matrix.kind, [&](auto number) {
          const auto* b = reinterpret_cast<const decltype(number)*>(part_.buffers[matrix.buffer]) + matrix.first;
          multiply_in_place<T>(rows, matrix.K, part_.at(action->a, steps), part_.stride(action->a), b,
                               matrix.stride, start, start ? part_.stride(action->d) : 0,
                               part_.at(action->c, steps), part_.stride(action->c), left, right);
        });
      }
    };
    part_.plan.parts == 1 ? multiply_part(0) : share_(part_.plan.parts, multiply_part);
  }

  // One with a packed matrix.
  void run(const Action& action, const Steps& steps) {
    if (action.kind == kProduct8) return multiply8(action, steps, codes_, 0, part_.plan.matrices8[action.b].N);
    const Matrix& matrix = part_.plan.matrices[action.b];
    if (matrix.pairs) return multiply16(action, matrix, steps);
    const int64_t rows = part_.rows_of(steps), from = action.d < 0 ? action.d : behind_each_other(action, steps);
    const T* a = part_.at(action.a, steps);
    const T* start = from < 0 ? nullptr : part_.at(from, steps);
    T* out = part_.at(action.c, steps);
    const int64_t start_stride = from < 0 ? 0 : part_.stride(from);
    if (team_) {
      const Strips<T> strips(matrix);
      multiply_own<T>(Columns<T>{strips, matrix.K, part_.packed(matrix), a, part_.stride(action.a), start, start_stride, out,
                                 part_.stride(action.c)},
                      steps);
    } else {
      multiply<T>(rows, matrix.K, matrix.N, a, part_.stride(action.a), part_.packed(matrix), start, start_stride, out,
                  part_.stride(action.c));
    }
  }

 private:
  // With int8 numbers, in columns [left, right) where these are read where they lie.
  void multiply8(const Action& action, const Steps& steps, Codes<T>& codes, int64_t left, int64_t right) const {
    const int64_t rows = part_.rows_of(steps);
    const Matrix8& matrix = part_.plan.matrices8[action.b];
    if (!action.e)
      codes.take(rows, matrix.inputs, part_.at(action.a, steps), part_.stride(action.a));
    const T* start = action.d < 0 ? nullptr : part_.at(action.d, steps);
    const float* scales = reinterpret_cast<const float*>(part_.buffers[matrix.scales]) + matrix.first_scale;
    T* out = part_.at(action.c, steps);
    const int64_t start_stride = start ? part_.stride(action.d) : 0;
    if (matrix.offset < 0)
      multiply8_in_place<T>(rows, matrix.K, codes, matrix.read,
                            reinterpret_cast<const int8_t*>(part_.buffers[matrix.buffer]) + matrix.first, matrix.stride,
                            scales, start, start_stride, out, part_.stride(action.c), left, right);
    else
      jaxrnn::multiply8<T>(rows, matrix.K, matrix.N, codes, matrix.read, part_.packed8(matrix), scales, start,
                           start_stride, out, part_.stride(action.c));
  }

  // With pairs of bfloat16.
  void multiply16(const Action& action, const Matrix& matrix, const Steps& steps) const {
    if constexpr (sizeof(T) == sizeof(float)) {
      const auto sums = [&](int64_t slot) {
        if (part_.plan.slots[slot].kind != kBfloat16)
          return Sums{(char*)part_.address(float(), slot, steps), part_.stride(slot), false};
        return Sums{(char*)part_.address(Bfloat16(), slot, steps), part_.stride(slot), true};
      };
      const Sums from = action.d < 0 ? Sums{} : sums(action.d), *start = action.d < 0 ? nullptr : &from;
      const Bfloat16* a = part_.address(Bfloat16(), action.a, steps);
      const int64_t a_stride = part_.stride(action.a);
      const auto* packed = reinterpret_cast<const uint32_t*>(part_.packed(matrix));
      if (team_)
        multiply_own<T>(PairColumns{Strips<float>(matrix), matrix.K, packed, {a, a_stride, 2}, start, sums(action.c)},
                        steps);
      else
        multiply_pairs(part_.rows_of(steps), matrix.K, matrix.N, a, a_stride, packed, start, sums(action.c));
    }
  }

  // This thread's columns of a product in strips.
  template <class E, class Product>
  void multiply_own(const Product& product, const Steps& steps) const {
    const int64_t gates = product.strips.gates;
    const Range units = part_.share(product.strips.per_gate(), 1);
    multiply_strips<E>(part_.rows_of(steps), product, units.first * gates, units.last * gates,
                       (steps.begin + steps.first) % 2);
  }

  // The array that a product starts from. Where its rows lie apart they are copied to where the product goes.
  int64_t behind_each_other(const Action& action, const Steps& steps) const {
    const Slot& slot = part_.plan.slots[action.d];
    const bool one = steps.last - steps.first == 1 && part_.active.together(steps.first, 0, part_.rows_of(steps));
    if (slot.local || slot.row_stride == 0 || one) return action.d;
    const Matrix& matrix = part_.plan.matrices[action.b];
    const Range own = part_.share(matrix.units, kStripColumns<T>);  // of each gate
    for (int64_t s = steps.first; s < steps.last; ++s)
      for (int64_t r = 0; r < part_.rows_of(s, s + 1); ++r)
        for (int64_t gate = 0; gate < matrix.N; gate += matrix.units)
          std::copy_n(part_.at(action.d, steps.begin + s, s, r) + gate + own.first,
                      own.last - own.first,
                      part_.at(action.c, steps.begin + s, s, r) + gate + own.first);
    return action.c;
  }

  const Part<T>& part_;
  const bool team_;
  const Share& share_;
  Codes<T> codes_;  // of what was multiplied last
};

}  // namespace
}  // namespace jaxrnn
