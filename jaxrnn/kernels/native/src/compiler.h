// What compilers are told: of loops, memory, and names.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace jaxrnn {
namespace {

// The iterations of the next loop do not depend on each other.
#if defined(__clang__)
#define JAXRNN_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define JAXRNN_INDEPENDENT _Pragma("GCC ivdep")
#endif

// The name of what a file exports that is compiled more than once.
#define JAXRNN_JOIN_(a, b) a##b
#define JAXRNN_JOIN(a, b) JAXRNN_JOIN_(a, b)

constexpr size_t kLine = 64;  // bytes of a cache line

struct Free {
  void operator()(void* memory) const { ::operator delete(memory, std::align_val_t(kLine)); }
};

// Memory that begins with a cache line.
template <class T>
using Lines = std::unique_ptr<T, Free>;

template <class T>
Lines<T> lines(size_t count) {
  return Lines<T>(static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t(kLine))));
}

}  // namespace
}  // namespace jaxrnn
