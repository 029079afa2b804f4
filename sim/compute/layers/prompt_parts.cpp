#include "compute/layers/prompt_parts.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "compute/layers/memory.h"
#include "core/check.h"
#include "spec/count.h"

namespace moesim::compute {
namespace {
/// Tokens of piece `piece` of `of`.
std::int64_t piece_tokens(std::int64_t tokens, int piece, int of) { return tokens / of + (piece < tokens % of); }

AttentionWork part_of_work(const AttentionWork& w, int part, int of) {
  const std::array<std::int64_t, 2> pieces{piece_tokens(w.queries, part, 2 * of),
                                           piece_tokens(w.queries, 2 * of - 1 - part, 2 * of)};
  const std::int64_t queries = pieces[0] + pieces[1];
  if (queries == 0) return {};
  const double share = double(queries) / double(w.queries);
  AttentionWork out = w;
  out.queries = queries;
  out.pairs = w.pairs * share;
  out.parts = of;
  if (w.tiles == 0) return out;
  out.tiles = 0;
  for (const std::int64_t piece : pieces)
    out.tiles += std::ceil(double(piece) / double(w.sequences) / double(kQueryTile)) * double(w.sequences);
  out.tiled_pairs = std::max(w.tiled_pairs * share, out.pairs * out.tiles * double(kQueryTile) / double(queries));
  return out;
}
}  // namespace

Batch prompt_part(const Batch& batch, int part, int of) {
  check(batch.decode.queries == 0, "{} tokens decode where prompts are cut", batch.decode.queries);
  check(part >= 0 && part < of, "part {} of {}", part, of);
  Batch out;
  out.prefill = part_of_work(batch.prefill, part, of);
  out.window_prefill = part_of_work(batch.window_prefill, part, of);
  out.tokens = out.prefill.queries;
  out.outputs = out.tokens > 0 ? batch.outputs : 0;
  return out;
}

GatheredKeys gathered_keys(const spec::Model& model, int layer, const LayerOptions& options) {
  LayerOptions computed = options;
  computed.precision.kv_cache = spec::Dtype::bf16;
  const Bytes index = spec::index_bytes_per_layer(model, layer, computed.precision.entry_keys);
  GatheredKeys out{kv_bytes_per_token(model, {.layers = {layer}}, computed) - index};
  if (index.v == 0) return out;
  const spec::AttentionShape& a = model.attention;
  out.index = {2 * std::int64_t{a.indexer ? a.indexer->head_dim : a.blocks->head_dim}};
  return out;
}
}  // namespace moesim::compute
