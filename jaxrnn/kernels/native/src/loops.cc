// The loops over time, for groups of rows that never wait for each other: rows of a batch share nothing but matrices.
//
// This file is compiled once an instruction set, with JAXRNN_LOOPS naming what it exports.

#include "compiler.h"
#include "group.h"
#include "packing.h"
#include "plan.h"
#include "sweeps.h"
#include "totals.h"

namespace jaxrnn {
namespace {

template <class T>
void run(const Plan& plan, char* const* buffers, int64_t group, const Share& share) {
  const Extents extents(plan, buffers);
  for (int64_t piece = 0; piece < plan.pieces; ++piece) Group<T>(plan, buffers, extents, group, piece, share).run();
}

template <class T>
void columns(const Plan& plan, char* const* buffers, Team& team) {
  pack_all_strips<T>(plan, buffers, team);
  const Share none;
  const Extents extents(plan, buffers);
  Group<T>(plan, buffers, extents, 0, 0, none, &team).run_with_others();
}

}  // namespace

extern const Loops JAXRNN_JOIN(JAXRNN_LOOPS, _f32) = {kPanel<float>, &pack<float>, &run<float>, &add<float>,
                                                      &columns<float>};
extern const Loops JAXRNN_JOIN(JAXRNN_LOOPS, _f64) = {kPanel<double>, &pack<double>, &run<double>, &add<double>,
                                                      &columns<double>};

}  // namespace jaxrnn
