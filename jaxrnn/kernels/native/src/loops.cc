// The loops over time, for groups of rows that never wait for each other: rows of a batch share nothing but matrices.
//
// This file is compiled once an instruction set, with JAXRNN_LOOPS naming what it exports.

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <vector>

#include "active.h"
#include "columns.h"
#include "elementary.h"
#include "kinds.h"
#include "operations.h"
#include "plan.h"
#include "product.h"
#include "product16.h"
#include "product8.h"
#include "sums.h"

namespace jaxrnn {
namespace {

constexpr int64_t kStrip = 512;  // elements that one instruction works on: its registers stay in the first-level cache
constexpr int64_t kWhole = 16;   // strips are worked on in multiples of this

enum Operation : int64_t {
  kBeforeOperations = kFirstOperation - 1,
#define JAXRNN_NAME(name, ...) k_##name,
  JAXRNN_OPERATIONS(JAXRNN_NAME, JAXRNN_NAME, JAXRNN_NAME)
#undef JAXRNN_NAME
};

constexpr size_t kLine = 64;  // bytes of a cache line
struct Free {
  void operator()(void* memory) const { ::operator delete(memory, std::align_val_t(kLine)); }
};

// The iterations of the next loop do not depend on each other.
#if defined(__clang__)
#define JAXRNN_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define JAXRNN_INDEPENDENT _Pragma("GCC ivdep")
#endif

// One group of rows, from the first step to the last; or the columns of all rows that are one thread's of a team.
template <class T>
class Group {
 public:
  Group(const Plan& plan, char* const* buffers, int64_t group, const Share& share, Team* team = nullptr)
      : plan_(plan),
        buffers_(buffers),
        share_(share),
        team_(team),
        group_(group),
        active_(plan, buffers, group),
        memory_(static_cast<T*>(::operator new(
            (plan.registers + plan.constants.count + 1) * kStrip * sizeof(T), std::align_val_t(kLine)))),
        registers_(plan.registers + plan.constants.count) {
    int64_t pairs = 0;
    for (const Action& action : plan.after)
      if (accumulates_pairs(action))
        pairs = std::max(pairs, pairs_to_accumulate(plan.block * active_.rows(), action.d));
    pairs_.reset(static_cast<uint32_t*>(::operator new(pairs * sizeof(uint32_t), std::align_val_t(kLine))));
    for (int64_t i = 0; i < plan.constants.count; ++i)
      std::fill_n(own(plan.registers + i), kStrip, static_cast<T>(plan.constants[i]));
    for (size_t i = 0; i < registers_.size(); ++i) registers_[i] = own(i);
  }

  void run() {
    if (active_.rows() == 0) return;
    start();
    for (int64_t i = 0; i < blocks(); ++i) run_block(i);
  }

  // As one of a team, which may be another from block to block.
  void run_with_others() {
    for (turn_ = team_->gather(); turn_.block >= 0 && turn_.block < blocks(); turn_ = team_->gather()) {
      if (turn_.block == 0) {
        start();
        team_->meet();
      }
      run_block(turn_.block);
    }
  }

 private:
  struct Range {
    int64_t first, last;
  };

  // This thread's share of `count` columns or rows, in multiples of `whole`.
  Range part_of(int64_t count, int64_t whole) const {
    const int64_t pieces = (count + whole - 1) / whole;
    const auto edge = [=](int64_t part) { return std::min(count, part * pieces / turn_.parts * whole); };
    return {edge(turn_.part), edge(turn_.part + 1)};
  }

  void start() {
    for (const Start& start : plan_.starts) {
      const Range own = part_of(start.rows ? start.rows : active_.rows(), 1);
      for (int64_t r = own.first; r < own.last; ++r) {
        T* to = address<T>(start.to, 0, 0, r);
        if (start.from < 0)
          std::fill_n(to, start.width, T(0));
        else
          std::copy_n(address<T>(start.from, 0, 0, r), start.width, to);
      }
    }
  }

  int64_t blocks() const { return (plan_.steps + plan_.block - 1) / plan_.block; }

