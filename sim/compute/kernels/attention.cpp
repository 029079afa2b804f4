// Attention: whole prompts, their backward pass, and decoding against a cache.
#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "compute/kernels/equations.h"

namespace moesim::compute {
namespace {
// Seconds of one pair of a query and a key on one SM: products of the tensor cores, and an exponential.
double pair_seconds(double flops, const AttentionEquation& e, const Machine& on) {
  const double tensor = flops / (on.tensor_per_sm * e.tensor);
  return e.exponents > 0 ? joined(tensor, 1 / (e.exponents * 1e9 * on.clock), e.soft) : tensor;
}

// Pairs computed and masked away, for each query of a tile.
double masked_pairs(const AttentionHeads& h, const AttentionWork& w, const AttentionEquation& e) {
  return (e.edge + e.narrow * 128 / h.qk_dim) * w.edges;
}

double odd_width_seconds(const AttentionHeads& h, const AttentionEquation& e) {
  return std::has_single_bit(unsigned(h.qk_dim)) ? 0 : seconds(e.odd_width);
}

// Tiles of a prompt are whole: a last one that is half empty costs as much, and the causal diagonal cuts tiles in two.
// Heads that share keys fill tiles together, and a short prompt costs the one tile it is in.  Sums over sequences: two
// batches together take no more than one after the other.
struct PromptWork {
  double pairs = 0, longest = 0, tiles = 0;  // pairs computed over all heads; of the tile with most keys; query tiles
  PromptWork(const AttentionHeads& h, const AttentionWork& w, double edge) {
    constexpr double kTile = kQueryTile;
    if (h.heads > h.kv_heads) {
      tiles = h.kv_heads * std::max(double(w.sequences), double(w.queries) * h.heads / h.kv_heads / kTile);
      pairs = std::max(h.heads * w.pairs, h.kv_heads * kTile * double(w.keys) / 2) + tiles * kTile * edge;
    } else {
      const double each = std::ceil(double(w.queries) / double(w.sequences) / kTile) * double(w.sequences);
      const double of_head = w.tiles > 0 ? w.tiles : each;
      const double tiled = w.tiles > 0 ? w.tiled_pairs : w.pairs * each * kTile / double(w.queries);
      tiles = double(h.heads) * of_head;
      pairs = double(h.heads) * (tiled + of_head * kTile * edge);
    }
    longest = std::min(kTile * double(w.longest), pairs);
  }
};

// Tiles are spread over the SMs; the one with the most keys cannot be split, and while the last ones run other SMs are
// done.
double prompt_seconds(const PromptWork& work, double pair, const AttentionEquation& e, const Machine& on) {
  return (std::max(work.pairs / on.sms, work.longest) + e.tail * work.longest) * pair +
         work.tiles / on.sms * seconds(e.tile);
}
}  // namespace

double prefill_seconds(const AttentionPrefill& a, const AttentionEquation& e, const Machine& on) {
  const PromptWork work(a.heads, a.work, masked_pairs(a.heads, a.work, e));
  const double tensor = prompt_seconds(work, pair_seconds(2.0 * (a.heads.qk_dim + a.heads.v_dim), e, on), e, on);
  return seconds(e.launch) + odd_width_seconds(a.heads, e) +
         joined(tensor, double(bytes_of(a).v) / (on.hbm * e.hbm), e.overlap);
}

// Three kernels: the row sums of O x dO with clearing the FP32 dQ, the five products, and dQ to BF16.
double backward_seconds(const AttentionBackward& a, const AttentionEquation& e, const MemoryEquation& memory,
                        const Machine& on) {
  const AttentionHeads& h = a.heads;
  const PromptWork work(h, a.work, masked_pairs(h, a.work, e));
  const double tensor = prompt_seconds(work, pair_seconds(2.0 * (3 * h.qk_dim + 2 * h.v_dim), e, on), e, on);
  const std::int64_t elements = a.work.queries * h.heads;
  const MemoryOp before{MemoryKind::copy, {elements * (4 * h.v_dim + 4 * h.qk_dim)}};
  const MemoryOp after{MemoryKind::copy, {elements * 6 * h.qk_dim}};
  return seconds(e.launch) + joined(tensor, double(bytes_of(a).v) / (on.hbm * e.hbm), e.overlap) +
         memory_seconds(before, memory, {}, on) + memory_seconds(after, memory, {}, on);
}

namespace {
// The less of both pairs joined, the second with what it takes besides.  Joined they take no less than the longer of
// them does, which often says that one of the two need not be worked out.
double quicker(std::pair<double, double> whole, std::pair<double, double> split, double partial, double combine,
               double overlap) {
  const auto least = [](const std::pair<double, double>& p) { return std::max(p.first, p.second); };
  const auto together = [&](const std::pair<double, double>& p) { return joined(p.first, p.second, overlap); };
  const auto after = [&](double seconds) { return seconds + partial + combine; };
  if (least(whole) >= after(least(split))) {
    const double cut = after(together(split));
    return cut <= least(whole) ? cut : std::min(together(whole), cut);
  }
  const double uncut = together(whole);
  return uncut <= after(least(split)) ? uncut : std::min(uncut, after(together(split)));
}
}  // namespace

// A sequence whole on one SM, or split into chunks over all SMs and joined by a second kernel that reads the parts'
// FP32 results, whichever is faster.  Heads that share keys fill tiles of `rows` rows.
double decode_seconds(const AttentionDecode& a, const AttentionEquation& e, const Machine& on) {
  const AttentionHeads& h = a.heads;
  const AttentionWork& w = a.work;
  const double sharing = double(h.heads) / h.kv_heads * double(w.queries) / double(w.sequences);
  const double row_tiles = std::ceil(sharing / e.rows) * h.kv_heads;
  const double key = e.rows * pair_seconds(2.0 * (h.qk_dim + h.v_dim), e, on);  // of one tile, on one SM
  const double each = row_tiles *
                      ((double(w.keys) + double(w.sequences) * e.edge) * key + double(w.sequences) * seconds(e.tile)) /
                      on.sms;
  const double rate = on.hbm * e.hbm, traffic = double(bytes_of(a).v) / rate;
  const double drawn =  // seconds one SM takes to read a key
      e.draw > 0 ? double(cached_token_bytes(h, a.cache).v) / h.kv_heads / (on.hbm_per_sm * e.hbm * e.draw) : 0;
  const double longest = double(w.longest) * key;
  const double parts = std::min(on.sms / on.fill, row_tiles * double(w.keys) / e.chunk) / row_tiles;
  const double partial = parts * sharing * h.kv_heads * h.v_dim * 8 / rate;  // written and read
  const double shortest = std::min(double(w.longest), e.chunk);
  const std::pair whole{std::max(each, longest), std::max(traffic, double(w.longest) * drawn)},
      split{std::max(each, std::min(longest, e.chunk * key)), std::max(traffic, shortest * drawn)};
  return seconds(e.launch) + odd_width_seconds(h, e) + quicker(whole, split, partial, seconds(e.combine), e.overlap) +
         seconds(e.tile);
}
}  // namespace moesim::compute
