#include "serving/step/micro_batch.h"

#include <algorithm>

namespace moesim::serving {
namespace {
/// n: not below 0.
std::int64_t part_of(std::int64_t n, int micro, int of) {
  return of == 2 ? (n + 1 - micro) >> 1 : (n + of - 1 - micro) / of;  // two are what there mostly is
}

compute::AttentionWork micro_work(const compute::AttentionWork& w, int micro, int of) {
  if (w.queries == 0) return {};
  compute::AttentionWork out;
  out.queries = w.sequences <= 1 || w.queries == w.sequences
                    ? part_of(w.queries, micro, of)
                    : part_of(w.sequences, micro, of) * w.queries / w.sequences;
  if (out.queries == 0) return {};
  const double share = double(out.queries) / double(w.queries);
  out.sequences = w.sequences > 1 ? part_of(w.sequences, micro, of) : 1;
  out.keys = std::max(out.queries, std::int64_t(double(w.keys) * share));
  out.longest = std::min(w.longest, out.keys);
  out.pairs = w.pairs * share;
  out.tiles = w.tiles * share;
  out.tiled_pairs = w.tiled_pairs * share;
  return out;
}
}  // namespace

compute::Batch micro_batch(const compute::Batch& batch, int micro, int of) {
  if (of == 1) return batch;
  compute::Batch out;
  out.prefill = micro_work(batch.prefill, micro, of);
  out.decode = micro_work(batch.decode, micro, of);
  out.window_prefill = micro_work(batch.window_prefill, micro, of);
  out.window_decode = micro_work(batch.window_decode, micro, of);
  out.tokens = out.prefill.queries + out.decode.queries;
  out.outputs = part_of(batch.outputs, micro, of);
  return out;
}
}  // namespace moesim::serving
