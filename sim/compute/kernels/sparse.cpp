// DSA: an indexer's scores, the best of them, and attention over what they pick.
#include <algorithm>
#include <cmath>

#include "compute/kernels/equations.h"

namespace moesim::compute {
namespace {
constexpr double kRows = 128;      // of a tile of scores: queries times index heads
constexpr double kPagedRows = 64;  // the same where a few queries are scored against a cache
constexpr double kUnitHeads = 64;  // of one query, in attention over picks
constexpr double kOverlap = 3;     // assumed: the longer of tensor and HBM time, rounded where they are close

// A few queries a sequence against its cache: sequences are split into pieces, which are dealt out evenly.
double paged_seconds(const IndexScores& x, const SparseEquation& e, const Machine& on, double traffic) {
  const double each = double(x.work.queries) / double(x.work.sequences) * x.heads;
  const double padding = std::ceil(each / kPagedRows) * kPagedRows / each;
  const double tensor = flops_of(x).v * padding / (on.sms * on.tensor_per_sm * e.scores_tensor);
  return seconds(e.paged_launch) + joined(tensor, traffic, kOverlap);
}
}  // namespace

// A tile's rows walk the keys before them; what of it no query may see is computed and masked.  Queries of several
// short sequences share a tile, which then walks the keys of all of them.
double scores_seconds(const IndexScores& x, const SparseEquation& e, const Machine& on) {
  const AttentionWork& w = x.work;
  double bytes = double(bytes_of(x).v);
  // A cache's pages are read for each query anew, where the keys of all sequences do not stay in the L2 cache.
  const double keys = double(tensor_bytes(w.keys * x.dim, spec::Dtype::fp8).v);
  if (x.paged && x.entry > 1 && keys > on.l2) bytes += keys * std::max(0.0, w.pairs / double(w.keys) - 1);
  const double traffic = bytes / (on.hbm * e.scores_hbm);
  if (x.paged) return paged_seconds(x, e, on, traffic);
  const double queries = std::max(1.0, kRows / x.heads);  // of a tile
  const double key = 2 * std::max(kRows, double(x.heads)) * x.dim / (on.tensor_per_sm * e.scores_tensor);
  const double tiles = std::max(double(w.queries) / queries, 1.0);
  const double walked = std::max(w.pairs / queries + double(w.queries) / 2, double(w.keys));
  const double sharing = std::clamp(queries * double(w.sequences) / double(w.queries), 1.0, double(w.sequences));
  const double tile = seconds(e.scores_tile), longest = tile + double(w.longest) * sharing * key;
  const double tensor = std::max((tiles * tile + walked * key) / on.sms, longest);
  return seconds(e.scores_launch) + joined(tensor, traffic, kOverlap);
}

// Rows are dealt out to the SMs; one row is never split, but that of entries where SMs are left over: a cluster of up
// to eight walks it (SGLang's topk_v2).
double top_k_seconds(const IndexTopK& t, const SparseEquation& e, const Machine& on) {
  const double rate = e.top_rate > 0 ? 1 / (e.top_rate * 1e9 * on.clock) : 0;
  const double short_rows = std::max(0.0, double(t.rows) - t.ranked);
  const double each = t.ranked * seconds(e.top_row) + t.scores * rate + short_rows * seconds(e.top_short);
  const double split = t.entry > 1 ? std::clamp(std::floor(on.sms / double(t.rows)), 1.0, 8.0) : 1;
  const double longest = t.ranked > 0 ? seconds(e.top_row) + double(t.longest) * rate / split : seconds(e.top_short);
  return seconds(e.top_launch) + std::max({double(bytes_of(t).v) / (on.hbm * e.top_hbm), each / on.sms, longest});
}

// However few heads a GPU has on one key, the kernel computes whole units, and walks as many keys as may be picked.
// Keys that several queries picked come from the L2 cache.
double sparse_seconds(const SparsePrefill& a, const SparseEquation& e, const Machine& on) {
  const bool fp8 = a.cache == spec::Dtype::fp8;
  const double block = fp8 ? e.fp8_heads : e.attend_heads, share = fp8 ? e.fp8_tensor : e.attend_tensor,
               empty = fp8 ? e.fp8_empty : e.attend_empty;
  const double groups = a.heads.kv_heads, heads = groups * std::ceil(a.heads.heads / groups / block) * block;
  const double queries = double(a.work.queries), waves = queries * std::max(1.0, heads / kUnitHeads) / on.sms;
  const double filled = std::min(1.0, a.work.pairs / (queries * a.picks));
  const double unit = 2 * std::min(heads, kUnitHeads) * a.picks * (a.heads.qk_dim + a.heads.v_dim) *
                      (empty + (1 - empty) * filled) / (on.tensor_per_sm * share);
  const double tensor = std::max(1.0, waves) * unit + std::ceil(waves) * seconds(e.attend_tile);
  return seconds(e.attend_launch) + std::max(tensor, double(bytes_of(a).v) / on.hbm);
}

// Five products over all picks there may be, in units of 64 heads: those of short contexts are masked, not left out.
// Before and after them queries, outputs and their gradients cross the HBM (row sums of O x dO, clearing and casting
// the keys' FP32 gradients).  Source: cuDNN frontend's sparse_attention_backward as Megatron-LM calls it (csa_utils/
// fused_sparse_attention.py, without lengths of rows).
double sparse_backward_seconds(const AttentionBackward& a, const SparseEquation& e, const Machine& on) {
  const AttentionHeads& h = a.heads;
  const double queries = double(a.work.queries), units = std::ceil(h.heads / kUnitHeads);
  const double tensor = queries * units * kUnitHeads * a.picks * 2 * (3 * h.qk_dim + 2 * h.v_dim);
  const double moved = queries * h.heads * 2 * (2 * h.qk_dim + 2 * h.v_dim);
  return tensor / (on.sms * on.tensor_per_sm * e.back_tensor) + moved / (on.hbm * e.back_hbm);
}
}  // namespace moesim::compute
