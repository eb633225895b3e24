// Which rows a part of a call works on, step by step: a row is active from its first valid step to its last.
//
// Active rows keep their order, and lie behind each other in scratch memory, so that a product has no row in vain. What
// a call puts out for the others is zero, and their state stays as it is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "kinds.h"
#include "plan.h"

namespace jaxrnn {
namespace {

// The valid steps of all rows of a call.
class Extents {
 public:
  Extents(const Plan& plan, char* const* buffers) : plan_(plan), buffers_(buffers) {
    ragged_ = plan.valid >= 0 && look();
    if (!ragged_) return;
    by_length_.resize(plan.rows);
    std::iota(by_length_.begin(), by_length_.end(), 0);
    const auto length = [&](int64_t row) { return std::max<int64_t>(last_[row] - first_[row], -1); };
    std::stable_sort(by_length_.begin(), by_length_.end(), [&](int64_t a, int64_t b) { return length(a) > length(b); });
  }

  // Whether any row begins late or ends early.
  bool ragged() const { return ragged_; }

  // All rows, the longest first, where they are not all alike.
  const std::vector<int64_t>& by_length() const { return by_length_; }

  bool at(int64_t row, int64_t step) const { return first_[row] <= step && step <= last_[row]; }

  bool valid(int64_t row, int64_t step) const {
    return plan_.valid < 0 || buffers_[plan_.slots[plan_.valid].buffer][step * plan_.rows + row];
  }

 private:
  // Finds the first and last valid step of every row.
  bool look() {
    const int64_t N = plan_.rows;
    first_.assign(N, plan_.steps);
    last_.assign(N, -1);
    for (int64_t step = 0; step < plan_.steps; ++step)
      for (int64_t row = 0; row < N; ++row)
        if (valid(row, step)) {
          first_[row] = std::min(first_[row], step);
          last_[row] = step;
        }
    for (int64_t row = 0; row < N; ++row)
      if (first_[row] > 0 || last_[row] < plan_.steps - 1) return true;
    return false;
  }

  const Plan& plan_;
  char* const* const buffers_;
  bool ragged_;
  std::vector<int64_t> first_, last_, by_length_;
};

class Active {
 public:
  // Of the rows that are dealt to the parts of a call, those of one.
  Active(const Plan& plan, char* const* buffers, const Extents& extents, int64_t part)
      : plan_(plan), buffers_(buffers), extents_(extents) {
    const int64_t parts = plan.groups * plan.pieces;
    const int64_t first = part * plan.rows / parts, last = (part + 1) * plan.rows / parts;
    rows_.resize(last - first);
    std::iota(rows_.begin(), rows_.end(), first);
    if (extents.ragged()) deal(part, parts);
    const int64_t steps = extents.ragged() ? 1 : plan.block;
    for (int64_t s = 0; s < steps; ++s) active_.insert(active_.end(), rows_.begin(), rows_.end());
    for (int64_t s = 0; s <= steps; ++s) offsets_.push_back(s * rows());
  }

  // Of the part.
  int64_t rows() const { return rows_.size(); }

  // Turns to the steps [begin, begin + count); until then all rows count as one step.
  void enter(int64_t begin, int64_t count) {
    if (!extents_.ragged()) return;
    active_.clear();
    offsets_.assign(1, 0);
    for (int64_t step = begin; step < begin + count; ++step) {
      for (int64_t row : rows_)
        if (extents_.at(row, step)) active_.push_back(row);
      offsets_.push_back(active_.size());
    }
  }

  // Active rows in the block's steps before `local`.
  int64_t before(int64_t local) const { return offsets_[local]; }

  // The place among all rows of the i-th one that is active in the block's step `local`.
  int64_t place(int64_t local, int64_t i) const { return active_[offsets_[local] + i]; }

  // Whether `count` of them lie behind each other, from the i-th on.
  bool together(int64_t local, int64_t i, int64_t count) const {
    return place(local, i + count - 1) - place(local, i) == count - 1;
  }

  // The valid step of a row before `step`, where the one before it is `back` behind; none is below zero.
  int64_t earlier(int64_t row, int64_t step, int64_t back) const {
    do step -= back;
    while (step >= 0 && step < plan_.steps && !extents_.valid(row, step));
    return step < plan_.steps ? step : -1;
  }

  // Zeros in all that is put out at `step` for rows that are not active.
  template <class T>
  void clear(int64_t step) const {
    if (!extents_.ragged()) return;
    for (const Idle& idle : plan_.idle) {
      const Slot& slot = plan_.slots[idle.slot];
      as_number<T>(slot.kind, [&](auto zero) {
        auto* const to = reinterpret_cast<decltype(zero)*>(buffers_[slot.buffer]) + slot.offset + step * slot.step_stride;
        for (int64_t row : rows_)
          if (!extents_.at(row, step)) std::fill_n(to + row * slot.row_stride, idle.width, zero);
      });
    }
  }

 private:
  // Deals the rows among all parts, the longest first, there and back, so that all have as much to do.
  void deal(int64_t part, int64_t parts) {
    rows_.clear();
    for (int64_t round = 0; round * parts < plan_.rows; ++round) {
      const int64_t i = round * parts + (round % 2 ? parts - 1 - part : part);
      if (i < plan_.rows) rows_.push_back(extents_.by_length()[i]);
    }
    std::sort(rows_.begin(), rows_.end());
  }

  const Plan& plan_;
  char* const* const buffers_;
  const Extents& extents_;
  std::vector<int64_t> rows_;     // of the part
  std::vector<int64_t> active_;   // step by step of the block
  std::vector<int64_t> offsets_;  // where a step's begin
};

}  // namespace
}  // namespace jaxrnn
