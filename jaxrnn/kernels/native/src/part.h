// What is one thread's of a call: a piece of a group of rows, or its columns of all rows; and where its numbers lie.
#pragma once

#include <algorithm>

#include "active.h"
#include "kinds.h"
#include "plan.h"

namespace jaxrnn {
namespace {

constexpr int64_t kWhole = 16;  // threads share columns in multiples of this

struct Range {
  int64_t first, last;
};

// The steps [first, last) of the block that begins at step `begin`.
struct Steps {
  int64_t begin, first, last;
};

template <class T>
struct Part {
  const Plan& plan;
  char* const* const buffers;
  const int64_t group, piece;
  Active active;
  Turn turn{0, 0, 1};

  Part(const Plan& plan, char* const* buffers, const Extents& extents, int64_t group, int64_t piece)
      : plan(plan),
        buffers(buffers),
        group(group),
        piece(piece),
        active(plan, buffers, extents, group * plan.pieces + piece) {}

  // This thread's share of `count` columns or rows, in multiples of `whole`.
  Range share(int64_t count, int64_t whole) const {
    const int64_t pieces = (count + whole - 1) / whole;
    const auto edge = [=](int64_t part) { return std::min(count, part * pieces / turn.parts * whole); };
    return {edge(turn.part), edge(turn.part + 1)};
  }

  // The kind of the numbers that a row finds at a step.
  int64_t kind(int64_t slot_index, int64_t step, int64_t local, int64_t row) const {
    const Slot& slot = plan.slots[slot_index];
    const bool passed = slot.earlier && active.earlier(active.place(local, row), step, slot.earlier) < 0;
    return plan.slots[passed ? slot.origin : slot_index].kind;
  }

  // The numbers of an array from a row's first on, of the kind of `number`; of the first of the rows of some steps.
  template <class E>
  E* address(E number, int64_t slot_index, int64_t step, int64_t local, int64_t row) const {
    const Slot& slot = plan.slots[slot_index];
    if (slot.earlier) return earlier(number, slot, step, local, row);
    if (slot.local == kNarrowSum || (slot.local == kSum && group > 0))
      return reinterpret_cast<E*>(buffers[plan.scratch]) + slot.origin +
             (group - (slot.local == kSum)) * slot.group_stride + slot.offset + row * slot.row_stride;
    E* base = reinterpret_cast<E*>(buffers[slot.buffer]) + slot.offset;
    if (slot.local == kSum) return base + row * slot.row_stride;
    if (slot.local) {
      const int64_t before = slot.local == kByTurns ? step % 2 * active.rows()
                             : slot.step_stride     ? active.before(local)
                                                    : 0;
      const int64_t rows = before + row;
      return base + group * slot.group_stride + rows * slot.row_stride;
    }
    return base + step * slot.step_stride + active.place(local, row) * slot.row_stride;
  }
  template <class E>
  E* address(E number, int64_t slot, const Steps& steps) const {
    return address(number, slot, steps.begin + steps.first, steps.first, 0);
  }

  // The same of numbers as they are computed.
  T* at(int64_t slot, int64_t step, int64_t local, int64_t row) const { return address(T(), slot, step, local, row); }
  T* at(int64_t slot, const Steps& steps) const { return address(T(), slot, steps); }

  // Active ones in the block's steps [first, last).
  int64_t rows_of(int64_t first, int64_t last) const { return active.before(last) - active.before(first); }
  int64_t rows_of(const Steps& steps) const { return rows_of(steps.first, steps.last); }
  int64_t stride(int64_t slot) const { return plan.slots[slot].row_stride; }
  const T* packed(const Matrix& matrix) const {
    return reinterpret_cast<const T*>(buffers[plan.packed]) + matrix.offset;
  }
  const int8_t* packed8(const Matrix8& matrix) const {
    return reinterpret_cast<const int8_t*>(reinterpret_cast<const T*>(buffers[plan.packed]) + matrix.offset);
  }

  // Zeros in all that is put out at `step` for rows that are not active.
  void clear(int64_t step) const { active.clear<T>(step); }

 private:
  // Apart from `address`, which is fast where it is small.
  template <class E>
  __attribute__((noinline)) E* earlier(E number, const Slot& slot, int64_t step, int64_t local, int64_t row) const {
    const int64_t place = active.place(local, row), from = active.earlier(place, step, slot.earlier);
    if (from < 0) return address(number, slot.origin, step, local, row);
    return reinterpret_cast<E*>(buffers[slot.buffer]) + slot.offset + from * slot.step_stride + place * slot.row_stride;
  }
};

}  // namespace
}  // namespace jaxrnn