  void run_block(int64_t i) {
    const int64_t size = plan_.block, begin = (plan_.reverse ? blocks() - 1 - i : i) * size;
    const int64_t count = std::min(size, plan_.steps - begin);
    active_.enter(begin, count);
    for (int64_t s = turn_.part; s < count; s += turn_.parts) active_.clear<T>(begin + s);
    act(plan_.before, begin, 0, count);
    for (int64_t s = 0; s < count; ++s) {
      const int64_t local = plan_.reverse ? count - 1 - s : s;
      act(plan_.step, begin, local, local + 1);
    }
    act(plan_.after, begin, 0, count);
  }

  void act(const Table<Action>& actions, int64_t begin, int64_t first, int64_t last) {
    if (rows_of(first, last) == 0) return;
    for (const Action* action = actions.begin(); action != actions.end(); ++action) {
      const Action* end = action;  // of a run of products
      while (end != actions.end() && in_place(*end)) ++end;
      if (end == action) {
        act(*action, begin, first, last);
      } else {
        share_products(action, end, begin, first, last);
        action = end - 1;
      }
    }
  }

  bool accumulates_pairs(const Action& action) const {
    return action.kind == kAccumulate && plan_.slots[action.a].kind == kBfloat16;
  }

  bool in_place(const Action& action) const {
    return (action.kind == kProduct && plan_.matrices[action.b].offset < 0) ||
           (action.kind == kProduct8 && plan_.matrices8[action.b].offset < 0);
  }

  // Products that follow each other, a share of their columns in each task: one that starts from what another left reads
  // the columns of its own task.
  void share_products(const Action* from, const Action* to, int64_t begin, int64_t first, int64_t last) {
    const int64_t rows = rows_of(first, last);
    const auto multiply_part = [=](int64_t part) {
      Codes<T> codes;  // each part's own: to wait for another's would take longer
      for (const Action* action = from; action != to; ++action) {
        const bool int8 = action->kind == kProduct8;
        const int64_t N = int8 ? plan_.matrices8[action->b].N : plan_.matrices[action->b].N;
        const int64_t whole = (N + kWhole - 1) / kWhole;
        const int64_t left = std::min(N, part * whole / plan_.parts * kWhole);
        const int64_t right = std::min(N, (part + 1) * whole / plan_.parts * kWhole);
        if (int8) {
          product8(*action, begin, first, rows, codes, left, right);
          continue;
        }
        const Matrix& matrix = plan_.matrices[action->b];
        const T* start = action->d < 0 ? nullptr : address<T>(action->d, begin + first, first, 0);
        as_number<T>(matrix.kind, [&](auto number) {
          const auto* b = reinterpret_cast<const decltype(number)*>(buffers_[matrix.buffer]) + matrix.first;
          multiply_in_place<T>(rows, matrix.K, address<T>(action->a, begin + first, first, 0), stride(action->a), b,
                               matrix.stride, start, start ? stride(action->d) : 0,
                               address<T>(action->c, begin + first, first, 0), stride(action->c), left, right);
        });
      }
    };
    plan_.parts == 1 ? multiply_part(0) : share_(plan_.parts, multiply_part);
  }

  // A product with int8 numbers, of columns [left, right) where these are read where they lie.
  void product8(const Action& action, int64_t begin, int64_t first, int64_t rows, Codes<T>& codes, int64_t left,
                int64_t right) const {
    const Matrix8& matrix = plan_.matrices8[action.b];
    if (!action.e)
      codes.take(rows, matrix.inputs, address<T>(action.a, begin + first, first, 0), stride(action.a));
    const T* start = action.d < 0 ? nullptr : address<T>(action.d, begin + first, first, 0);
    const float* scales = reinterpret_cast<const float*>(buffers_[matrix.scales]) + matrix.first_scale;
    T* out = address<T>(action.c, begin + first, first, 0);
    const int64_t start_stride = start ? stride(action.d) : 0;
    if (matrix.offset < 0)
      multiply8_in_place<T>(rows, matrix.K, codes, matrix.read,
                            reinterpret_cast<const int8_t*>(buffers_[matrix.buffer]) + matrix.first, matrix.stride,
                            scales, start, start_stride, out, stride(action.c), left, right);
    else
      multiply8<T>(rows, matrix.K, matrix.N, codes, matrix.read, packed8(matrix), scales, start, start_stride, out,
                   stride(action.c));
  }

