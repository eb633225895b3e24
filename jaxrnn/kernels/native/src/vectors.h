// A step's equations: instructions on vectors, a strip of numbers at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "columns.h"
#include "compiler.h"
#include "elementary.h"
#include "operations.h"
#include "part.h"

namespace jaxrnn {
namespace {

constexpr int64_t kStrip = 512;  // elements that one instruction works on: its registers stay in the first-level cache

enum Operation : int64_t {
  kBeforeOperations = kFirstOperation - 1,
#define JAXRNN_NAME(name, ...) k_##name,
  JAXRNN_OPERATIONS(JAXRNN_NAME, JAXRNN_NAME, JAXRNN_NAME)
#undef JAXRNN_NAME
};

template <class T>
class Vectors {
 public:
  explicit Vectors(const Part<T>& part)
      : part_(part),
        memory_(lines<T>((part.plan.registers + part.plan.constants.count + 1) * kStrip)),
        registers_(part.plan.registers + part.plan.constants.count) {
    const Plan& plan = part.plan;
    for (int64_t i = 0; i < plan.constants.count; ++i)
      std::fill_n(own(plan.registers + i), kStrip, static_cast<T>(plan.constants[i]));
    for (size_t i = 0; i < registers_.size(); ++i) registers_[i] = own(i);
  }

  // The instructions of a segment for the block's step `local`.
  void run(const Segment& segment, int64_t step, int64_t local) {
    const Range own = part_.share(segment.length, kStripColumns<T>);
    if (own.first == own.last) return;
    const int64_t rows = part_.rows_of(local, local + 1);
    const int64_t together = std::max<int64_t>(kStrip / (own.last - own.first), 1);
    for (int64_t r = 0; r < rows; r += together)
      for (int64_t j = own.first; j < own.last; j += kStrip)
        strip(segment, step, local, r, std::min(together, rows - r), j, std::min(own.last - j, kStrip));
  }

 private:
  // The instructions of a segment for columns [column, column + width) of `count` rows.
  void strip(const Segment& segment, int64_t step, int64_t local, int64_t row, int64_t count, int64_t column,
             int64_t width) {
    const int64_t n = count * width, whole = (n + kWhole - 1) / kWhole * kWhole;
    const bool together = part_.active.together(local, row, count);
    for (int64_t i = segment.begin; i < segment.end; ++i) {
      const Instruction& at = part_.plan.code[i];
      switch (at.op) {
        case kLoad: {
          const Slot& slot = part_.plan.slots[at.a];
          if (slot.kind != kComputed) {
            T* out = registers_[at.out] = own(at.out);
            for (int64_t r = 0; r < count; ++r, out += width)
              as_kind<T>(part_.kind(at.a, step, local, row + r), [&](auto number) {
                const auto* from = part_.address(number, at.a, step, local, row + r) + at.b + column;
                JAXRNN_INDEPENDENT for (int64_t k = 0; k < width; ++k) out[k] = widened(from[k]);
              });
            break;
          }
          const bool alike = slot.local || (together && !(slot.earlier && part_.plan.valid >= 0));  // rows of one step
          const bool behind = count == 1 || (slot.row_stride == width && alike);
          const bool in_place = behind && n == whole;
          registers_[at.out] = in_place ? part_.at(at.a, step, local, row) + at.b + column : own(at.out);
          if (!in_place)
            for (int64_t r = 0; r < count; ++r)
              std::copy_n(part_.at(at.a, step, local, row + r) + at.b + column, width, own(at.out) + r * width);
          break;
        }
        case kLoadScalar: {
          as_kind<T>(part_.plan.slots[at.a].kind, [&](auto number) {
            for (int64_t r = 0; r < count; ++r) {
              const T value = widened(part_.address(number, at.a, step, local, row + r)[at.b]);
              std::fill_n(own(at.out) + r * width, width, value);
            }
          });
          registers_[at.out] = own(at.out);
          break;
        }
        case kStore: {
          as_number<T>(part_.plan.slots[at.a].kind, [&](auto number) {
            using E = decltype(number);
            const T* from = registers_[at.out];
            for (int64_t r = 0; r < count; ++r, from += width) {
              E* to = part_.address(number, at.a, step, local, row + r) + at.b + column;
              JAXRNN_INDEPENDENT for (int64_t k = 0; k < width; ++k) to[k] = Narrowed<E>::of(from[k]);
            }
          });
          break;
        }
#define JAXRNN_LOOP(name, expression, ...)                    \
  case k_##name: {                                            \
    const T* in_a = registers_[at.a];                         \
    const T* in_b = registers_[at.b];                         \
    const T* in_c = registers_[at.c];                         \
    T* out = registers_[at.out] = own(at.out);                \
    JAXRNN_INDEPENDENT for (int64_t k = 0; k < whole; ++k) {  \
      [[maybe_unused]] const T a = in_a[k];                   \
      [[maybe_unused]] const T b = in_b[k];                   \
      [[maybe_unused]] const T c = in_c[k];                   \
      out[k] = expression;                                    \
    }                                                         \
    break;                                                    \
  }
          JAXRNN_OPERATIONS(JAXRNN_LOOP, JAXRNN_LOOP, JAXRNN_LOOP)
#undef JAXRNN_LOOP
      }
    }
  }

  T* own(size_t i) const { return memory_.get() + i * kStrip; }

  const Part<T>& part_;
  Lines<T> memory_;
  std::vector<T*> registers_;  // an instruction's operand: a strip of our own, or a place in an array
};

}  // namespace
}  // namespace jaxrnn
