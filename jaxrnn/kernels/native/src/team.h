// Threads that run the columns of a call together. The caller never waits for one that has not come: it begins with those
// that are there, and who comes later is taken in at the next block. No number of threads changes a bit.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "plan.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace jaxrnn {
namespace {

constexpr int kSpins = 1000;  // some 20 microseconds: more than a share of a small product, less than to fall asleep and wake

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// A number that threads wait for: awake at first, asleep after some microseconds.
class Signal {
 public:
  int64_t get() const { return value_.load(std::memory_order_acquire); }

  // Nothing where it is higher already: of two threads that raise it the slower one must not lower it.
  void raise(int64_t value) {
    for (int64_t now = value_.load(); now < value && !value_.compare_exchange_weak(now, value);) continue;
    if (asleep_.load() == 0) return;
    std::lock_guard<std::mutex> lock(mutex_);
    changed_.notify_all();
  }

  template <class Condition>
  void wait(Condition met) {
    for (int i = 0; i < kSpins; ++i) {
      if (met(get())) return;
      relax();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    ++asleep_;
    changed_.wait(lock, [&] { return met(value_.load()); });
    --asleep_;
  }

 private:
  alignas(128) std::atomic<int64_t> value_{0};  // a cache line of its own, and the one fetched with it
  alignas(128) std::atomic<int64_t> asleep_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
};

// What the threads of a call have in common.
class Crowd {
 public:
  explicit Crowd(int64_t most) : most_(most) {}

  int64_t most() const { return most_; }

  // For a thread from elsewhere: its number, or -1 where all is over. It leaves by `leave`.
  int64_t enter() {
    ++inside_;
    if (!closed_) return ++tickets_;
    --inside_;
    return -1;
  }
  void leave() { --inside_; }

  // For the caller: no thread comes any more, and none is left.
  void close() {
    closed_ = true;
    admitted_.raise(kEverybody);
    for (int i = 0; inside_.load() > 0; ++i) i < kSpins ? relax() : std::this_thread::yield();
  }

  void share(int64_t count, const std::function<void(int64_t)>& task, bool first) {
    for (int64_t i; (i = claimed_.fetch_add(1)) < count;) {
      task(i);
      ++done_;
    }
    if (first)
      for (int i = 0; done_.load() < count; ++i) i < kSpins ? relax() : std::this_thread::yield();
  }

  // The first turn of a thread that came by itself.
  Turn join(int64_t number) {
    admitted_.wait([=](int64_t admitted) { return number < admitted; });
    if (admitted_.get() == kEverybody) return {-1, 0, 1};
    return {block_, number, present_};
  }

  Turn gather(int64_t number) {
    if (block_ < 0)
      for (int i = 0; i < kSpins && tickets_.load() + 1 < most_; ++i) relax();
    const bool last = arrive([this] {
      ++block_;
      present_ = tickets_.load() + 1;
    });
    if (last) admitted_.raise(present_);  // now that the others went on: a new thread must not meet them here
    return {block_, number, present_};
  }

  void meet() { arrive([] {}); }

 private:
  static constexpr int64_t kEverybody = int64_t(1) << 62;

  // Waits for all who are present; the last to come does `last` before the others go on. Whether this was the last.
  template <class Last>
  bool arrive(Last last) {
    const int64_t round = round_.get(), present = present_;  // once this thread is counted another may change it
    if (arrived_.fetch_add(1) + 1 < present) {
      round_.wait([=](int64_t now) { return now != round; });
      return false;
    }
    arrived_.store(0);
    last();
    round_.raise(round + 1);
    return true;
  }

  const int64_t most_;
  std::atomic<int64_t> tickets_{0}, inside_{0}, claimed_{0}, done_{0};
  std::atomic<bool> closed_{false};
  int64_t present_ = 1, block_ = -1;  // changed by the last to come, while all others wait
  alignas(128) std::atomic<int64_t> arrived_{0};
  Signal round_, admitted_;
};

// A thread of the crowd; number 0 is the caller.
class Seat final : public Team {
 public:
  Seat(Crowd& crowd, int64_t number) : crowd_(crowd), number_(number) {}

  void share(int64_t count, const std::function<void(int64_t)>& task) override {
    crowd_.share(count, task, number_ == 0);
  }
  Turn gather() override {
    const bool new_here = number_ > 0 && !seated_;
    seated_ = true;
    return new_here ? crowd_.join(number_) : crowd_.gather(number_);
  }
  void meet() override { crowd_.meet(); }

 private:
  Crowd& crowd_;
  const int64_t number_;
  bool seated_ = false;
};

}  // namespace
}  // namespace jaxrnn