  // `action` for the steps [first, last) of the block that begins at step `begin`.
  void act(const Action& action, int64_t begin, int64_t first, int64_t last) {
    const int64_t rows = rows_of(first, last);
    switch (action.kind) {
      case kElementwise:
        for (int64_t s = first; s < last; ++s) elementwise(plan_.segments[action.a], begin + s, s);
        return;
      case kProduct: {
        const Matrix& matrix = plan_.matrices[action.b];
        if (matrix.pairs) return product_of_pairs(action, matrix, begin, first, rows);
        const int64_t from = action.d < 0 ? action.d : behind_each_other(action, begin, first, last);
        if (team_) {
          const Strips<T> strips(matrix);
          const Range units = part_of(strips.per_gate(), 1);
          const Columns<T> in{strips, matrix.K, packed(matrix), stride(action.a), from < 0 ? 0 : stride(from),
                              stride(action.c)};
          multiply_strips<T>(rows, in, address<T>(action.a, begin + first, first, 0),
                             from < 0 ? nullptr : address<T>(from, begin + first, first, 0),
                             address<T>(action.c, begin + first, first, 0), units.first * strips.gates,
                             units.last * strips.gates, (begin + first) % 2);
          return;
        }
        multiply<T>(rows, matrix.K, matrix.N, address<T>(action.a, begin + first, first, 0), stride(action.a),
                    packed(matrix), from < 0 ? nullptr : address<T>(from, begin + first, first, 0),
                    from < 0 ? 0 : stride(from), address<T>(action.c, begin + first, first, 0), stride(action.c));
        return;
      }
      case kAccumulate: {
        if constexpr (sizeof(T) == sizeof(float))
          if (accumulates_pairs(action))
            return accumulate_pairs(rows, action.d, action.e, address<Bfloat16>(action.a, begin + first, first, 0),
                                    stride(action.a), address<Bfloat16>(action.b, begin + first, first, 0),
                                    stride(action.b), address<T>(action.c, 0, 0, 0), stride(action.c), pairs_.get());
        const Range own = part_of(action.d, kTileRows);  // rows of the sum
        accumulate<T>(rows, own.last - own.first, action.e,
                      address<T>(action.a, begin + first, first, 0) + own.first, stride(action.a),
                      address<T>(action.b, begin + first, first, 0), stride(action.b),
                      address<T>(action.c, 0, 0, own.first), stride(action.c));
        return;
      }
      case kProduct8:
        return product8(action, begin, first, rows, codes_, 0, plan_.matrices8[action.b].N);
      case kSumRows: {
        const Range own = part_of(action.e, kWhole);
        T* sum = address<T>(action.c, 0, 0, 0);
        as_number<T>(plan_.slots[action.a].kind, [&](auto number) {
          const auto* from = address<decltype(number)>(action.a, begin + first, first, 0);
          for (int64_t j = own.first; j < own.last; j += kColumnsSummed)
            sum_rows(from + j, stride(action.a), rows, std::min(kColumnsSummed, own.last - j), sum + j);
        });
        return;
      }
      case kMeet:
        return team_->meet();
      case kTakeRows: {
        const Range own = part_of(action.e, kWhole);
        const Slot& rows = plan_.slots[action.b];
        const T* start = action.d < 0 ? nullptr : address<T>(action.d, 0, 0, 0);
        as_number<T>(rows.kind, [&](auto number) {
          const auto* table = reinterpret_cast<const decltype(number)*>(buffers_[rows.buffer]) + rows.offset;
          for_symbols(action.a, begin, first, last, [=](int64_t symbol, int64_t s, int64_t r) {
            const auto* from = table + symbol * rows.row_stride;
            T* to = address<T>(action.c, begin + s, s, r);
            for (int64_t j = own.first; j < own.last; ++j) to[j] = start ? widened(from[j]) + start[j] : widened(from[j]);
          });
        });
        return;
      }
      case kAddRows: {
        const Range own = part_of(action.e, kWhole);
        as_number<T>(plan_.slots[action.b].kind, [&](auto number) {
          for_symbols(action.a, begin, first, last, [=](int64_t symbol, int64_t s, int64_t r) {
            const auto* from = address<decltype(number)>(action.b, begin + s, s, r);
            T* to = address<T>(action.c, 0, 0, symbol);
            for (int64_t j = own.first; j < own.last; ++j) to[j] += widened(from[j]);
          });
        });
        return;
      }
    }
  }

