#include "compute/layers/index_kernels.h"

#include <algorithm>
#include <cmath>

namespace moesim::compute {
namespace {
/// Queries that may see more keys than are picked.
double ranked_rows(int picks, const AttentionWork& all, const AttentionWork& picked, bool decode) {
  const auto rows = double(all.queries);
  if (all.pairs <= picked.pairs || rows == 0) return 0;
  const double empty = std::max(0.0, rows * picks - picked.pairs);  // places that short queries leave
  // Of rows that are cached sequences only the sum is known: the share of places that are filled.  Consecutive queries
  // of a sequence lack picks - 1, picks - 2, ... places.
  if (decode) return rows - empty / picks;
  const double each = std::sqrt(2 * empty / double(all.sequences));
  return std::max(0.0, rows - each * double(all.sequences));
}
}  // namespace

IndexTopK index_top_k(int picks, const AttentionWork& all, const AttentionWork& picked, bool decode) {
  IndexTopK out{picks, all.queries, all.longest, 0, 0};
  out.ranked = ranked_rows(picks, all, picked, decode);
  // Rows that are picked whole have no more scores than picks.
  if (out.ranked > 0) out.scores = std::max(0.0, all.pairs - std::max(0.0, picked.pairs - out.ranked * picks));
  return out;
}

bool reads_cache(const Kernel& kernel) {
  return std::holds_alternative<AttentionDecode>(kernel) || std::holds_alternative<IndexScores>(kernel) ||
         std::holds_alternative<IndexTopK>(kernel);
}

Kernel for_batch(const Kernel& kernel, const Batch& batch, bool bounded) {
  Kernel out = kernel;
  if (auto* const decode = std::get_if<AttentionDecode>(&out))
    decode->work = bounded ? batch.window_decode : batch.decode;
  if (auto* const scores = std::get_if<IndexScores>(&out)) scores->work = batch.decode;
  if (auto* const best = std::get_if<IndexTopK>(&out))
    *best = index_top_k(best->picks, batch.decode, batch.window_decode, true);
  return out;
}
}  // namespace moesim::compute
