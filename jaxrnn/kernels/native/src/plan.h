// What a call does, as Python wrote it down: tables of whole numbers, read where they lie.
#pragma once

#include <cstdint>
#include <functional>

namespace jaxrnn {

// Where rows of an array lie, in elements. A local array has one copy a group of rows and counts steps within a block
// (not at all with a step stride of zero); the others count steps and rows of the whole sequence. With `earlier` (+1 or -1) a step
// finds the rows of the valid step before it in that direction, and those of the slot `origin` where there is none. Its numbers are of a
// `kind` (kinds.h).
//
// A sum over all rows (kSum) is `buffer` for the first group; the others have theirs in scratch memory at `origin`.
// Where the result is of 16 bits, all groups have theirs there (kNarrowSum). Of an array by turns
// there are two copies, for even steps and for odd ones.
enum Local : int64_t { kLocal = 1, kSum, kNarrowSum, kByTurns };

struct Slot {
  int64_t buffer, offset, group_stride, step_stride, row_stride, local, kind, earlier, origin;
};

// A matrix [K, N] whose rows are `stride` apart, in panels at `offset` (from the transpose of [N, K] where `transposed`),
// or read where it lies (offset < 0). Panels are of bfloat16 `pairs` (product16.h), or of what is computed.
// Where threads share columns it lies in strips, and has `units` columns a gate.
struct Matrix {
  int64_t buffer, first, stride, K, N, transposed, offset, kind, pairs, units;
};

// A matrix [K, N] of int8 numbers, as above (`offset` in elements of the packed buffer, or < 0), and its columns' scales.
// It is multiplied by the `K` numbers from `read` on of rows of `inputs`, which are quantised as a whole.
struct Matrix8 {
  int64_t buffer, first, stride, K, N, offset, scales, first_scale, read, inputs;
};

struct Instruction {
  int64_t op, out, a, b, c;
};

struct Segment {  // instructions on vectors of one length
  int64_t begin, end, length;
};

struct Action {
  int64_t kind, a, b, c, d, e;
};

struct Start {  // before the first step: rows of `to` are rows of `from`, or zero (from < 0); rows 0: the group's
  int64_t to, from, rows, width;
};

enum ActionKind : int64_t { kElementwise, kProduct, kAccumulate, kSumRows, kTakeRows, kAddRows, kProduct8, kMeet };
enum InstructionKind : int64_t { kLoad, kLoadScalar, kStore, kFirstOperation };

// Elements of a buffer, to which those of the other groups at `origin` are added in the end; where they are of 16 bits,
// the sum of what all groups have there.
struct Sum {
  int64_t buffer, count, origin, kind;
};

struct Idle {  // a result that is zero where a row is not active
  int64_t slot, width;
};

// Rows that lie behind each other in memory of somebody else.
template <class Row>
struct Table {
  const Row* first = nullptr;
  int64_t count = 0;

  const Row* begin() const { return first; }
  const Row* end() const { return first + count; }
  const Row& operator[](int64_t i) const { return first[i]; }
};

struct Plan {
  int64_t steps, rows, groups, block, reverse, scratch, packed, registers;
  int64_t parts;  // of the columns of matrices that are not packed: threads share them
  int64_t valid;  // the slot of the steps that count, [steps, rows]; -1 where all do, or nothing is left out
  int64_t team;   // 0: threads have groups of rows; else how many at most have their own columns of all rows
  int64_t pieces;  // of each group's rows, which go from the first step to the last one after the other
  Table<Slot> slots;
  Table<Matrix> matrices;
  Table<Instruction> code;
  Table<Segment> segments;
  Table<Start> starts;
  Table<Action> before, step, after;  // once a block, once a step, once a block
  Table<Sum> sums;
  Table<Idle> idle;
  Table<Matrix8> matrices8;
  Table<double> constants;
};

// Finds the tables in the order in which Plan declares them, each behind its length.
class Reader {
 public:
  Reader(const int64_t* begin, const int64_t* end) : at_(begin), end_(end) {}

  int64_t number() { return at_ < end_ ? *at_++ : (failed_ = true, 0); }

  template <class Row>
  void table(Table<Row>& table) {
    constexpr int64_t fields = sizeof(Row) / sizeof(int64_t);
    const int64_t count = number();
    if (count < 0 || count > (end_ - at_) / fields) {
      failed_ = true;
      return;
    }
    table = {reinterpret_cast<const Row*>(at_), count};
    at_ += count * fields;
  }

  bool whole() const { return !failed_ && at_ == end_; }

 private:
  const int64_t *at_, *end_;
  bool failed_ = false;
};

inline bool read(const int64_t* begin, const int64_t* end, Plan& plan) {
  Reader reader(begin, end);
  for (int64_t* field : {&plan.steps, &plan.rows, &plan.groups, &plan.block, &plan.reverse, &plan.scratch, &plan.packed,
                         &plan.registers, &plan.parts, &plan.valid, &plan.team, &plan.pieces})
    *field = reader.number();
  reader.table(plan.slots);
  reader.table(plan.matrices);
  reader.table(plan.code);
  reader.table(plan.segments);
  reader.table(plan.starts);
  reader.table(plan.before);
  reader.table(plan.step);
  reader.table(plan.after);
  reader.table(plan.sums);
  reader.table(plan.idle);
  reader.table(plan.matrices8);
  return reader.whole();
}

// The panels to be packed: of `panel` columns each, then those of int8 numbers, which are always of 64.
inline int64_t panels(const Plan& plan, int64_t panel) {
  int64_t count = 0;
  for (const Matrix& m : plan.matrices) count += m.offset < 0 ? 0 : (m.N + panel - 1) / panel;
  for (const Matrix8& m : plan.matrices8) count += m.offset < 0 ? 0 : (m.N + 63) / 64;
  return count;
}

// Runs task(0) ... task(count - 1), on several threads where there are some.
using Share = std::function<void(int64_t count, std::function<void(int64_t)> task)>;

struct Turn {  // of a thread: to run its part of a block's columns
  int64_t block, part, parts;
};

// What a thread sees of those that run a call's columns together.
class Team {
 public:
  // Runs task(0) ... task(count - 1), here or on the others; all are done once the first of them is back.
  virtual void share(int64_t count, const std::function<void(int64_t)>& task) = 0;
  // Waits for all, then takes in who came meanwhile and goes on to the next block.
  virtual Turn gather() = 0;
  // Waits for all.
  virtual void meet() = 0;

 protected:
  ~Team() = default;
};

// The loops for one element type, compiled once an instruction set.
struct Loops {
  int64_t panel;  // columns of a panel
  void (*pack)(const Plan&, char* const* buffers, int64_t panel);
  void (*run)(const Plan&, char* const* buffers, int64_t group, const Share& share);
  void (*add)(const Plan&, char* const* buffers, int64_t part, int64_t parts);
  void (*columns)(const Plan&, char* const* buffers, Team& team);  // all of a call whose columns are shared
};

}  // namespace jaxrnn
