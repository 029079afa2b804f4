#include "compute/layers/index_kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spec/arithmetic.h"

namespace moesim::compute {
namespace {
/// Queries that may see more keys than are picked.
double ranked_rows(int picks, const AttentionWork& all, const AttentionWork& picked, bool decode) {
  const double parts = all.parts, rows = double(all.queries) * parts;  // of whole sequences
  if (all.pairs <= picked.pairs || rows == 0) return 0;
  const double empty = std::max(0.0, rows * picks - picked.pairs * parts);  // places that short queries leave
  // Of rows that are cached sequences only the sum is known: the share of places that are filled.  Consecutive queries
  // of a sequence lack picks - 1, picks - 2, ... places.
  if (decode) return rows - empty / picks;
  const double each = std::sqrt(2 * empty / double(all.sequences));
  return std::max(0.0, rows - each * double(all.sequences)) / parts;
}
}  // namespace

std::string missing_for_indexers(const spec::Model& model, const spec::Gpu& gpu) {
  if (!model.attention.indexer || spec::computes_in(gpu, spec::Dtype::fp8)) return {};
  return fmt::format("the indexers of {} score keys in fp8, for which {} has no arithmetic", model.name, gpu.name);
}

IndexTopK index_top_k(int picks, const AttentionWork& all, const AttentionWork& picked, bool decode) {
  IndexTopK out{picks, all.queries, all.longest, 0, 0};
  out.ranked = ranked_rows(picks, all, picked, decode);
  // Rows that are picked whole have no more scores than picks.
  if (out.ranked > 0) out.scores = std::max(0.0, all.pairs - std::max(0.0, picked.pairs - out.ranked * picks));
  return out;
}

AttentionWork in_entries(AttentionWork w, int entry) {
  w.keys = std::max(w.sequences, w.keys / entry);
  w.longest = std::max<std::int64_t>(1, w.longest / entry);
  w.pairs /= entry;
  return w;
}

AttentionWork entry_work(const Batch& batch, bool decode, const EntryReach& reach) {
  const AttentionWork& all = decode ? batch.decode : batch.prefill;
  if (all.queries == 0) return {};
  const double sequences = double(all.sequences), fresh = double(all.queries) / sequences,
               context = double(all.keys - all.queries) / sequences;
  const auto window = double(reach.window);
  AttentionWork out{all.sequences, all.queries};
  // New tokens are all read, and of those before them a window.
  out.keys = all.queries + std::int64_t(std::min(context, std::max(0.0, window - (decode ? fresh : 0))) * sequences);
  out.longest = std::min(all.longest, decode ? reach.window : reach.window + all.longest - std::int64_t(context));
  const spec::KeysRead of_window{spec::KeysRead::Span::sliding, reach.window};
  out.pairs = decode ? double(all.queries) * std::min(context + fresh, window)
                     : pairs_read(context, fresh, of_window) * sequences;
  if (reach.entry == 0) return out;
  const AttentionWork& read = reach.picks > 0 ? (decode ? batch.window_decode : batch.window_prefill) : all;
  // Picks of several queries lie anywhere: each may have its own, of all entries there are.
  const double most =
      double(reach.picks > 0 ? std::min(double(all.keys), double(read.keys) * fresh) : double(all.keys));
  out.keys += std::int64_t(most / reach.entry);
  out.longest +=
      reach.picks > 0 ? std::min<std::int64_t>(reach.picks, all.longest / reach.entry) : all.longest / reach.entry;
  out.pairs += read.pairs / reach.entry;
  return out;
}

bool reads_cache(const Kernel& kernel) {
  return std::holds_alternative<AttentionDecode>(kernel) || std::holds_alternative<IndexScores>(kernel) ||
         std::holds_alternative<IndexTopK>(kernel);
}

Kernel for_batch(const Kernel& kernel, const Batch& batch, bool bounded) {
  Kernel out = kernel;
  if (auto* const decode = std::get_if<AttentionDecode>(&out))
    decode->work = decode->reach.window > 0 ? entry_work(batch, true, decode->reach)
                   : bounded                ? batch.window_decode
                                            : batch.decode;
  if (auto* const scores = std::get_if<IndexScores>(&out)) scores->work = in_entries(batch.decode, scores->entry);
  if (auto* const best = std::get_if<IndexTopK>(&out)) {
    const int entry = best->entry;
    *best = index_top_k(best->picks, in_entries(batch.decode, entry), in_entries(batch.window_decode, entry), true);
    best->entry = entry;
  }
  return out;
}
}  // namespace moesim::compute
