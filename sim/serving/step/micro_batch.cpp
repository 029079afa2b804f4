#include "serving/step/micro_batch.h"

#include <algorithm>

namespace moesim::serving {
namespace {
/// n: not below 0.
std::int64_t part_of(std::int64_t n, int micro, int of) {
  return of == 2 ? (n + 1 - micro) >> 1 : (n + of - 1 - micro) / of;  // two are what there mostly is
}

/// Work that is not there stays as it is: most steps have one kind of four.
void set_work(const compute::AttentionWork& w, int micro, int of, compute::AttentionWork& out) {
  const std::int64_t queries = w.queries == 0 ? 0
                               : w.sequences <= 1 || w.queries == w.sequences
                                   ? part_of(w.queries, micro, of)
                                   : part_of(w.sequences, micro, of) * w.queries / w.sequences;
  if (queries == 0) {
    if (out.queries != 0) out = {};
    return;
  }
  const double share = double(queries) / double(w.queries);
  out.queries = queries;
  out.sequences = w.sequences > 1 ? part_of(w.sequences, micro, of) : 1;
  out.keys = std::max(queries, std::int64_t(double(w.keys) * share));
  out.longest = std::min(w.longest, out.keys);
  out.pairs = w.pairs * share;
  out.tiles = w.tiles * share;
  out.tiled_pairs = w.tiled_pairs * share;
  out.parts = w.parts;
}
}  // namespace

void set_micro_batch(const compute::Batch& batch, int micro, int of, compute::Batch& out) {
  if (of == 1) return void(out = batch);
  set_work(batch.prefill, micro, of, out.prefill);
  set_work(batch.decode, micro, of, out.decode);
  set_work(batch.window_prefill, micro, of, out.window_prefill);
  set_work(batch.window_decode, micro, of, out.window_decode);
  out.tokens = out.prefill.queries + out.decode.queries;
  out.outputs = part_of(batch.outputs, micro, of);
}
}  // namespace moesim::serving