  void product_of_pairs(const Action& action, const Matrix& matrix, int64_t begin, int64_t first, int64_t rows) {
    if constexpr (sizeof(T) == sizeof(float)) {
      const auto sums = [&](int64_t slot) {
        if (plan_.slots[slot].kind != kBfloat16)
          return Sums{(char*)address<float>(slot, begin + first, first, 0), stride(slot), false};
        return Sums{(char*)address<Bfloat16>(slot, begin + first, first, 0), stride(slot), true};
      };
      const Sums start = action.d < 0 ? Sums{} : sums(action.d);
      multiply_pairs(rows, matrix.K, matrix.N, address<Bfloat16>(action.a, begin + first, first, 0), stride(action.a),
                     reinterpret_cast<const uint32_t*>(packed(matrix)), action.d < 0 ? nullptr : &start,
                     sums(action.c));
    }
  }

  // The array that a product starts from. Where its rows lie apart they are copied to where the product goes.
  int64_t behind_each_other(const Action& action, int64_t begin, int64_t first, int64_t last) const {
    const Slot& slot = plan_.slots[action.d];
    const int64_t rows = rows_of(first, last);
    if (slot.local || slot.row_stride == 0 || (last - first == 1 && active_.together(first, 0, rows))) return action.d;
    const Matrix& matrix = plan_.matrices[action.b];
    const Range own = part_of(matrix.units, kStripColumns<T>);  // of each gate
    for (int64_t s = first; s < last; ++s)
      for (int64_t r = 0; r < rows_of(s, s + 1); ++r)
        for (int64_t gate = 0; gate < matrix.N; gate += matrix.units)
          std::copy_n(address<T>(action.d, begin + s, s, r) + gate + own.first, own.last - own.first,
                      address<T>(action.c, begin + s, s, r) + gate + own.first);
    return action.c;
  }

  // Each row of the steps [first, last) of a block, with the symbol that stands there.
  template <class F>
  void for_symbols(int64_t slot, int64_t begin, int64_t first, int64_t last, F f) {
    for (int64_t s = first; s < last; ++s)
      for (int64_t r = 0; r < rows_of(s, s + 1); ++r) f(*address<int32_t>(slot, begin + s, s, r), s, r);
  }

  void elementwise(const Segment& segment, int64_t step, int64_t local) {
    const Range own = part_of(segment.length, kStripColumns<T>);
    if (own.first == own.last) return;
    const int64_t rows = rows_of(local, local + 1), together = std::max<int64_t>(kStrip / (own.last - own.first), 1);
    for (int64_t r = 0; r < rows; r += together)
      for (int64_t j = own.first; j < own.last; j += kStrip)
        strip(segment, step, local, r, std::min(together, rows - r), j, std::min(own.last - j, kStrip));
  }

