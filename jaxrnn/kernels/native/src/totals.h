// Sums over all rows, of what the groups of rows have.
#pragma once

#include "kinds.h"
#include "plan.h"

namespace jaxrnn {
namespace {

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
}  // namespace jaxrnn
