// The matrices of a call, packed before it begins: in panels, or in strips where threads share columns.
#pragma once

#include "columns.h"
#include "kinds.h"
#include "plan.h"
#include "product.h"
#include "product16.h"
#include "product8.h"

namespace jaxrnn {
namespace {

// Panels are numbered through all matrices.
template <class T>
void pack(const Plan& plan, char* const* buffers, int64_t panel) {
  for (const Matrix& m : plan.matrices) {
    if (m.offset < 0) continue;
    const int64_t panels = (m.N + kPanel<T> - 1) / kPanel<T>;
    if (panel < panels)
      return as_number<T>(m.kind, [&](auto number) {
        const auto* from = reinterpret_cast<const decltype(number)*>(buffers[m.buffer]) + m.first;
        T* to = reinterpret_cast<T*>(buffers[plan.packed]) + m.offset;
        if constexpr (sizeof(T) == sizeof(float))
          if (m.pairs)
            return pack_pair_panel(from, m.stride, m.K, m.N, m.transposed, panel, reinterpret_cast<uint32_t*>(to));
        pack_panel(from, m.stride, m.K, m.N, m.transposed, panel, to);
      });
    panel -= panels;
  }
  for (const Matrix8& m : plan.matrices8) {
    if (m.offset < 0) continue;
    const int64_t panels = (m.N + kColumns8 - 1) / kColumns8;
    if (panel < panels)
      return pack_panel8(reinterpret_cast<const int8_t*>(buffers[m.buffer]) + m.first, m.stride, m.K, m.N, panel,
                         reinterpret_cast<int8_t*>(reinterpret_cast<T*>(buffers[plan.packed]) + m.offset));
    panel -= panels;
  }
}

// What packs strips is numbered through all matrices.
template <class T>
void pack_all_strips(const Plan& plan, char* const* buffers, Team& team) {
  int64_t count = 0;
  for (const Matrix& matrix : plan.matrices) count += packs<T>(matrix);
  team.share(count, [&](int64_t i) {
    for (const Matrix& m : plan.matrices) {
      if (i < packs<T>(m))
        return as_number<T>(m.kind, [&](auto number) {
          const auto* from = reinterpret_cast<const decltype(number)*>(buffers[m.buffer]) + m.first;
          T* to = reinterpret_cast<T*>(buffers[plan.packed]) + m.offset;
          if constexpr (sizeof(T) == sizeof(float))
            if (m.pairs) return pack_pair_strips(m, from, i, reinterpret_cast<uint32_t*>(to));
          pack_strips(m, from, i, to);
        });
      i -= packs<T>(m);
    }
  });
}

}  // namespace
}  // namespace jaxrnn
