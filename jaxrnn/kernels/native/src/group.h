// One group of rows, from the first step to the last; or the columns of all rows that are one thread's of a team.
#pragma once

#include <algorithm>

#include "gradients.h"
#include "part.h"
#include "products.h"
#include "symbols.h"
#include "vectors.h"

namespace jaxrnn {
namespace {

template <class T>
class Group {
 public:
  Group(const Plan& plan, char* const* buffers, const Extents& extents, int64_t group, int64_t piece,
        const Share& share, Team* team = nullptr)
      : plan_(plan),
        team_(team),
        part_(plan, buffers, extents, group, piece),
        vectors_(part_),
        products_(part_, team != nullptr, share),
        gradients_(part_),
        symbols_(part_) {}

  void run() {
    if (part_.active.rows() == 0) return;
    start();
    for (int64_t i = 0; i < blocks(); ++i) run_block(i);
  }

  // As one of a team, which may be another from block to block.
  void run_with_others() {
    Turn& turn = part_.turn;
    for (turn = team_->gather(); turn.block >= 0 && turn.block < blocks(); turn = team_->gather()) {
      if (turn.block == 0) {
        start();
        team_->meet();
      }
      run_block(turn.block);
    }
  }

 private:
  void start() {
    for (const Start& start : plan_.starts) {
      if (start.rows && part_.piece) continue;  // sums go on
      const Range own = part_.share(start.rows ? start.rows : part_.active.rows(), 1);
      for (int64_t r = own.first; r < own.last; ++r) {
        T* to = part_.at(start.to, 0, 0, r);
        if (start.from < 0)
          std::fill_n(to, start.width, T(0));
        else
          std::copy_n(part_.at(start.from, 0, 0, r), start.width, to);
      }
    }
  }

  int64_t blocks() const { return (plan_.steps + plan_.block - 1) / plan_.block; }

  void run_block(int64_t i) {
    const int64_t size = plan_.block, begin = (plan_.reverse ? blocks() - 1 - i : i) * size;
    const int64_t count = std::min(size, plan_.steps - begin);
    part_.active.enter(begin, count);
    for (int64_t s = part_.turn.part; s < count; s += part_.turn.parts) part_.clear(begin + s);
    act(plan_.before, {begin, 0, count});
    for (int64_t s = 0; s < count; ++s) {
      const int64_t local = plan_.reverse ? count - 1 - s : s;
      act(plan_.step, {begin, local, local + 1});
    }
    act(plan_.after, {begin, 0, count});
  }

  void act(const Table<Action>& actions, const Steps& steps) {
    if (part_.rows_of(steps) == 0) return;
    for (const Action* action = actions.begin(); action != actions.end(); ++action) {
      const Action* end = action;  // of a run of products
      while (end != actions.end() && products_.in_place(*end)) ++end;
      if (end == action) {
        act(*action, steps);
      } else {
        products_.run(action, end, steps);
        action = end - 1;
      }
    }
  }

  void act(const Action& action, const Steps& steps) {
    switch (action.kind) {
      case kElementwise:
        for (int64_t s = steps.first; s < steps.last; ++s) vectors_.run(plan_.segments[action.a], steps.begin + s, s);
        return;
      case kProduct:
      case kProduct8:
        return products_.run(action, steps);
      case kAccumulate:
        return gradients_.accumulate(action, steps);
      case kSumRows:
        return gradients_.sum(action, steps);
      case kTakeRows:
        return symbols_.take(action, steps);
      case kAddRows:
        return symbols_.add(action, steps);
      case kMeet:
        return team_->meet();
    }
  }

  const Plan& plan_;
  Team* const team_;
  Part<T> part_;
  Vectors<T> vectors_;
  Products<T> products_;
  Gradients<T> gradients_;
  Symbols<T> symbols_;
};

}  // namespace
}  // namespace jaxrnn
