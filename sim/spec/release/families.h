// The families of releases: which reader makes a plan of which model_type.
#pragma once
#include <span>
#include <string_view>

#include "spec/release/keys.h"
#include "spec/release/plan.h"

namespace moesim::spec {

/// One model_type; "_text" at its end means the same.
struct ReleaseFamily {
  std::string_view type;
  Plan (*read)(const Keys& keys, std::string_view type);
};
/// Every family, in no order that matters.
std::span<const ReleaseFamily> plain_families();    // dense decoders
std::span<const ReleaseFamily> mixture_families();  // decoders of attention heads and experts
std::span<const ReleaseFamily> mixture_variant_families();
std::span<const ReleaseFamily> latent_families();       // MLA
std::span<const ReleaseFamily> windowed_families();     // layers of different heads and windows
std::span<const ReleaseFamily> recurrent_families();    // layers with states
std::span<const ReleaseFamily> state_space_families();  // Mamba
std::span<const ReleaseFamily> compressed_families();   // DeepSeek-V4

/// An unknown model_type whose keys describe a plain decoder; throws, naming them, if some keys mean something unknown.
Plan read_unknown(const Keys& keys, std::string_view type);
}  // namespace moesim::spec
