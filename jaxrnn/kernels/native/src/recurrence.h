// Linear recurrences h[t] = a[t] h[t - 1] + b[t], unit by unit: one pass through time in each direction.
#pragma once

#include <cstdint>

namespace jaxrnn {

// Arrays [steps, units]. `a` has one entry, two (a complex number) or four (a matrix of two by two, row by row); a state
// one array or two.
struct Recurrence {
  int64_t steps, units, entries, reverse;
  const void *a[4], *start[2];
  const void* given[2];   // forward: b; backward: the cotangents of the states
  const void* states[2];  // backward: the states
  void* out[2];           // forward: the states; backward: the cotangents of b
  void *da[4], *dstart[2];
};

// Units [first, last) of a pass, for one element type; compiled once an instruction set.
struct Sweeps {
  void (*forward)(const Recurrence&, int64_t first, int64_t last);
  void (*backward)(const Recurrence&, int64_t first, int64_t last);
};

}  // namespace jaxrnn
