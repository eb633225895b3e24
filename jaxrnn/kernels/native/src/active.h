// Which rows a group works on, step by step: a row is active from its first valid step to its last.
//
// Active rows keep their order, and lie behind each other in scratch memory, so that a product has no row in vain. What
// a call puts out for the others is zero, and their state stays as it is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "plan.h"

namespace jaxrnn {
namespace {

class Active {
 public:
  Active(const Plan& plan, char* const* buffers, int64_t group) : plan_(plan), buffers_(buffers) {
    const int64_t first = group * plan.rows / plan.groups, last = (group + 1) * plan.rows / plan.groups;
    rows_.resize(last - first);
    std::iota(rows_.begin(), rows_.end(), first);
    ragged_ = plan.valid >= 0 && look();
    if (ragged_) deal(group);
    const int64_t steps = ragged_ ? 1 : plan.block;
    for (int64_t s = 0; s < steps; ++s) active_.insert(active_.end(), rows_.begin(), rows_.end());
    for (int64_t s = 0; s <= steps; ++s) offsets_.push_back(s * rows());
  }

  // Of the group.
  int64_t rows() const { return rows_.size(); }

  // Turns to the steps [begin, begin + count); until then all rows count as one step.
  void enter(int64_t begin, int64_t count) {
    if (!ragged_) return;
    active_.clear();
    offsets_.assign(1, 0);
    for (int64_t step = begin; step < begin + count; ++step) {
      for (int64_t row : rows_)
        if (at(row, step)) active_.push_back(row);
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

  // Zeros in all that is put out at `step` for rows that are not active.
  template <class T>
  void clear(int64_t step) const {
    if (!ragged_) return;
    for (const Idle& idle : plan_.idle) {
      const Slot& slot = plan_.slots[idle.slot];
      T* const to = reinterpret_cast<T*>(buffers_[slot.buffer]) + slot.offset + step * slot.step_stride;
      for (int64_t row : rows_)
        if (!at(row, step)) std::fill_n(to + row * slot.row_stride, idle.width, T(0));
    }
  }

 private:
  bool at(int64_t row, int64_t step) const { return first_[row] <= step && step <= last_[row]; }

  // Finds the first and last valid step of every row; whether any row begins late or ends early.
  bool look() {
    const int64_t N = plan_.rows;
    first_.assign(N, plan_.steps);
    last_.assign(N, -1);
    const Slot& slot = plan_.slots[plan_.valid];
    const char* valid = buffers_[slot.buffer];
    for (int64_t step = 0; step < plan_.steps; ++step, valid += N)
      for (int64_t row = 0; row < N; ++row) {
        first_[row] = valid[row] ? std::min(first_[row], step) : first_[row];
        last_[row] = valid[row] ? step : last_[row];
      }
    for (int64_t row = 0; row < N; ++row)
      if (first_[row] > 0 || last_[row] < plan_.steps - 1) return true;
    return false;
  }

  // Deals the rows among groups, the longest first, there and back, so that all have as much to do.
  void deal(int64_t group) {
    const int64_t G = plan_.groups;
    std::vector<int64_t> order(plan_.rows);
    std::iota(order.begin(), order.end(), 0);
    if (G == 1) return;
    const auto length = [&](int64_t row) { return last_[row] - std::min(first_[row], last_[row] + 1); };
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return length(a) > length(b); });
    rows_.clear();
    for (int64_t i = 0; i < plan_.rows; ++i) {
      const int64_t round = i / G, turn = i % G;
      if ((round % 2 ? G - 1 - turn : turn) == group) rows_.push_back(order[i]);
    }
    std::sort(rows_.begin(), rows_.end());
  }

  const Plan& plan_;
  char* const* const buffers_;
  bool ragged_;
  std::vector<int64_t> first_, last_;  // valid steps of all rows of the call
  std::vector<int64_t> rows_;          // of the group
  std::vector<int64_t> active_;        // step by step of the block
  std::vector<int64_t> offsets_;       // where a step's begin
};

}  // namespace
}  // namespace jaxrnn
