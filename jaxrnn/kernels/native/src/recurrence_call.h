// The function that XLA calls for a linear recurrence: units are shared among threads. A part of handler.cc.
#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "recurrence.h"

namespace jaxrnn {

extern const Sweeps loops_baseline_sweeps_f32, loops_baseline_sweeps_f64;
#if defined(__x86_64__)
extern const Sweeps loops_avx2_sweeps_f32, loops_avx2_sweeps_f64, loops_avx512_sweeps_f32, loops_avx512_sweeps_f64;
#endif

namespace {

constexpr int64_t kLittle = 1 << 17;  // numbers of one array for which another thread is not woken
constexpr int64_t kLineUnits = 16;    // units that threads do not share: a cache line's

const Sweeps& best_sweeps(bool single) {
#if defined(__x86_64__)
  static const Processor processor;
  if (processor.avx512) return single ? loops_avx512_sweeps_f32 : loops_avx512_sweeps_f64;
  if (processor.avx2) return single ? loops_avx2_sweeps_f32 : loops_avx2_sweeps_f64;
#endif
  return single ? loops_baseline_sweeps_f32 : loops_baseline_sweeps_f64;
}

// Results that the runtime has just got from the system come in pages of 4 KB, and each costs more than to write it: ask
// for large ones. Of memory that is in use already it changes nothing.
void in_large_pages(void* data, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t kPage = 1 << 21;
  const uintptr_t first = (reinterpret_cast<uintptr_t>(data) + kPage - 1) / kPage * kPage;
  const uintptr_t last = (reinterpret_cast<uintptr_t>(data) + bytes) / kPage * kPage;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

// Forward: a, b, start to the states. Backward: a, the states, start and cotangents to those of a, b and start.
ffi::Error RunRecurrence(ffi::ThreadPool pool, ffi::RemainingArgs arguments, ffi::RemainingRets results, int64_t entries,
                         int64_t reverse, int64_t backward) {
  const int64_t states = entries == 1 ? 1 : 2, places = entries + (backward ? 3 : 2) * states;
  const int64_t written = backward ? entries + 2 * states : states;
  if ((entries != 1 && entries != 2 && entries != 4) || static_cast<int64_t>(arguments.size()) != places ||
      static_cast<int64_t>(results.size()) != written)
    return ffi::Error::InvalidArgument("jaxrnn: a damaged recurrence");
  auto shape = arguments.get<ffi::AnyBuffer>(0);
  if (shape.has_error()) return shape.error();
  const bool single = shape->element_type() == ffi::F32;
  const int64_t steps = shape->dimensions()[0];
  Recurrence r{steps, steps ? static_cast<int64_t>(shape->element_count()) / steps : 0, entries, reverse};
  if (!r.steps || !r.units) return ffi::Error::InvalidArgument("jaxrnn: a recurrence over nothing");
  int64_t at = 0;
  const auto take = [&](const void** fields, int64_t count) {
    for (int64_t i = 0; i < count; ++i) fields[i] = arguments.get<ffi::AnyBuffer>(at++)->untyped_data();
  };
  const auto put = [&](void** fields, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      auto result = *results.get<ffi::AnyBuffer>(at++);
      in_large_pages(fields[i] = result->untyped_data(), result->size_bytes());
    }
  };
  take(r.a, entries);
  take(backward ? r.states : r.given, states);
  take(r.start, states);
  if (backward) take(r.given, states);
  at = 0;
  if (backward) put(r.da, entries);
  put(r.out, states);
  if (backward) put(r.dstart, states);
  const Sweeps& sweeps = best_sweeps(single);
  const auto sweep = backward ? sweeps.backward : sweeps.forward;
  const int64_t lines = (r.units + kLineUnits - 1) / kLineUnits;
  const int64_t parts = r.steps * r.units < kLittle ? 1 : std::min<int64_t>(lines, pool.num_threads());
  const auto part = [&](int64_t i) {
    FlushDenormals flush;
    const int64_t first = i * lines / parts * kLineUnits, last = (i + 1) * lines / parts * kLineUnits;
    sweep(r, first, std::min(last, r.units));
  };
  Crew::run(pool, parts, part);
  return ffi::Error::Success();
}

}  // namespace

JAXRNN_SHOWN XLA_FFI_Error* jaxrnn_recurrence(XLA_FFI_CallFrame*);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxrnn_recurrence, RunRecurrence,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<int64_t>("entries")
                                  .Attr<int64_t>("reverse")
                                  .Attr<int64_t>("backward"));

}  // namespace jaxrnn
