// What each tensor of a synthetic model is filled with.
#pragma once
#include <cmath>
#include <vector>

#include "core/splitmix.h"
#include "numerics/synthetic/synthetic.h"

namespace moesim::numerics {

/// Normal numbers by place, so that a tensor is the same whatever was made before it: the sum of four uniforms of 16
/// bits each, close enough to a bell for weights.
class Noise {
 public:
  Noise(std::uint64_t seed, Part part, int layer, int expert)
      : key_(split_mix(split_mix(seed + 1) ^ (number_of(part) << 56) ^ (std::uint64_t(std::uint32_t(layer + 1)) << 32) ^
                       std::uint64_t(std::uint32_t(expert + 1)))) {}
  float at(std::int64_t i) const {
    const std::uint64_t bits = split_mix(key_ + std::uint64_t(i) * kSplitMixStep);
    const std::uint64_t sum = (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48);
    return (float(sum) - 131070.0F) * (1.7320508F / 65536.0F);  // four uniforms have variance 1/3
  }

 private:
  // A model's weights hang on these numbers: experts' stay what they were before parts were added in front of them.
  static constexpr std::uint64_t number_of(Part part) {
    constexpr int kFirst = int(Part::mtp_head) + 1;
    if (is_of_expert(part)) return std::uint64_t(kFirst + int(part) - int(kFirstExpertPart));
    const bool in_front = int(part) >= kFirst && part < kFirstExpertPart;
    return std::uint64_t(in_front ? int(part) + kExpertParts : int(part));
  }
  std::uint64_t key_;
};

/// Values of any part but the router and the selection bias.
///
/// Coordinate 0 of the hidden state is the same for every token: the embedding sets it, nothing else writes to it.  It
/// is where constant queries and keys come from, and the biases of routers that have none.
/// Heads are of two kinds in turn.  Local ones have a constant query and key in their fastest rotating dimensions, so
/// that they look at the last few tokens; the others look at the whole context about evenly.
std::vector<float> synthetic_part(const spec::Model& model, const SyntheticOptions& options, const PartShape& shape,
                                  int layer, int expert);
}  // namespace moesim::numerics
