// The library's loops by themselves, for machines that are only emulated here: reads a call from a file, runs it on one
// thread, or on three that share columns, and writes the results behind each other. Compiled and run by test_other_machines.py.
//
// The file holds whole numbers of 8 bytes: whether its numbers are single; how long its tables are, and these; how many
// constants, and these; how many buffers, how many of them are arguments, and the bytes of each. Then the arguments.

#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "plan.h"
#include "team.h"

namespace jaxrnn {
extern const Loops loops_baseline_f32, loops_baseline_f64;
}

namespace {

template <class T>
std::vector<T> read(std::FILE* file, int64_t count) {
  std::vector<T> values(count);
  if (std::fread(values.data(), sizeof(T), count, file) != static_cast<size_t>(count)) std::exit(2);
  return values;
}

int64_t number(std::FILE* file) { return read<int64_t>(file, 1)[0]; }

void run_rows(const jaxrnn::Loops& loops, const jaxrnn::Plan& plan, char* const* places) {
  const jaxrnn::Share share = [](int64_t count, std::function<void(int64_t)> task) {
    for (int64_t i = 0; i < count; ++i) task(i);
  };
  for (int64_t i = 0; i < panels(plan, loops.panel); ++i) loops.pack(plan, places, i);
  for (int64_t i = 0; i < plan.groups; ++i) loops.run(plan, places, i, share);
  if (plan.sums.count > 0)
    for (int64_t i = 0; i < plan.groups; ++i) loops.add(plan, places, i, plan.groups);
}

void run_columns(const jaxrnn::Loops& loops, const jaxrnn::Plan& plan, char* const* places) {
  jaxrnn::Crowd crowd(3);
  const auto work = [&](int64_t number) {
    jaxrnn::Seat seat(crowd, number);
    loops.columns(plan, places, seat);
  };
  std::vector<std::thread> others;
  for (int i = 0; i < 2; ++i)
    others.emplace_back([&] {
      const int64_t number = crowd.enter();
      if (number < 0) return;
      work(number);
      crowd.leave();
    });
  work(0);
  crowd.close();
  for (std::thread& other : others) other.join();
}

}  // namespace

int main(int, char** arguments) {
  std::FILE* call = std::fopen(arguments[1], "rb");
  const jaxrnn::Loops& loops = number(call) ? jaxrnn::loops_baseline_f32 : jaxrnn::loops_baseline_f64;
  const auto tables = read<int64_t>(call, number(call));
  const auto constants = read<double>(call, number(call));
  jaxrnn::Plan plan;
  if (!jaxrnn::read(tables.data(), tables.data() + tables.size(), plan)) return 3;
  plan.constants = {constants.data(), static_cast<int64_t>(constants.size())};
  const int64_t buffers = number(call), given = number(call);
  const auto bytes = read<int64_t>(call, buffers);
  std::vector<std::vector<char>> memory;
  std::vector<char*> places;
  for (int64_t i = 0; i < buffers; ++i) {
    memory.push_back(i < given ? read<char>(call, bytes[i]) : std::vector<char>(bytes[i], 0x7f));
    places.push_back(memory.back().data());
  }
  plan.team > 0 ? run_columns(loops, plan, places.data()) : run_rows(loops, plan, places.data());
  std::FILE* results = std::fopen(arguments[2], "wb");
  for (int64_t i = given; i < buffers; ++i) std::fwrite(places[i], 1, bytes[i], results);
  return std::fclose(results);
}
