// Attention: whole prompts, their backward pass, and decoding against a cache.
#include <algorithm>
#include <cmath>

#include "compute/kernels/equations.h"

namespace moesim::compute {
namespace {
constexpr double kRowTile = 64;  // rows (heads x queries that share keys) of a decode tile

// Tiles of a prompt are whole: a last one that is half empty costs as much, and the causal diagonal cuts tiles in two.
// Sums over sequences: two batches together take no more than one after the other.
struct PromptWork {
  double pairs, longest, tiles;  // pairs computed over all heads; of the tile with most keys; query tiles
  PromptWork(const AttentionHeads& h, const AttentionWork& w, double edge) {
    constexpr double kTile = kQueryTile;
    const double each = std::ceil(double(w.queries) / double(w.sequences) / kTile) * double(w.sequences);
    const double of_head = w.tiles > 0 ? w.tiles : each;
    const double tiled = w.tiles > 0 ? w.tiled_pairs : w.pairs * each * kTile / double(w.queries);
    tiles = double(h.heads) * of_head;
    pairs = double(h.heads) * (tiled + of_head * kTile * edge);
    longest = std::min(kTile * double(w.longest), pairs);
  }
};
}  // namespace

// Tiles are spread over the SMs; the one with the most keys cannot be split.
double prefill_seconds(const AttentionPrefill& a, const AttentionEquation& e, const Machine& on) {
  const PromptWork work(a.heads, a.work, e.edge);
  const double flops = std::max(work.pairs / on.sms, work.longest) * 2.0 * (a.heads.qk_dim + a.heads.v_dim);
  const double tensor = flops / (on.tensor_per_sm * e.tensor) + work.tiles / on.sms * seconds(e.tile);
  return seconds(e.launch) + joined(tensor, double(bytes_of(a).v) / (on.hbm * e.hbm), e.overlap);
}

// Three kernels: the row sums of O x dO with clearing the FP32 dQ, the five products, and dQ to BF16.
double backward_seconds(const AttentionBackward& a, const AttentionEquation& e, const MemoryEquation& memory,
                        const Machine& on) {
  const AttentionHeads& h = a.heads;
  const PromptWork work(h, a.work, e.edge);
  const double flops = std::max(work.pairs / on.sms, work.longest) * 2.0 * (3 * h.qk_dim + 2 * h.v_dim);
  const double tensor = flops / (on.tensor_per_sm * e.tensor) + work.tiles / on.sms * seconds(e.tile);
  const std::int64_t elements = a.work.queries * h.heads;
  const MemoryOp before{MemoryKind::copy, {elements * (4 * h.v_dim + 4 * h.qk_dim)}};
  const MemoryOp after{MemoryKind::copy, {elements * 6 * h.qk_dim}};
  return seconds(e.launch) + joined(tensor, double(bytes_of(a).v) / (on.hbm * e.hbm), e.overlap) +
         memory_seconds(before, memory, on) + memory_seconds(after, memory, on);
}

// A sequence whole on one SM, or split into chunks over all SMs and joined by a second kernel that reads the parts'
// FP32 results, whichever is faster.  Heads that share keys fill tiles of 64 rows.
double decode_seconds(const AttentionDecode& a, const AttentionEquation& e, const Machine& on) {
  const AttentionHeads& h = a.heads;
  const AttentionWork& w = a.work;
  const double sharing = double(h.heads) / h.kv_heads * double(w.queries) / double(w.sequences);
  const double row_tiles = std::ceil(sharing / kRowTile) * h.kv_heads;
  const double key = 2.0 * kRowTile * (h.qk_dim + h.v_dim) / (on.tensor_per_sm * e.tensor);  // of one tile, on one SM
  const double each = row_tiles *
                      ((double(w.keys) + double(w.sequences) * e.edge) * key + double(w.sequences) * seconds(e.tile)) /
                      on.sms;
  const double longest = double(w.longest) * key, rate = on.hbm * e.hbm;
  const double traffic = double(bytes_of(a).v) / rate;
  const double whole = joined(std::max(each, longest), traffic, e.overlap);
  const double parts = std::min(on.sms / on.fill, row_tiles * double(w.keys) / e.chunk) / row_tiles;
  const double partial = parts * sharing * h.kv_heads * h.v_dim * 8 / rate;  // written and read
  const double split = joined(std::max(each, std::min(longest, e.chunk * key)), traffic, e.overlap);
  return seconds(e.launch) + std::min(whole, split + partial + seconds(e.combine)) + seconds(e.tile);
}
}  // namespace moesim::compute
