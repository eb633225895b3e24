// The one function that XLA calls: reads the plan, packs the matrices, shares the groups of rows among threads.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "operations.h"
#include "plan.h"
#include "processor.h"
#include "team.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

// What the library shows to others; all else is hidden.
#if defined(_WIN32)
#define JAXRNN_SHOWN extern "C" __declspec(dllexport)
#else
#define JAXRNN_SHOWN extern "C" __attribute__((visibility("default")))
#endif

namespace jaxrnn {

extern const Loops loops_baseline_f32, loops_baseline_f64;
#if defined(__x86_64__)
extern const Loops loops_avx2_f32, loops_avx2_f64, loops_avx512_f32, loops_avx512_f64;
extern const Loops loops_avx512_bf16_f32, loops_avx512_bf16_f64;
#endif

namespace {

const Loops& best_loops(bool single) {
#if defined(__x86_64__)
  static const Processor processor;
  if (processor.avx512_bf16) return single ? loops_avx512_bf16_f32 : loops_avx512_bf16_f64;
  if (processor.avx512) return single ? loops_avx512_f32 : loops_avx512_f64;
  if (processor.avx2) return single ? loops_avx2_f32 : loops_avx2_f64;
#endif
  return single ? loops_baseline_f32 : loops_baseline_f64;
}

// Values too small for normal numbers count as zero, as in XLA's own code: vanishing gradients must not be slow.
class FlushDenormals {
 public:
#if defined(__x86_64__)
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
  ~FlushDenormals() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#endif
};

// Runs task(0) ... task(count - 1) on the calling thread and on whichever others come. Tasks are claimed, so a thread
// that never comes is not waited for; the wait for those that did sleeps after some microseconds.
class Crew {
 public:
  static void run(ffi::ThreadPool& pool, int64_t count, std::function<void(int64_t)> task) {
    if (count == 1) return task(0);  // packs, which has no use for FlushDenormals
    auto crew = std::make_shared<Crew>(count, std::move(task));
    for (int64_t i = 1; i < std::min<int64_t>(count, pool.num_threads()); ++i) pool.Schedule([crew] { crew->work(); });
    crew->work();
    for (int i = 0; i < kSpins && crew->done_ < crew->count_; ++i) relax();
    std::unique_lock<std::mutex> lock(crew->mutex_);
    crew->all_done_.wait(lock, [&] { return crew->done_ == crew->count_; });
  }

  Crew(int64_t count, std::function<void(int64_t)> task) : count_(count), task_(std::move(task)) {}

 private:
  void work() {
    FlushDenormals flush;
    for (int64_t i; (i = next_.fetch_add(1)) < count_;) {
      task_(i);
      std::lock_guard<std::mutex> lock(mutex_);
      if (++done_ == count_) all_done_.notify_all();
    }
  }

  const int64_t count_;
  const std::function<void(int64_t)> task_;
  std::atomic<int64_t> next_{0};
  std::mutex mutex_;
  std::condition_variable all_done_;
  std::atomic<int64_t> done_{0};
};

// Runs a call whose columns are shared, on the calling thread and on whichever others come.
void run_columns(ffi::ThreadPool& pool, const Loops& loops, const Plan& plan, char* const* buffers) {
  auto crowd = std::make_shared<Crowd>(std::min<int64_t>(plan.team, pool.num_threads()));
  const auto work = [&loops, &plan, buffers](Crowd& crowd, int64_t number) {
    FlushDenormals flush;
    Seat seat(crowd, number);
    loops.columns(plan, buffers, seat);
  };
  for (int64_t i = 1; i < crowd->most(); ++i)
    pool.Schedule([crowd, work] {
      const int64_t number = crowd->enter();
      if (number < 0) return;
      work(*crowd, number);
      crowd->leave();
    });
  work(*crowd, 0);
  crowd->close();
}

ffi::Error Run(ffi::ThreadPool pool, ffi::RemainingArgs arguments, ffi::RemainingRets results,
               ffi::Span<const int64_t> tables, ffi::Span<const double> constants, int64_t single) {
  Plan plan;
  if (!read(tables.begin(), tables.end(), plan)) return ffi::Error::InvalidArgument("jaxrnn: a damaged plan");
  plan.constants = {constants.begin(), static_cast<int64_t>(constants.size())};
  std::vector<char*> buffers;
  for (size_t i = 0; i < arguments.size(); ++i) {
    auto buffer = arguments.get<ffi::AnyBuffer>(i);
    if (buffer.has_error()) return buffer.error();
    buffers.push_back(static_cast<char*>(buffer->untyped_data()));
  }
  for (size_t i = 0; i < results.size(); ++i) {
    auto buffer = results.get<ffi::AnyBuffer>(i);
    if (buffer.has_error()) return buffer.error();
    buffers.push_back(static_cast<char*>((*buffer)->untyped_data()));
  }
  const Loops& loops = best_loops(single != 0);
  if (plan.team > 0) {
    run_columns(pool, loops, plan, buffers.data());
    loops.add(plan, buffers.data(), 0, 1);
    return ffi::Error::Success();
  }
  const int64_t panels = jaxrnn::panels(plan, loops.panel);
  const Share share = [&](int64_t count, std::function<void(int64_t)> task) { Crew::run(pool, count, std::move(task)); };
  if (plan.groups == 1) {  // little work: waking another thread would cost more than it saves
    FlushDenormals flush;
    for (int64_t i = 0; i < panels; ++i) loops.pack(plan, buffers.data(), i);
    loops.run(plan, buffers.data(), 0, share);
    loops.add(plan, buffers.data(), 0, 1);
    return ffi::Error::Success();
  }
  share(panels, [&](int64_t i) { loops.pack(plan, buffers.data(), i); });
  share(plan.groups, [&](int64_t i) { loops.run(plan, buffers.data(), i, share); });
  if (plan.sums.count > 0) share(plan.groups, [&](int64_t i) { loops.add(plan, buffers.data(), i, plan.groups); });
  return ffi::Error::Success();
}

}  // namespace

JAXRNN_SHOWN XLA_FFI_Error* jaxrnn_run(XLA_FFI_CallFrame*);
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxrnn_run, Run,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<ffi::Span<const int64_t>>("tables")
                                  .Attr<ffi::Span<const double>>("constants")
                                  .Attr<int64_t>("single"));

// The version of the interface between XLA and this library.
JAXRNN_SHOWN int jaxrnn_interface() { return XLA_FFI_API_MAJOR * 1000 + XLA_FFI_API_MINOR; }

// The names of the operations, in the order of their numbers.
JAXRNN_SHOWN const char* jaxrnn_operations() {
  return ""
#define JAXRNN_NAME(name, ...) #name " "
      JAXRNN_OPERATIONS(JAXRNN_NAME, JAXRNN_NAME, JAXRNN_NAME)
#undef JAXRNN_NAME
      ;
}

}  // namespace jaxrnn

#include "recurrence_call.h"