  // The instructions of a segment for columns [column, column + width) of `count` rows.
  void strip(const Segment& segment, int64_t step, int64_t local, int64_t row, int64_t count, int64_t column,
             int64_t width) {
    const int64_t n = count * width, whole = (n + kWhole - 1) / kWhole * kWhole;
    const bool together = active_.together(local, row, count);
    for (int64_t i = segment.begin; i < segment.end; ++i) {
      const Instruction& at = plan_.code[i];
      switch (at.op) {
        case kLoad: {
          const Slot& slot = plan_.slots[at.a];
          if (slot.kind != kComputed) {
            T* out = registers_[at.out] = own(at.out);
            for (int64_t r = 0; r < count; ++r, out += width)
              as_kind<T>(kind(at.a, step, local, row + r), [&](auto number) {
                const auto* from = address<decltype(number)>(at.a, step, local, row + r) + at.b + column;
                JAXRNN_INDEPENDENT for (int64_t k = 0; k < width; ++k) out[k] = widened(from[k]);
              });
            break;
          }
          const bool alike = slot.local || (together && !(slot.earlier && plan_.valid >= 0));  // rows of one step
          const bool behind = count == 1 || (slot.row_stride == width && alike);
          const bool in_place = behind && n == whole;
          registers_[at.out] = in_place ? address<T>(at.a, step, local, row) + at.b + column : own(at.out);
          if (!in_place)
            for (int64_t r = 0; r < count; ++r)
              std::copy_n(address<T>(at.a, step, local, row + r) + at.b + column, width, own(at.out) + r * width);
          break;
        }
        case kLoadScalar: {
          as_kind<T>(plan_.slots[at.a].kind, [&](auto number) {
            for (int64_t r = 0; r < count; ++r) {
              const T value = widened(address<decltype(number)>(at.a, step, local, row + r)[at.b]);
              std::fill_n(own(at.out) + r * width, width, value);
            }
          });
          registers_[at.out] = own(at.out);
          break;
        }
        case kStore: {
          as_number<T>(plan_.slots[at.a].kind, [&](auto number) {
            using E = decltype(number);
            const T* from = registers_[at.out];
            for (int64_t r = 0; r < count; ++r, from += width) {
              E* to = address<E>(at.a, step, local, row + r) + at.b + column;
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

  // The kind of the numbers that a row finds at a step.
  int64_t kind(int64_t slot_index, int64_t step, int64_t local, int64_t row) const {
    const Slot& slot = plan_.slots[slot_index];
    const bool passed = slot.earlier && active_.earlier(active_.place(local, row), step, slot.earlier) < 0;
    return plan_.slots[passed ? slot.origin : slot_index].kind;
  }

  template <class E>
  E* address(int64_t slot_index, int64_t step, int64_t local, int64_t row) const {
    const Slot& slot = plan_.slots[slot_index];
    if (slot.earlier) return earlier<E>(slot, step, local, row);
    if (slot.local == kNarrowSum || (slot.local == kSum && group_ > 0))
      return reinterpret_cast<E*>(buffers_[plan_.scratch]) + slot.origin +
             (group_ - (slot.local == kSum)) * slot.group_stride + slot.offset + row * slot.row_stride;
    E* base = reinterpret_cast<E*>(buffers_[slot.buffer]) + slot.offset;
    if (slot.local == kSum) return base + row * slot.row_stride;
    if (slot.local) {
      const int64_t before = slot.local == kByTurns ? step % 2 * active_.rows()
                             : slot.step_stride     ? active_.before(local)
                                                    : 0;
      const int64_t rows = before + row;
      return base + group_ * slot.group_stride + rows * slot.row_stride;
    }
    return base + step * slot.step_stride + active_.place(local, row) * slot.row_stride;
  }

  // Apart from `address`, which is fast where it is small.
  template <class E>
  __attribute__((noinline)) E* earlier(const Slot& slot, int64_t step, int64_t local, int64_t row) const {
    const int64_t place = active_.place(local, row), from = active_.earlier(place, step, slot.earlier);
    if (from < 0) return address<E>(slot.origin, step, local, row);
    return reinterpret_cast<E*>(buffers_[slot.buffer]) + slot.offset + from * slot.step_stride + place * slot.row_stride;
  }

  // Active ones in the block's steps [first, last).
  int64_t rows_of(int64_t first, int64_t last) const { return active_.before(last) - active_.before(first); }
  int64_t stride(int64_t slot) const { return plan_.slots[slot].row_stride; }
  const T* packed(const Matrix& matrix) const {
    return reinterpret_cast<const T*>(buffers_[plan_.packed]) + matrix.offset;
  }
  const int8_t* packed8(const Matrix8& matrix) const {
    return reinterpret_cast<const int8_t*>(reinterpret_cast<const T*>(buffers_[plan_.packed]) + matrix.offset);
  }
  T* own(size_t i) const { return memory_.get() + i * kStrip; }

  const Plan& plan_;
  char* const* buffers_;
  const Share& share_;
  Team* const team_;
  Turn turn_{0, 0, 1};
  const int64_t group_;
  Active active_;
  std::unique_ptr<T, Free> memory_;
  Codes<T> codes_;  // of what was multiplied last
  std::unique_ptr<uint32_t, Free> pairs_;  // of both sides of a kernel's gradient
  std::vector<T*> registers_;  // an instruction's operand: a strip of our own, or a place in an array
};

template <class T>
void run(const Plan& plan, char* const* buffers, int64_t group, const Share& share) {
  Group<T>(plan, buffers, group, share).run();
}

// What packs strips is numbered through all matrices.
template <class T>
void columns(const Plan& plan, char* const* buffers, Team& team) {
  int64_t count = 0;
  for (const Matrix& matrix : plan.matrices) count += packs<T>(matrix);
  team.share(count, [&](int64_t i) {
    for (const Matrix& m : plan.matrices) {
      if (i < packs<T>(m))
        return pack_strips<T>(m, reinterpret_cast<const T*>(buffers[m.buffer]) + m.first, i,
                              reinterpret_cast<T*>(buffers[plan.packed]) + m.offset);
      i -= packs<T>(m);
    }
  });
  const Share none;
  Group<T>(plan, buffers, 0, none, &team).run_with_others();
}

// Panels are numbered through all matrices.
template <class T>
void pack(const Plan& plan, char* const* buffers, int64_t panel) {
  for (const Matrix& m : plan.matrices) {
    if (m.offset < 0) continue;
    const int64_t panels = (m.N + kPanel<T> - 1) / kPanel<T>;
    if (panel < panels)
      return as_number<T>(m.kind, [&](auto number) {
        const auto* from = reinterpret_cast<const decltype(number)*>(buffers[m.buffer]) + m.first;
        T* to = reinterpret_cast<T*>(buffers[plan.packed]) + m.offset;
        if constexpr (sizeof(T) == sizeof(float))
          if (m.pairs)
            return pack_pairs(from, m.stride, m.K, m.N, m.transposed, panel, reinterpret_cast<uint32_t*>(to));
        pack_panel(from, m.stride, m.K, m.N, m.transposed, panel, to);
      });
    panel -= panels;
  }
  for (const Matrix8& m : plan.matrices8) {
    if (m.offset < 0) continue;
    const int64_t panels = (m.N + kColumns8 - 1) / kColumns8;
    if (panel < panels)
      return pack_panel8(reinterpret_cast<const int8_t*>(buffers[m.buffer]) + m.first, m.stride, m.K, m.N, panel,
                         reinterpret_cast<int8_t*>(reinterpret_cast<T*>(buffers[plan.packed]) + m.offset));
    panel -= panels;
  }
}

// One part of the sums over groups.
template <class T>
void add(const Plan& plan, char* const* buffers, int64_t part, int64_t parts) {
  for (const Sum& sum : plan.sums) {
    const int64_t first = part * sum.count / parts, last = (part + 1) * sum.count / parts;
    const bool apart = sum.kind != kComputed;
    T* own = reinterpret_cast<T*>(buffers[apart ? plan.scratch : sum.buffer]) + (apart ? sum.origin : 0);
    const T* from = reinterpret_cast<const T*>(buffers[plan.scratch]) + sum.origin + (apart ? sum.count : 0);
    for (int64_t g = 1; g < plan.groups; ++g, from += sum.count)
      for (int64_t i = first; i < last; ++i) own[i] += from[i];
    if (apart)
      as_number<T>(sum.kind, [&](auto number) {
        using E = decltype(number);
        E* to = reinterpret_cast<E*>(buffers[sum.buffer]);
        for (int64_t i = first; i < last; ++i) to[i] = Narrowed<E>::of(own[i]);
      });
  }
}

}  // namespace

#define JAXRNN_JOIN_(a, b) a##b
#define JAXRNN_JOIN(a, b) JAXRNN_JOIN_(a, b)
extern const Loops JAXRNN_JOIN(JAXRNN_LOOPS, _f32) = {kPanel<float>, &pack<float>, &run<float>, &add<float>, &columns<float>};
extern const Loops JAXRNN_JOIN(JAXRNN_LOOPS, _f64) = {kPanel<double>, &pack<double>, &run<double>, &add<double>, &columns<double>};

}  // namespace jaxrnn

#include "sweeps.h"
