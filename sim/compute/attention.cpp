// Attention: whole prompts, their backward pass, and decoding against a cache.
#include <algorithm>
#include <cmath>

#include "compute/equations.h"

namespace moesim {
namespace {
constexpr double kQueryTile = 128;  // queries one thread block holds
constexpr double kRowTile = 64;     // rows (heads x queries that share keys) of a decode block

// Blocks of one query tile are spread over the SMs; the block with the most keys cannot be split.
double spread(double pairs, double longest_block, double flops_a_pair, double rate, double sms) {
  return flops_a_pair * std::max(pairs / sms, longest_block) / rate;
}
}  // namespace

double prefill_seconds(const AttentionPrefill& a, const AttentionEquation& e, const Machine& on) {
  const auto& [h, w, dtype] = a;
  const double pairs = double(h.heads) * (w.pairs + double(w.queries) * e.edge);
  const double block = std::min(kQueryTile, double(w.queries)) * double(w.longest);
  const double tensor =
      spread(pairs, std::min(block, pairs), 2.0 * (h.qk_dim + h.v_dim), on.tensor_per_sm * e.tensor, on.sms) +
      double(w.sequences * h.heads) * seconds(e.sequence) / on.sms;
  return seconds(e.launch) + joined(tensor, double(bytes_of(a).v) / (on.hbm * e.hbm), e.overlap);
}

// Three kernels: the row sums of O x dO with clearing the FP32 dQ, the five products, and dQ to BF16.
double backward_seconds(const AttentionBackward& a, const AttentionEquation& e, const MemoryEquation& memory,
                        const Machine& on) {
  const auto& [h, w, dtype] = a;
  const double pairs = double(h.heads) * (w.pairs + double(w.queries) * e.edge);
  const double block = std::min(kQueryTile, double(w.keys)) * double(w.longest);
  const double tensor =
      spread(pairs, std::min(block, pairs), 2.0 * (3 * h.qk_dim + 2 * h.v_dim), on.tensor_per_sm * e.tensor, on.sms);
  const double elements = double(w.queries) * h.heads;
  const Bytes before{std::int64_t(elements * (4.0 * h.v_dim + 4.0 * h.qk_dim))};
  const Bytes after{std::int64_t(elements * 6.0 * h.qk_dim)};
  return seconds(e.launch) + joined(tensor, double(bytes_of(a).v) / (on.hbm * e.hbm), e.overlap) +
         memory_seconds({MemoryKind::copy, before}, memory, on) + memory_seconds({MemoryKind::copy, after}, memory, on);
}

// Keys are split over the SMs, so only the sum matters; heads that share keys fill tiles of 64 rows.
double decode_seconds(const AttentionDecode& a, const AttentionEquation& e, const Machine& on) {
  const auto& [h, w, dtype, cache] = a;
  const double sharing = double(h.heads) / h.kv_heads * double(w.queries) / double(w.sequences);
  const double rows = std::ceil(sharing / kRowTile) * kRowTile;
  const double keys = double(w.keys) + double(w.sequences) * e.edge;
  const double tensor = 2.0 * rows * h.kv_heads * keys * (h.qk_dim + h.v_dim) / (on.tensor_per_sm * e.tensor * on.sms) +
                        double(w.sequences * h.kv_heads) * (rows / kRowTile) * seconds(e.sequence) / on.sms;
  return seconds(e.launch) + joined(tensor, double(bytes_of(a).v) / (on.hbm * e.hbm), e.overlap);
}
}  // namespace moesim
