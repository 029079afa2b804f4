// Mamba-2: products of a scan, and the equation of prompts; and convolutions by blocks of threads.
// Sources: Dao and Gu 2024, "Transformers are SSMs", arXiv 2405.21060, section 6 (chunks); the times of
// mamba_chunk_scan_combined on B200, which grow with blocks of a sequence and head over SMs, in whole waves.
#include <algorithm>
#include <cmath>

#include "compute/kernels/equations.h"
#include "core/ceil_div.h"

namespace moesim::compute {
namespace {
constexpr std::int64_t kConvolutionPiece = 512;  // tokens a block goes on by, from the times of 512, 1024, 2048 tokens
constexpr double kBlocksAnSm = 16;               // of 128 threads (kNThreads in causal-conv1d) of an SM's 2048

/// A head's products with its state, within a chunk, and its share of its group's.
double chunk_flops(double state, double width, double heads_a_group) {
  const auto chunk = double(kMambaChunk);
  return 4 * state * width + chunk * width + 2 * chunk * state / heads_a_group;
}
}  // namespace

// Token by token: decay, take in (2), ask (2).  By chunks of C: states from and to the chunk, 4 N p; outputs within it,
// half of them masked, C p; and once a group the scores, 2 C N.
double mamba_flops(const StateScan& s) {
  const double n = s.key_dim, p = s.value_dim;
  const double each = s.decode ? 5 * n * p : chunk_flops(n, p, double(s.value_heads) / s.key_heads);
  return double(s.tokens) * s.value_heads * each * (s.backward ? kBackwardScans : 1);
}

double mamba_scan_seconds(const StateScan& s, const MambaScan& e, const Machine& on) {
  const double blocks = double(s.sequences) * s.value_heads, waves = std::ceil(blocks / on.sms);
  const double longest = double(ceil_div(s.longest, kMambaChunk));
  // As if sequences shorter than the longest were of one length.
  const double shorter = s.sequences > 1 ? double(s.tokens - s.longest) / double(s.sequences - 1) : double(s.longest);
  const double chunks = (longest + double(s.sequences - 1) * std::ceil(shorter / double(kMambaChunk))) * s.value_heads;
  const bool whole = s.longest % kMambaChunk == 0 && std::fmod(shorter, double(kMambaChunk)) == 0;
  // assumed: chunks of other heads take as long as their products, of those measured with 8 heads a group
  const double size =
      chunk_flops(s.key_dim, s.value_dim, double(s.value_heads) / s.key_heads) / chunk_flops(128, 64, 8);
  const double steps = std::max(waves / blocks * chunks, longest) * seconds(e.step) * size;
  const double walked = waves * (seconds(e.start) + (whole ? 0 : seconds(e.cut))) + steps;
  const double memory = double(bytes_of(s).v) / (on.hbm * e.hbm);
  const double launch = seconds(e.launch) + (whole ? 0 : seconds(e.ragged));
  return (s.backward ? kBackwardScans : 1) * (launch + joined(walked, memory, e.overlap));
}

double block_convolution_seconds(const ShortConvolution& c, const BlockConvolution& e, const Machine& on) {
  const double waves = double(c.channels) * double(c.sequences) / (kBlocksAnSm * on.sms);
  const auto pieces = double(ceil_div(ceil_div(c.tokens, c.sequences), kConvolutionPiece));
  const double memory = double(bytes_of(c).v) / (on.hbm * e.hbm);
  return seconds(e.launch) + joined(waves * (seconds(e.start) + pieces * seconds(e.piece)), memory, e.overlap);
}
}  // namespace moesim::compute
