// The passes of a linear recurrence. Time goes outside, units inside: arrays are read and written once, each from one
// end to the other, while the state of some units stays in the first-level cache.
#pragma once

#include <algorithm>

#include "compiler.h"
#include "recurrence.h"

namespace jaxrnn {
namespace {

constexpr int64_t kUnits = 2048;  // whose state is held at once

// An `a` of zero forgets infinities and NaN too: so a reset is exact.
template <class T>
inline T forgetting(T a, T h) {
  return a == 0 ? T(0) : a * h;
}

template <class T>
inline T* row(const void* array, int64_t t, int64_t units, int64_t first) {
  return static_cast<T*>(const_cast<void*>(array)) + t * units + first;
}

// One step: `h` becomes a h + b, or with `kTurned` the transpose of a does it.
template <class T, int kEntries, bool kTurned>
inline void multiplied(const T* const* a, int64_t i, T p, T q, T& first, T& second) {
  if (kEntries == 1) {
    first = forgetting(a[0][i], p);
  } else if (kEntries == 2) {
    const T re = a[0][i], im = kTurned ? -a[1][i] : a[1][i];
    first = forgetting(re, p) - forgetting(im, q);
    second = forgetting(re, q) + forgetting(im, p);
  } else {
    first = forgetting(a[0][i], p) + forgetting(a[kTurned ? 2 : 1][i], q);
    second = forgetting(a[kTurned ? 1 : 2][i], p) + forgetting(a[3][i], q);
  }
}

template <class T, int kEntries>
void forward_strip(const Recurrence& r, int64_t first, int64_t count) {
  constexpr int kStates = kEntries == 1 ? 1 : 2;
  alignas(64) T h[kStates][kUnits];
  for (int s = 0; s < kStates; ++s) std::copy_n(row<T>(r.start[s], 0, 0, first), count, h[s]);
  for (int64_t step = 0; step < r.steps; ++step) {
    const int64_t t = r.reverse ? r.steps - 1 - step : step;
    const T *a[kEntries], *b[kStates];
    T* out[kStates];
    for (int e = 0; e < kEntries; ++e) a[e] = row<T>(r.a[e], t, r.units, first);
    for (int s = 0; s < kStates; ++s) b[s] = row<T>(r.given[s], t, r.units, first);
    for (int s = 0; s < kStates; ++s) out[s] = row<T>(r.out[s], t, r.units, first);
    JAXRNN_INDEPENDENT
    for (int64_t i = 0; i < count; ++i) {
      T p = 0, q = 0;
      multiplied<T, kEntries, false>(a, i, h[0][i], h[kStates - 1][i], p, q);
      out[0][i] = h[0][i] = p + b[0][i];
      if (kStates == 2) out[kStates - 1][i] = h[kStates - 1][i] = q + b[kStates - 1][i];
    }
  }
}

template <class T, int kEntries>
void backward_strip(const Recurrence& r, int64_t first, int64_t count) {
  constexpr int kStates = kEntries == 1 ? 1 : 2;
  alignas(64) T back[kStates][kUnits];
  for (int s = 0; s < kStates; ++s) std::fill_n(back[s], count, T(0));
  for (int64_t step = r.steps - 1; step >= 0; --step) {
    const int64_t t = r.reverse ? r.steps - 1 - step : step, earlier = r.reverse ? t + 1 : t - 1;
    const T *a[kEntries], *ct[kStates], *before[kStates];
    T *db[kStates], *da[kEntries];
    for (int e = 0; e < kEntries; ++e) a[e] = row<T>(r.a[e], t, r.units, first);
    for (int e = 0; e < kEntries; ++e) da[e] = row<T>(r.da[e], t, r.units, first);
    for (int s = 0; s < kStates; ++s) ct[s] = row<T>(r.given[s], t, r.units, first);
    for (int s = 0; s < kStates; ++s) db[s] = row<T>(r.out[s], t, r.units, first);
    for (int s = 0; s < kStates; ++s)
      before[s] = step ? row<T>(r.states[s], earlier, r.units, first) : row<T>(r.start[s], 0, 0, first);
    JAXRNN_INDEPENDENT
    for (int64_t i = 0; i < count; ++i) {
      const T g = ct[0][i] + back[0][i], p = before[0][i];
      db[0][i] = g;
      T next = 0, other = 0;
      if (kStates == 1) {
        da[0][i] = g * p;
        multiplied<T, kEntries, true>(a, i, g, g, next, other);
      } else {
        constexpr int k = kStates - 1;
        const T f = ct[k][i] + back[k][i], q = before[k][i];
        db[k][i] = f;
        if (kEntries == 2) {
          da[0][i] = g * p + f * q;
          da[kEntries - 1][i] = f * p - g * q;
        } else {
          da[0][i] = g * p;
          da[1 % kEntries][i] = g * q;
          da[2 % kEntries][i] = f * p;
          da[3 % kEntries][i] = f * q;
        }
        multiplied<T, kEntries, true>(a, i, g, f, next, other);
        back[k][i] = other;
      }
      back[0][i] = next;
    }
  }
  for (int s = 0; s < kStates; ++s) std::copy_n(back[s], count, row<T>(r.dstart[s], 0, 0, first));
}

template <class T, bool kForward, int kEntries>
void sweep_units(const Recurrence& r, int64_t first, int64_t last) {
  for (; first < last; first += kUnits) {
    const int64_t count = std::min(kUnits, last - first);
    kForward ? forward_strip<T, kEntries>(r, first, count) : backward_strip<T, kEntries>(r, first, count);
  }
}

template <class T, bool kForward>
void sweep(const Recurrence& r, int64_t first, int64_t last) {
  if (r.entries == 1) return sweep_units<T, kForward, 1>(r, first, last);
  if (r.entries == 2) return sweep_units<T, kForward, 2>(r, first, last);
  return sweep_units<T, kForward, 4>(r, first, last);
}

}  // namespace

extern const Sweeps JAXRNN_JOIN(JAXRNN_LOOPS, _sweeps_f32) = {&sweep<float, true>, &sweep<float, false>};
extern const Sweeps JAXRNN_JOIN(JAXRNN_LOOPS, _sweeps_f64) = {&sweep<double, true>, &sweep<double, false>};

}  // namespace jaxrnn
