// Threads that share columns, as slow as threads are on a busy machine at the places where one could overtake another.
// Compiled and run by test_team.py, with a team.h that calls `dawdle`. Ends with 1 where a block has not met all who
// were there; where threads wait for each other for ever it does not end.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

void dawdle(unsigned microseconds) {
  thread_local uint64_t drawn = reinterpret_cast<uintptr_t>(&drawn);
  drawn = drawn * 6364136223846793005u + 1442695040888963407u;
  std::this_thread::sleep_for(std::chrono::microseconds((drawn >> 33) % microseconds));
}

#include "team.h"

namespace {

constexpr int kThreads = 8, kBlocks = 12, kCalls = 400;

class Pool {
 public:
  explicit Pool(int threads) {
    for (int i = 0; i < threads; ++i) std::thread([this] { work(); }).detach();
  }
  void schedule(std::function<void()> task) {
    std::lock_guard<std::mutex> lock(mutex_);
    tasks_.push_back(std::move(task));
    there_.notify_one();
  }

 private:
  void work() {
    for (;;) {
      std::unique_lock<std::mutex> lock(mutex_);
      there_.wait(lock, [this] { return !tasks_.empty(); });
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable there_;
  std::deque<std::function<void()>> tasks_;
};

struct Call {
  jaxrnn::Crowd crowd{kThreads};
  std::atomic<int64_t> came[kBlocks]{}, present[kBlocks]{};

  void run(int64_t number) {
    jaxrnn::Seat seat(crowd, number);
    for (jaxrnn::Turn turn = seat.gather(); turn.block >= 0 && turn.block < kBlocks; turn = seat.gather()) {
      dawdle(100);
      ++came[turn.block];
      present[turn.block] = turn.parts;
      seat.meet();
      if (came[turn.block] != turn.parts) std::_Exit(1);
    }
  }
};

}  // namespace

int main() {
  Pool pool(kThreads);
  for (int i = 0; i < kCalls; ++i) {
    auto call = std::make_shared<Call>();
    for (int64_t k = 1; k < call->crowd.most(); ++k)
      pool.schedule([call] {
        const int64_t number = call->crowd.enter();
        if (number < 0) return;
        call->run(number);
        call->crowd.leave();
      });
    call->run(0);
    call->crowd.close();
    for (int block = 0; block < kBlocks; ++block)
      if (call->came[block] == 0 || call->came[block] != call->present[block]) return 1;
  }
  std::_Exit(0);  // its threads wait for more
}
