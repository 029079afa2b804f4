// Draws rows and token lists from expert shares; what the synthetic traffic sources have in common.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/random.h"
#include "core/splitmix.h"
#include "routing/traffic.h"

namespace moesim::routing {

/// Fast random bits for noise: splitmix64 on a counter.  The named streams of core/random.h take longer to set up than
/// a whole layer's draw may last.
class NoiseBits {
 public:
  NoiseBits(std::uint64_t seed, std::uint64_t layer, std::uint64_t step, std::uint64_t stream);
  std::uint64_t operator()() { return split_mix(state_ += kSplitMixStep); }
  double uniform() { return double((*this)() >> 11) * 0x1p-53; }
  std::uint32_t below(std::uint32_t n) { return std::uint32_t(((*this)() >> 32) * n >> 32); }

 private:
  std::uint64_t state_;
};

/// What a layer's shares turn into before drawing from them many times.
struct ShareTables {
  std::vector<double> shares;  // (experts), sum 1, none above 1 / top_k
  std::vector<float> rate;     // (experts): rows per token
  std::vector<float> spread;   // (experts): standard deviation of the rows of one token
  /// Walker's alias tables of the weights that, drawn without replacement, give these rates: one over all experts, or
  /// one for each group if the gate limits them.  Entry i stands for item i with probability keep[i], else for
  /// alias[i].
  struct Alias {
    std::uint32_t keep = 0;  // of 2^32
    std::uint32_t alias = 0;
  };
  std::vector<Alias> experts;
  std::vector<float> selected;  // (groups): how often a token selects each; sums to groups_used; empty without a limit
  std::vector<float> group_rows;  // (groups): rows of a token in the group if it selects it
};
/// weights: (experts), none negative, not all zero.  A share above 1 / top_k is cut to it (an expert gets a token at
/// most once) and the rest raised in proportion.
ShareTables share_tables(std::span<const double> weights, const GateShape& gate);

/// Rows of one source with `tokens` tokens: normal fluctuation around tokens * rate, then rounded so that they add up
/// to tokens * top_k, none above `tokens`.  scratch: (experts).  O(experts).
void draw_rows(const ShareTables& tables, int top_k, std::int64_t tokens, NoiseBits& bits, std::span<float> scratch,
               std::span<std::int32_t> out);

/// Experts of one token, best first, all different; a limited gate's within groups_used groups.  Each comes as often as
/// its rate says, but for a few per cent where a token would have to choose nearly all experts of a group.
/// spread_blocks: see Traffic.
void draw_token(const ShareTables& tables, const GateShape& gate, int spread_blocks, NoiseBits& bits,
                std::span<std::int16_t> out);
}  // namespace moesim::routing
