// Layers that keep a state: shapes to FLOPs and bytes, and the equations.
// Decoding reads and writes states; prompts are scanned chunk by chunk, which of one sequence and head go one after the
// other, whatever the GPU.  Sources of the forms: Gated Delta Networks, arXiv 2412.06464, section 3.3; Yang et al.
// 2024, arXiv 2406.06484, on chunks.
#include "compute/kernels/recurrent.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compute/kernels/equations.h"
#include "core/ceil_div.h"
#include "core/named_enum.h"

namespace moesim::compute {
namespace {
/// Queries, keys, values and the output in BF16, two numbers a value head in FP32; of Mamba-2 one, the step; of KDA the
/// step, and decays a column, in BF16, with the output's gates where these are applied at once.
std::int64_t token_bytes(const StateScan& s) {
  const std::int64_t decays = s.kind == Recurrence::kimi_delta ? 2 * std::int64_t{s.key_heads} * s.key_dim : 0,
                     gates = s.taps > 0 ? 2 * std::int64_t{s.value_heads} * s.value_dim : 0;
  return 4 * (std::int64_t{s.key_heads} * s.key_dim + std::int64_t{s.value_heads} * s.value_dim) +
         (s.kind == Recurrence::gated_delta ? 8 : 4) * std::int64_t{s.value_heads} + decays + gates;
}
/// What the convolution keeps of a sequence's last tokens, read and moved on.
std::int64_t tap_bytes(const StateScan& s) {
  const std::int64_t channels = 2 * std::int64_t{s.key_heads} * s.key_dim + std::int64_t{s.value_heads} * s.value_dim;
  return s.taps > 0 ? 4 * channels * (s.taps - 1) * s.sequences : 0;
}
}  // namespace

// Token by token: decay, recall, correct, ask.  By chunks of C: products within a chunk of C wide and products with the
// state, 6 k v + C (6 k + 4 v).
double flops_of(const StateScan& s) {
  if (s.kind == Recurrence::mamba2) return mamba_flops(s);
  const double k = s.key_dim, v = s.value_dim, chunk = kScanChunk;
  const double each = s.decode ? 7 * k * v : 6 * k * v + chunk * (6 * k + 4 * v);
  return double(s.tokens) * s.value_heads * each * (s.backward ? kBackwardScans : 1);
}

Bytes bytes_of(const ShortConvolution& c) {
  // Of several tokens a sequence, whose number that stays is not known yet, the inputs of all are kept.
  const std::int64_t kept = c.decode ? (4 * std::int64_t{c.taps} - 6) * c.sequences + 2 * c.tokens : 0;
  return {c.channels * (4 * c.tokens + kept)};
}

Bytes bytes_of(const StateScan& s) {
  if (s.decode) return {4 * s.state() * (s.sequences + s.tokens) + s.tokens * token_bytes(s) + tap_bytes(s)};
  const std::int64_t once = 4 * s.state() * s.sequences * (s.resumed ? 2 : 1) + s.tokens * token_bytes(s);
  return {s.backward ? 2 * once : once};
}

std::string describe(const ShortConvolution& c) {
  return fmt::format("convolution {}{} channels x {} taps, {} sequences, {} tokens", c.decode ? "decode " : "",
                     c.channels, c.taps, c.sequences, c.tokens);
}
std::string describe(const StateScan& s) {
  return fmt::format("{} {} {} x {} heads {}/{}, {} sequences, {} tokens", name_of(s.kind),
                     s.taps > 0   ? "decode in one kernel"
                     : s.decode   ? "decode"
                     : s.backward ? "backward"
                                  : "scan",
                     s.key_heads, s.value_heads, s.key_dim, s.value_dim, s.sequences, s.tokens);
}

double convolution_seconds(const ShortConvolution& c, const StateEquation& e, const Machine& on) {
  const double windows = c.decode ? e.window * double(c.channels) * double(c.tokens - c.sequences) : 0;
  return joined(seconds(e.launch), (double(bytes_of(c).v) + windows) / (on.hbm * e.hbm), e.overlap);
}

// Tokens of one sequence go one after the other.
double recurrence_seconds(const StateScan& s, const StateEquation& e, const Machine& on) {
  const double later = double(s.tokens - s.sequences) / double(s.sequences);
  return joined(seconds(e.launch) + later * seconds(e.token), double(bytes_of(s).v) / (on.hbm * e.hbm), e.overlap);
}

double streams_seconds(const StreamMix& m, const StateEquation& e, const Machine& on) {
  return joined(seconds(e.launch), double(bytes_of(Kernel{m}).v) / (on.hbm * e.hbm), e.overlap);
}

// Either one block of threads takes a sequence and head through all its chunks, so that sequences and heads come in
// waves over the SMs; or a chain of kernels computes within all chunks at once, storing what stands between them, and
// one of the chain alone goes from chunk to chunk.
double scan_seconds(const StateScan& s, const ScanEquation& e, const Machine& on) {
  const double heads = double(s.sequences) * s.value_heads;
  const double longest = double(ceil_div(s.longest, kScanChunk));
  // As if sequences shorter than the longest were of one length.
  const double shorter = s.sequences > 1 ? double(s.tokens - s.longest) / double(s.sequences - 1) : 0;
  const double chunks = (longest + double(s.sequences - 1) * std::ceil(shorter / double(kScanChunk))) * s.value_heads;
  const double between = e.between * double(s.tokens) * s.value_heads * (s.backward ? 2 : 1);
  const double memory = (double(bytes_of(s).v) + between) / (on.hbm * e.hbm);
  const double again = s.backward ? kBackwardScans : 1;
  const double chunk = seconds(e.chunk), step = seconds(e.step), start = seconds(e.start);
  const double launch = seconds(e.launch) + seconds(e.fill) * double(std::min(s.longest, kScanChunk)) / kScanChunk;
  if (!e.chained) {
    const double waves = std::max(std::ceil(heads / on.sms) / std::max(heads, 1.0) * chunks, longest);
    return again * (launch + joined(std::ceil(heads / on.sms) * start + waves * step, memory, e.overlap));
  }
  return again * (launch + joined(longest * step, chunks * chunk / on.sms + memory, e.overlap));
}
}  // namespace moesim::compute
