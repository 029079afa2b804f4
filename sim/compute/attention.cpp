// Attention: whole prompts, their backward pass, and decoding against a cache.
#include <algorithm>
#include <cmath>

#include "compute/equations.h"

namespace moesim {
namespace {
constexpr double kTile = 128;    // queries, and keys, of a tile of whole prompts
constexpr double kRowTile = 64;  // rows (heads x queries that share keys) of a decode tile

// Tiles of a prompt are whole: a last one that is half empty costs as much, and the causal diagonal cuts tiles in two.
struct PromptWork {
  double pairs, longest, tiles;  // pairs computed over all heads; of the tile with most keys; query tiles
  PromptWork(const AttentionHeads& h, const AttentionWork& w, double edge) {
    const double queries = double(w.queries) / double(w.sequences);
    const double each = std::ceil(queries / kTile), padding = each * kTile / queries;
    tiles = double(h.heads) * double(w.sequences) * each;
    pairs = double(h.heads) * padding * (w.pairs + double(w.queries) * edge);
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

// Long sequences are split over the SMs in chunks of keys, and a chunk runs on one SM: the last one started adds its
// own time to the mean (Graham's bound).  Heads that share keys fill tiles of 64 rows.
double decode_seconds(const AttentionDecode& a, const AttentionEquation& e, const Machine& on) {
  const AttentionHeads& h = a.heads;
  const AttentionWork& w = a.work;
  const double sharing = double(h.heads) / h.kv_heads * double(w.queries) / double(w.sequences);
  const double row_tiles = std::ceil(sharing / kRowTile) * h.kv_heads;
  const double keys = double(w.keys) + double(w.sequences) * e.edge;
  const double key = 2.0 * kRowTile * (h.qk_dim + h.v_dim) / (on.tensor_per_sm * e.tensor);  // of one tile, on one SM
  const double last = std::min(double(w.longest), e.chunk) * key;
  const double tensor = row_tiles * (keys * key + double(w.sequences) * seconds(e.tile)) / on.sms + last;
  return seconds(e.launch) + joined(tensor, double(bytes_of(a).v) / (on.hbm * e.hbm), e.overlap);
}
}  // namespace moesim
